//! What depends on a packet's bytes, the addresses of the pool and the table's key alone: done for a whole batch before
//! anything is decided, so that the lines of the table are there when they are needed.
//!
//! Nothing in here looks at entries. So packets of a batch see what those before them have written, and a batch does
//! what its packets would do one by one.

use packet_io::PacketBuf;
use srh::parse::{self, Packet, ParseError, Upper};
use srh::Frame;

use flow_table::FlowHash;

use super::Engine;

/// Packets that are looked at before the first of them is worked on.
pub(super) const BATCH: usize = 64;
/// How many packets ahead the next one's bytes are asked for.
const FRAMES_AHEAD: usize = 4;

/// Whose a packet is.
#[derive(Clone, Copy)]
pub(super) enum Whose {
    /// It is for a SID of ours.
    Ours,
    /// For the VIP with this number.
    Vip(usize),
    /// For nobody here.
    Nobody,
}

/// What is known of a packet before anything is decided.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    pub packet: Result<Packet, ParseError>,
    pub whose: Whose,
    /// The hash of the flow whose entry it will meet, if that is plain to see. Who finds another flow later must not use it.
    pub hash: Option<FlowHash>,
}

impl Engine {
    /// Looks at one packet.
    #[inline]
    pub(super) fn look_ahead(&self, bytes: &[u8]) -> Ahead {
        let packet = parse::packet(bytes);
        let mut ahead = Ahead {
            packet,
            whose: Whose::Nobody,
            hash: None,
        };
        if let Ok(packet) = &packet {
            if self.config.locator.contains(packet.dst) {
                ahead.whose = Whose::Ours;
                ahead.hash = self.hash_inside(bytes, packet);
            } else if let Some(vip) = self.pool.vip_at(packet.dst) {
                ahead.whose = Whose::Vip(vip);
                let flow = packet.flow_from_client(packet.dst);
                let flow = flow.filter(|_| !packet.is_fragment());
                ahead.hash = flow.map(|flow| self.flows.hash(&flow));
            }
        }
        ahead
    }

    /// The hash of the flow of a server's packet that came in an outer one (or with an SRH, which keeps its ports).
    fn hash_inside(&self, bytes: &[u8], packet: &Packet) -> Option<FlowHash> {
        let flow = match (packet.upper, &packet.srh) {
            (Upper::Ipv6, _) => {
                let inner = parse::packet(&bytes[packet.upper_at..packet.len]).ok()?;
                if inner.is_fragment() || inner.srh.is_some() {
                    return None;
                }
                match self.pool.vip_at(inner.src) {
                    Some(_) => inner.flow_from_server(inner.dst),
                    None => inner.flow_from_client(inner.dst),
                }
            }
            (_, Some(srh)) if !packet.is_fragment() => {
                let last = srh.final_destination(bytes)?;
                match self.pool.vip_at(packet.src) {
                    Some(_) => packet.flow_from_server(last),
                    None => packet.flow_from_client(last),
                }
            }
            _ => None,
        };
        flow.map(|flow| self.flows.hash(&flow))
    }

    /// Looks at the packets of a batch, and asks for the lines of the table in which their flows may lie.
    pub(super) fn look_at_all(&self, frames: &[PacketBuf], all: &mut Vec<Ahead>) {
        all.clear();
        let soon = frames.iter().take(FRAMES_AHEAD);
        soon.for_each(PacketBuf::prefetch);
        for (i, frame) in frames.iter().enumerate() {
            let soon = frames.get(i + FRAMES_AHEAD);
            soon.into_iter().for_each(PacketBuf::prefetch);
            let ahead = self.look_ahead(frame.bytes());
            ahead
                .hash
                .iter()
                .for_each(|&hash| self.flows.prefetch(hash));
            all.push(ahead);
        }
        let hashes = all.iter().filter_map(|ahead| ahead.hash);
        hashes.for_each(|hash| self.flows.prefetch_rest(hash));
    }
}
