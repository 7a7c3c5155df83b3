//! An HTTP/1.1 answer as it comes in, piece by piece: head, then a body by length or in chunks.

/// A head longer than this is none of Apache's.
const MAX_HEAD_BYTES: usize = 8 * 1024;
/// Digits of a chunk's size, extension included.
const MAX_SIZE_LINE_BYTES: usize = 64;

/// What an answer's head says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// `X-Server`.
    pub server: Option<String>,
    /// `Content-Length`; without it the body comes in chunks.
    pub length: Option<u64>,
    /// The server will close the connection after this answer.
    pub closes: bool,
}

/// Where in the answer we are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum At {
    Head,
    /// In a body or a chunk with so much left.
    Body {
        left: u64,
        chunked: bool,
    },
    /// Before a chunk's size, behind the line end of the one before.
    Size,
    /// The line end behind a chunk's data.
    SizeEnd,
    /// Lines behind the last chunk.
    Trailer,
    Done,
}

/// One answer being read.
#[derive(Clone, Debug)]
pub struct Answer {
    at: At,
    line: Vec<u8>,
    head: Option<Head>,
}

impl Default for Answer {
    fn default() -> Answer {
        Answer {
            at: At::Head,
            line: Vec::new(),
            head: None,
        }
    }
}

impl Answer {
    /// The head, once it is there.
    pub fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// Has a byte of it come?
    pub fn has_begun(&self) -> bool {
        self.at != At::Head || !self.line.is_empty()
    }

    /// Is it whole?
    pub fn is_done(&self) -> bool {
        self.at == At::Done
    }

    /// Takes in what was read; `body` gets each piece of the body. Bytes behind the answer's
    /// end are an error: nothing was asked for that they could answer.
    pub fn take(&mut self, mut bytes: &[u8], body: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        while !bytes.is_empty() {
            bytes = match self.at.clone() {
                At::Head => self.take_head(bytes)?,
                At::Body { left, chunked } => {
                    let n = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    body(&bytes[..n]);
                    self.at = after_body(left - n as u64, chunked);
                    &bytes[n..]
                }
                At::Size | At::SizeEnd | At::Trailer => self.take_line(bytes)?,
                At::Done => return Err(format!("{} bytes behind the answer", bytes.len())),
            };
        }
        Ok(())
    }

    fn take_head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], String> {
        let before = self.line.len();
        self.line.extend_from_slice(bytes);
        // The four bytes may have begun in what came before.
        let from = before.saturating_sub(3);
        let Some(end) = self.line[from..].windows(4).position(|w| w == b"\r\n\r\n") else {
            return match self.line.len() > MAX_HEAD_BYTES {
                true => Err("a head without an end".into()),
                false => Ok(&[]),
            };
        };
        let end = from + end + 4;
        let head = Head::parse(&String::from_utf8_lossy(&self.line[..end]))?;
        self.line.clear();
        self.at = match head.length {
            Some(length) => after_body(length, false),
            None => At::Size,
        };
        self.head = Some(head);
        Ok(&bytes[end - before..])
    }

    fn take_line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], String> {
        let Some(end) = bytes.iter().position(|b| *b == b'\n') else {
            self.line.extend_from_slice(bytes);
            return match self.line.len() > MAX_SIZE_LINE_BYTES {
                true => Err("a chunk without a size".into()),
                false => Ok(&[]),
            };
        };
        self.line.extend_from_slice(&bytes[..end]);
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
        let line = line.trim_end_matches('\r');
        self.at = match self.at {
            At::Size => match chunk_size(line)? {
                0 => At::Trailer,
                left => At::Body {
                    left,
                    chunked: true,
                },
            },
            At::SizeEnd if line.is_empty() => At::Size,
            At::Trailer if line.is_empty() => At::Done,
            At::Trailer => At::Trailer,
            _ => return Err(format!("{line:?} behind a chunk")),
        };
        Ok(&bytes[end + 1..])
    }
}

fn after_body(left: u64, chunked: bool) -> At {
    match (left, chunked) {
        (0, true) => At::SizeEnd,
        (0, false) => At::Done,
        _ => At::Body { left, chunked },
    }
}

fn chunk_size(line: &str) -> Result<u64, String> {
    let digits = line.split(';').next().unwrap_or_default().trim();
    u64::from_str_radix(digits, 16).map_err(|_| format!("{line:?} is no chunk size"))
}

impl Head {
    fn parse(text: &str) -> Result<Head, String> {
        let mut lines = text.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .ok_or_else(|| format!("{status_line:?} is no status line"))?;
        let header = |name: &str| {
            lines
                .clone()
                .filter_map(|line| line.split_once(':'))
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim())
        };
        let length = match header("Content-Length").map(str::parse) {
            Some(Err(_)) => return Err("a Content-Length that is no number".into()),
            Some(Ok(length)) => Some(length),
            None if header("Transfer-Encoding") == Some("chunked") => None,
            None => return Err(format!("{status_line:?} without a length")),
        };
        Ok(Head {
            status,
            server: header("X-Server").map(str::to_owned),
            length,
            closes: header("Connection").is_some_and(|v| v.eq_ignore_ascii_case("close")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY_LENGTH: &[u8] =
        b"HTTP/1.1 200 OK\r\nX-Server: s3\r\nContent-Length: 11\r\n\r\nhello world";
    const IN_CHUNKS: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nT: x\r\n\r\n";

    /// Reads an answer in pieces of `step` bytes.
    fn read(bytes: &[u8], step: usize) -> Result<(Answer, Vec<u8>), String> {
        let (mut answer, mut body) = (Answer::default(), Vec::new());
        for piece in bytes.chunks(step) {
            answer.take(piece, &mut |b| body.extend_from_slice(b))?;
        }
        Ok((answer, body))
    }

    #[test]
    fn an_answer_is_the_same_in_pieces_of_any_size() {
        for whole in [BY_LENGTH, IN_CHUNKS] {
            for step in 1..=whole.len() {
                let (answer, body) = read(whole, step).unwrap();
                assert_eq!(body, b"hello world", "in pieces of {step}");
                assert!(answer.is_done());
            }
        }
        let (answer, _) = read(BY_LENGTH, 7).unwrap();
        let head = answer.head().unwrap();
        assert_eq!((head.status, head.server.as_deref()), (200, Some("s3")));
        assert!(!head.closes);
        assert!(read(IN_CHUNKS, 9).unwrap().0.head().unwrap().closes);
    }

    #[test]
    fn no_shorter_answer_is_whole_and_no_longer_one_is_right() {
        for whole in [BY_LENGTH, IN_CHUNKS] {
            for len in 0..whole.len() {
                let (answer, _) = read(&whole[..len], 5).unwrap();
                assert!(!answer.is_done(), "{len} bytes");
                assert_eq!(answer.has_begun(), len > 0);
            }
            let longer = [whole, b"x"].concat();
            assert!(read(&longer, 4096).is_err());
        }
    }

    #[test]
    fn an_empty_body_ends_with_the_head() {
        let (answer, body) = read(b"HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n", 99).unwrap();
        assert!(answer.is_done() && body.is_empty());
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for wrong in [
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 2\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        ] {
            assert!(read(wrong.as_bytes(), 4096).is_err(), "{wrong:?}");
        }
        assert!(read(&[b'x'; MAX_HEAD_BYTES + 1], 100).is_err());
    }
}
