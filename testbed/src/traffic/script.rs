//! What the connections of each class ask for, one request after the other.

use std::sync::Arc;

use super::content::Content;
use super::record::Class;
use crate::rng::Rng;

/// The static file that downloads take their ranges from.
pub const FILE_NAME: &str = "stream.bin";
/// Its content's seed: a file cannot depend on the request but by the range.
pub const FILE: Content = Content { seed: 0x5e6_f10e };
/// Its size; no download is longer.
pub const FILE_BYTES: u64 = 16 << 20;
/// One line of a push.
pub const LINE_BYTES: u64 = 64;
/// Bodies of short, keep-alive and idle requests, one in this range each.
const SMALL_BYTES: (f64, f64) = (100.0, 4000.0);

/// Sizes and rhythms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// How long a download or an upload lasts, shortest and longest.
    pub transfer_s: (f64, f64),
    /// How fast it goes.
    pub transfer_bytes_per_s: f64,
    /// Silence between two requests of a keep-alive connection, shortest and longest.
    pub keep_alive_pause_s: (f64, f64),
    /// Between two lines of a push.
    pub push_every_s: f64,
    /// Silence between two requests of an idle connection.
    pub idle_pause_s: f64,
}

/// One request and the answer that is right.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// The request's head.
    pub head: Vec<u8>,
    /// The request's body.
    pub upload: Option<Upload>,
    /// The right answer.
    pub expected: Expected,
    /// How fast the upload is written or the answer is read; as fast as it goes otherwise.
    pub bytes_per_s: Option<f64>,
    /// Lines of the answer come this often by themselves.
    pub push_every_ms: Option<f64>,
    /// Nothing follows, and who closes first.
    pub end: End,
}

/// What follows an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Another one, perhaps.
    Open,
    /// The server closes the connection, as the request asks for.
    ServerCloses,
    /// The client does.
    ClientCloses,
}

/// A request's body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Upload {
    /// Its bytes, from the first on.
    pub content: Content,
    /// How many.
    pub bytes: u64,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Expected {
    /// These bytes, with this status.
    Content {
        /// 200 or 206.
        status: u16,
        /// Whose bytes.
        content: Content,
        /// From where on.
        offset: u64,
        /// How many.
        bytes: u64,
    },
    /// The words that so many bytes of an upload were right.
    Receipt {
        /// How many.
        bytes: u64,
    },
}

/// The receipt for an upload: the server checks byte by byte, and says how many were sent and
/// how many were right up to the first wrong one.
pub fn receipt(right: u64, bytes: u64) -> String {
    format!("{right} of {bytes} bytes right\n")
}

/// One connection's requests, fixed by the run's seed and the connection's number.
#[derive(Clone, Debug)]
pub struct Script {
    class: Class,
    shape: Shape,
    host: Arc<str>,
    rng: Rng,
    made: u64,
}

impl Script {
    /// The script of connection `id` of the run with this seed.
    pub fn new(class: Class, shape: Shape, host: Arc<str>, seed: u64, id: u64) -> Script {
        Script {
            class,
            shape,
            host,
            rng: Rng::new(seed, id.wrapping_add(1)),
            made: 0,
        }
    }

    /// The silence before the next request.
    pub fn pause_ms(&mut self) -> f64 {
        let (low, high) = match self.class {
            _ if self.made == 0 => (0.0, 0.0),
            Class::Idle => (self.shape.idle_pause_s, self.shape.idle_pause_s),
            _ => self.shape.keep_alive_pause_s,
        };
        self.between(low, high) * 1e3
    }

    /// The next request; `left_ms` is how long the run still goes on.
    pub fn next(&mut self, left_ms: f64) -> Exchange {
        self.made += 1;
        match self.class {
            Class::Download => self.download(),
            Class::Upload => self.upload(),
            Class::Push => self.push(left_ms),
            Class::Short => self.small(End::ServerCloses),
            Class::KeepAlive | Class::Idle if left_ms <= 0.0 => self.small(End::ClientCloses),
            Class::KeepAlive | Class::Idle => self.small(End::Open),
        }
    }

    fn small(&mut self, end: End) -> Exchange {
        let (low, high) = SMALL_BYTES;
        let bytes = self.between(low, high) as u64;
        let content = self.content();
        let target = format!("/traffic/content?seed={}&bytes={bytes}", content.seed);
        self.exchange("GET", &target, "", content_answer(content, bytes), end)
    }

    fn push(&mut self, left_ms: f64) -> Exchange {
        let every_ms = self.shape.push_every_s * 1e3;
        // The first line comes at once and the last one when the run is over: no push follows.
        let lines = (left_ms / every_ms).max(0.0).ceil() as u64 + 1;
        let content = self.content();
        let target = format!(
            "/traffic/push?seed={}&lines={lines}&every_ms={every_ms}",
            content.seed
        );
        let expected = content_answer(content, lines * LINE_BYTES);
        Exchange {
            push_every_ms: Some(every_ms),
            ..self.exchange("GET", &target, "", expected, End::ServerCloses)
        }
    }

    fn download(&mut self) -> Exchange {
        let bytes = self.transfer_bytes().min(FILE_BYTES);
        let offset = self.between(0.0, (FILE_BYTES - bytes) as f64) as u64;
        let range = format!("Range: bytes={offset}-{}\r\n", offset + bytes - 1);
        let expected = Expected::Content {
            status: 206,
            content: FILE,
            offset,
            bytes,
        };
        let target = format!("/{FILE_NAME}");
        Exchange {
            bytes_per_s: Some(self.shape.transfer_bytes_per_s),
            ..self.exchange("GET", &target, &range, expected, End::ServerCloses)
        }
    }

    fn upload(&mut self) -> Exchange {
        let (bytes, content) = (self.transfer_bytes(), self.content());
        let target = format!("/traffic/upload?seed={}", content.seed);
        let length = format!("Content-Length: {bytes}\r\n");
        let expected = Expected::Receipt { bytes };
        Exchange {
            upload: Some(Upload { content, bytes }),
            bytes_per_s: Some(self.shape.transfer_bytes_per_s),
            ..self.exchange("POST", &target, &length, expected, End::ServerCloses)
        }
    }

    fn exchange(
        &self,
        method: &str,
        target: &str,
        headers: &str,
        expected: Expected,
        end: End,
    ) -> Exchange {
        let close = match end {
            End::ServerCloses => "Connection: close\r\n",
            End::Open | End::ClientCloses => "",
        };
        let host = &self.host;
        Exchange {
            head: format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{headers}{close}\r\n")
                .into_bytes(),
            upload: None,
            expected,
            bytes_per_s: None,
            push_every_ms: None,
            end,
        }
    }

    fn transfer_bytes(&mut self) -> u64 {
        let (low, high) = self.shape.transfer_s;
        (self.between(low, high) * self.shape.transfer_bytes_per_s).max(1.0) as u64
    }

    fn content(&mut self) -> Content {
        Content {
            seed: self.rng.next_u64(),
        }
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.rng.uniform()
    }
}

fn content_answer(content: Content, bytes: u64) -> Expected {
    Expected::Content {
        status: 200,
        content,
        offset: 0,
        bytes,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub const SHAPE: Shape = Shape {
        transfer_s: (2.0, 4.0),
        transfer_bytes_per_s: 1000.0,
        keep_alive_pause_s: (0.1, 2.0),
        push_every_s: 0.5,
        idle_pause_s: 60.0,
    };

    pub fn script(class: Class, id: u64) -> Script {
        Script::new(class, SHAPE, "vip".into(), 7, id)
    }

    #[test]
    fn the_seed_and_the_number_fix_everything() {
        for class in Class::ALL {
            let make = |id| {
                let mut script = script(class, id);
                (script.next(1e4), script.pause_ms(), script.next(1e4))
            };
            assert_eq!(make(3), make(3));
            assert_ne!(make(3), make(4), "{class}");
        }
    }

    #[test]
    fn transfers_last_as_long_as_asked_and_stay_in_the_file() {
        for id in 0..200 {
            let upload = script(Class::Upload, id).next(1e4).upload.unwrap();
            assert!((2000..=4000).contains(&upload.bytes));
            let download = script(Class::Download, id).next(1e4);
            let Expected::Content { offset, bytes, .. } = download.expected else {
                panic!("no receipt for a download");
            };
            assert!((2000..=4000).contains(&bytes) && offset + bytes <= FILE_BYTES);
            let range = format!("bytes={offset}-{}\r\n", offset + bytes - 1);
            assert!(String::from_utf8(download.head).unwrap().contains(&range));
        }
    }

    #[test]
    fn only_the_classes_that_pause_do_and_the_first_request_never_waits() {
        for (class, low, high) in [(Class::KeepAlive, 100.0, 2000.0), (Class::Idle, 6e4, 6e4)] {
            let mut script = script(class, 1);
            assert_eq!(script.pause_ms(), 0.0);
            for _ in 0..50 {
                assert_eq!(script.next(1.0).end, End::Open);
                let pause_ms = script.pause_ms();
                assert!((low..=high).contains(&pause_ms), "{class}: {pause_ms}");
            }
            assert_eq!(script.next(0.0).end, End::ClientCloses);
        }
    }

    #[test]
    fn a_push_fills_the_time_that_is_left() {
        let bytes = |left_ms| match script(Class::Push, 1).next(left_ms).expected {
            Expected::Content { bytes, .. } => bytes,
            Expected::Receipt { .. } => 0,
        };
        assert_eq!(bytes(10_100.0), 22 * LINE_BYTES);
        assert_eq!(bytes(10_000.0), 21 * LINE_BYTES);
        assert_eq!(bytes(0.0), LINE_BYTES);
    }
}
