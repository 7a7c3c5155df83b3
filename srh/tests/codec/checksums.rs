//! Our checksums against etherparse's.

use etherparse::{Icmpv6Header, Ipv6Header, TcpHeader, UdpHeader};
use proptest::collection::vec;
use proptest::prelude::*;

use srh::checksum;
use srh::parse::{self, next_header as nh};

use crate::build;

fn head(src: u128, dst: u128) -> Ipv6Header {
    Ipv6Header {
        source: src.to_be_bytes(),
        destination: dst.to_be_bytes(),
        ..Ipv6Header::default()
    }
}

/// A packet with the transport checksum that etherparse computed.
fn packet(src: u128, dst: u128, protocol: u8, data: &[u8]) -> Vec<u8> {
    let ip = head(src, dst);
    let mut payload = Vec::new();
    match protocol {
        nh::TCP => {
            let mut tcp = TcpHeader::new(40_000, 80, 7, 1000);
            tcp.checksum = tcp.calc_checksum_ipv6(&ip, data).unwrap();
            tcp.write(&mut payload).unwrap();
        }
        nh::UDP => UdpHeader::with_ipv6_checksum(40_000, 53, &ip, data)
            .unwrap()
            .write(&mut payload)
            .unwrap(),
        _ => {
            let echo =
                etherparse::Icmpv6Type::EchoRequest(etherparse::IcmpEchoHeader { id: 1, seq: 2 });
            Icmpv6Header::with_checksum(echo, ip.source, ip.destination, data)
                .unwrap()
                .write(&mut payload)
                .unwrap();
        }
    }
    payload.extend(data);
    build::ipv6(src.into(), dst.into(), protocol, &payload)
}

fn is_right(bytes: &[u8]) -> bool {
    checksum::is_right(bytes, &parse::packet(bytes).unwrap())
}

fn protocol() -> impl Strategy<Value = u8> {
    prop_oneof![Just(nh::TCP), Just(nh::UDP), Just(nh::ICMPV6)]
}

proptest! {
    #[test]
    fn what_etherparse_sealed_is_right_and_one_flipped_bit_is_not(
        src in any::<u128>(), dst in any::<u128>(), protocol in protocol(),
        data in vec(any::<u8>(), 0..100), at in any::<proptest::sample::Index>(), bit in 0u8..8,
    ) {
        let mut bytes = packet(src, dst, protocol, &data);
        prop_assert!(is_right(&bytes));
        // Of the data, or else of the source address: both lie under the checksum.
        let at = if data.is_empty() { 8 + at.index(16) } else { bytes.len() - data.len() + at.index(data.len()) };
        bytes[at] ^= 1 << bit;
        prop_assert!(!is_right(&bytes));
    }

    #[test]
    fn padding_behind_the_packet_counts_for_nothing(
        src in any::<u128>(), dst in any::<u128>(), protocol in protocol(), padding in vec(any::<u8>(), 0..9),
    ) {
        let mut bytes = packet(src, dst, protocol, b"odd");
        bytes.extend(padding);
        prop_assert!(is_right(&bytes));
    }

    #[test]
    fn the_checksum_holds_for_the_final_destination_at_every_segment(
        src in any::<u128>(), dst in any::<u128>(), node in any::<u128>(), left in 0u8..3,
    ) {
        let bytes = packet(src, dst, nh::TCP, b"abc");
        let list = [dst.into(), node.into(), src.into()];
        let header = build::srh(nh::TCP, left, &list, &[]);
        let active = list[usize::from(left)];
        let bytes = build::ipv6(src.into(), active, nh::ROUTING, &[&header, &bytes[40..]].concat());
        prop_assert!(is_right(&bytes));
    }

    #[test]
    fn adjusting_equals_computing_anew(mut words in vec(any::<u16>(), 1..20), i in any::<proptest::sample::Index>(), new in any::<u16>()) {
        let sum = |words: &[u16]| {
            let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_be_bytes()).collect();
            // Addresses that aren't zero keep the two zeros of one's complement apart.
            checksum::over(build::client(), build::vip(), nh::TCP, &bytes)
        };
        let before = sum(&words);
        let i = i.index(words.len());
        let old = std::mem::replace(&mut words[i], new);
        prop_assert_eq!(checksum::adjust(before, old, new), sum(&words));
    }
}

#[test]
fn udp_is_summed_up_to_its_own_length() {
    let mut bytes = packet(1, 2, nh::UDP, b"hello");
    bytes.extend(b"behind");
    bytes[5] += 6;
    assert!(is_right(&bytes));
}

#[test]
fn udp_without_a_checksum_is_wrong() {
    // RFC 8200 section 8.1
    assert!(!is_right(&build::to_vip(
        nh::UDP,
        &build::udp(1, 2, 8, &[])
    )));
}

#[test]
fn what_has_no_checksum_of_ours_is_right() {
    let fragment = build::concat(&[&build::fragment(nh::TCP, 0, true), &build::syn(), &[0; 4]]);
    for bytes in [
        build::to_vip(nh::NONE, &[]),
        build::to_vip(nh::IPV6, &[1, 2]),
        build::to_vip(nh::FRAGMENT, &fragment),
    ] {
        assert!(is_right(&bytes));
    }
}
