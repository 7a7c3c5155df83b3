//! The one rewriter: puts headers on, moves them on, takes them off, in place.
//!
//! Every function takes a frame and the [`Packet`] that the parser made of that frame as it
//! is now, or its [`Shape`] where that is enough; after a rewrite the packet has to be parsed anew if somebody
//! looks at it again.

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

/// What has to be known of a packet to put a header on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    len: usize,
    insert_at: usize,
    insert_announced_at: usize,
}

impl Shape {
    /// That of a packet of `len` bytes without Hop-by-Hop Options.
    #[inline]
    pub const fn plain(len: usize) -> Self {
        Shape {
            len,
            insert_at: IPV6_BYTES,
            insert_announced_at: NEXT_HEADER,
        }
    }
}

impl From<&Packet> for Shape {
    #[inline]
    fn from(packet: &Packet) -> Self {
        Shape {
            len: packet.len,
            insert_at: packet.insert_at,
            insert_announced_at: packet.insert_announced_at,
        }
    }
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

/// The hop limit behind this node, if there is a hop left for an encapsulation or insertion.
#[inline]
pub(crate) fn hops_left(packet: &[u8]) -> Result<u8, RewriteError> {
    match packet[HOP_LIMIT] {
        0 | 1 => Err(RewriteError::HopLimit),
        hops => Ok(hops - 1),
    }
}

/// Lowers the hop limit by one, as every encapsulation and insertion does.
#[inline]
pub fn decrement_hop_limit(frame: &mut impl Frame) -> Result<(), RewriteError> {
    frame.bytes_mut()[HOP_LIMIT] = hops_left(frame.bytes())?;
    Ok(())
}

/// Inserts an SRH into the packet (the paper's encoding).
///
/// `segments` in the order of the visit: the sender, the nodes, the final destination.
/// The destination becomes the second; Segments Left counts what comes behind it. With `keys` an HMAC TLV
/// follows the list.
pub fn insert(
    frame: &mut impl Frame,
    shape: impl Into<Shape>,
    segments: &[Ipv6Addr],
    keys: Option<&Keys>,
) -> Result<(), RewriteError> {
    match segments {
        [sender, nodes @ .., last] => {
            insert_between(frame, shape.into(), (*sender, *last), nodes, keys)
        }
        _ => Err(RewriteError::SegmentCount),
    }
}

/// [`insert`] of the sender, these nodes, and the final destination.
#[inline]
pub(crate) fn insert_between(
    frame: &mut impl Frame,
    shape: Shape,
    (sender, last): (Ipv6Addr, Ipv6Addr),
    nodes: &[Ipv6Addr],
    keys: Option<&Keys>,
) -> Result<(), RewriteError> {
    let segments = nodes.len() + 2;
    let &first = nodes.first().ok_or(RewriteError::SegmentCount)?;
    if segments > MAX_SEGMENTS {
        return Err(RewriteError::SegmentCount);
    }
    let added = insert_bytes(segments, keys.is_some());
    let payload = payload_len(shape.len + added)?;
    frame.open_front(added)?;
    let bytes = frame.bytes_mut();
    if shape.insert_at == IPV6_BYTES {
        // As nearly always; of a length that is known it takes no call.
        bytes.copy_within(added..added + IPV6_BYTES, 0);
    } else {
        bytes.copy_within(added..added + shape.insert_at, 0);
    }
    let follows = bytes[shape.insert_announced_at];
    bytes[shape.insert_announced_at] = next_header::ROUTING;
    set_payload_len(bytes, payload);
    set_dst(bytes, first);
    let (head, rest) = bytes.split_at_mut(shape.insert_at);
    let srh = &mut rest[..added];
    write_fixed(srh, follows, segments - 1, segments - 2);
    let (end, list) =
        srh[SRH_FIXED_BYTES..][..SEGMENT_BYTES * segments].split_at_mut(SEGMENT_BYTES);
    let (list, start) = list.split_at_mut(SEGMENT_BYTES * nodes.len());
    end.copy_from_slice(&last.octets());
    write_list(list, nodes);
    start.copy_from_slice(&sender.octets());
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
#[inline]
pub fn encap(
    frame: &mut impl Frame,
    shape: impl Into<Shape>,
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
    let payload = payload_len(shape.into().len + added)?;
    frame.open_front(added)?;
    let bytes = frame.bytes_mut();
    let first_word = outer_word(&bytes[added..], flow_label);
    bytes[..4].copy_from_slice(&first_word.to_be_bytes());
    set_payload_len(bytes, payload);
    bytes[HOP_LIMIT] = OUTER_HOP_LIMIT;
    bytes[SRC].copy_from_slice(&src.octets());
    set_dst(bytes, dst);
    if listed.is_empty() {
        bytes[NEXT_HEADER] = next_header::IPV6;
        return Ok(());
    }
    bytes[NEXT_HEADER] = next_header::ROUTING;
    let (head, rest) = bytes.split_at_mut(IPV6_BYTES);
    let srh = &mut rest[..added - IPV6_BYTES];
    write_fixed(srh, next_header::IPV6, listed.len() - 1, later.len());
    write_list(&mut srh[SRH_FIXED_BYTES..], listed);
    if let Some(keys) = keys {
        keys.sign(&head[SRC], srh);
    }
    Ok(())
}

/// Where the Next Header byte stands in an IPv6 header.
pub(crate) const NEXT_HEADER: usize = 6;
/// Where the hop limit stands there.
pub(crate) const HOP_LIMIT: usize = 7;
/// Where the source stands there.
pub(crate) const SRC: std::ops::Range<usize> = 8..24;
/// Where the destination stands there.
pub(crate) const DST: std::ops::Range<usize> = 24..40;

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

/// The first word of the header around a packet: version and traffic class are those inside.
#[inline]
pub(crate) fn outer_word(packet: &[u8], flow_label: u32) -> u32 {
    let class = u32::from(u16::from_be_bytes([packet[0], packet[1]]) & 0xfff0);
    class << 16 | (flow_label & 0xf_ffff)
}

#[inline]
pub(crate) fn payload_len(total: usize) -> Result<u16, RewriteError> {
    u16::try_from(total - IPV6_BYTES).map_err(|_| RewriteError::TooLong)
}

#[inline]
fn set_payload_len(bytes: &mut [u8], payload: u16) {
    bytes[4..6].copy_from_slice(&payload.to_be_bytes());
}

/// Where a packet is sent now.
#[inline]
pub(crate) fn dst(frame: &impl Frame) -> Ipv6Addr {
    let mut octets = [0; SEGMENT_BYTES];
    octets.copy_from_slice(&frame.bytes()[DST]);
    Ipv6Addr::from(octets)
}

#[inline]
fn set_dst(bytes: &mut [u8], dst: Ipv6Addr) {
    bytes[DST].copy_from_slice(&dst.octets());
}

/// Writes what stands before the list of an SRH; its length is that of `srh`.
#[inline]
pub(crate) fn write_fixed(srh: &mut [u8], follows: u8, last_entry: usize, segments_left: usize) {
    let units = (srh.len() / 8 - 1) as u8;
    // Routing type 4; flags and tag are zero.
    let fixed = [
        follows,
        units,
        4,
        segments_left as u8,
        last_entry as u8,
        0,
        0,
        0,
    ];
    srh[..SRH_FIXED_BYTES].copy_from_slice(&fixed);
}

/// Writes segments (order of the visit) to the front of `list`, the last one first.
#[inline]
fn write_list(list: &mut [u8], segments: &[Ipv6Addr]) {
    let slots = list.chunks_exact_mut(SEGMENT_BYTES);
    for (slot, segment) in slots.zip(segments.iter().rev()) {
        slot.copy_from_slice(&segment.octets());
    }
}
