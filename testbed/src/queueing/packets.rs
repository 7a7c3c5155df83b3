//! The packets of a query. Each query is a client of its own, so that its address says which one it is.

use std::net::Ipv6Addr;

use packet_io::PacketBuf;
use srh::checksum;
use srh::parse::{next_header, Tcp, IPV6_BYTES, TCP_BYTES};
use srh::Flow;

use crate::rng::number_at;
use crate::sim::nodes::{VIP, VIP_PORT};

/// The first half of clients' addresses.
const CLIENTS: u64 = 0x2001_0db8_000c_0000;
const CLIENT_PORT: u16 = 40_000;
const HOP_LIMIT: u8 = 64;
const WINDOW: u16 = 64_000;

/// The client that has sent query `number`.
pub fn client(number: u64) -> Ipv6Addr {
    Ipv6Addr::from_bits(u128::from(CLIENTS) << 64 | u128::from(number))
}

/// The query of a client; none if that is nobody's address.
pub fn query_of(address: Ipv6Addr) -> Option<u64> {
    let bits = address.to_bits();
    ((bits >> 64) as u64 == CLIENTS).then_some(bits as u64)
}

/// The flow of a query.
pub fn flow(number: u64) -> Flow {
    Flow {
        protocol: next_header::TCP,
        client: client(number),
        client_port: CLIENT_PORT,
        vip: VIP,
        vip_port: VIP_PORT,
    }
}

/// Which packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The client's SYN.
    Syn,
    /// The server's answer to it.
    SynAck,
    /// The client's ACK, which its request would follow.
    Ack,
    /// The end of the server's answer.
    Fin,
    /// The server's accept queue is full.
    Rst,
    /// The client's own end, behind the server's: without it the router keeps the flow's numbers for an hour, and above
    /// those of handshakes, because the client may still have something to say.
    ClientFin,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 6] = [
        Kind::Syn,
        Kind::SynAck,
        Kind::Ack,
        Kind::Fin,
        Kind::Rst,
        Kind::ClientFin,
    ];

    /// Which packet of a query has these flags and comes from the client, or from the server.
    pub fn of(tcp: &Tcp, is_clients: bool) -> Option<Kind> {
        let mut all = Kind::ALL.into_iter();
        all.find(|kind| kind.flags() == tcp.flags && kind.is_clients() == is_clients)
    }

    fn flags(self) -> u8 {
        match self {
            Kind::Syn => Tcp::SYN,
            Kind::SynAck => Tcp::SYN | Tcp::ACK,
            Kind::Ack => Tcp::ACK,
            Kind::Fin | Kind::ClientFin => Tcp::FIN | Tcp::ACK,
            Kind::Rst => Tcp::RST | Tcp::ACK,
        }
    }

    /// Sequence and acknowledgement number.
    fn numbers(self, query: u64) -> (u32, u32) {
        let client = number_at(query, 0) as u32;
        let server = (number_at(query, 0) >> 32) as u32;
        match self {
            Kind::Syn => (client, 0),
            Kind::SynAck => (server, client.wrapping_add(1)),
            Kind::Ack => (client.wrapping_add(1), server.wrapping_add(1)),
            Kind::Fin | Kind::Rst => (server.wrapping_add(1), client.wrapping_add(1)),
            Kind::ClientFin => (client.wrapping_add(1), server.wrapping_add(2)),
        }
    }

    fn is_clients(self) -> bool {
        matches!(self, Kind::Syn | Kind::Ack | Kind::ClientFin)
    }
}

/// Writes a packet of a query.
pub fn write(frame: &mut PacketBuf, query: u64, kind: Kind) {
    let (seq, ack) = kind.numbers(query);
    let ((src, src_port), (dst, dst_port)) = match kind.is_clients() {
        true => ((client(query), CLIENT_PORT), (VIP, VIP_PORT)),
        false => ((VIP, VIP_PORT), (client(query), CLIENT_PORT)),
    };
    frame.fill(|room| {
        let (ip, tcp) = room[..IPV6_BYTES + TCP_BYTES].split_at_mut(IPV6_BYTES);
        ip[..4].copy_from_slice(&[0x60, 0, 0, 0]);
        ip[4..6].copy_from_slice(&(TCP_BYTES as u16).to_be_bytes());
        ip[6..8].copy_from_slice(&[next_header::TCP, HOP_LIMIT]);
        ip[8..24].copy_from_slice(&src.octets());
        ip[24..40].copy_from_slice(&dst.octets());
        tcp[..2].copy_from_slice(&src_port.to_be_bytes());
        tcp[2..4].copy_from_slice(&dst_port.to_be_bytes());
        tcp[4..8].copy_from_slice(&seq.to_be_bytes());
        tcp[8..12].copy_from_slice(&ack.to_be_bytes());
        tcp[12..14].copy_from_slice(&[(TCP_BYTES as u8 / 4) << 4, kind.flags()]);
        tcp[14..16].copy_from_slice(&WINDOW.to_be_bytes());
        tcp[16..20].fill(0);
        let sum = checksum::over(src, dst, next_header::TCP, tcp);
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        IPV6_BYTES + TCP_BYTES
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use srh::{parse, Frame};

    #[test]
    fn packets_are_whole_and_say_whose_they_are() {
        let mut frame = PacketBuf::with_capacity(60);
        for query in [0, 7, u64::MAX] {
            for kind in Kind::ALL {
                write(&mut frame, query, kind);
                let packet = parse::packet(frame.bytes()).unwrap();
                assert!(checksum::is_right(frame.bytes(), &packet));
                let read = Kind::of(packet.tcp().unwrap(), kind.is_clients());
                assert_eq!(read, Some(kind));
                let of = match kind.is_clients() {
                    true => packet.flow_from_client(VIP),
                    false => packet.flow_from_server(packet.dst),
                };
                assert_eq!(of, Some(flow(query)));
                assert_eq!(query_of(of.unwrap().client), Some(query));
            }
        }
        assert_eq!(query_of(VIP), None);
    }
}
