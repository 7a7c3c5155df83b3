//! Headers that are written once and then copied: for the one segment of a pinned flow.

use std::net::Ipv6Addr;

use crate::carry::{put_on, Encoding, Segments, Sender};
use crate::frame::{Frame, NoHeadroom};
use crate::parse::{self, next_header, IPV6_BYTES, SEGMENT_BYTES, SRH_FIXED_BYTES};
use crate::rewrite::RewriteError;
use crate::sid::Locator;

/// An SRH with three segments: sender, function, final destination.
const SRH_BYTES: usize = SRH_FIXED_BYTES + 3 * SEGMENT_BYTES;
/// An IPv6 header and that behind it.
const BOTH_BYTES: usize = IPV6_BYTES + SRH_BYTES;
/// Where the hop limit stands in an IPv6 header.
pub(crate) const HOP_LIMIT: usize = 7;
/// Where the source stands there.
pub(crate) const SRC: std::ops::Range<usize> = 8..24;
/// Where the destination stands there.
pub(crate) const DST: std::ops::Range<usize> = 24..40;

/// The unsigned headers that send a packet from one node along one SID, in both encodings: what
/// [`put_on`](crate::carry::put_on) would write, but for what depends on the packet and the SID.
///
/// It is for packets that have no Hop-by-Hop Options: those would come before an SRH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prebuilt {
    outer: [u8; IPV6_BYTES],
    srh: [u8; SRH_BYTES],
}

impl Prebuilt {
    /// Those of `node`.
    pub fn new(node: Locator) -> Self {
        let carried = |encoding| {
            let mut model = Model::new();
            let packet = parse::packet(model.bytes()).ok()?;
            let keys = None;
            let sender = Sender { node, keys };
            let sid = Segments::one(Ipv6Addr::UNSPECIFIED);
            put_on(&mut model, &packet, sender, encoding, &sid, 0).ok()?;
            Some(model)
        };
        // The model is a packet with room in front of it: nothing can be wrong with it.
        let head = |encoding, at: usize, to: &mut [u8]| {
            if let Some(model) = carried(encoding) {
                to.copy_from_slice(&model.bytes()[at..at + to.len()]);
            }
        };
        let (mut outer, mut srh) = ([0; IPV6_BYTES], [0; SRH_BYTES]);
        head(Encoding::Encap, 0, &mut outer);
        head(Encoding::Insert, IPV6_BYTES, &mut srh);
        Prebuilt { outer, srh }
    }

    /// Does to a packet what [`put_on`](crate::carry::put_on) does without keys. `frame` holds the packet, no byte more, and the packet has
    /// no Hop-by-Hop Options.
    #[inline]
    pub fn put_on(
        &self,
        frame: &mut impl Frame,
        sid: Ipv6Addr,
        encoding: Encoding,
        flow_label: u32,
    ) -> Result<(), RewriteError> {
        match encoding {
            Encoding::Encap => self.encap(frame, sid, flow_label),
            Encoding::Insert => self.insert(frame, sid),
        }
    }

    #[inline]
    fn encap(
        &self,
        frame: &mut impl Frame,
        sid: Ipv6Addr,
        flow_label: u32,
    ) -> Result<(), RewriteError> {
        let (packet, hops) = (frame.bytes(), hops_left(frame.bytes())?);
        let payload = u16::try_from(packet.len()).map_err(|_| RewriteError::TooLong)?;
        // Version and traffic class are those inside.
        let class = u32::from(u16::from_be_bytes([packet[0], packet[1]]) & 0xfff0);
        let first_word = class << 16 | (flow_label & 0xf_ffff);
        let (outer, packet) = frame.split_front::<IPV6_BYTES>()?;
        packet[HOP_LIMIT] = hops;
        let rest = u16::from_be_bytes([self.outer[6], self.outer[HOP_LIMIT]]);
        // What is written in pieces is not read again soon: a processor that has to put it together waits.
        outer[..8].copy_from_slice(&first_bytes(first_word, payload, rest));
        outer[SRC].copy_from_slice(&self.outer[SRC]);
        outer[DST].copy_from_slice(&sid.octets());
        Ok(())
    }

    #[inline]
    fn insert(&self, frame: &mut impl Frame, sid: Ipv6Addr) -> Result<(), RewriteError> {
        let hops = hops_left(frame.bytes())?;
        let payload = frame.bytes().len() + SRH_BYTES - IPV6_BYTES;
        let payload = u16::try_from(payload).map_err(|_| RewriteError::TooLong)?;
        frame.open_front(SRH_BYTES)?;
        let bytes = &mut frame.bytes_mut()[..BOTH_BYTES];
        let mut head = [0; IPV6_BYTES];
        head.copy_from_slice(&bytes[SRH_BYTES..]);
        let (sid, dst) = (sid.octets(), &head[DST]);
        let first_word = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let rest = u16::from_be_bytes([next_header::ROUTING, hops]);
        let (before, srh) = bytes.split_at_mut(IPV6_BYTES);
        before[..8].copy_from_slice(&first_bytes(first_word, payload, rest));
        before[SRC].copy_from_slice(&head[SRC]);
        before[DST].copy_from_slice(&sid);
        srh.copy_from_slice(&self.srh);
        srh[0] = head[6];
        srh[SRH_FIXED_BYTES..][..SEGMENT_BYTES].copy_from_slice(dst);
        srh[SRH_FIXED_BYTES + SEGMENT_BYTES..][..SEGMENT_BYTES].copy_from_slice(&sid);
        Ok(())
    }
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

/// An IPv6 packet without content, with room in front of it.
struct Model {
    bytes: [u8; Self::ROOM + IPV6_BYTES],
    start: usize,
}

impl Model {
    const ROOM: usize = SRH_BYTES;

    fn new() -> Self {
        let mut bytes = [0; Self::ROOM + IPV6_BYTES];
        bytes[Self::ROOM] = 6 << 4;
        bytes[Self::ROOM + 6] = next_header::NONE;
        bytes[Self::ROOM + 7] = u8::MAX;
        let start = Self::ROOM;
        Model { bytes, start }
    }
}

impl Frame for Model {
    fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    fn push_front(&mut self, n: usize) -> Result<(), NoHeadroom> {
        self.start = self.start.checked_sub(n).ok_or(NoHeadroom)?;
        Ok(())
    }

    fn pull_front(&mut self, n: usize) {
        self.start = (self.start + n).min(self.bytes.len());
    }

    /// Nobody cuts it.
    fn truncate(&mut self, _len: usize) {}
}
