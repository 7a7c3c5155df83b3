//! Headers for plain packets, which nearly all are, unsigned: what they hold is known before the packet comes, but for a few fields. So they
//! are written in whole words, and nothing of them is looked at again.

use std::net::Ipv6Addr;

use crate::carry::Encoding;
use crate::frame::Frame;
use crate::parse::{next_header, IPV6_BYTES, ONE_SRH_BYTES, SEGMENT_BYTES, SRH_FIXED_BYTES};
use crate::rewrite::{hops_left, outer_word, payload_len, write_fixed, RewriteError};
use crate::rewrite::{DST, HOP_LIMIT, MAX_SEGMENTS, NEXT_HEADER, OUTER_HOP_LIMIT, SRC};
use crate::sid::Locator;

/// The unsigned headers that send a packet from one node along a few SIDs, in both encodings: what [`put_on`](crate::carry::put_on) would write.
///
/// It is for packets that have no Hop-by-Hop Options: those would come before an SRH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainHeaders {
    node: [u8; SEGMENT_BYTES],
}

impl PlainHeaders {
    /// Those of `node`.
    pub fn new(node: Locator) -> Self {
        let node = node.node().octets();
        PlainHeaders { node }
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
        let first_word = outer_word(packet, flow_label);
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
            write_fixed(srh, next_header::IPV6, SIDS - 2, SIDS - 1);
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
        write_fixed(srh, head[NEXT_HEADER], SIDS + 1, SIDS);
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
            let payload = payload_len(len - ONE_SRH_BYTES)?;
            let bytes = &mut frame.bytes_mut()[..ONE_SRH_BYTES + IPV6_BYTES];
            let mut head = [0; IPV6_BYTES + SRH_FIXED_BYTES + SEGMENT_BYTES];
            head.copy_from_slice(&bytes[..IPV6_BYTES + SRH_FIXED_BYTES + SEGMENT_BYTES]);
            let first_word = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
            let rest = u16::from_be_bytes([next_header::TCP, head[HOP_LIMIT]]);
            let after = &mut bytes[ONE_SRH_BYTES..];
            after[..8].copy_from_slice(&first_bytes(first_word, payload, rest));
            after[SRC].copy_from_slice(&head[SRC]);
            // The list's end is its first entry (RFC 8754 section 2).
            after[DST].copy_from_slice(&head[IPV6_BYTES + SRH_FIXED_BYTES..]);
            frame.pull_front(ONE_SRH_BYTES);
        }
    }
    Ok(())
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
