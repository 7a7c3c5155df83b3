//! Headers for packets without extension headers, which nearly all are: what they hold is known before the packet comes, but for a few fields. So they
//! are written in whole words and nothing of them is looked at again.

use std::net::Ipv6Addr;

use crate::carry::Encoding;
use crate::frame::Frame;
use crate::parse::{
    next_header, Srh, IPV6_BYTES, ROUTING_TYPE_SRH, SEGMENT_BYTES, SRH_FIXED_BYTES,
};
use crate::rewrite::{payload_len, RewriteError, MAX_SEGMENTS, OUTER_HOP_LIMIT};
use crate::sid::Locator;

/// Where the hop limit stands in an IPv6 header.
pub(crate) const HOP_LIMIT: usize = 7;
/// Where the source stands there.
pub(crate) const SRC: std::ops::Range<usize> = 8..24;
/// Where the destination stands there.
pub(crate) const DST: std::ops::Range<usize> = 24..40;

/// The unsigned headers that send a packet from one node along a few SIDs, in both encodings: what [`put_on`](crate::carry::put_on) would write.
///
/// It is for packets that have no Hop-by-Hop Options: those would come before an SRH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prebuilt {
    node: [u8; SEGMENT_BYTES],
}

impl Prebuilt {
    /// Those of `node`.
    pub fn new(node: Locator) -> Self {
        let node = node.node().octets();
        Prebuilt { node }
    }

    /// Does to a packet what [`put_on`](crate::carry::put_on) does without keys. `frame` holds the packet, no byte more, and the packet has
    /// no Hop-by-Hop Options. There is one SID at least, in the order of the visit, and no more than an SRH may hold.
    #[inline]
    pub fn put_on<const SIDS: usize>(
        &self,
        frame: &mut impl Frame,
        sids: [Ipv6Addr; SIDS],
        encoding: Encoding,
        flow_label: u32,
    ) -> Result<(), RewriteError> {
        const { assert!(SIDS > 0 && SIDS < MAX_SEGMENTS - 1) };
        match encoding {
            Encoding::Encap => self.encap(frame, sids, flow_label),
            Encoding::Insert => self.insert(frame, sids),
        }
    }

    #[inline]
    fn encap<const SIDS: usize>(
        &self,
        frame: &mut impl Frame,
        sids: [Ipv6Addr; SIDS],
        flow_label: u32,
    ) -> Result<(), RewriteError> {
        let added = const { Encoding::Encap.overhead_bytes(SIDS, false) };
        let (packet, hops) = (frame.bytes(), hops_left(frame.bytes())?);
        let payload = payload_len(packet.len() + added)?;
        // Version and traffic class are those inside.
        let class = u32::from(u16::from_be_bytes([packet[0], packet[1]]) & 0xfff0);
        let first_word = class << 16 | (flow_label & 0xf_ffff);
        frame.open_front(added)?;
        let (head, packet) = frame.bytes_mut().split_at_mut(added);
        packet[HOP_LIMIT] = hops;
        let (outer, srh) = head.split_at_mut(IPV6_BYTES);
        let follows = match SIDS {
            1 => next_header::IPV6,
            _ => next_header::ROUTING,
        };
        let rest = u16::from_be_bytes([follows, OUTER_HOP_LIMIT]);
        // What is written in pieces is not read again soon: a processor that has to put it together waits.
        outer[..8].copy_from_slice(&first_bytes(first_word, payload, rest));
        outer[SRC].copy_from_slice(&self.node);
        outer[DST].copy_from_slice(&sids[0].octets());
        if SIDS > 1 {
            // The first SID stands in the outer header alone (RFC 8986 section 5.2).
            srh[..SRH_FIXED_BYTES].copy_from_slice(&fixed(next_header::IPV6, SIDS - 1, SIDS - 1));
            for (slot, sid) in list(srh).zip(sids[1..].iter().rev()) {
                slot.copy_from_slice(&sid.octets());
            }
        }
        Ok(())
    }

    #[inline]
    fn insert<const SIDS: usize>(
        &self,
        frame: &mut impl Frame,
        sids: [Ipv6Addr; SIDS],
    ) -> Result<(), RewriteError> {
        let added = const { Encoding::Insert.overhead_bytes(SIDS, false) };
        let hops = hops_left(frame.bytes())?;
        let payload = payload_len(frame.bytes().len() + added)?;
        frame.open_front(added)?;
        let bytes = &mut frame.bytes_mut()[..added + IPV6_BYTES];
        let mut head = [0; IPV6_BYTES];
        head.copy_from_slice(&bytes[added..]);
        let first_word = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let rest = u16::from_be_bytes([next_header::ROUTING, hops]);
        let (before, srh) = bytes.split_at_mut(IPV6_BYTES);
        before[..8].copy_from_slice(&first_bytes(first_word, payload, rest));
        before[SRC].copy_from_slice(&head[SRC]);
        before[DST].copy_from_slice(&sids[0].octets());
        srh[..SRH_FIXED_BYTES].copy_from_slice(&fixed(head[6], SIDS + 2, SIDS));
        let (last, sids) = (&head[DST], sids.iter().rev());
        let mut slots = list(srh);
        let mut next = |octets: &[u8]| {
            if let Some(slot) = slots.next() {
                slot.copy_from_slice(octets);
            }
        };
        next(last);
        sids.for_each(|sid| next(&sid.octets()));
        next(&self.node);
        Ok(())
    }
}

/// Takes the function off a packet of `len` bytes that is a [`CarriedTcp`](crate::parse::CarriedTcp): what [`decap`](crate::rewrite::decap) or
/// [`strip`](crate::rewrite::strip) does.
#[inline]
pub fn take_off(
    frame: &mut impl Frame,
    len: usize,
    encoding: Encoding,
) -> Result<(), RewriteError> {
    frame.truncate(len);
    match encoding {
        Encoding::Encap => frame.pull_front(IPV6_BYTES),
        Encoding::Insert => {
            const SRH: usize = Srh::OF_ONE.len;
            let payload = payload_len(len - SRH)?;
            let bytes = &mut frame.bytes_mut()[..SRH + IPV6_BYTES];
            let mut head = [0; IPV6_BYTES + SRH_FIXED_BYTES + SEGMENT_BYTES];
            head.copy_from_slice(&bytes[..IPV6_BYTES + SRH_FIXED_BYTES + SEGMENT_BYTES]);
            let first_word = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
            let rest = u16::from_be_bytes([Srh::OF_ONE.next_header, head[HOP_LIMIT]]);
            let after = &mut bytes[SRH..];
            after[..8].copy_from_slice(&first_bytes(first_word, payload, rest));
            after[SRC].copy_from_slice(&head[SRC]);
            // The list's end is its first entry (RFC 8754 section 2).
            after[DST].copy_from_slice(&head[IPV6_BYTES + SRH_FIXED_BYTES..]);
            frame.pull_front(SRH);
        }
    }
    Ok(())
}

/// What stands before the list of an SRH without TLVs (RFC 8754 section 2).
#[inline]
const fn fixed(follows: u8, segments: usize, segments_left: usize) -> [u8; SRH_FIXED_BYTES] {
    let units = (segments * SEGMENT_BYTES / 8) as u8;
    let (left, last_entry) = (segments_left as u8, (segments - 1) as u8);
    [follows, units, ROUTING_TYPE_SRH, left, last_entry, 0, 0, 0]
}

/// The places of an SRH's list.
#[inline]
fn list(srh: &mut [u8]) -> impl Iterator<Item = &mut [u8]> {
    srh[SRH_FIXED_BYTES..].chunks_exact_mut(SEGMENT_BYTES)
}

/// The first bytes of an IPv6 header: version, class and label; payload length; next header and hop limit.
#[inline]
pub(crate) fn first_bytes(first_word: u32, payload: u16, rest: u16) -> [u8; 8] {
    (u64::from(first_word) << 32 | u64::from(payload) << 16 | u64::from(rest)).to_be_bytes()
}

/// The hop limit behind this node.
#[inline]
pub(crate) fn hops_left(packet: &[u8]) -> Result<u8, RewriteError> {
    match packet[HOP_LIMIT] {
        0 | 1 => Err(RewriteError::HopLimit),
        hops => Ok(hops - 1),
    }
}
