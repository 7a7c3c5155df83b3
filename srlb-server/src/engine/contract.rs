//! What docs/protocol.md fixes for every server router, as data: the state table and the limits.
//!
//! An operator can't set these. They are data so that a mutation test can alter one of them, and ask
//! whether anybody would notice.

use std::time::Duration;

use daemon::StateTable;
use flow_table::{Fragments, HashKey};

use super::state::{self, Action, Event, State};
use super::udp;

/// The state table: what happens to the packet, and the flow's state after.
pub type Table = StateTable<State, Event, (Action, State)>;

/// The same for UDP.
pub type UdpTable = StateTable<udp::State, udp::Event, (Action, udp::State)>;

/// The state tables and the limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    /// What follows from a state and an event.
    pub table: Table,
    /// The same for UDP.
    pub udp: UdpTable,
    /// How long, how often, how many.
    pub limits: Limits,
}

impl Default for Contract {
    /// As docs/protocol.md has it.
    fn default() -> Self {
        Contract {
            table: Table::of(state::next),
            udp: UdpTable::of(udp::next),
            limits: Limits::default(),
        }
    }
}

/// The limits of docs/protocol.md, section "Server router".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a WAIT lives whose SYN-ACK was seen: longer than a kernel retransmits a SYN-ACK with
    /// its usual settings.
    pub handshake_life: Duration,
    /// How long a WAIT lives whose kernel hasn't answered: it may have dropped the SYN, its queue being full.
    pub unanswered_life: Duration,
    /// How long a LOSER is one.
    pub loser_life: Duration,
    /// How long the numbers of a flow that has ended are kept.
    pub numbers_life: Duration,
    /// How long CLOSING lasts after the client's last packet.
    pub closing_life: Duration,
    /// DIRECT without a packet from the client. What is forgotten costs one look-up, no more.
    pub direct_life: Duration,
    /// For how long after a client packet answers go through the LB.
    pub steer_time: Duration,
    /// How many answers go through the LB for each client packet.
    pub steer_packets: u8,
    /// How many FINs and RSTs go through the LB for each client packet.
    pub end_packets: u8,
    /// How many empty ACKs with a function there are for each client packet.
    pub empty_acks: u8,
    /// Different numbers of SYN-ACKs that are kept for one handshake, at most
    /// [`NUMBERS`](super::entry::NUMBERS).
    pub syn_ack_numbers: usize,
    /// How far behind what is expected an acknowledgement may lie, in bytes: more than any window in use,
    /// so that no late packet is taken for somebody else's, and 1/512 of all numbers.
    pub window_bytes: u32,
    /// Half of how long a UDP flow lives that no LB has acknowledged: an LB's entry that no client packet has
    /// confirmed lives that long.
    pub udp_unconfirmed_life: Duration,
    /// How long later fragments belong to the flow of their packet's first one.
    pub fragment_life: Duration,
    /// Packets under way in fragments that are known at once.
    pub fragmented_packets: usize,
    /// Calls of `poll` in which the whole table is swept once: about a minute.
    pub sweep_polls: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            handshake_life: Duration::from_secs(75),
            unanswered_life: Duration::from_secs(10),
            loser_life: Duration::from_secs(75),
            numbers_life: Duration::from_secs(75),
            closing_life: Duration::from_secs(10),
            direct_life: Duration::from_secs(3_600),
            steer_time: Duration::from_secs(1),
            steer_packets: 3,
            end_packets: 3,
            empty_acks: 1,
            syn_ack_numbers: super::entry::NUMBERS,
            window_bytes: 8 << 20,
            udp_unconfirmed_life: Duration::from_secs(75),
            fragment_life: Duration::from_secs(5),
            fragmented_packets: 4_096,
            sweep_polls: 600,
        }
    }
}

impl Limits {
    /// Room for packets in fragments.
    pub(super) fn fragments(&self, key: HashKey) -> Fragments {
        Fragments::new(self.fragmented_packets, self.fragment_life, key)
    }
}
