//! Packets put together from vectors, and a frame with a headroom of any size.

use std::net::Ipv6Addr;

use srh::parse::next_header;
use srh::{Frame, NoHeadroom};

pub const HOP_LIMIT: u8 = 63;

pub fn addr(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

pub fn client() -> Ipv6Addr {
    addr("2001:db8:c::1")
}

pub fn vip() -> Ipv6Addr {
    addr("2001:db8:80::1")
}

/// An IPv6 packet whose payload length is right.
pub fn ipv6(src: Ipv6Addr, dst: Ipv6Addr, next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    bytes.extend([next_header, HOP_LIMIT]);
    bytes.extend(src.octets());
    bytes.extend(dst.octets());
    bytes.extend(payload);
    bytes
}

/// A packet of the client for the VIP.
pub fn to_vip(next_header: u8, payload: &[u8]) -> Vec<u8> {
    ipv6(client(), vip(), next_header, payload)
}

/// An options header (Hop-by-Hop or Destination) of `8 + 8 * more` bytes, all of it PadN.
pub fn options(next_header: u8, more: u8) -> Vec<u8> {
    let mut bytes = vec![next_header, more, 1, 4 + 8 * more];
    bytes.resize(8 + 8 * usize::from(more), 0);
    bytes
}

/// A routing header with any length field and content.
pub fn routing(next_header: u8, len: u8, kind: u8, left: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![next_header, len, kind, left];
    bytes.extend(rest);
    bytes
}

/// An SRH with segments in wire order (the final destination first) and TLVs behind them.
pub fn srh(next_header: u8, left: u8, wire_order: &[Ipv6Addr], tlvs: &[u8]) -> Vec<u8> {
    assert_eq!(tlvs.len() % 8, 0, "TLVs fill units of 8 bytes");
    let mut rest = vec![u8::try_from(wire_order.len() - 1).unwrap(), 0, 0, 0];
    for segment in wire_order {
        rest.extend(segment.octets());
    }
    rest.extend(tlvs);
    let len = u8::try_from((rest.len() + 4) / 8 - 1).unwrap();
    routing(next_header, len, 4, left, &rest)
}

/// A Fragment header.
pub fn fragment(next_header: u8, offset: u16, more: bool) -> Vec<u8> {
    let mut bytes = vec![next_header, 0];
    bytes.extend((offset | u16::from(more)).to_be_bytes());
    bytes.extend(0xfeed_beef_u32.to_be_bytes());
    bytes
}

/// A TCP segment, checksum left at zero.
pub fn tcp(src_port: u16, dst_port: u16, flags: u8, options: &[u8], data: &[u8]) -> Vec<u8> {
    assert_eq!(options.len() % 4, 0, "options fill units of 4 bytes");
    let mut bytes = Vec::new();
    bytes.extend(src_port.to_be_bytes());
    bytes.extend(dst_port.to_be_bytes());
    bytes.extend(0x0102_0304_u32.to_be_bytes());
    bytes.extend(0x0506_0708_u32.to_be_bytes());
    bytes.extend([(5 + options.len() as u8 / 4) << 4, flags]);
    bytes.extend([0xfd, 0x20, 0, 0, 0, 0]);
    bytes.extend(options);
    bytes.extend(data);
    bytes
}

/// A SYN without options from port 40000 to port 80.
pub fn syn() -> Vec<u8> {
    tcp(40_000, 80, 0x02, &[], &[])
}

/// A UDP datagram with any length field, checksum left at zero.
pub fn udp(src_port: u16, dst_port: u16, len: u16, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(src_port.to_be_bytes());
    bytes.extend(dst_port.to_be_bytes());
    bytes.extend(len.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(data);
    bytes
}

/// An ICMPv6 message, checksum left at zero.
pub fn icmp(kind: u8, code: u8, value: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, code, 0, 0];
    bytes.extend(value.to_be_bytes());
    bytes.extend(data);
    bytes
}

/// The error message `kind` from a router to `dst` that quotes `quote`.
pub fn icmp_error(dst: Ipv6Addr, kind: u8, value: u32, quote: &[u8]) -> Vec<u8> {
    let router = addr("2001:db8:f::1");
    ipv6(
        router,
        dst,
        next_header::ICMPV6,
        &icmp(kind, 0, value, quote),
    )
}

pub fn concat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A frame in a vector, with as much room in front as a test wants.
#[derive(Clone, Debug)]
pub struct Buf {
    data: Vec<u8>,
    start: usize,
}

impl Buf {
    /// The headroom holds garbage at first, so that a rewriter which relies on zeros is found.
    pub fn new(packet: &[u8], headroom: usize) -> Self {
        let mut data = vec![0xa5; headroom];
        data.extend(packet);
        Buf {
            data,
            start: headroom,
        }
    }
}

impl Frame for Buf {
    fn bytes(&self) -> &[u8] {
        &self.data[self.start..]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.data[self.start..]
    }

    fn push_front(&mut self, n: usize) -> Result<(), NoHeadroom> {
        let start = self.start.checked_sub(n).ok_or(NoHeadroom)?;
        self.data[start..self.start].fill(0);
        self.start = start;
        Ok(())
    }

    fn pull_front(&mut self, n: usize) {
        self.start = (self.start + n).min(self.data.len());
    }

    fn truncate(&mut self, len: usize) {
        self.data.truncate(self.start + len);
    }
}
