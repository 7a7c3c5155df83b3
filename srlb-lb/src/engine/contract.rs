//! What docs/protocol.md fixes for every LB, as data: the state table and the limits.
//!
//! An operator can't set these. They are data so that a mutation test can alter one of them, and ask
//! whether anybody would notice.

use std::time::Duration;

use daemon::StateTable;
use flow_table::{Fragments, HashKey};

use super::order::ORDER;
use super::state::{self, Action, Event, Next, State};
use super::udp;

/// The state table: what happens to the packet, and to the entry.
pub type Table = StateTable<State, Event, (Action, Next)>;

/// The same for UDP.
pub type UdpTable = StateTable<udp::State, udp::Event, (udp::Action, Next)>;

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
            table: Table::of(state::transition),
            udp: UdpTable::of(udp::transition),
            limits: Limits::default(),
        }
    }
}

/// The limits of docs/protocol.md, section "LB".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long an entry lives that no client packet has confirmed.
    pub unconfirmed_life: Duration,
    /// How long an entry lives after the application's end, or the client's last packet since.
    pub closing_life: Duration,
    /// How long an entry lives after a client's RST unless a client packet follows.
    pub reset_life: Duration,
    /// Servers in one chunk of a recovery list, at most [`ORDER`].
    pub chunk: usize,
    /// A SYN seen again sooner than this is a duplicate, not a retransmission (RFC 6298: the first
    /// timeout is a second).
    pub syn_again_soonest: Duration,
    /// A SYN seen again later than this is a new attempt.
    pub syn_again_latest: Duration,
    /// How many SYNs seen lately are remembered; the newest wins.
    pub syns_remembered: usize,
    /// SYNs seen again, with no word from the server in between, that make it suspect.
    pub signs_until_suspect: u8,
    /// How often a suspect is asked by an echo request.
    pub probe_interval: Duration,
    /// Echo requests without a reply after which a suspect counts as dead.
    pub probes_until_dead: u8,
    /// How long a packet may be on its way along a recovery list.
    pub under_way: Duration,
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
            unconfirmed_life: Duration::from_secs(75),
            closing_life: Duration::from_secs(10),
            reset_life: Duration::from_secs(10),
            chunk: ORDER,
            syn_again_soonest: Duration::from_millis(300),
            syn_again_latest: Duration::from_secs(70),
            syns_remembered: 4_096,
            signs_until_suspect: 3,
            probe_interval: Duration::from_secs(1),
            probes_until_dead: 3,
            under_way: Duration::from_secs(2),
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
