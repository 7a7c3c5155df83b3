//! The packets that are measured with, from the number of their flow.

use std::net::Ipv6Addr;

use packet_io::PacketBuf;
use srh::parse::{self, next_header};
use srh::{carry, checksum, Encoding, Frame, Function, Locator, Segments, Sender};

/// How long every packet is, from the first byte of its (inner) IPv6 header on: 40 bytes IPv6, 32 bytes TCP
/// with timestamps as Linux sends them, 14 bytes of data (or padding in SYNs).
pub const PACKET_BYTES: usize = 86;

const IPV6_BYTES: usize = 40;
const TCP_BYTES: usize = 32;
const SYN: u8 = 2;
const ACK: u8 = 16;
const SERVICE_PORT: u16 = 80;
const FIRST_PORT: u64 = 1_024;
const PORTS: u64 = 64_512;

/// Where the service is.
pub fn vip() -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0x80, 0, 0, 0, 0, 1)
}

/// The load balancer.
pub fn lb() -> Locator {
    Locator::of(Ipv6Addr::new(0xfd00, 0x1b, 1, 0, 0, 0, 0, 0))
}

/// A server.
pub fn server(number: u16) -> Locator {
    Locator::of(Ipv6Addr::new(0xfd00, 0x5e, number, 0, 0, 0, 0, 0))
}

/// The client of a flow: address and port.
fn client(flow: u64) -> (Ipv6Addr, u16) {
    let (host, port) = (flow / PORTS, FIRST_PORT + flow % PORTS);
    let net = 0x2001_0db8_000c_0000_u128 << 64;
    let port = u16::try_from(port).expect("1,024 and what is below 64,512 is below 65,536");
    (Ipv6Addr::from(net | u128::from(host)), port)
}

/// The first packet of a flow.
pub fn syn(flow: u64, into: &mut PacketBuf) {
    let (address, port) = client(flow);
    write(into, (address, port), (vip(), SERVICE_PORT), SYN);
}

/// A later packet of a flow.
pub fn data(flow: u64, into: &mut PacketBuf) {
    let (address, port) = client(flow);
    write(into, (address, port), (vip(), SERVICE_PORT), ACK);
}

/// The answer to a SYN, from a server that has taken the flow: with createStickiness.
pub fn syn_ack(flow: u64, from: u16, encoding: Encoding, into: &mut PacketBuf) {
    sticky(flow, from, encoding, SYN | ACK, into);
}

/// The same from the owner of a flow that is established.
pub fn claim(flow: u64, from: u16, encoding: Encoding, into: &mut PacketBuf) {
    sticky(flow, from, encoding, ACK, into);
}

fn sticky(flow: u64, from: u16, encoding: Encoding, flags: u8, into: &mut PacketBuf) {
    write(into, (vip(), SERVICE_PORT), client(flow), flags);
    let packet = parse::packet(into.bytes()).expect("a packet of ours is one");
    let sender = Sender {
        node: server(from),
        keys: None,
    };
    let to = Segments::one(lb().sid(Function::CreateStickiness));
    carry::put_on(into, &packet, sender, encoding, &to, 0)
        .expect("a packet of ours has hops and room left");
}

fn write(into: &mut PacketBuf, from: (Ipv6Addr, u16), to: (Ipv6Addr, u16), flags: u8) {
    let mut bytes = [0; PACKET_BYTES];
    let payload = PACKET_BYTES - IPV6_BYTES;
    bytes[0] = 6 << 4;
    bytes[5] = payload as u8;
    bytes[6] = next_header::TCP;
    bytes[7] = 64;
    bytes[8..24].copy_from_slice(&from.0.octets());
    bytes[24..40].copy_from_slice(&to.0.octets());
    let tcp = &mut bytes[IPV6_BYTES..];
    tcp[..2].copy_from_slice(&from.1.to_be_bytes());
    tcp[2..4].copy_from_slice(&to.1.to_be_bytes());
    tcp[4..8].copy_from_slice(&7_000u32.to_be_bytes());
    if flags & ACK != 0 {
        tcp[8..12].copy_from_slice(&7_001u32.to_be_bytes());
    }
    tcp[12] = (TCP_BYTES as u8 / 4) << 4;
    tcp[13] = flags;
    tcp[14..16].copy_from_slice(&64_240u16.to_be_bytes());
    // two NOPs and a timestamp: RFC 7323 appendix A
    tcp[20..24].copy_from_slice(&[1, 1, 8, 10]);
    let sum = checksum::over(from.0, to.0, next_header::TCP, tcp);
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    into.copy_from(&bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn flows_differ_and_their_packets_are_right() {
        let mut frame = PacketBuf::with_capacity(200);
        let mut flows = HashSet::new();
        for flow in [0, 1, PORTS - 1, PORTS, PORTS + 1, 10_000_000] {
            for make in [syn, data] {
                make(flow, &mut frame);
                assert_eq!(frame.len(), PACKET_BYTES);
                let packet = parse::packet(frame.bytes()).unwrap();
                assert!(checksum::is_right(frame.bytes(), &packet));
                flows.insert(packet.flow_from_client(vip()).unwrap());
            }
        }
        assert_eq!(flows.len(), 6, "one flow for each number");
    }
}
