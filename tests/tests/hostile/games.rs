//! Games with headers: Segments Left and Last Entry, RH0, packets in packets, hop limits, tiny fragments.

use std::collections::BTreeMap;

use srh::parse::{next_header, Tcp, Upper};
use srh::{Encoding, Function};
use tests::nodes::{lb, server, CLIENT, VIP};
use tests::packets::{from_client, from_vip, parse};
use tests::samples::carried;

use super::{at_lb, at_server, goes_on, knowledge, live, Fate, BOTH};

/// Where Segments Left and Last Entry stand in an SRH.
const SEGMENTS_LEFT: usize = 3;
const LAST_ENTRY: usize = 4;
const IPV6_BYTES: usize = 40;

/// A packet for server 1 with an SRH, and where that begins.
fn with_srh(port: u16, encoding: Encoding) -> (Vec<u8>, usize) {
    let syn = from_client(port, Tcp::SYN, 7, 0).mss(1_440).bytes();
    let sids = [
        (server(1), Function::ConnectAvail, 0),
        (server(2), Function::ConnectForce, 0),
    ];
    (carried(&syn, lb(1), encoding, &sids), IPV6_BYTES)
}

/// All 65,536 pairs at a server: only the one that the LB wrote is an offer.
#[test]
fn every_segments_left_with_every_last_entry_at_a_server() {
    for encoding in BOTH {
        let (mut world, port) = live(encoding);
        let before = knowledge(&mut world, port);
        let other = world.port_for(&[2, 1]);
        let (packet, at) = with_srh(other, encoding);
        let right = (packet[at + SEGMENTS_LEFT], packet[at + LAST_ENTRY]);
        let mut fates: BTreeMap<Fate, usize> = BTreeMap::new();
        let mut offers = Vec::new();
        for pair in 0..=u16::MAX {
            let [left, last] = pair.to_be_bytes();
            let mut bytes = packet.clone();
            bytes[at + SEGMENTS_LEFT] = left;
            bytes[at + LAST_ENTRY] = last;
            let fate = at_server(&mut world, &bytes);
            if fate == Fate::Asked {
                offers.push((left, last));
            }
            *fates.entry(fate).or_default() += 1;
        }
        println!("{encoding:?}: {fates:?}");
        assert_eq!(offers, [right], "only what the LB wrote is an offer");
        assert!(!fates.contains_key(&Fate::Delivered), "{fates:?}");
        // Answers (Parameter Problem) are bounded by their rate.
        assert!(
            fates.get(&Fate::Sent).copied().unwrap_or(0) <= 100,
            "{fates:?}"
        );
        assert_eq!(fates.values().sum::<usize>(), 1 << 16);
        assert_eq!(knowledge(&mut world, port), before);
        goes_on(&mut world, port);
    }
}

/// The same at an LB, on a function that came with an SRH.
#[test]
fn every_segments_left_with_every_last_entry_at_an_lb() {
    let (mut world, port) = live(Encoding::Insert);
    let before = knowledge(&mut world, port);
    let answer = from_vip(port, Tcp::ACK, 7, 9).bytes();
    let function = [(lb(1), Function::RemoveStickiness, 0)];
    let packet = carried(&answer, server(2), Encoding::Insert, &function);
    let right = (
        packet[IPV6_BYTES + SEGMENTS_LEFT],
        packet[IPV6_BYTES + LAST_ENTRY],
    );
    let mut fates: BTreeMap<Fate, usize> = BTreeMap::new();
    for pair in 0..=u16::MAX {
        let [left, last] = pair.to_be_bytes();
        if (left, last) == right {
            continue;
        }
        let mut bytes = packet.clone();
        bytes[IPV6_BYTES + SEGMENTS_LEFT] = left;
        bytes[IPV6_BYTES + LAST_ENTRY] = last;
        let fate = at_lb(&mut world, &bytes);
        *fates.entry(fate).or_default() += 1;
    }
    println!("{fates:?}");
    assert!(
        fates.get(&Fate::Sent).copied().unwrap_or(0) <= 100,
        "answers up to a rate: {fates:?}"
    );
    assert_eq!(fates.values().sum::<usize>(), (1 << 16) - 1);
    assert_eq!(knowledge(&mut world, port), before);
    goes_on(&mut world, port);
}

/// `packet` behind a routing header of type 0 with one address.
fn behind_rh0(packet: &[u8], segments_left: u8) -> Vec<u8> {
    let mut bytes = packet[..IPV6_BYTES].to_vec();
    let payload = (packet.len() - IPV6_BYTES + 24) as u16;
    bytes[4..6].copy_from_slice(&payload.to_be_bytes());
    bytes[6] = next_header::ROUTING;
    bytes.extend([packet[6], 2, 0, segments_left, 0, 0, 0, 0]);
    bytes.extend(VIP.octets());
    bytes.extend(&packet[IPV6_BYTES..]);
    bytes
}

#[test]
fn a_routing_header_of_type_0_is_never_processed() {
    for encoding in BOTH {
        let (mut world, port) = live(encoding);
        let before = knowledge(&mut world, port);
        let data = from_client(port, Tcp::ACK, 7, 9).data(b"x").bytes();
        for left in 0..=255 {
            let plain = behind_rh0(&data, left);
            assert_eq!(
                at_lb(&mut world, &plain),
                Fate::Dropped("routing_type0"),
                "{left}"
            );
            let to_server = carried(
                &data,
                lb(1),
                Encoding::Encap,
                &[(server(1), Function::AckStickiness, 0)],
            );
            let in_front = behind_rh0(&to_server, left);
            assert_eq!(
                at_server(&mut world, &in_front),
                Fate::Dropped("routing_type0"),
                "{left}"
            );
        }
        assert_eq!(knowledge(&mut world, port), before);
        goes_on(&mut world, port);
    }
}

/// A function inside a function, as deep as a packet has room.
#[test]
fn packets_in_packets_are_dropped() {
    for encoding in BOTH {
        let (mut world, port) = live(encoding);
        let before = knowledge(&mut world, port);
        let mut at_server_packet = from_client(port, Tcp::ACK, 7, 9).data(b"x").bytes();
        let mut at_lb_packet = from_vip(port, Tcp::ACK, 7, 9).data(b"x").bytes();
        for depth in 1..=20 {
            at_server_packet = carried(
                &at_server_packet,
                lb(1),
                Encoding::Encap,
                &[(server(1), Function::AckStickiness, 0)],
            );
            at_lb_packet = carried(
                &at_lb_packet,
                server(1),
                Encoding::Encap,
                &[(lb(1), Function::CreateStickiness, 0)],
            );
            if depth == 1 {
                continue;
            }
            let fate = at_server(&mut world, &at_server_packet);
            assert!(
                matches!(fate, Fate::Dropped(_)),
                "{depth} at a server: {fate:?}"
            );
            let fate = at_lb(&mut world, &at_lb_packet);
            assert!(
                matches!(fate, Fate::Dropped(_)),
                "{depth} at an LB: {fate:?}"
            );
            assert_eq!(knowledge(&mut world, port), before, "{depth}");
        }
        goes_on(&mut world, port);
    }
}

/// At hop limits 0 and 1 nothing goes on and nothing is written; the client is told.
#[test]
fn used_up_hop_limits_write_nothing() {
    for encoding in BOTH {
        let (mut world, port) = live(encoding);
        let before = knowledge(&mut world, port);
        for hop_limit in [0, 1] {
            for flags in [Tcp::SYN, Tcp::ACK, Tcp::RST, Tcp::FIN | Tcp::ACK] {
                for client_port in [port, port + 1] {
                    let mut segment = from_client(client_port, flags, 7, 9);
                    segment.hop_limit = hop_limit;
                    let mut frame = packet_io::PacketBuf::from_slice(&segment.bytes());
                    let now = world.now;
                    let verdict = world.lb(1).engine.process(now, &mut frame);
                    if verdict == srlb_lb::engine::Verdict::Transmit {
                        let answer = parse(srh::Frame::bytes(&frame));
                        assert_eq!((answer.src, answer.dst), (VIP, CLIENT));
                        assert!(
                            matches!(answer.upper, Upper::Icmp(icmp) if icmp.kind == 3),
                            "Time Exceeded"
                        );
                    }
                    assert_eq!(
                        knowledge(&mut world, port),
                        before,
                        "{hop_limit} {flags:#x}"
                    );
                }
            }
        }
        goes_on(&mut world, port);
    }
}

/// The first `bytes` bytes of a TCP segment as a fragment at `offset_bytes`, more to follow or not.
fn fragment(segment: &[u8], range: std::ops::Range<usize>, more: bool, id: u32) -> Vec<u8> {
    let payload = &segment[IPV6_BYTES..];
    let piece = &payload[range.start..range.end.min(payload.len())];
    let mut bytes = segment[..IPV6_BYTES].to_vec();
    bytes[4..6].copy_from_slice(&((piece.len() + 8) as u16).to_be_bytes());
    bytes[6] = next_header::FRAGMENT;
    bytes.extend([segment[6], 0]);
    bytes.extend((range.start as u16 | u16::from(more)).to_be_bytes());
    bytes.extend(id.to_be_bytes());
    bytes.extend(piece);
    bytes
}

/// ackStickiness to server 1 from LB 1, whatever is inside.
fn encapsulated(bytes: &[u8]) -> Vec<u8> {
    let mut outer = vec![0x60, 0, 0, 0];
    outer.extend((bytes.len() as u16).to_be_bytes());
    outer.extend([next_header::IPV6, 64]);
    outer.extend(lb(1).node().octets());
    outer.extend(server(1).sid(Function::AckStickiness).octets());
    outer.extend(bytes);
    outer
}

/// TCP headers cut into pieces of 8 bytes, overlapping and not, in any order: no piece becomes an offer, a pin or a reset.
#[test]
fn tiny_fragments_write_nothing() {
    for encoding in BOTH {
        let (mut world, port) = live(encoding);
        let before = knowledge(&mut world, port);
        let mut fates: BTreeMap<Fate, usize> = BTreeMap::new();
        for flags in [Tcp::SYN, Tcp::RST, Tcp::ACK] {
            let segment = from_client(port, flags, 7, 9).data(&[b'x'; 44]).bytes();
            for start in (0..64).step_by(8) {
                for len in [8, 16] {
                    for more in [false, true] {
                        for id in [1, 2] {
                            let bytes = fragment(&segment, start..start + len, more, id);
                            let fate = at_lb(&mut world, &bytes);
                            assert_ne!(fate, Fate::Delivered);
                            *fates.entry(fate).or_default() += 1;
                            let inside = encapsulated(&bytes);
                            let fate = at_server(&mut world, &inside);
                            *fates.entry(fate).or_default() += 1;
                            assert_eq!(knowledge(&mut world, port), before, "{flags:#x} {start}");
                        }
                    }
                }
            }
        }
        println!("{encoding:?}: {fates:?}");
        assert!(
            fates.keys().all(|fate| matches!(fate, Fate::Dropped(_))),
            "{fates:?}"
        );
        goes_on(&mut world, port);
    }
}
