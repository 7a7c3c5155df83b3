//! One peer of the control socket: lines in, lines out, both bounded.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use mio::net::UnixStream;

/// A request is no longer than this.
const MAX_REQUEST_BYTES: usize = 64 * 1024;
/// What waits for a slow reader. A single answer may be longer, a stream's lines not.
const MAX_WAITING_BYTES: usize = 256 * 1024;

pub(super) struct Conn {
    pub(super) stream: UnixStream,
    received: Vec<u8>,
    waiting: VecDeque<u8>,
    /// Lines of a stream that the peer was too slow for, not yet told.
    lost: u64,
    closing: bool,
}

/// What reading has brought.
pub(super) struct Read1 {
    /// Whole lines.
    pub(super) lines: Vec<Vec<u8>>,
    /// Has the peer hung up (or broken the rules)?
    pub(super) gone: bool,
    /// Did it send a line that is too long?
    pub(super) too_long: bool,
}

impl Conn {
    pub(super) fn new(stream: UnixStream) -> Self {
        Conn {
            stream,
            received: Vec::new(),
            waiting: VecDeque::new(),
            lost: 0,
            closing: false,
        }
    }

    /// Reads until nothing is left (events come once per edge).
    pub(super) fn read(&mut self) -> Read1 {
        let mut result = Read1 {
            lines: Vec::new(),
            gone: false,
            too_long: false,
        };
        let mut chunk = [0; 4096];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => result.gone = true,
                Ok(n) => {
                    self.received.extend_from_slice(&chunk[..n]);
                    self.take_lines(&mut result.lines);
                    if self.received.len() <= MAX_REQUEST_BYTES {
                        continue;
                    }
                    (result.gone, result.too_long) = (true, true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => result.gone = error.kind() != io::ErrorKind::WouldBlock,
            }
            return result;
        }
    }

    fn take_lines(&mut self, lines: &mut Vec<Vec<u8>>) {
        while let Some(end) = self.received.iter().position(|&byte| byte == b'\n') {
            let rest = self.received.split_off(end + 1);
            let mut line = std::mem::replace(&mut self.received, rest);
            line.pop();
            lines.push(line);
        }
    }

    /// Queues a line and writes what the peer takes. False if it is lost, or the peer is gone.
    pub(super) fn send(&mut self, line: &[u8]) -> bool {
        if self.closing {
            return false;
        }
        let fits = self.waiting.is_empty() || self.waiting.len() + line.len() < MAX_WAITING_BYTES;
        if !fits {
            self.lost += 1;
            return false;
        }
        if self.lost > 0 {
            let notice = format!("{{\"lost\":{}}}\n", self.lost);
            self.waiting.extend(notice.as_bytes());
            self.lost = 0;
        }
        self.waiting.extend(line);
        self.waiting.push_back(b'\n');
        self.flush()
    }

    /// Writes what the peer takes. False if it is gone.
    pub(super) fn flush(&mut self) -> bool {
        while !self.waiting.is_empty() {
            let (front, _) = self.waiting.as_slices();
            match self.stream.write(front) {
                Ok(n) => drop(self.waiting.drain(..n)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
        true
    }

    /// Takes no more lines; hangs up once all is written.
    pub(super) fn close(&mut self) {
        self.closing = true;
    }

    /// Is it time to hang up?
    pub(super) fn is_done(&self) -> bool {
        self.closing && self.waiting.is_empty()
    }
}
