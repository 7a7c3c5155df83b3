//! What a kernel and the world tell each other about connections.

use std::collections::HashMap;

use packet_io::PacketBuf;
use srh::Flow;

use crate::sim::dialogue::{ConnectionSpec, Side};

/// What the kernel's connections share with the world.
pub struct Around<'a> {
    /// The time.
    pub now_us: u64,
    /// The dialogues.
    pub specs: &'a [ConnectionSpec],
    /// What is sent.
    pub out: Vec<PacketBuf>,
    /// When which connection wants to be woken.
    pub wakes: Vec<Wake>,
    /// How connections stand that something has happened to.
    pub reports: Vec<Report>,
    /// Was a packet dropped because there was too much to do?
    pub dropped: bool,
    /// Has an earlier connection's socket answered a SYN?
    pub syn_in_vain: bool,
}

impl<'a> Around<'a> {
    /// At the beginning of an event.
    pub fn new(now_us: u64, specs: &'a [ConnectionSpec]) -> Self {
        Around {
            now_us,
            specs,
            out: Vec::new(),
            wakes: Vec::new(),
            reports: Vec::new(),
            dropped: false,
            syn_in_vain: false,
        }
    }
}

/// Which connection a client's SYN opens, by its flow and number.
pub type Opened = HashMap<(Flow, u32), usize>;

/// A wish to be woken.
#[derive(Clone, Copy, Debug)]
pub struct Wake {
    /// Which connection.
    pub flow: Flow,
    /// Which of those that this flow has had.
    pub serial: u64,
    /// When.
    pub at_us: u64,
}

/// How one end of a connection stands.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// Which connection.
    pub connection: usize,
    /// Which end.
    pub side: Side,
    /// The server's initial number, by which both ends know that they mean the same socket.
    pub server_number: u32,
    /// Is the handshake over at this end?
    pub established: bool,
    /// Bytes received.
    pub received: u64,
    /// Has the other end's FIN come?
    pub other_ended: bool,
    /// Has this end sent something that is not acknowledged yet?
    pub outstanding: bool,
    /// Does it wait for a worker?
    pub queued: bool,
    /// How long until its next timer.
    pub timer_us: Option<u64>,
    /// Has it done everything?
    pub done: bool,
    /// Where the first wrong byte was.
    pub wrong_at: Option<u64>,
    /// Is it gone, and how?
    pub gone: Option<Gone>,
}

/// How an end of a connection can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// Both sides have ended.
    Closed,
    /// This side threw it away.
    Aborted,
    /// A RST came before the handshake was over.
    Refused,
    /// A RST came.
    Reset,
    /// The peer never answered.
    TimedOut,
    /// A half-open connection that nobody has completed.
    HalfOpen,
    /// The application is gone, or has closed its listener before it took this one.
    Killed,
}
