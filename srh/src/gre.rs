//! IPv6 in GRE in IPv6 (RFC 2784, RFC 7676): not 6LB's, but what it is measured against.

use std::net::Ipv6Addr;

use crate::frame::Frame;
use crate::parse::IPV6_BYTES;
use crate::plain::first_bytes;
use crate::rewrite::{hops_left, outer_word, RewriteError, DST, HOP_LIMIT, SRC};
use crate::sid::Locator;

/// GRE's number as a next header.
const GRE: u8 = 47;
/// What is inside, as Ethernet names it.
const IPV6_ETHERTYPE: u16 = 0x86dd;
/// Without checksum, key and sequence number.
const GRE_BYTES: usize = 4;
/// What is added to a packet.
pub const ADDED_BYTES: usize = IPV6_BYTES + GRE_BYTES;
/// How far it goes.
const HOPS: u8 = 64;

/// The headers of a tunnel's near end, but for what depends on the packet and the far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gre([u8; ADDED_BYTES]);

impl Gre {
    /// Those of `node`.
    pub fn new(node: Locator) -> Self {
        let mut head = [0; ADDED_BYTES];
        head[6] = GRE;
        head[HOP_LIMIT] = HOPS;
        head[8..24].copy_from_slice(&node.node().octets());
        head[IPV6_BYTES + 2..].copy_from_slice(&IPV6_ETHERTYPE.to_be_bytes());
        Gre(head)
    }

    /// Sends the packet in `frame`, which holds no byte more, to `far_end`. Its traffic class is the outer one's, too.
    ///
    /// # Errors
    ///
    /// If its hop limit has been used up, it is too long for an IPv6 packet, or there is no room in front of it.
    #[inline]
    pub fn put_on(
        &self,
        frame: &mut impl Frame,
        far_end: Ipv6Addr,
        flow_label: u32,
    ) -> Result<(), RewriteError> {
        let (packet, hops) = (frame.bytes(), hops_left(frame.bytes())?);
        let payload = u16::try_from(packet.len() + GRE_BYTES).map_err(|_| RewriteError::TooLong)?;
        let first_word = outer_word(packet, flow_label);
        let (outer, packet) = frame.split_front::<ADDED_BYTES>()?;
        packet[HOP_LIMIT] = hops;
        let rest = u16::from_be_bytes([self.0[6], self.0[HOP_LIMIT]]);
        outer[..8].copy_from_slice(&first_bytes(first_word, payload, rest));
        outer[SRC].copy_from_slice(&self.0[SRC]);
        outer[DST].copy_from_slice(&far_end.octets());
        outer[IPV6_BYTES..].copy_from_slice(&self.0[IPV6_BYTES..]);
        Ok(())
    }
}
