//! What happened to one packet, for `trace`.

use srh::Flow;

use super::entry::Peer;
use super::state::{Action, Event, State};
use super::udp;

/// Filled in while tracing is on; what a packet did not reach stays empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Note {
    /// The packet's flow.
    pub flow: Option<Flow>,
    /// The state before.
    pub before: Option<State>,
    /// What the packet was in the state table's words.
    pub event: Option<Event>,
    /// What the table said.
    pub said: Option<(Action, State)>,
    /// State before, what the datagram was, and what the table said, for a UDP flow.
    pub udp: Option<(udp::State, udp::Event, Action, udp::State)>,
    /// The LB that sent the function, or that the flow is known by.
    pub lb: Option<Peer>,
}
