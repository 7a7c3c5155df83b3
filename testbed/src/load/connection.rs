//! One connection of the load, from connect to the last byte.

use std::io::{self, ErrorKind, Read, Write};

use mio::net::TcpStream;

use super::record::Outcome;
use crate::opener;

/// An answer longer than this is none of ours.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// A connection under way.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    sent: usize,
    answer: Vec<u8>,
    connected: bool,
}

/// What a look at the connection brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing that ends it.
    Pending,
    /// The peer has closed in good order; the answer is what it is.
    Closed,
    /// It broke.
    Broken(Outcome),
}

impl Connection {
    /// Watches over an opened stream that is to carry `request`.
    pub fn new(stream: TcpStream, request: Vec<u8>) -> Connection {
        Connection {
            stream,
            request,
            sent: 0,
            answer: Vec::new(),
            connected: false,
        }
    }

    /// For registration with the poll.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Does the connection stand?
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// What has come so far.
    pub fn answer(&self) -> &[u8] {
        &self.answer
    }

    /// Goes on as far as possible.
    pub fn step(&mut self) -> Step {
        if !self.connected {
            match opener::connect_done(&self.stream) {
                Ok(true) => self.connected = true,
                Ok(false) => return Step::Pending,
                Err(e) => return Step::Broken(broken(&e, false)),
            }
        }
        match self.write().and_then(|()| self.read()) {
            Ok(true) => Step::Closed,
            Ok(false) if self.answer.len() > MAX_ANSWER_BYTES => {
                Step::Broken(Outcome::WrongAnswer("far too long".into()))
            }
            Ok(false) => Step::Pending,
            Err(e) => Step::Broken(broken(&e, true)),
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while self.sent < self.request.len() {
            match self.stream.write(&self.request[self.sent..]) {
                Ok(n) => self.sent += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// True at the end of the stream.
    fn read(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 4096];
        while self.answer.len() <= MAX_ANSWER_BYTES {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(true),
                Ok(n) => self.answer.extend_from_slice(&chunk[..n]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(false)
    }
}

fn broken(error: &io::Error, connected: bool) -> Outcome {
    match error.kind() {
        ErrorKind::ConnectionRefused if !connected => Outcome::Refused,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Outcome::Reset,
        ErrorKind::TimedOut => Outcome::Timeout,
        _ => Outcome::Other(error.to_string()),
    }
}
