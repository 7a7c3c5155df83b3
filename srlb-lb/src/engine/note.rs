//! What happened to one packet, for `trace`.

use srh::Flow;

use super::state::{Action, Event, Next, State};
use super::udp;

/// Filled in while tracing is on; what a packet did not reach stays empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Note {
    /// The packet's flow.
    pub flow: Option<Flow>,
    /// What it was in the state table's words.
    pub event: Option<Event>,
    /// The entry before.
    pub before: Option<State>,
    /// What the table said.
    pub said: Option<(Action, Next)>,
    /// The last two for a UDP flow.
    pub udp: Option<(udp::Event, udp::Action, Next)>,
    /// The server of the entry, by number.
    pub pinned: Option<u16>,
    /// The server that sent the function, by number.
    pub sender: Option<u16>,
    /// The flow's bucket, where it was needed.
    pub bucket: Option<u32>,
}
