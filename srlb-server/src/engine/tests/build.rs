//! Packets, written byte by byte and without the rewriter that the engine uses.

use std::net::Ipv6Addr;

use srh::parse::Tcp;
use srh::{checksum, Encoding, Flow, Function, Locator};

pub const CLIENT: &str = "2001:db8:c::7";
pub const VIP: &str = "2001:db8:80::1";
pub const LB: &str = "fd00:1b:1::";
pub const OTHER_LB: &str = "fd00:1b:2::";
pub const SERVER: &str = "fd00:5e:1::";
pub const NEXT: &str = "fd00:5e:2::";
pub const SYN: u8 = Tcp::SYN;
pub const ACK: u8 = Tcp::ACK;
pub const FIN: u8 = Tcp::FIN;
pub const RST: u8 = Tcp::RST;
const CLIENT_PORT: u16 = 40_000;

pub fn addr(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

pub fn locator(text: &str) -> Locator {
    Locator::of(addr(text))
}

pub fn sid(node: &str, function: Function) -> Ipv6Addr {
    locator(node).sid(function)
}

pub fn flow() -> Flow {
    Flow {
        protocol: 6,
        client: addr(CLIENT),
        client_port: CLIENT_PORT,
        vip: addr(VIP),
        vip_port: 80,
    }
}

fn ipv6(next: u8, hop_limit: u8, src: Ipv6Addr, dst: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend((payload.len() as u16).to_be_bytes());
    bytes.extend([next, hop_limit]);
    bytes.extend(src.octets());
    bytes.extend(dst.octets());
    bytes.extend(payload);
    bytes
}

/// A TCP segment between two addresses, with options (a multiple of 4 bytes).
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    pub src: (&'a str, u16),
    pub dst: (&'a str, u16),
    pub flags: u8,
    pub seq: u32,
    pub ack: u32,
    pub options: &'a [u8],
    pub data: &'a [u8],
    pub hop_limit: u8,
}

impl Segment<'_> {
    pub fn bytes(&self) -> Vec<u8> {
        let (src, dst) = (addr(self.src.0), addr(self.dst.0));
        let mut tcp = Vec::new();
        tcp.extend(self.src.1.to_be_bytes());
        tcp.extend(self.dst.1.to_be_bytes());
        tcp.extend(self.seq.to_be_bytes());
        tcp.extend(self.ack.to_be_bytes());
        let words = 5 + self.options.len() as u8 / 4;
        tcp.extend([words << 4, self.flags, 0xff, 0xff, 0, 0, 0, 0]);
        tcp.extend(self.options);
        tcp.extend(self.data);
        let sum = checksum::over(src, dst, 6, &tcp);
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        ipv6(6, self.hop_limit, src, dst, &tcp)
    }
}

pub fn client_segment(flags: u8, ack: u32) -> Segment<'static> {
    Segment {
        src: (CLIENT, CLIENT_PORT),
        dst: (VIP, 80),
        flags,
        seq: 5_000,
        ack,
        options: &[],
        data: b"",
        hop_limit: 60,
    }
}

/// A packet of the client to the VIP.
pub fn client(flags: u8, ack: u32) -> Vec<u8> {
    client_segment(flags, ack).bytes()
}

/// A packet of the application to the client.
pub fn server(flags: u8, seq: u32, data: &[u8]) -> Vec<u8> {
    Segment {
        src: (VIP, 80),
        dst: (CLIENT, CLIENT_PORT),
        flags,
        seq,
        ack: 5_001,
        options: &[],
        data,
        hop_limit: 64,
    }
    .bytes()
}

fn datagram(from: (&str, u16), to: (&str, u16), hop_limit: u8, data: &[u8]) -> Vec<u8> {
    let (src, dst) = (addr(from.0), addr(to.0));
    let mut udp = Vec::new();
    udp.extend(from.1.to_be_bytes());
    udp.extend(to.1.to_be_bytes());
    udp.extend((8 + data.len() as u16).to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(data);
    let sum = checksum::over(src, dst, 17, &udp);
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    ipv6(17, hop_limit, src, dst, &udp)
}

/// A datagram of the client, on the ports of [`flow`].
pub fn question(data: &[u8]) -> Vec<u8> {
    datagram((CLIENT, CLIENT_PORT), (VIP, 80), 60, data)
}

/// A datagram of the application.
pub fn answer(data: &[u8]) -> Vec<u8> {
    datagram((VIP, 80), (CLIENT, CLIENT_PORT), 64, data)
}

/// A packet cut into two fragments, the first with `first_bytes` of its payload.
pub fn in_two(packet: &[u8], first_bytes: usize) -> [Vec<u8>; 2] {
    let (head, payload) = packet.split_at(40);
    let part = |offset: usize, data: &[u8], more: bool| {
        let mut bytes = head.to_vec();
        bytes[4..6].copy_from_slice(&(8 + data.len() as u16).to_be_bytes());
        bytes[6] = 44;
        bytes.extend([head[6], 0]);
        bytes.extend((offset as u16 | u16::from(more)).to_be_bytes());
        bytes.extend(9u32.to_be_bytes());
        bytes.extend(data);
        bytes
    };
    let (first, rest) = payload.split_at(first_bytes);
    [part(0, first, true), part(first_bytes, rest, false)]
}

/// Puts a packet on a way along `sids`, as `node` does it, with `left` of them still to come
/// behind the one that it is on its way to.
pub fn carried(
    encoding: Encoding,
    node: &str,
    sids: &[Ipv6Addr],
    at: usize,
    packet: &[u8],
) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet[7] -= 1;
    let from = sid(node, Function::Node);
    match encoding {
        Encoding::Encap if sids.len() == 1 => ipv6(41, 64, from, sids[0], &packet),
        Encoding::Encap => {
            let left = sids.len() - 1 - at;
            let mut payload = srh(41, left, &sids[1..]);
            payload.extend(&packet);
            ipv6(43, 64 - at as u8, from, sids[at], &payload)
        }
        Encoding::Insert => {
            let (head, rest) = packet.split_at(40);
            let final_dst: [u8; 16] = head[24..40].try_into().unwrap();
            let mut list = vec![from];
            list.extend(sids);
            list.push(Ipv6Addr::from(final_dst));
            let mut payload = srh(head[6], sids.len() - at, &list);
            payload.extend(rest);
            let src: [u8; 16] = head[8..24].try_into().unwrap();
            ipv6(43, head[7] - at as u8, src.into(), sids[at], &payload)
        }
    }
}

fn srh(next: u8, left: usize, list: &[Ipv6Addr]) -> Vec<u8> {
    let mut bytes = vec![
        next,
        list.len() as u8 * 2,
        4,
        left as u8,
        list.len() as u8 - 1,
        0,
        0,
        0,
    ];
    list.iter().rev().for_each(|a| bytes.extend(a.octets()));
    bytes
}

/// connectAvail here, connectForce at the next server.
pub fn offer(encoding: Encoding, packet: &[u8]) -> Vec<u8> {
    carried(encoding, LB, &offer_list(), 0, packet)
}

pub fn offer_list() -> [Ipv6Addr; 2] {
    [
        sid(SERVER, Function::ConnectAvail),
        sid(NEXT, Function::ConnectForce),
    ]
}

/// What the offer looks like on its way to the next server.
pub fn passed_on(encoding: Encoding, packet: &[u8]) -> Vec<u8> {
    carried(encoding, LB, &offer_list(), 1, packet)
}

/// One function of this server, from the LB.
pub fn one(encoding: Encoding, function: Function, packet: &[u8]) -> Vec<u8> {
    carried(encoding, LB, &[sid(SERVER, function)], 0, packet)
}

/// ackStickiness.
pub fn pinned(encoding: Encoding, packet: &[u8]) -> Vec<u8> {
    one(encoding, Function::AckStickiness, packet)
}

/// recoverStickiness here, then at the next server.
pub fn recovery(encoding: Encoding, packet: &[u8], at: usize) -> Vec<u8> {
    let list = [
        sid(SERVER, Function::RecoverStickiness),
        sid(NEXT, Function::RecoverStickiness),
    ];
    carried(encoding, LB, &list, at, packet)
}

/// A packet of the application with a function for the LB.
pub fn to_lb(encoding: Encoding, function: Function, packet: &[u8]) -> Vec<u8> {
    carried(encoding, SERVER, &[sid(LB, function)], 0, packet)
}

/// A client's packet that goes back to the LB: it arrived with one hop less, and loses another.
pub fn back(encoding: Encoding, function: Function, arg: u8, packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet[7] -= 1;
    let to = locator(LB).sid_with(function, arg);
    carried(encoding, SERVER, &[to], 0, &packet)
}

/// What the application gets of a client's packet: an LB has lowered its hop limit.
pub fn hop(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet[7] -= 1;
    packet
}

/// An ICMPv6 message.
pub fn icmp(src: &str, dst: Ipv6Addr, kind: u8, value: u32, quoted: &[u8]) -> Vec<u8> {
    let src = addr(src);
    let mut message = vec![kind, 0, 0, 0];
    message.extend(value.to_be_bytes());
    message.extend(quoted);
    let sum = checksum::over(src, dst, 58, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    ipv6(58, 60, src, dst, &message)
}
