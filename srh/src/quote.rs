//! The packet that an ICMPv6 error quotes, and the flow it belongs to.

use std::net::Ipv6Addr;

use crate::flow::Flow;
use crate::icmp::ICMP_BYTES;
use crate::parse::{self, Packet, Upper};

/// What an ICMPv6 error quotes.
///
/// The end of a quotation may be missing (RFC 4443 section 2.4 c), and the offsets inside
/// `outer` and `inner` count from `outer_at` and `inner_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// The quoted packet.
    pub outer: Packet,
    /// Where it starts, from the first byte of the error message.
    pub outer_at: usize,
    /// The packet of client or VIP: inside `outer` if that is an encapsulation, else the same.
    pub inner: Packet,
    /// Where it starts, from the first byte of the error message.
    pub inner_at: usize,
    /// Where `inner` was to go in the end: with an SRH its last segment.
    pub final_dst: Ipv6Addr,
}

impl Quoted {
    /// Was the packet inside an outer header?
    pub fn is_encapsulated(&self) -> bool {
        self.inner_at != self.outer_at
    }

    /// The flow, where a server sent the packet as the VIP: for errors that reach the VIP.
    pub fn flow_sent_by_vip(&self) -> Option<Flow> {
        self.inner.flow_from_server(self.final_dst)
    }

    /// The flow, where a client sent the packet to the VIP: for errors that reach us because
    /// the outer header was ours.
    pub fn flow_sent_by_client(&self) -> Option<Flow> {
        self.inner.flow_from_client(self.final_dst)
    }
}

/// Takes the quotation out of an ICMPv6 error, through an outer header and an SRH.
/// `None` for what is no error, or quotes nothing that can be read.
pub fn quoted_flow(bytes: &[u8], packet: &Packet) -> Option<Quoted> {
    if !matches!(packet.upper, Upper::Icmp(icmp) if icmp.is_error()) {
        return None;
    }
    let outer_at = packet.upper_at + ICMP_BYTES;
    let quotation = bytes.get(outer_at..packet.len)?;
    let outer = parse::quoted(quotation).ok()?;
    let (inner, inner_from) = match outer.upper {
        // No deeper than one: nobody of ours puts an encapsulation into another.
        Upper::Ipv6 => (
            parse::quoted(&quotation[outer.upper_at..outer.len]).ok()?,
            outer.upper_at,
        ),
        _ => (outer, 0),
    };
    let final_dst = match &inner.srh {
        Some(srh) => srh.final_destination(&quotation[inner_from..])?,
        None => inner.dst,
    };
    Some(Quoted {
        outer,
        outer_at,
        inner,
        inner_at: outer_at + inner_from,
        final_dst,
    })
}
