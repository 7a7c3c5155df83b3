//! Packets, byte by byte, without `srh`: headers from vectors, TCP and ICMPv6 from etherparse.

use std::net::Ipv6Addr;

use etherparse::{PacketBuilder, TcpHeader};
use hmac::{KeyInit, Mac};

pub const FIN: u8 = 1;
pub const SYN: u8 = 2;
pub const RST: u8 = 4;
pub const ACK: u8 = 16;

/// Hop limit of everything that arrives.
pub const HOPS: u8 = 64;

pub fn addr(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// A TCP segment between two addresses and ports.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    pub from: (Ipv6Addr, u16),
    pub to: (Ipv6Addr, u16),
    pub flags: u8,
    pub seq: u32,
    pub ack: u32,
    pub hops: u8,
    pub data: &'a [u8],
}

impl Segment<'_> {
    pub fn bytes(&self) -> Vec<u8> {
        let mut tcp = TcpHeader::new(self.from.1, self.to.1, self.seq, 64_240);
        tcp.fin = self.flags & FIN != 0;
        tcp.syn = self.flags & SYN != 0;
        tcp.rst = self.flags & RST != 0;
        tcp.ack = self.flags & ACK != 0;
        tcp.acknowledgment_number = self.ack;
        let builder = PacketBuilder::ipv6(self.from.0.octets(), self.to.0.octets(), self.hops);
        let mut bytes = Vec::new();
        builder
            .tcp_header(tcp)
            .write(&mut bytes, self.data)
            .unwrap();
        bytes
    }
}

/// An ICMPv6 message.
pub fn icmp(
    from: Ipv6Addr,
    to: Ipv6Addr,
    kind: u8,
    code: u8,
    value: u32,
    content: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv6(from.octets(), to.octets(), HOPS)
        .icmpv6_raw(kind, code, value.to_be_bytes())
        .write(&mut bytes, content)
        .unwrap();
    bytes
}

/// An IPv6 packet with any content.
pub fn ipv6(from: Ipv6Addr, to: Ipv6Addr, next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend((payload.len() as u16).to_be_bytes());
    bytes.extend([next_header, HOPS]);
    bytes.extend(from.octets());
    bytes.extend(to.octets());
    bytes.extend(payload);
    bytes
}

/// An SRH with its segments in the order in which they are visited.
pub fn srh(next_header: u8, segments_left: u8, visited: &[Ipv6Addr]) -> Vec<u8> {
    let n = visited.len() as u8;
    let mut bytes = vec![next_header, 2 * n, 4, segments_left, n - 1, 0, 0, 0];
    for segment in visited.iter().rev() {
        bytes.extend(segment.octets());
    }
    bytes
}

/// HMAC-SHA-256 over the text of RFC 8754 section 2.1.2.1, put together here once more.
fn hmac(secret: &[u8], source: Ipv6Addr, srh: &[u8], id: u32) -> Vec<u8> {
    let mut text = source.octets().to_vec();
    text.extend([srh[4], srh[5], 0, 0]);
    text.extend(id.to_be_bytes());
    text.extend(&srh[8..]);
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(secret).unwrap();
    mac.update(&text);
    mac.finalize().into_bytes().to_vec()
}

/// A function's packet in encap or insert, with what a key adds: all segments in the SRH, and the
/// TLV behind them.
pub fn signed(id: u32, secret: &[u8], sids: &[Ipv6Addr], packet: &[u8]) -> Vec<u8> {
    let source = Ipv6Addr::from(<[u8; 16]>::try_from(&packet[8..24]).unwrap());
    let (mut header, rest) = match packet[6] {
        43 if packet[40] != 41 => {
            let len = 8 * (usize::from(packet[41]) + 1);
            (packet[40..40 + len].to_vec(), &packet[40 + len..])
        }
        first => {
            let old = if first == 43 {
                8 * (usize::from(packet[41]) + 1)
            } else {
                0
            };
            let header = srh(41, sids.len() as u8 - 1, sids);
            (header, &packet[40 + old..])
        }
    };
    let digest = hmac(secret, source, &header, id);
    header[1] += 5;
    header.extend([5, 38, 0, 0]);
    header.extend(id.to_be_bytes());
    header.extend(digest);
    let mut bytes = packet[..40].to_vec();
    bytes[4..6].copy_from_slice(&((header.len() + rest.len()) as u16).to_be_bytes());
    bytes[6] = 43;
    bytes.extend(header);
    bytes.extend(rest);
    bytes
}

/// `packet` in an outer one from `from` along `sids`, reduced.
pub fn encap(from: Ipv6Addr, sids: &[Ipv6Addr], label: u32, packet: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    if sids.len() > 1 {
        payload = srh(41, sids.len() as u8 - 1, &sids[1..]);
    }
    payload.extend(packet);
    let next_header = if sids.len() > 1 { 43 } else { 41 };
    let mut bytes = ipv6(from, sids[0], next_header, &payload);
    bytes[1] = (label >> 16) as u8;
    bytes[2..4].copy_from_slice(&(label as u16).to_be_bytes());
    bytes
}

/// `packet` with an SRH put in: from `from` along `sids` to where it was going.
pub fn insert(from: Ipv6Addr, sids: &[Ipv6Addr], packet: &[u8]) -> Vec<u8> {
    let (head, rest) = packet.split_at(40);
    let source = Ipv6Addr::from(<[u8; 16]>::try_from(&head[8..24]).unwrap());
    let target = Ipv6Addr::from(<[u8; 16]>::try_from(&head[24..40]).unwrap());
    let visited = [&[from], sids, &[target]].concat();
    let mut payload = srh(head[6], sids.len() as u8, &visited);
    payload.extend(rest);
    let mut bytes = ipv6(source, sids[0], 43, &payload);
    bytes[..4].copy_from_slice(&head[..4]);
    bytes[7] = head[7];
    bytes
}

/// A UDP datagram.
pub fn udp(from: (Ipv6Addr, u16), to: (Ipv6Addr, u16), data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv6(from.0.octets(), to.0.octets(), HOPS)
        .udp(from.1, to.1)
        .write(&mut bytes, data)
        .unwrap();
    bytes
}

/// A packet from the client with these headers behind the fixed one, whatever they are.
pub fn headers(from: Ipv6Addr, to: Ipv6Addr, first: u8, headers: &[&[u8]]) -> Vec<u8> {
    ipv6(from, to, first, &headers.concat())
}

/// The packet with its source replaced and its TCP checksum made right again.
pub fn with_source(packet: &[u8], source: Ipv6Addr) -> Vec<u8> {
    readdressed(packet, 8, source)
}

/// The packet with its destination replaced and its TCP checksum made right again.
pub fn with_target(packet: &[u8], target: Ipv6Addr) -> Vec<u8> {
    readdressed(packet, 24, target)
}

fn readdressed(packet: &[u8], at: usize, address: Ipv6Addr) -> Vec<u8> {
    let mut bytes = packet.to_vec();
    bytes[at..at + 16].copy_from_slice(&address.octets());
    let (ip, rest) = etherparse::Ipv6Header::from_slice(&bytes).unwrap();
    let (tcp, data) = TcpHeader::from_slice(rest).unwrap();
    let sum = tcp.calc_checksum_ipv6(&ip, data).unwrap();
    bytes[56..58].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// The packet with `n` subtracted from its hop limit.
pub fn hops_less(packet: &[u8], n: u8) -> Vec<u8> {
    let mut bytes = packet.to_vec();
    bytes[7] -= n;
    bytes
}

/// The packet with one bit of its last byte turned over: its checksum is wrong then.
pub fn spoiled(packet: &[u8]) -> Vec<u8> {
    let mut bytes = packet.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    bytes
}

/// `packet` as a fragment: a Fragment header behind its fixed header.
pub fn fragment(packet: &[u8], offset: u16, more: bool) -> Vec<u8> {
    let mut payload = vec![packet[6], 0];
    payload.extend((offset | u16::from(more)).to_be_bytes());
    payload.extend([0, 0, 0, 1]);
    payload.extend(&packet[40..]);
    let mut bytes = packet[..40].to_vec();
    bytes[4..6].copy_from_slice(&(payload.len() as u16).to_be_bytes());
    bytes[6] = 44;
    bytes.extend(payload);
    bytes
}
