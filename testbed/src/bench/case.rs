//! What is measured: which packets, in which encoding.

use srh::Encoding;

/// Which packets come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Case {
    /// Of flows that the table has, in the steady state: some of the entries are due to be refreshed, see
    /// [`share_due`](super::flows::share_due).
    Pinned,
    /// The same, but every entry has been refreshed in this tick: it is only read.
    Settled,
    /// One in a hundred is a SYN of a flow that the table hasn't, the others are pinned.
    Mixed,
    /// SYNs of flows that it hasn't.
    NewFlow,
    /// Other packets of flows that it hasn't.
    Recovery,
    /// Of flows that the table has, each the first of its flow in this tick: the entry is written.
    Refresh,
    /// Servers' SYN-ACKs that make entries.
    CreateStickiness,
}

/// What goes in front of a packet to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// Segment Routing, in this encoding.
    Srv6(Encoding),
    /// What Maglev does: a GRE tunnel to the one server that the table says, and an entry at a flow's first packet.
    MaglevGre,
}

impl Case {
    /// All of them. Those that disturb the steady state come after those that need it.
    pub const ALL: [Case; 7] = [
        Case::Pinned,
        Case::Settled,
        Case::Mixed,
        Case::NewFlow,
        Case::Recovery,
        Case::Refresh,
        Case::CreateStickiness,
    ];

    /// In tables.
    pub const fn name(self) -> &'static str {
        match self {
            Case::Pinned => "pinned",
            Case::Settled => "pinned, only read",
            Case::NewFlow => "new flow",
            Case::Recovery => "recovery",
            Case::Mixed => "mixed, 1% SYN",
            Case::Refresh => "pinned, refreshed",
            Case::CreateStickiness => "createStickiness",
        }
    }

    /// Is the table brought into the steady state before every pass? Maglev's has to be after new flows have come and gone, and that warms caches: so
    /// the others' are, too, or a ratio would be one of cold to warm.
    pub const fn settles_first(self) -> bool {
        matches!(self, Case::Mixed)
    }

    /// Must the table be in the steady state before it comes?
    pub const fn is_steady(self) -> bool {
        matches!(self, Case::Pinned | Case::Settled | Case::Mixed)
    }
}

impl Way {
    /// In tables.
    pub const fn name(self) -> &'static str {
        match self {
            Way::Srv6(encoding) => encoding.name(),
            Way::MaglevGre => "Maglev+GRE",
        }
    }

    /// Does it have such packets? Maglev's servers say nothing to it, and whoever has no entry gets one.
    pub const fn has(self, case: Case) -> bool {
        match self {
            Way::Srv6(_) => true,
            Way::MaglevGre => !matches!(case, Case::Recovery | Case::CreateStickiness),
        }
    }

    /// Do packets of this case make entries, all of them?
    pub const fn fills(self, case: Case) -> bool {
        match self {
            Way::Srv6(_) => matches!(case, Case::CreateStickiness),
            Way::MaglevGre => matches!(case, Case::NewFlow),
        }
    }

    /// How servers answer.
    pub const fn encoding(self) -> Encoding {
        match self {
            Way::Srv6(encoding) => encoding,
            Way::MaglevGre => Encoding::Encap,
        }
    }
}
