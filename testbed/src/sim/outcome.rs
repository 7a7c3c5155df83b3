//! What came out of a run.

use std::collections::BTreeMap;

use super::dialogue::Side;
use super::rows::Rows;

/// What came out of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// One for each connection of the scenario, in its order.
    pub connections: Vec<ConnectionResult>,
    /// Where the world broke a promise; empty if all is well.
    pub violations: Vec<Violation>,
    /// What the engines counted, summed over all of a kind and over restarts: `lb.hunted`, `server.drop.not_mine`,
    /// `world.lost`, ...
    pub counters: BTreeMap<String, u64>,
    /// Which rows of their state tables the engines have used.
    pub rows: Rows,
    /// A hash of everything that happened, in order: packets with their bytes, faults, drops.
    pub trace_hash: u64,
    /// How many things happened: packets that arrived somewhere, timers, faults.
    pub events: u64,
    /// How long the world existed, in virtual time.
    pub virtual_ms: u64,
    /// The trace, a line for each packet and hop; empty unless it was asked for.
    pub trace: Vec<String>,
}

impl Outcome {
    /// Was every promise kept?
    pub fn is_well(&self) -> bool {
        self.violations.is_empty()
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum End {
    /// Both sides have done and received everything.
    Completed,
    /// One side threw it away, as its dialogue says.
    Aborted,
    /// The client was refused: its SYN was answered by RST.
    Refused,
    /// A reset that is in no dialogue reached this side.
    Reset(Side),
    /// The client's kernel gave up.
    TimedOut,
    /// It was still there at the end of the run.
    Unfinished,
    /// The client never opened it, because its port was still in use.
    NotStarted,
}

/// Why a connection was allowed to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// The machine of the server that had it was switched off.
    ServerDied,
    /// The application that had it was killed.
    AppKilled,
    /// The application that had it closed its listener before it had taken the connection.
    ListenerClosed,
    /// Its server had answered by a SYN cookie, and another packet overtook the one that completes the handshake.
    CookieRefused,
    /// Its server had answered by a SYN cookie, and the router there has lost its entry before the handshake was over.
    CookieForgotten,
    /// Its server's kernel gave the handshake up: it never got an ACK, and the client had nothing to say.
    HandshakeExpired,
    /// Its server was removed from the pool without draining.
    ServerRemoved,
    /// There was no LB for longer than TCP waits.
    NoLb,
    /// Each of its candidates was without an application at some time while it was being opened.
    NoApplication,
    /// The application was so busy that its kernel dropped the client's SYNs.
    QueueFull,
    /// One side threw it away.
    PeerAborted,
    /// The pool's history is not complete, and nobody was left who could have said no.
    HistoryForgotten,
}

/// How one connection went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionResult {
    /// How it ended.
    pub end: End,
    /// Why it was allowed to break, if something happened that allows it.
    pub cause: Option<Cause>,
    /// The server that had it.
    pub server: Option<u16>,
    /// The longest time without progress while something was due, in milliseconds.
    pub longest_stall_ms: u64,
    /// When it ended, in milliseconds of virtual time.
    pub ended_ms: u64,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When, in microseconds of virtual time.
    pub at_us: u64,
    /// Which promise: a short name that does not change with the numbers in the text.
    pub promise: &'static str,
    /// What happened.
    pub what: String,
    /// The connection concerned, by its place in the scenario.
    pub connection: Option<usize>,
}
