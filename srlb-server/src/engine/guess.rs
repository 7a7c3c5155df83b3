//! Packets that went to our kernel on a guess: no number of the flow was known. The kernel's next packet tells one, and if it
//! refutes the guess, what was guessed goes where it would have gone.
//!
//! It can't wait for the client to send it again: by then a table that is too small has forgotten the number.

use std::time::Duration;

use flow_table::FlowHash;
use packet_io::{Instant, PacketBuf};
use srh::parse::Tcp;
use srh::Flow;

use super::arrival::Arrival;
use super::contract::Limits;
use super::entry::{distance, Entry};
use super::mine::{self, Answer};
use super::verdict::SocketAnswer;

/// Guesses that are kept at a time, at most one in each place. They come one a flow after a restart, and a kernel answers what doesn't fit at once.
const KEPT: usize = 64;
/// How long the kernel may take to answer: longer than a delayed ACK.
const LIFE: Duration = Duration::from_secs(1);

/// A packet that was taken for ours.
pub(super) struct Guess {
    pub flow: Flow,
    pub at: Instant,
    /// As it arrived.
    pub frame: PacketBuf,
    pub arrival: Arrival,
    pub tcp: Tcp,
    /// What the kernel has said of the socket.
    pub socket: SocketAnswer,
}

impl Guess {
    /// Does the first packet that our kernel has sent since show that it isn't ours?
    ///
    /// Its first byte follows what was sent before, or is one of that, as whatever our client can have acknowledged is. Its last byte says nothing:
    /// it may be more than all that was sent before.
    pub fn is_refuted_by(&self, mut entry: Entry, answer: &Tcp, limits: &Limits) -> bool {
        // The kernel was asked a moment before the packet was delivered, and may have sent something in between.
        if distance(self.tcp.ack, answer.seq) <= limits.window_bytes {
            return false;
        }
        entry.sent_up_to(answer.seq);
        mine::by_socket(Some(&entry), &self.tcp, self.socket, limits) == Answer::NotMine
    }
}

/// The latest guesses.
pub(super) struct Guesses([Option<Box<Guess>>; KEPT]);

impl Default for Guesses {
    fn default() -> Self {
        Guesses([const { None }; KEPT])
    }
}

impl Guesses {
    /// Keeps a guess; another one in its place is forgotten.
    pub fn keep(&mut self, hash: FlowHash, guess: Guess) {
        self.0[place(hash)] = Some(Box::new(guess));
    }

    /// What was guessed of a flow lately. It is nobody's any more then.
    pub fn take(&mut self, hash: FlowHash, flow: &Flow, now: Instant) -> Option<Box<Guess>> {
        let kept = &mut self.0[place(hash)];
        let is_it = |guess: &Guess| guess.flow == *flow && now.since(guess.at) < LIFE;
        match kept.as_deref().is_some_and(is_it) {
            true => kept.take(),
            false => None,
        }
    }
}

fn place(hash: FlowHash) -> usize {
    hash.tag() as usize % KEPT
}
