//! IPv6 in GRE in IPv6 (RFC 2784, RFC 7676): not 6LB's, but what it is measured against.

use std::net::Ipv6Addr;

use crate::frame::Frame;
use crate::parse::IPV6_BYTES;
use crate::rewrite::{self, RewriteError};
use crate::sid::Locator;

/// GRE's number as a next header.
const GRE: u8 = 47;
/// What is inside, as Ethernet names it.
const IPV6_ETHERTYPE: u16 = 0x86dd;
/// Without checksum, key and sequence number.
const GRE_BYTES: usize = 4;
/// What is added to a packet.
pub const ADDED_BYTES: usize = IPV6_BYTES + GRE_BYTES;
const HOP_LIMIT: u8 = 64;

/// The headers of a tunnel's near end, but for what depends on the packet and the far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gre([u8; ADDED_BYTES]);

impl Gre {
    /// Those of `node`.
    pub fn new(node: Locator) -> Self {
        let mut head = [0; ADDED_BYTES];
        head[6] = GRE;
        head[7] = HOP_LIMIT;
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
        rewrite::decrement_hop_limit(frame)?;
        let bytes = frame.bytes();
        let payload = u16::try_from(bytes.len() + GRE_BYTES).map_err(|_| RewriteError::TooLong)?;
        let class = u32::from(u16::from_be_bytes([bytes[0], bytes[1]]) & 0xfff0);
        let first_word = class << 16 | (flow_label & 0xf_ffff);
        frame.prepend(&self.0)?;
        let outer = &mut frame.bytes_mut()[..IPV6_BYTES];
        outer[..4].copy_from_slice(&first_word.to_be_bytes());
        outer[4..6].copy_from_slice(&payload.to_be_bytes());
        outer[24..].copy_from_slice(&far_end.octets());
        Ok(())
    }
}
