//! What is measured: which packets, in which encoding, with how many flows in the table.

use packet_io::PacketBuf;
use srh::Encoding;

use super::packets;
use crate::rng::Rng;

/// Which packets come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Case {
    /// Of flows that the table has.
    Pinned,
    /// SYNs of flows that it hasn't.
    NewFlow,
    /// Other packets of flows that it hasn't.
    Recovery,
    /// Servers' SYN-ACKs that make entries.
    CreateStickiness,
    /// One in a hundred is a SYN of a flow that the table hasn't, the others are pinned.
    Mixed,
}

/// What goes in front of a packet to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// Segment Routing, in this encoding.
    Srv6(Encoding),
}

impl Case {
    /// All of them.
    pub const ALL: [Case; 5] = [
        Case::Pinned,
        Case::NewFlow,
        Case::Recovery,
        Case::CreateStickiness,
        Case::Mixed,
    ];

    /// In tables.
    pub const fn name(self) -> &'static str {
        match self {
            Case::Pinned => "pinned",
            Case::NewFlow => "new flow",
            Case::Recovery => "recovery",
            Case::CreateStickiness => "createStickiness",
            Case::Mixed => "mixed, 1% SYN",
        }
    }
}

impl Way {
    /// In tables.
    pub const fn name(self) -> &'static str {
        match self {
            Way::Srv6(encoding) => encoding.name(),
        }
    }

    /// How servers answer.
    pub const fn encoding(self) -> Encoding {
        match self {
            Way::Srv6(encoding) => encoding,
        }
    }
}

/// Numbers of flows: those below `pinned` are in the table, what comes from `fresh` on was never seen.
#[derive(Debug)]
pub struct Flows {
    pinned: u64,
    fresh: u64,
    rng: Rng,
}

impl Flows {
    /// `pinned` of them are in the table.
    pub fn new(pinned: u64, seed: u64) -> Self {
        Flows {
            pinned,
            fresh: pinned,
            rng: Rng::new(seed, 0),
        }
    }

    /// How many are in the table.
    pub fn pinned(&self) -> u64 {
        self.pinned
    }

    fn known(&mut self) -> u64 {
        self.rng.below(self.pinned)
    }

    fn unknown(&mut self) -> u64 {
        self.fresh += 1;
        self.fresh
    }

    /// Puts the next packet of this case into a buffer.
    pub fn next(&mut self, case: Case, way: Way, servers: u16, into: &mut PacketBuf) {
        match case {
            Case::Pinned => packets::data(self.known(), into),
            Case::NewFlow => packets::syn(self.unknown(), into),
            Case::Recovery => packets::data(self.unknown(), into),
            Case::Mixed if self.rng.below(100) == 0 => packets::syn(self.unknown(), into),
            Case::Mixed => packets::data(self.known(), into),
            Case::CreateStickiness => {
                let flow = self.unknown();
                packets::syn_ack(flow, owner(flow, servers), way.encoding(), into);
            }
        }
    }
}

/// The server of a flow.
pub fn owner(flow: u64, servers: u16) -> u16 {
    let server = crate::rng::number_at(1, flow) % u64::from(servers);
    u16::try_from(server).expect("a remainder is smaller than its divisor")
}
