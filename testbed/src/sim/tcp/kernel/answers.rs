//! What a kernel answers those who ask it: its router, and the watch.

use smoltcp::socket::tcp::State;
use srh::parse::Tcp;
use srh::Flow;
use srlb_server::engine::SocketAnswer;

use super::{has_shaken_hands, Kernel, Slot};
use crate::sim::tcp::live::Live;

impl Kernel {
    /// May a client open a connection of this flow now?
    pub fn is_free(&self, flow: &Flow, now_us: u64) -> bool {
        match self.slots.get(flow) {
            None => true,
            Some(Slot::TimeWait(wait)) => wait.until_us <= now_us,
            Some(Slot::Live(_)) => false,
        }
    }

    /// What a look-up of the sockets says.
    pub fn look_up(&self, flow: &Flow, now_us: u64) -> SocketAnswer {
        let nobody = match &self.listener {
            Some(listener) if listener.is_open => SocketAnswer::None,
            _ => SocketAnswer::NobodyListens,
        };
        match self.slots.get(flow) {
            Some(Slot::Live(live)) => match live.end.state() {
                State::SynReceived => SocketAnswer::SynReceived,
                State::Established | State::CloseWait => SocketAnswer::Open {
                    acked: Some(live.end.numbers.acked_bytes()),
                    sent: Some(live.end.numbers.sent_bytes()),
                },
                State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck => {
                    SocketAnswer::Ended {
                        sent: Some(live.end.numbers.sent_bytes()),
                    }
                }
                State::TimeWait => SocketAnswer::TimeWait,
                State::Closed | State::Listen | State::SynSent => nobody,
            },
            Some(Slot::TimeWait(wait)) if now_us < wait.until_us => SocketAnswer::TimeWait,
            _ => nobody,
        }
    }

    /// Would a socket of ours be ended by this reset?
    pub fn obeys_reset(&self, flow: &Flow, tcp: &Tcp) -> bool {
        match self.slots.get(flow) {
            Some(Slot::Live(live)) if tcp.has(Tcp::RST) => live.obeys_reset(tcp),
            _ => false,
        }
    }

    /// Is there a socket of the flow that belongs to an earlier connection than this one?
    pub fn has_older_socket(&self, flow: &Flow, connection: usize) -> bool {
        match self.slots.get(flow) {
            Some(Slot::Live(live)) => live.connection != connection,
            Some(Slot::TimeWait(_)) | None => false,
        }
    }

    /// Is there nothing of the flow but a TIME_WAIT?
    pub fn is_in_time_wait(&self, flow: &Flow) -> bool {
        matches!(self.slots.get(flow), Some(Slot::TimeWait(_)))
    }

    /// Flows with a connection, handshakes and TIME_WAIT left out: what a router reads when it starts.
    pub fn connections(&self) -> Vec<Flow> {
        let live = self.slots.iter().filter(|(_, slot)| match slot {
            Slot::Live(live) => has_shaken_hands(live.end.state()),
            Slot::TimeWait(_) => false,
        });
        live.map(|(flow, _)| *flow).collect()
    }

    /// Every connection of which there is something here, a TIME_WAIT at least: which one, and the server's initial number.
    pub fn owned(&self) -> Vec<(usize, u32)> {
        let waiting = self.slots.values().filter_map(|slot| match slot {
            Slot::TimeWait(wait) => Some((wait.connection, wait.first)),
            Slot::Live(_) => None,
        });
        self.those(|_| true).into_iter().chain(waiting).collect()
    }

    /// Those of them that the application has not closed itself.
    pub fn unfinished(&self) -> Vec<(usize, u32)> {
        self.those(|live| !live.player.done)
    }

    /// Those of them that the application has not taken yet.
    pub fn not_taken(&self) -> Vec<(usize, u32)> {
        self.those(|live| !live.served)
    }

    fn those(&self, which: impl Fn(&Live) -> bool) -> Vec<(usize, u32)> {
        let live = self.slots.values().filter_map(|slot| match slot {
            Slot::Live(live) if which(live) => Some((live.connection, live.end.numbers.first)),
            _ => None,
        });
        live.collect()
    }
}
