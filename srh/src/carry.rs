//! How functions ride on packets, in either encoding: what both engines use to put them on.

use std::net::Ipv6Addr;

use crate::frame::Frame;
use crate::hmac::Keys;
use crate::rewrite::{self, RewriteError, Shape, MAX_SEGMENTS};
use crate::sid::{Function, Locator, Sid};

/// How functions are written on packets (docs/protocol.md, "Two encodings, one meaning").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Encoding {
    /// An outer IPv6 header, with an SRH where there is more than one segment, or a key to sign with.
    #[default]
    Encap,
    /// An SRH inside the packet itself (the paper's way).
    Insert,
}

impl Encoding {
    /// Bytes that `sids` functions add to a packet, with an HMAC TLV if it is `signed`.
    pub const fn overhead_bytes(self, sids: usize, signed: bool) -> usize {
        match self {
            Encoding::Encap => rewrite::encap_bytes(sids, signed),
            Encoding::Insert => rewrite::insert_bytes(sids + 2, signed),
        }
    }

    /// Bytes of the longest header that an LB adds: a full chunk of a recovery list.
    pub const fn longest_header_bytes(self, signed: bool) -> usize {
        self.overhead_bytes(MAX_SEGMENTS - 2, signed)
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
    #[inline]
    pub fn one(addr: Ipv6Addr) -> Self {
        let mut list = Self::default();
        list.push(addr);
        list
    }

    /// Appends an address; what would be one too many is left out.
    #[inline]
    pub fn push(&mut self, addr: Ipv6Addr) {
        if let Some(slot) = self.list.get_mut(self.len) {
            *slot = addr;
            self.len += 1;
        }
    }

    /// The addresses, in the order of the visit.
    #[inline]
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

/// Who puts functions on packets.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// The node.
    pub node: Locator,
    /// What it signs with, if it does.
    pub keys: Option<&'a Keys>,
}

/// Sends `frame` along `sids`, from `sender`, in one of the encodings; its own destination stays
/// the final one. One hop of the packet is used up.
#[inline]
pub fn put_on(
    frame: &mut impl Frame,
    shape: impl Into<Shape>,
    sender: Sender<'_>,
    encoding: Encoding,
    sids: &Segments,
    flow_label: u32,
) -> Result<(), RewriteError> {
    let (node, sids, shape) = (sender.node.node(), sids.as_slice(), shape.into());
    match encoding {
        Encoding::Encap => {
            rewrite::decrement_hop_limit(frame)?;
            rewrite::encap(frame, shape, node, sids, flow_label, sender.keys)
        }
        Encoding::Insert => {
            rewrite::hops_left(frame.bytes())?;
            let ends = (node, rewrite::dst(frame));
            let inserted = rewrite::insert_between(frame, shape, ends, sids, sender.keys);
            // Only now: the header is moved, and nobody should read what was just written in another size.
            rewrite::decrement_hop_limit(frame)?;
            inserted
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sizes_of_the_contract() {
        // encoding, signed; two candidates, one server, the longest
        let rows = [
            (Encoding::Insert, false, [72, 56, 168]),
            (Encoding::Encap, false, [64, 40, 160]),
            (Encoding::Insert, true, [112, 96, 208]),
            (Encoding::Encap, true, [120, 104, 216]),
        ];
        for (encoding, signed, expected) in rows {
            let sizes = [
                encoding.overhead_bytes(2, signed),
                encoding.overhead_bytes(1, signed),
                encoding.longest_header_bytes(signed),
            ];
            assert_eq!(sizes, expected, "{encoding:?}, signed: {signed}");
        }
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
