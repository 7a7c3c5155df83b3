//! Headers that are written once and then copied: for the one segment of a pinned flow.

use std::net::Ipv6Addr;

use crate::carry::{put_on, Encoding, Segments, Sender};
use crate::frame::{Frame, NoHeadroom};
use crate::parse::{self, next_header, Packet, IPV6_BYTES, SEGMENT_BYTES, SRH_FIXED_BYTES};
use crate::rewrite::{self, RewriteError};
use crate::sid::Locator;

/// An SRH with three segments: sender, function, final destination.
const SRH_BYTES: usize = SRH_FIXED_BYTES + 3 * SEGMENT_BYTES;

/// The unsigned headers that send any packet from one node along one SID, in both encodings: what
/// [`put_on`](crate::carry::put_on) would write, but for what depends on the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prebuilt {
    outer: [u8; IPV6_BYTES],
    srh: [u8; SRH_BYTES],
    sid: Ipv6Addr,
}

impl Prebuilt {
    /// Those from `node` along `sid`.
    pub fn new(node: Locator, sid: Ipv6Addr) -> Self {
        let carried = |encoding| {
            let mut model = Model::new();
            let packet = parse::packet(model.bytes()).ok()?;
            let keys = None;
            let sender = Sender { node, keys };
            put_on(
                &mut model,
                &packet,
                sender,
                encoding,
                &Segments::one(sid),
                0,
            )
            .ok()?;
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
        Prebuilt { outer, srh, sid }
    }

    /// Does to a packet what [`put_on`](crate::carry::put_on) does without keys.
    pub fn put_on(
        &self,
        frame: &mut impl Frame,
        packet: &Packet,
        encoding: Encoding,
        flow_label: u32,
    ) -> Result<(), RewriteError> {
        rewrite::decrement_hop_limit(frame)?;
        match encoding {
            Encoding::Encap => self.encap(frame, packet, flow_label),
            Encoding::Insert => self.insert(frame, packet),
        }
    }

    fn encap(
        &self,
        frame: &mut impl Frame,
        packet: &Packet,
        flow_label: u32,
    ) -> Result<(), RewriteError> {
        let payload = u16::try_from(packet.len).map_err(|_| RewriteError::TooLong)?;
        let mut outer = self.outer;
        let first_word = 6 << 28 | u32::from(packet.traffic_class) << 20 | (flow_label & 0xf_ffff);
        outer[..4].copy_from_slice(&first_word.to_be_bytes());
        outer[4..6].copy_from_slice(&payload.to_be_bytes());
        Ok(frame.prepend(&outer)?)
    }

    fn insert(&self, frame: &mut impl Frame, packet: &Packet) -> Result<(), RewriteError> {
        let payload = packet.len + SRH_BYTES - IPV6_BYTES;
        let payload = u16::try_from(payload).map_err(|_| RewriteError::TooLong)?;
        let mut srh = self.srh;
        srh[0] = frame.bytes()[packet.insert_announced_at];
        srh[SRH_FIXED_BYTES..][..SEGMENT_BYTES].copy_from_slice(&packet.dst.octets());
        frame.prepend(&srh)?;
        let bytes = frame.bytes_mut();
        let at = packet.insert_at;
        bytes.copy_within(SRH_BYTES..SRH_BYTES + at, 0);
        bytes[at..at + SRH_BYTES].copy_from_slice(&srh);
        bytes[packet.insert_announced_at] = next_header::ROUTING;
        bytes[4..6].copy_from_slice(&payload.to_be_bytes());
        bytes[24..40].copy_from_slice(&self.sid.octets());
        Ok(())
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
