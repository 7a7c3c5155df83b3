//! One peer of the control socket: lines in, lines out, both bounded.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use mio::net::UnixStream;

/// A request is no longer than this.
const MAX_REQUEST_BYTES: usize = 64 * 1024;
/// All that is read from a peer in one turn.
const MAX_READ_BYTES: usize = 1024 * 1024;
/// What waits for a slow reader. A single answer may be longer, a stream's lines not.
const MAX_WAITING_BYTES: usize = 256 * 1024;

pub(super) struct Conn {
    pub(super) stream: UnixStream,
    received: Vec<u8>,
    waiting: VecDeque<u8>,
    /// Lines of a stream that the peer was too slow for, not yet told.
    lost: u64,
    closing: bool,
    /// The peer has shut down its side, as `nc` does, and waits for one answer.
    last_answer: bool,
}

/// What reading has brought.
pub(super) struct Received {
    /// Whole lines.
    pub(super) lines: Vec<Vec<u8>>,
    /// Will nothing more come?
    pub(super) end: bool,
    /// Did it send a line that is too long, or more at once than anybody has to ask?
    pub(super) too_much: bool,
}

impl Conn {
    pub(super) fn new(stream: UnixStream) -> Self {
        Conn {
            stream,
            received: Vec::new(),
            waiting: VecDeque::new(),
            lost: 0,
            closing: false,
            last_answer: false,
        }
    }

    /// Reads until nothing is left (events come once per edge).
    pub(super) fn read(&mut self) -> Received {
        let mut result = Received {
            lines: Vec::new(),
            end: false,
            too_much: false,
        };
        let mut chunk = [0; 4096];
        let mut total = 0;
        while !result.end {
            match self.stream.read(&mut chunk) {
                Ok(0) => result.end = true,
                Ok(n) => {
                    total += n;
                    self.received.extend_from_slice(&chunk[..n]);
                    self.take_lines(&mut result.lines);
                    result.too_much =
                        self.received.len() > MAX_REQUEST_BYTES || total > MAX_READ_BYTES;
                    result.end = result.too_much;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => result.end = true,
            }
        }
        result
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
        self.closing = self.last_answer;
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

    /// Hangs up once it has answered.
    pub(super) fn close_after_answer(&mut self) {
        self.last_answer = true;
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
