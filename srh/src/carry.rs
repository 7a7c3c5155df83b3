//! How functions ride on packets, in either encoding: what both engines use to put them on.

use std::net::Ipv6Addr;

use crate::frame::Frame;
use crate::parse::Packet;
use crate::rewrite::{self, RewriteError, MAX_SEGMENTS};
use crate::sid::{Function, Locator, Sid};

/// How functions are written on packets (docs/protocol.md, "Two encodings, one meaning").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Encoding {
    /// An outer IPv6 header, with an SRH where there is more than one segment.
    #[default]
    Encap,
    /// An SRH inside the packet itself (the paper's way).
    Insert,
}

impl Encoding {
    /// Bytes that `sids` functions add to a packet.
    pub const fn overhead_bytes(self, sids: usize) -> usize {
        match self {
            Encoding::Encap => rewrite::encap_bytes(sids),
            Encoding::Insert => rewrite::insert_bytes(sids + 2),
        }
    }

    /// Bytes of the longest header that an LB adds: a full chunk of a recovery list.
    pub const fn longest_header_bytes(self) -> usize {
        self.overhead_bytes(MAX_SEGMENTS - 2)
    }

    /// The name in configuration files and in `status`.
    pub const fn name(self) -> &'static str {
        match self {
            Encoding::Encap => "encap",
            Encoding::Insert => "insert",
        }
    }
}

/// A short list of addresses, without memory of its own.
#[derive(Clone, Copy, Debug)]
pub struct Segments {
    list: [Ipv6Addr; MAX_SEGMENTS],
    len: usize,
}

impl Default for Segments {
    fn default() -> Self {
        Segments {
            list: [Ipv6Addr::UNSPECIFIED; MAX_SEGMENTS],
            len: 0,
        }
    }
}

impl Segments {
    /// A list of one.
    pub fn one(addr: Ipv6Addr) -> Self {
        let mut list = Self::default();
        list.push(addr);
        list
    }

    /// Appends an address; what would be one too many is left out.
    pub fn push(&mut self, addr: Ipv6Addr) {
        if let Some(slot) = self.list.get_mut(self.len) {
            *slot = addr;
            self.len += 1;
        }
    }

    /// The addresses, in the order of the visit.
    pub fn as_slice(&self) -> &[Ipv6Addr] {
        &self.list[..self.len]
    }
}

/// The locator of a node's own SID, which is what a function's sender must be; `None` for any
/// other address.
pub fn node_of(addr: Ipv6Addr) -> Option<Locator> {
    match Sid::parse(addr) {
        Some(Sid {
            locator,
            function: Function::Node,
            arg: 0,
        }) => Some(locator),
        _ => None,
    }
}

/// Sends `frame` along `sids`, from `node`, in one of the encodings; its own destination stays
/// the final one. One hop of the packet is used up.
pub fn put_on(
    frame: &mut impl Frame,
    packet: &Packet,
    node: Locator,
    encoding: Encoding,
    sids: &Segments,
    flow_label: u32,
) -> Result<(), RewriteError> {
    rewrite::decrement_hop_limit(frame)?;
    match encoding {
        Encoding::Encap => rewrite::encap(frame, packet, node.node(), sids.as_slice(), flow_label),
        Encoding::Insert => {
            let mut list = Segments::one(node.node());
            sids.as_slice().iter().for_each(|&sid| list.push(sid));
            list.push(packet.dst);
            rewrite::insert(frame, packet, list.as_slice())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sizes_of_the_contract() {
        assert_eq!(Encoding::Insert.overhead_bytes(2), 72);
        assert_eq!(Encoding::Insert.overhead_bytes(1), 56);
        assert_eq!(Encoding::Encap.overhead_bytes(2), 64);
        assert_eq!(Encoding::Encap.overhead_bytes(1), 40);
        assert_eq!(Encoding::Insert.longest_header_bytes(), 168);
        assert_eq!(Encoding::Encap.longest_header_bytes(), 160);
    }

    #[test]
    fn only_a_node_sid_is_a_sender() {
        let locator = Locator::of("fd00:5e:1::".parse().unwrap());
        assert_eq!(node_of(locator.node()), Some(locator));
        assert_eq!(node_of(locator.sid(Function::AckStickiness)), None);
        assert_eq!(node_of(locator.sid_with(Function::Node, 1)), None);
        assert_eq!(node_of(locator.network()), None);
    }
}
