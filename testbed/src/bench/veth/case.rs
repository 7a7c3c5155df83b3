//! What forwards.

use clap::ValueEnum;
use srh::Encoding;

/// A machine under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub enum Case {
    /// srlb-lb behind AF_XDP, encoding encap
    LbEncap,
    /// srlb-lb behind AF_XDP, encoding insert
    LbInsert,
    /// srlb-lb's driver alone: packets copied in, routed, copied out
    Driver,
    /// A bare AF_XDP l2fwd: Ethernet addresses changed where the frame lies
    L2fwd,
    /// The same, with as few frames going round as in srlb-lb's driver
    L2fwdFew,
    /// The kernel's IPv6 forwarding
    Kernel,
    /// The kernel's, with an SRH inserted
    Seg6Inline,
    /// The kernel's, with an outer header and an SRH
    Seg6Encap,
}

impl Case {
    /// All of them.
    pub const ALL: [Case; 8] = [
        Case::L2fwd,
        Case::L2fwdFew,
        Case::LbEncap,
        Case::LbInsert,
        Case::Driver,
        Case::Kernel,
        Case::Seg6Inline,
        Case::Seg6Encap,
    ];
    /// What the others are compared with.
    pub const REFERENCE: Case = Case::L2fwd;

    /// In tables.
    pub const fn name(self) -> &'static str {
        match self {
            Case::LbEncap => "LB over AF_XDP, encap",
            Case::LbInsert => "LB over AF_XDP, insert",
            Case::Driver => "its driver alone",
            Case::L2fwd => "bare AF_XDP l2fwd",
            Case::L2fwdFew => "bare AF_XDP l2fwd, few frames",
            Case::Kernel => "kernel forwarding",
            Case::Seg6Inline => "kernel seg6 inline",
            Case::Seg6Encap => "kernel seg6 encap",
        }
    }

    /// The load balancer's encoding, if it is one.
    pub const fn encoding(self) -> Option<Encoding> {
        match self {
            Case::LbEncap => Some(Encoding::Encap),
            Case::LbInsert => Some(Encoding::Insert),
            _ => None,
        }
    }
}
