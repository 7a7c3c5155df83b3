//! One connection from its SYN to its record.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;

use super::record::{Class, Outcome, Record};
use super::script::{End, Script};
use super::stall::Stall;
use super::talk::Talk;
use crate::opener;

/// Read and written at a time.
const PIECE_BYTES: usize = 16 * 1024;

/// How it ended, and what went wrong in words.
pub type Ending = (Outcome, Option<String>);

#[derive(Debug)]
enum Phase {
    Connecting,
    /// Silent until then.
    Pausing(f64),
    Talking(Box<Talk>),
    /// All is answered; the server's FIN is due. False if the server chose to close.
    Closing {
        asked_for: bool,
    },
}

/// What one look at the connection brought.
enum Turn {
    Again,
    Wait,
    Over(Ending),
}

/// A connection under way. Times are milliseconds on CLOCK_MONOTONIC.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    script: Script,
    phase: Phase,
    stall: Stall,
    record: Record,
}

impl Connection {
    /// Watches over an opened stream.
    pub fn new(stream: TcpStream, script: Script, record: Record) -> Connection {
        let mut stall = Stall::default();
        stall.due(record.opened_ms);
        Connection {
            stream,
            script,
            phase: Phase::Connecting,
            stall,
            record,
        }
    }

    /// For registration with the poll.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Goes on as far as possible. At `end_ms` the run is over: pauses end, nothing is paced.
    pub fn step(&mut self, now_ms: f64, end_ms: f64, timeout_ms: f64) -> Option<Ending> {
        loop {
            match self.turn(now_ms, end_ms) {
                Turn::Again => {}
                Turn::Over(ending) => return Some(ending),
                Turn::Wait => break,
            }
        }
        match self.due_ms(now_ms) {
            Some(at_ms) => self.stall.due(at_ms),
            None => self.stall.over(now_ms),
        }
        let since_ms = self.stall.due_ms()?;
        (now_ms >= since_ms + timeout_ms).then(|| {
            let waited = format!("no progress for {:.1} s", (now_ms - since_ms) / 1e3);
            (Outcome::TimedOut, Some(waited))
        })
    }

    /// When to look again even if the network is silent.
    pub fn wake_ms(&self, now_ms: f64, timeout_ms: f64) -> Option<f64> {
        let own = match &self.phase {
            Phase::Pausing(until_ms) => Some(*until_ms),
            Phase::Talking(talk) => talk.wake_ms().filter(|at_ms| *at_ms > now_ms),
            Phase::Connecting | Phase::Closing { .. } => None,
        };
        let give_up = self.stall.due_ms().map(|since_ms| since_ms + timeout_ms);
        [own, give_up].into_iter().flatten().min_by(f64::total_cmp)
    }

    /// The record of a connection that is over.
    pub fn into_record(mut self, (outcome, error): Ending, now_ms: f64) -> Record {
        // A wait that was never answered is a wait all the same.
        self.stall.over(now_ms);
        if let Phase::Talking(talk) = &self.phase {
            let (expected, right) = talk.bytes();
            self.record.bytes_expected += expected;
            self.record.bytes_right += right;
        }
        Record {
            ended_ms: now_ms,
            outcome,
            error,
            longest_stall_ms: self.stall.longest_ms(),
            stalled_at_ms: self.stall.longest_at_ms(),
            ..self.record
        }
    }

    fn turn(&mut self, now_ms: f64, end_ms: f64) -> Turn {
        match self.phase {
            Phase::Connecting => self.connect(now_ms),
            Phase::Pausing(until_ms) if now_ms < until_ms && now_ms < end_ms => self.listen(),
            Phase::Pausing(_) => {
                let exchange = self.script.next(end_ms - now_ms);
                self.record.requests += 1;
                self.phase = Phase::Talking(Box::new(Talk::new(exchange, now_ms)));
                Turn::Again
            }
            Phase::Talking(_) => self.talk(now_ms, end_ms),
            Phase::Closing { asked_for } => self.wait_for_fin(asked_for),
        }
    }

    fn connect(&mut self, now_ms: f64) -> Turn {
        match opener::connect_done(&self.stream) {
            Ok(false) => Turn::Wait,
            Ok(true) => {
                self.record.connected_ms = Some(now_ms);
                self.stall.over(now_ms);
                self.pause(now_ms);
                Turn::Again
            }
            Err(e) => Turn::Over(broken(&e, Outcome::Refused)),
        }
    }

    fn pause(&mut self, now_ms: f64) {
        self.phase = Phase::Pausing(now_ms + self.script.pause_ms());
    }

    /// In a pause nothing may come but a goodbye.
    fn listen(&mut self) -> Turn {
        let mut byte = [0];
        match read(&mut self.stream, &mut byte) {
            Ok(None) => Turn::Wait,
            Ok(Some(0)) => Turn::Over((Outcome::ClosedIdle, None)),
            Ok(Some(_)) => Turn::Over((Outcome::WrongBytes, Some("unasked for".into()))),
            Err(e) => Turn::Over(broken(&e, Outcome::Reset)),
        }
    }

    fn wait_for_fin(&mut self, asked_for: bool) -> Turn {
        match self.listen() {
            Turn::Over((Outcome::ClosedIdle, None)) if asked_for => {
                Turn::Over((Outcome::Completed, None))
            }
            other => other,
        }
    }

    /// Reads before it writes: a goodbye that has come is seen before the write that it fails.
    fn talk(&mut self, now_ms: f64, end_ms: f64) -> Turn {
        let Phase::Talking(talk) = &mut self.phase else {
            return Turn::Again;
        };
        if now_ms >= end_ms {
            talk.hurry();
        }
        let mut piece = [0; PIECE_BYTES];
        let limit = talk.may_read(now_ms).min(PIECE_BYTES);
        let came = match limit {
            0 => Ok(None),
            _ => read(&mut self.stream, &mut piece[..limit]),
        };
        match came {
            Ok(Some(0)) => return Turn::Over(self.closed()),
            Ok(Some(n)) => return self.received(&piece[..n], now_ms),
            Ok(None) => {}
            Err(e) => return Turn::Over(broken(&e, Outcome::Reset)),
        }
        let n = talk.next_piece(now_ms, &mut piece);
        if n == 0 {
            return Turn::Wait;
        }
        match write(&mut self.stream, &piece[..n]) {
            Ok(None) => Turn::Wait,
            Ok(Some(n)) => {
                talk.sent(n);
                self.stall.over(now_ms);
                Turn::Again
            }
            Err(e) => Turn::Over(broken(&e, Outcome::Reset)),
        }
    }

    fn received(&mut self, bytes: &[u8], now_ms: f64) -> Turn {
        let Phase::Talking(talk) = &mut self.phase else {
            return Turn::Again;
        };
        self.stall.over(now_ms);
        let taken = talk.received(bytes, now_ms);
        let server = talk.head().and_then(|head| head.server.clone());
        let is_done = talk.is_done();
        let same = match (&self.record.server, &server) {
            (Some(before), Some(now)) => before == now,
            _ => true,
        };
        self.record.server = self.record.server.take().or(server);
        match taken {
            Err(why) => Turn::Over((Outcome::WrongBytes, Some(why))),
            Ok(()) if !same => {
                Turn::Over((Outcome::WrongBytes, Some("another server answers".into())))
            }
            Ok(()) if is_done => self.answered(now_ms),
            Ok(()) => Turn::Again,
        }
    }

    /// A whole right answer.
    fn answered(&mut self, now_ms: f64) -> Turn {
        let Phase::Talking(talk) = &self.phase else {
            return Turn::Again;
        };
        let (expected, right) = talk.bytes();
        let (end, closes) = (
            talk.exchange().end,
            talk.head().is_some_and(|head| head.closes),
        );
        self.record.bytes_expected += expected;
        self.record.bytes_right += right;
        match end {
            End::ClientCloses => {
                self.phase = Phase::Closing { asked_for: true };
                return Turn::Over((Outcome::Completed, None));
            }
            End::ServerCloses => self.phase = Phase::Closing { asked_for: true },
            End::Open if closes => self.phase = Phase::Closing { asked_for: false },
            End::Open => self.pause(now_ms),
        }
        Turn::Again
    }

    /// The server's FIN in the middle of an exchange.
    fn closed(&self) -> Ending {
        let crossed = match &self.phase {
            Phase::Talking(talk) => self.record.requests > 1 && !talk.has_answer(),
            _ => false,
        };
        match crossed {
            true => (
                Outcome::ClosedIdle,
                Some("a request crossed the FIN".into()),
            ),
            false => (Outcome::ClosedEarly, None),
        }
    }

    fn due_ms(&mut self, now_ms: f64) -> Option<f64> {
        match &mut self.phase {
            Phase::Connecting | Phase::Closing { .. } => Some(now_ms),
            Phase::Pausing(_) => None,
            Phase::Talking(talk) => talk.due_ms(now_ms),
        }
    }
}

/// A record with nothing in it yet.
pub fn blank_record(id: u64, class: Class, client: Option<SocketAddr>, now_ms: f64) -> Record {
    Record {
        id,
        class,
        client,
        server: None,
        opened_ms: now_ms,
        connected_ms: None,
        ended_ms: now_ms,
        outcome: Outcome::Unfinished,
        requests: 0,
        bytes_expected: 0,
        bytes_right: 0,
        longest_stall_ms: 0.0,
        stalled_at_ms: None,
        error: None,
    }
}

fn broken(error: &io::Error, otherwise: Outcome) -> Ending {
    let outcome = match error.kind() {
        ErrorKind::TimedOut => Outcome::TimedOut,
        _ => otherwise,
    };
    (outcome, Some(error.to_string()))
}

/// Reads once; nothing if nothing is there.
fn read(stream: &mut TcpStream, out: &mut [u8]) -> io::Result<Option<usize>> {
    retried(|| stream.read(out))
}

/// Writes once; nothing if there is no room.
fn write(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<Option<usize>> {
    retried(|| stream.write(bytes))
}

fn retried(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match call() {
            Ok(n) => return Ok(Some(n)),
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests;
