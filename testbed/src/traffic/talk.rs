//! One exchange under way, without socket or clock: what to send, what to read, what is due.

use super::content::Content;
use super::http::{Answer, Head};
use super::pace::Pace;
use super::script::{receipt, Exchange, Expected};

/// A receipt longer than this is none.
const MAX_RECEIPT_BYTES: usize = 100;

/// One request and its answer. Times are milliseconds on one clock.
#[derive(Clone, Debug)]
pub struct Talk {
    exchange: Exchange,
    /// Bytes sent, head and body.
    sent: u64,
    answer: Answer,
    /// Body bytes of the answer that were right.
    right: u64,
    receipt: Vec<u8>,
    pace: Option<Pace>,
    /// When the last piece of the answer came.
    last_ms: Option<f64>,
}

impl Talk {
    /// Nothing sent yet.
    pub fn new(exchange: Exchange, now_ms: f64) -> Talk {
        Talk {
            pace: exchange.bytes_per_s.map(|rate| Pace::new(rate, now_ms)),
            exchange,
            sent: 0,
            answer: Answer::default(),
            right: 0,
            receipt: Vec::new(),
            last_ms: None,
        }
    }

    /// What is asked for.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// The answer's head.
    pub fn head(&self) -> Option<&Head> {
        self.answer.head()
    }

    /// Has a byte of the answer come?
    pub fn has_answer(&self) -> bool {
        self.answer.has_begun()
    }

    /// Is the whole right answer there?
    pub fn is_done(&self) -> bool {
        self.answer.is_done()
    }

    /// From now on as fast as it goes.
    pub fn hurry(&mut self) {
        self.pace = None;
    }

    /// Fills `out` with what is to be sent now; returns how many bytes.
    pub fn next_piece(&mut self, now_ms: f64, out: &mut [u8]) -> usize {
        let head = &self.exchange.head;
        let head_bytes = head.len() as u64;
        if self.sent < head_bytes {
            let rest = &head[self.sent as usize..];
            let n = rest.len().min(out.len());
            out[..n].copy_from_slice(&rest[..n]);
            return n;
        }
        let Some(upload) = self.exchange.upload else {
            return 0;
        };
        let at = self.sent - head_bytes;
        let left = usize::try_from(upload.bytes - at).unwrap_or(usize::MAX);
        let n = left.min(out.len()).min(allowed(&mut self.pace, now_ms));
        upload.content.fill(at, &mut out[..n]);
        n
    }

    /// So many bytes of that are on their way.
    pub fn sent(&mut self, bytes: usize) {
        let in_body = self.sent >= self.exchange.head.len() as u64;
        self.sent += bytes as u64;
        if let Some(pace) = self.pace.as_mut().filter(|_| in_body) {
            pace.passed(bytes);
        }
    }

    /// How many bytes may be read now. An upload's answer is always welcome: it may be a refusal.
    pub fn may_read(&mut self, now_ms: f64) -> usize {
        match self.exchange.upload {
            Some(_) => usize::MAX,
            None => allowed(&mut self.pace, now_ms),
        }
    }

    /// Bytes of the answer. An error says what is wrong with them.
    pub fn received(&mut self, bytes: &[u8], now_ms: f64) -> Result<(), String> {
        self.last_ms = Some(now_ms);
        if let Some(pace) = self.pace.as_mut() {
            pace.passed(bytes.len());
        }
        let (expected, right, receipt) =
            (self.exchange.expected, &mut self.right, &mut self.receipt);
        let mut at = self.answer.head().map_or(0, |_| *right);
        self.answer.take(bytes, &mut |body| {
            match expected {
                Expected::Content {
                    content, offset, ..
                } => *right += count_right(content, offset, at, *right, body),
                Expected::Receipt { .. } if receipt.len() <= MAX_RECEIPT_BYTES => {
                    receipt.extend_from_slice(body)
                }
                Expected::Receipt { .. } => {}
            }
            at += body.len() as u64;
        })?;
        self.check(at)
    }

    /// Whether head and body are right so far; `at` is how many bytes of body have come.
    fn check(&mut self, at: u64) -> Result<(), String> {
        let Some(head) = self.answer.head() else {
            return Ok(());
        };
        let (status, bytes) = match self.exchange.expected {
            Expected::Content { status, bytes, .. } => (status, bytes),
            Expected::Receipt { bytes } => (200, bytes),
        };
        if head.status != status {
            return Err(format!("status {} instead of {status}", head.status));
        }
        let is_receipt = matches!(self.exchange.expected, Expected::Receipt { .. });
        if !is_receipt && at != self.right {
            return Err(format!("byte {} of the body is wrong", self.right));
        }
        if !self.answer.is_done() {
            return Ok(());
        }
        if is_receipt {
            let said = String::from_utf8_lossy(&self.receipt);
            if said != receipt(bytes, bytes) {
                return Err(format!("{said:?} instead of {:?}", receipt(bytes, bytes)));
            }
            self.right = bytes;
        }
        match self.right == bytes {
            true => Ok(()),
            false => Err(format!("{} bytes instead of {bytes}", self.right)),
        }
    }

    /// When something is due, now or later; nothing while we hold back ourselves.
    pub fn due_ms(&mut self, now_ms: f64) -> Option<f64> {
        let all_sent = self.sent == self.total_bytes();
        let head_sent = self.sent >= self.exchange.head.len() as u64;
        if let (Some(every_ms), Some(last_ms)) = (self.exchange.push_every_ms, self.last_ms) {
            return Some(last_ms + every_ms);
        }
        let paced = match self.exchange.upload {
            Some(_) => head_sent && !all_sent,
            None => head_sent,
        };
        (!paced || allowed(&mut self.pace, now_ms) > 0).then_some(now_ms)
    }

    /// When we stop holding back.
    pub fn wake_ms(&self) -> Option<f64> {
        self.pace.as_ref().map(Pace::next_ms)
    }

    /// Body bytes that this exchange stands for, and how many were right.
    pub fn bytes(&self) -> (u64, u64) {
        match self.exchange.expected {
            Expected::Content { bytes, .. } | Expected::Receipt { bytes } => (bytes, self.right),
        }
    }

    fn total_bytes(&self) -> u64 {
        let body = self.exchange.upload.map_or(0, |upload| upload.bytes);
        self.exchange.head.len() as u64 + body
    }
}

fn allowed(pace: &mut Option<Pace>, now_ms: f64) -> usize {
    pace.as_mut().map_or(usize::MAX, |pace| pace.allows(now_ms))
}

/// How many more bytes are right; none behind a wrong one.
fn count_right(content: Content, offset: u64, at: u64, right: u64, body: &[u8]) -> u64 {
    match at == right {
        true => content.right(offset + at, body) as u64,
        false => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Class;
    use super::super::script::tests::script;
    use super::*;

    fn talk(class: Class) -> Talk {
        Talk::new(script(class, 5).next(10_000.0), 0.0)
    }

    /// Sends all that is allowed at each moment until all is sent; returns it and the time.
    fn send_all(talk: &mut Talk) -> (Vec<u8>, f64) {
        let (mut all, mut out, mut now_ms) = (Vec::new(), [0; 300], 0.0);
        while talk.sent < talk.total_bytes() {
            let n = talk.next_piece(now_ms, &mut out);
            all.extend_from_slice(&out[..n]);
            talk.sent(n);
            if n == 0 {
                assert_eq!(talk.due_ms(now_ms), None, "we hold back ourselves");
                now_ms = talk.wake_ms().unwrap();
            }
        }
        assert_eq!(talk.next_piece(now_ms, &mut out), 0);
        (all, now_ms)
    }

    /// The right answer.
    fn answer(talk: &Talk) -> Vec<u8> {
        let (status, body) = match talk.exchange.expected {
            Expected::Content {
                status,
                content,
                offset,
                bytes,
            } => (status, content.bytes(offset, bytes as usize)),
            Expected::Receipt { bytes } => (200, receipt(bytes, bytes).into_bytes()),
        };
        let head = format!(
            "HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), &body].concat()
    }

    #[test]
    fn the_right_answer_is_right_in_pieces_of_any_size_and_every_flipped_byte_is_found() {
        for class in Class::ALL {
            for step in [1, 7, 64, 100_000] {
                let mut talk = talk(class);
                send_all(&mut talk);
                for piece in answer(&talk).chunks(step) {
                    assert!(!talk.is_done());
                    talk.received(piece, 0.0).unwrap();
                }
                let (expected, right) = talk.bytes();
                assert!(talk.is_done() && expected == right, "{class}");
            }
            let whole = answer(&talk(class));
            let body = whole.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
            for wrong in (body..whole.len()).step_by(13) {
                let (mut talk, mut bytes) = (talk(class), whole.clone());
                bytes[wrong] ^= 0x10;
                let result: Result<Vec<()>, _> = bytes
                    .chunks(50)
                    .map(|piece| talk.received(piece, 0.0))
                    .collect();
                assert!(result.is_err(), "{class}: byte {wrong}");
                let right = (wrong - body) as u64;
                let expected = if class == Class::Upload { 0 } else { right };
                assert_eq!(talk.bytes().1, expected, "{class}");
            }
        }
    }

    #[test]
    fn another_status_or_length_is_wrong() {
        let refused = b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n";
        assert!(talk(Class::Short).received(refused, 0.0).is_err());
        assert!(talk(Class::Upload).received(refused, 0.0).is_err());
        let empty = b"HTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\n";
        assert!(talk(Class::Short).received(empty, 0.0).is_err());
        assert!(talk(Class::Upload).received(empty, 0.0).is_err());
    }

    #[test]
    fn an_upload_sends_its_content_at_its_pace() {
        let mut talk = talk(Class::Upload);
        let upload = talk.exchange.upload.unwrap();
        let (sent, took_ms) = send_all(&mut talk);
        let body = &sent[talk.exchange.head.len()..];
        assert_eq!(body, upload.content.bytes(0, upload.bytes as usize));
        let ideal_ms = upload.bytes as f64; // 1,000 bytes a second
        assert!((took_ms - ideal_ms).abs() <= 200.0, "{took_ms}");
        assert_eq!(talk.due_ms(took_ms), Some(took_ms), "the receipt is due");
    }

    #[test]
    fn a_download_is_due_only_when_we_want_to_read() {
        let mut talk = talk(Class::Download);
        send_all(&mut talk);
        assert_eq!(talk.due_ms(0.0), Some(0.0));
        let bytes = answer(&talk);
        let n = talk.may_read(0.0);
        talk.received(&bytes[..n], 0.0).unwrap();
        assert_eq!((talk.may_read(10.0), talk.due_ms(10.0)), (0, None));
        let wake_ms = talk.wake_ms().unwrap();
        assert_eq!(talk.due_ms(wake_ms), Some(wake_ms));
        talk.hurry();
        assert_eq!(talk.may_read(20.0), usize::MAX);
    }

    #[test]
    fn a_push_is_due_at_once_and_then_line_by_line() {
        let mut talk = talk(Class::Push);
        send_all(&mut talk);
        assert_eq!(talk.due_ms(3.0), Some(3.0));
        let bytes = answer(&talk);
        talk.received(&bytes[..80], 100.0).unwrap();
        assert_eq!(talk.due_ms(101.0), Some(600.0));
        assert_eq!(talk.due_ms(5000.0), Some(600.0));
    }
}
