//! What a flood is made of: TCP packets without a connection, from sources that nobody has.

use std::net::Ipv6Addr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use srh::checksum;
use srh::parse::{next_header, Tcp};

use crate::rng::Rng;

/// Spoofed sources lie here, and nowhere else: 2^80 of them. The edge has a blackhole for it, as the Internet has for addresses that
/// nobody uses.
pub const SPOOFED: &str = "2001:db8:f::/48";

const IPV6_BYTES: usize = 40;
const TCP_BYTES: usize = 20;
/// A SYN's one option: the maximum segment size.
const MSS_OPTION: [u8; 4] = [2, 4, 0x05, 0xa0];
const HOP_LIMIT: u8 = 64;

/// Of what a flood is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// New connections that will never be finished.
    Syn,
    /// Packets of connections that never were.
    Ack,
    /// As SYN, each of them sent again as a client's kernel would do it.
    SynTwice,
    /// As ACK, each of them sent again.
    AckTwice,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 4] = [Kind::Syn, Kind::Ack, Kind::SynTwice, Kind::AckTwice];

    /// As in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Syn => "SYN",
            Kind::Ack => "ACK",
            Kind::SynTwice => "SYN, twice",
            Kind::AckTwice => "ACK, twice",
        }
    }

    /// Is every packet a SYN?
    pub const fn is_syn(self) -> bool {
        matches!(self, Kind::Syn | Kind::SynTwice)
    }

    /// Is every packet sent again?
    pub const fn is_twice(self) -> bool {
        matches!(self, Kind::SynTwice | Kind::AckTwice)
    }
}

/// Packets of one kind to one target, each from another source.
#[derive(Clone, Debug)]
pub struct Packets {
    kind: Kind,
    target: Ipv6Addr,
    port: u16,
    rng: Rng,
}

impl Packets {
    /// The same seed gives the same packets.
    pub fn new(kind: Kind, target: Ipv6Addr, port: u16, seed: u64) -> Packets {
        Packets {
            kind,
            target,
            port,
            rng: Rng::new(seed, 0xf100d),
        }
    }

    /// Size of each packet.
    pub const fn bytes(&self) -> usize {
        match self.kind.is_syn() {
            true => IPV6_BYTES + TCP_BYTES + MSS_OPTION.len(),
            false => IPV6_BYTES + TCP_BYTES,
        }
    }

    /// Fills `packet` with the next one.
    pub fn write(&mut self, packet: &mut [u8]) {
        let (high, low) = (self.rng.next_u64(), self.rng.next_u64());
        let source = spoofed(high, low);
        let payload_bytes = packet.len() - IPV6_BYTES;
        packet[..4].copy_from_slice(&[0x60, 0, 0, 0]);
        packet[4..6].copy_from_slice(&(payload_bytes as u16).to_be_bytes());
        packet[6] = next_header::TCP;
        packet[7] = HOP_LIMIT;
        packet[8..24].copy_from_slice(&source.octets());
        packet[24..40].copy_from_slice(&self.target.octets());
        let tcp = &mut packet[IPV6_BYTES..];
        let source_port = 1024 + (high >> 48) as u16 % 60_000;
        tcp[..2].copy_from_slice(&source_port.to_be_bytes());
        tcp[2..4].copy_from_slice(&self.port.to_be_bytes());
        tcp[4..12].copy_from_slice(&self.rng.next_u64().to_be_bytes());
        tcp[12] = ((payload_bytes / 4) << 4) as u8;
        tcp[13] = match self.kind.is_syn() {
            true => Tcp::SYN,
            false => Tcp::ACK,
        };
        tcp[14..20].copy_from_slice(&[0xff, 0xff, 0, 0, 0, 0]);
        if self.kind.is_syn() {
            tcp[8..12].fill(0);
            tcp[20..24].copy_from_slice(&MSS_OPTION);
        }
        let sum = checksum::over(source, self.target, next_header::TCP, tcp);
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    }
}

/// An address in [`SPOOFED`] with these 80 bits.
fn spoofed(high: u64, low: u64) -> Ipv6Addr {
    let prefix = 0x2001_0db8_000f_u128 << 80;
    Ipv6Addr::from(prefix | u128::from(high as u16) << 64 | u128::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;
    use srh::parse;

    #[test]
    fn packets_are_what_they_say_and_their_checksums_are_right() {
        let target: Ipv6Addr = "2001:db8:80::1".parse().unwrap();
        let net: ipnet::Ipv6Net = SPOOFED.parse().unwrap();
        for kind in Kind::ALL {
            let mut packets = Packets::new(kind, target, 80, 7);
            let mut sources = std::collections::HashSet::new();
            for _ in 0..1_000 {
                let mut bytes = vec![0xee; packets.bytes()];
                packets.write(&mut bytes);
                let packet = parse::packet(&bytes).unwrap();
                let tcp = packet.tcp().unwrap();
                assert_eq!((packet.dst, packet.len), (target, bytes.len()));
                assert!(net.contains(&packet.src));
                assert!(checksum::is_right(&bytes, &packet));
                assert_eq!(tcp.is_syn(), kind.is_syn());
                assert_eq!(tcp.has(Tcp::ACK), !kind.is_syn());
                sources.insert(packet.src);
            }
            assert_eq!(sources.len(), 1_000);
        }
    }
}
