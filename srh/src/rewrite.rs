//! The one rewriter: puts headers on, moves them on, takes them off, in place.
//!
//! Every function takes a frame and the [`Packet`] that the parser made of that frame as it
//! is now; after a rewrite the packet has to be parsed anew if somebody looks at it again.

use std::net::Ipv6Addr;

use crate::frame::{Frame, NoHeadroom};
use crate::hmac::{Keys, TLV_BYTES};
use crate::parse::{next_header, Packet, Srh, IPV6_BYTES, SEGMENT_BYTES, SRH_FIXED_BYTES};

/// Most segments that one header of ours has: eight candidates or members of a recovery
/// chunk, the sender and the VIP.
pub const MAX_SEGMENTS: usize = 10;

/// Why a packet could not be rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RewriteError {
    /// See [`NoHeadroom`].
    #[error(transparent)]
    NoHeadroom(#[from] NoHeadroom),
    /// The payload length would not fit in 16 bits.
    #[error("the packet would be longer than 65,575 bytes")]
    TooLong,
    /// The hop limit is used up.
    #[error("hop limit used up")]
    HopLimit,
    /// An advance with no segment left, or a strip without an SRH.
    #[error("no segment to go to")]
    NoSegment,
    /// A segment list that is empty, too short or too long.
    #[error("a segment list of a length that can't be written")]
    SegmentCount,
}

/// Bytes of an SRH with a list of `segments` addresses, with an HMAC TLV if it is `signed`.
const fn srh_bytes(segments: usize, signed: bool) -> usize {
    let tlvs = if signed { TLV_BYTES } else { 0 };
    SRH_FIXED_BYTES + SEGMENT_BYTES * segments + tlvs
}

/// Bytes that [`insert`] adds for a list of `segments` addresses, sender and VIP included.
pub const fn insert_bytes(segments: usize, signed: bool) -> usize {
    srh_bytes(segments, signed)
}

/// Bytes that [`encap`] adds for a list of `segments` addresses.
pub const fn encap_bytes(segments: usize, signed: bool) -> usize {
    if signed {
        IPV6_BYTES + srh_bytes(segments, true)
    } else if segments > 1 {
        IPV6_BYTES + srh_bytes(segments - 1, false)
    } else {
        IPV6_BYTES
    }
}

/// Lowers the hop limit by one, as every encapsulation and insertion does.
#[inline]
pub fn decrement_hop_limit(frame: &mut impl Frame) -> Result<(), RewriteError> {
    let limit = &mut frame.bytes_mut()[7];
    if *limit <= 1 {
        return Err(RewriteError::HopLimit);
    }
    *limit -= 1;
    Ok(())
}

/// Inserts an SRH into the packet (the paper's encoding).
///
/// `segments` in the order of the visit: the sender, the nodes, the final destination.
/// The destination becomes the second; Segments Left counts what comes behind it. With `keys` an HMAC TLV
/// follows the list.
pub fn insert(
    frame: &mut impl Frame,
    packet: &Packet,
    segments: &[Ipv6Addr],
    keys: Option<&Keys>,
) -> Result<(), RewriteError> {
    if segments.len() < 3 || segments.len() > MAX_SEGMENTS {
        return Err(RewriteError::SegmentCount);
    }
    let added = insert_bytes(segments.len(), keys.is_some());
    let payload = payload_len(packet.len + added)?;
    frame.push_front(added)?;
    let bytes = frame.bytes_mut();
    bytes.copy_within(added..added + packet.insert_at, 0);
    let follows = bytes[packet.insert_announced_at];
    bytes[packet.insert_announced_at] = next_header::ROUTING;
    set_payload_len(bytes, payload);
    set_dst(bytes, segments[1]);
    let (head, rest) = bytes.split_at_mut(packet.insert_at);
    let srh = &mut rest[..added];
    write_srh(srh, follows, segments.len() - 2, segments);
    if let Some(keys) = keys {
        keys.sign(&head[SRC], srh);
    }
    Ok(())
}

/// Puts the packet into another one, from `src` to the first of `segments`.
///
/// Without `keys` this is H.Encaps.Red (RFC 8986 section 5.2): an SRH holds the other segments, and only if there
/// are any. With `keys` it is H.Encaps (section 5.1): the SRH holds all of them, because the HMAC in it covers no
/// other destination (RFC 8754 section 2.1.2.1).
pub fn encap(
    frame: &mut impl Frame,
    packet: &Packet,
    src: Ipv6Addr,
    segments: &[Ipv6Addr],
    flow_label: u32,
    keys: Option<&Keys>,
) -> Result<(), RewriteError> {
    let (&dst, later) = segments.split_first().ok_or(RewriteError::SegmentCount)?;
    if later.len() > MAX_SEGMENTS {
        return Err(RewriteError::SegmentCount);
    }
    let listed = if keys.is_some() { segments } else { later };
    let added = encap_bytes(segments.len(), keys.is_some());
    let payload = payload_len(packet.len + added)?;
    frame.push_front(added)?;
    let bytes = frame.bytes_mut();
    let first_word = 6 << 28 | u32::from(packet.traffic_class) << 20 | (flow_label & 0xf_ffff);
    bytes[..4].copy_from_slice(&first_word.to_be_bytes());
    set_payload_len(bytes, payload);
    bytes[7] = OUTER_HOP_LIMIT;
    bytes[SRC].copy_from_slice(&src.octets());
    set_dst(bytes, dst);
    if listed.is_empty() {
        bytes[6] = next_header::IPV6;
        return Ok(());
    }
    bytes[6] = next_header::ROUTING;
    let (head, rest) = bytes.split_at_mut(IPV6_BYTES);
    let srh = &mut rest[..added - IPV6_BYTES];
    write_srh(srh, next_header::IPV6, later.len(), listed);
    if let Some(keys) = keys {
        keys.sign(&head[SRC], srh);
    }
    Ok(())
}

/// Where the source stands in an IPv6 header.
const SRC: std::ops::Range<usize> = 8..24;

/// Hop limit of the outer header; what is inside keeps its own.
pub const OUTER_HOP_LIMIT: u8 = 64;

/// What an SRv6 End does (RFC 8986 section 4.1): Segments Left - 1, the destination becomes
/// the next segment, hop limit - 1. Returns the new destination.
pub fn advance(frame: &mut impl Frame, packet: &Packet) -> Result<Ipv6Addr, RewriteError> {
    let srh = packet.srh.as_ref().ok_or(RewriteError::NoSegment)?;
    let next = srh
        .segments_left
        .checked_sub(1)
        .ok_or(RewriteError::NoSegment)?;
    let dst = srh
        .segment(frame.bytes(), usize::from(next))
        .ok_or(RewriteError::NoSegment)?;
    decrement_hop_limit(frame)?;
    let bytes = frame.bytes_mut();
    bytes[srh.at + 3] = next;
    set_dst(bytes, dst);
    Ok(dst)
}

/// Takes the SRH out and sends the packet to its final destination, which is returned.
pub fn strip(frame: &mut impl Frame, packet: &Packet) -> Result<Ipv6Addr, RewriteError> {
    let srh: Srh = packet.srh.ok_or(RewriteError::NoSegment)?;
    let dst = srh
        .final_destination(frame.bytes())
        .ok_or(RewriteError::NoSegment)?;
    let payload = payload_len(packet.len - srh.len)?;
    let bytes = frame.bytes_mut();
    bytes[srh.announced_at] = srh.next_header;
    set_payload_len(bytes, payload);
    set_dst(bytes, dst);
    bytes.copy_within(0..srh.at, srh.len);
    frame.pull_front(srh.len);
    Ok(dst)
}

/// Takes the outer packet off, with all its extension headers. The caller has checked that
/// the payload is IPv6.
pub fn decap(frame: &mut impl Frame, packet: &Packet) {
    frame.truncate(packet.len);
    frame.pull_front(packet.upper_at);
}

fn payload_len(total: usize) -> Result<u16, RewriteError> {
    u16::try_from(total - IPV6_BYTES).map_err(|_| RewriteError::TooLong)
}

fn set_payload_len(bytes: &mut [u8], payload: u16) {
    bytes[4..6].copy_from_slice(&payload.to_be_bytes());
}

fn set_dst(bytes: &mut [u8], dst: Ipv6Addr) {
    bytes[24..40].copy_from_slice(&dst.octets());
}

/// Writes an SRH that holds `segments` (order of the visit); what `srh` is longer is left to TLVs.
fn write_srh(srh: &mut [u8], follows: u8, segments_left: usize, segments: &[Ipv6Addr]) {
    srh[0] = follows;
    srh[1] = (srh.len() / 8 - 1) as u8;
    srh[2] = 4;
    srh[3] = segments_left as u8;
    srh[4] = (segments.len() - 1) as u8;
    // flags and tag: zero
    srh[5..8].fill(0);
    for (slot, segment) in srh[SRH_FIXED_BYTES..]
        .chunks_exact_mut(SEGMENT_BYTES)
        .zip(segments.iter().rev())
    {
        slot.copy_from_slice(&segment.octets());
    }
}
