//! The packets of one client, of its server, and what carries them.

use std::net::Ipv6Addr;

use flow_table::{FlowTable, HashKey};
use srh::Encoding;

use super::build::{self, Segment, ACK, HOPS, RST, SYN};
use super::world::*;
use crate::engine::pin::Pin;

impl World {
    pub fn request(&self, flags: u8, ack: u32, data: &[u8]) -> Vec<u8> {
        Segment {
            from: (client(), self.port),
            to: (vip(), 80),
            flags,
            seq: NUMBER - u32::from(flags & SYN != 0),
            ack,
            hops: HOPS,
            data,
        }
        .bytes()
    }

    pub fn syn(&self) -> Vec<u8> {
        self.request(SYN, 0, b"")
    }

    pub fn ack(&self) -> Vec<u8> {
        self.request(ACK, 5_001, b"")
    }

    pub fn data(&self, bytes: usize) -> Vec<u8> {
        self.request(ACK, 5_001, &vec![b'x'; bytes])
    }

    pub fn rst(&self) -> Vec<u8> {
        self.request(RST, 0, b"")
    }

    pub fn datagram(&self, data: &[u8]) -> Vec<u8> {
        build::udp((client(), self.port), (vip(), 80), data)
    }

    pub fn answer(&self, data: &[u8]) -> Vec<u8> {
        build::udp((vip(), 80), (client(), self.port), data)
    }

    pub fn reply(&self, flags: u8, ack: u32, data: &[u8]) -> Vec<u8> {
        Segment {
            from: (vip(), 80),
            to: (client(), self.port),
            flags,
            seq: 5_000 + u32::from(flags & SYN == 0),
            ack,
            hops: HOPS,
            data,
        }
        .bytes()
    }

    pub fn syn_ack(&self, number: u32) -> Vec<u8> {
        self.reply(SYN | ACK, number, b"")
    }

    /// `packet` with a function of a server on it, for our LB.
    pub fn says(&self, server: u16, function: u16, packet: &[u8]) -> Vec<u8> {
        self.carried(sid(server, NODE), lb(function), packet)
    }

    /// `packet` from the node `from` to the SID `to`, in the encoding of this world.
    pub fn carried(&self, from: Ipv6Addr, to: Ipv6Addr, packet: &[u8]) -> Vec<u8> {
        let carried = match self.encoding {
            Encoding::Encap => build::encap(from, &[to], 0x1_2345, packet),
            Encoding::Insert => build::insert(from, &[to], packet),
        };
        self.as_is_due(&[to], carried)
    }

    /// What our LB makes of a client's packet that is to go along `sids`.
    pub fn along(&self, sids: &[Ipv6Addr], packet: &[u8]) -> Vec<u8> {
        let packet = build::hops_less(packet, 1);
        let carried = match self.encoding {
            Encoding::Encap => build::encap(lb(NODE), sids, self.label(), &packet),
            Encoding::Insert => build::insert(lb(NODE), sids, &packet),
        };
        self.as_is_due(sids, carried)
    }

    /// With an HMAC, if this is a world of HMACs.
    fn as_is_due(&self, sids: &[Ipv6Addr], packet: Vec<u8>) -> Vec<u8> {
        match self.is_signed {
            true => build::signed(KEY_ID, &SECRET, sids, &packet),
            false => packet,
        }
    }

    /// The flow label of outer headers: a hash of the flow.
    fn label(&self) -> u32 {
        let table = FlowTable::<Pin, 3>::new(1, HashKey(TABLE_KEY));
        table.hash(&self.flow()).flow_label()
    }
}
