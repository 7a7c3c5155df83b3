//! What goes in and out of the engine besides packets.

use daemon::DropReason;
use srh::Flow;

/// What is to be done with a packet; what the buffer holds is the packet to do it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// To the network: the kernel forwards it.
    Transmit,
    /// To the application's kernel, on this host.
    Deliver {
        /// The answers of the application are to come through the router for a moment (they
        /// carry createStickiness).
        steer: bool,
    },
    /// Ask the kernel's sockets and call [`Engine::resume`](super::Engine::resume) with the answer.
    /// The packet is untouched.
    LookUp(Query),
    /// Drop it; it has been counted.
    Drop(DropReason),
}

/// Which socket is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// Exactly this flow's.
    pub flow: Flow,
}

/// What the kernel knows about a flow. A listener is none: an unknown flow answers with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketAnswer {
    /// No socket for exactly this flow; somebody listens on its port.
    None,
    /// No socket for exactly this flow, and nobody listens on its port: Apache closes its
    /// listeners at the beginning of a graceful stop, while its scoreboard still shows idle workers.
    NobodyListens,
    /// SYN_RECV: the kernel waits for the answer to its SYN-ACK.
    SynReceived,
    /// ESTABLISHED or CLOSE_WAIT: the application may still send.
    Open {
        /// Bytes of the application that the client has acknowledged.
        acked: Option<u64>,
        /// Bytes of the application sent, retransmissions not counted.
        sent: Option<u64>,
    },
    /// FIN_WAIT1, FIN_WAIT2, CLOSING or LAST_ACK: the application has ended its side.
    Ended {
        /// Bytes that were sent, where the kernel counts them.
        sent: Option<u64>,
    },
    /// TIME_WAIT.
    TimeWait,
}

impl SocketAnswer {
    /// Is there a socket for exactly this flow?
    pub fn is_a_connection(self) -> bool {
        !matches!(self, SocketAnswer::None | SocketAnswer::NobodyListens)
    }
}

/// The application's state, read at the moment of the decision and without a system call.
pub trait Application {
    /// Is it there and serving?
    fn is_up(&self) -> bool;
    /// How many workers are busy.
    fn busy(&self) -> u32;
    /// How many workers there are.
    fn total(&self) -> u32;
}
