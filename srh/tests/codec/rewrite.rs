//! The rewriter against the naive oracle: every rewrite, and the way there and back.

use std::net::Ipv6Addr;

use proptest::collection::vec;
use proptest::prelude::*;

use srh::parse::{self, next_header as nh};
use srh::rewrite::{self, MAX_SEGMENTS};
use srh::Frame;

use crate::build::{self, Buf};
use crate::oracle::Chain;

fn address() -> impl Strategy<Value = Ipv6Addr> {
    any::<u128>().prop_map(Ipv6Addr::from_bits)
}

/// What an extension header other than ours may look like: number and bytes.
fn extensions() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let options = |number: u8| (0u8..4).prop_map(move |n| (number, build::options(0, n)));
    let other_routing = Just((nh::ROUTING, build::routing(0, 0, 3, 0, &[0; 4])));
    let atomic = Just((nh::FRAGMENT, build::fragment(0, 0, false)));
    let later = prop_oneof![options(nh::DESTINATION), atomic, other_routing];
    (
        proptest::option::of(options(nh::HOP_BY_HOP)),
        vec(later, 0..4),
    )
        .prop_map(|(first, later)| first.into_iter().chain(later).collect())
}

fn transport() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let data = || vec(any::<u8>(), 0..200);
    prop_oneof![
        (any::<u16>(), any::<u16>(), any::<u8>(), data())
            .prop_map(|(s, d, flags, data)| (nh::TCP, build::tcp(s, d, flags, &[1; 12], &data))),
        (any::<u16>(), any::<u16>(), data())
            .prop_map(|(s, d, data)| { (nh::UDP, build::udp(s, d, 8 + data.len() as u16, &data)) }),
        (128u8.., any::<u32>(), data())
            .prop_map(|(kind, value, data)| (nh::ICMPV6, build::icmp(kind, 0, value, &data))),
    ]
}

pub fn chain() -> impl Strategy<Value = Chain> {
    let head = (any::<u8>(), 0u32..1 << 20, 2u8.., address(), address());
    (head, extensions(), transport()).prop_map(
        |((traffic_class, flow_label, hop_limit, src, dst), extensions, (protocol, payload))| {
            Chain {
                traffic_class,
                flow_label,
                hop_limit,
                src,
                dst,
                extensions,
                protocol,
                payload,
            }
        },
    )
}

/// The sender and the nodes; the final destination comes behind them.
pub fn nodes() -> impl Strategy<Value = Vec<Ipv6Addr>> {
    vec(address(), 2..MAX_SEGMENTS)
}

/// The packet of a frame without the padding behind it.
fn packet_of(frame: &Buf) -> &[u8] {
    let packet = parse::packet(frame.bytes()).unwrap();
    &frame.bytes()[..packet.len]
}

proptest! {
    #[test]
    fn insert_is_what_the_oracle_says_and_strip_undoes_it(
        chain in chain(), nodes in nodes(), padding in vec(any::<u8>(), 0..8),
    ) {
        let before = chain.bytes();
        let visited = [&nodes[..], &[chain.dst]].concat();
        let mut frame = Buf::new(&[&before[..], &padding].concat(), 300);
        let packet = parse::packet(frame.bytes()).unwrap();
        rewrite::insert(&mut frame, &packet, &visited, None).unwrap();
        prop_assert_eq!(packet_of(&frame), chain.inserted(&visited).bytes());
        prop_assert_eq!(packet_of(&frame).len() - before.len(), rewrite::insert_bytes(visited.len(), false));

        let packet = parse::packet(frame.bytes()).unwrap();
        prop_assert_eq!(rewrite::strip(&mut frame, &packet), Ok(chain.dst));
        prop_assert_eq!(packet_of(&frame), before);
        prop_assert_eq!(&frame.bytes()[chain.bytes().len()..], padding, "padding stays behind");
    }

    #[test]
    fn encap_is_what_the_oracle_says_and_decap_undoes_it(
        chain in chain(), nodes in nodes(), src in address(), flow_label in 0u32..1 << 20,
        count in 1..MAX_SEGMENTS, padding in vec(any::<u8>(), 0..8),
    ) {
        let visited = &nodes[..count.min(nodes.len())];
        let before = chain.bytes();
        let mut frame = Buf::new(&[&before[..], &padding].concat(), 300);
        let packet = parse::packet(frame.bytes()).unwrap();
        rewrite::encap(&mut frame, &packet, src, visited, flow_label, None).unwrap();
        let expected = chain.encapsulated(src, visited, flow_label).bytes();
        prop_assert_eq!(packet_of(&frame), expected);
        prop_assert_eq!(packet_of(&frame).len() - before.len(), rewrite::encap_bytes(visited.len(), false));

        let packet = parse::packet(frame.bytes()).unwrap();
        prop_assert_eq!(packet.upper, parse::Upper::Ipv6);
        rewrite::decap(&mut frame, &packet);
        prop_assert_eq!(frame.bytes(), before, "the padding is gone as well");
    }

    #[test]
    fn an_inserted_list_is_visited_in_its_order(chain in chain(), nodes in nodes()) {
        let visited = [&nodes[..], &[chain.dst]].concat();
        let chain = Chain { hop_limit: 64, ..chain };
        let mut expected = chain.inserted(&visited);
        let mut frame = Buf::new(&chain.bytes(), 300);
        let packet = parse::packet(frame.bytes()).unwrap();
        rewrite::insert(&mut frame, &packet, &visited, None).unwrap();
        for (i, dst) in visited.iter().enumerate().skip(2) {
            let packet = parse::packet(frame.bytes()).unwrap();
            prop_assert_eq!(rewrite::advance(&mut frame, &packet), Ok(*dst));
            expected = expected.advanced((visited.len() - 1 - i) as u8, *dst);
            prop_assert_eq!(frame.bytes(), expected.bytes());
        }
        let packet = parse::packet(frame.bytes()).unwrap();
        prop_assert_eq!(rewrite::advance(&mut frame, &packet), Err(rewrite::RewriteError::NoSegment));
    }

    #[test]
    fn an_encapsulated_list_is_visited_in_its_order(
        chain in chain(), nodes in nodes(), src in address(),
    ) {
        let mut expected = chain.encapsulated(src, &nodes, 0);
        let mut frame = Buf::new(&chain.bytes(), 300);
        let packet = parse::packet(frame.bytes()).unwrap();
        rewrite::encap(&mut frame, &packet, src, &nodes, 0, None).unwrap();
        for (i, dst) in nodes.iter().enumerate().skip(1) {
            let packet = parse::packet(frame.bytes()).unwrap();
            prop_assert_eq!(rewrite::advance(&mut frame, &packet), Ok(*dst));
            expected = expected.advanced((nodes.len() - 1 - i) as u8, *dst);
            prop_assert_eq!(frame.bytes(), expected.bytes());
        }
        let packet = parse::packet(frame.bytes()).unwrap();
        rewrite::decap(&mut frame, &packet);
        prop_assert_eq!(frame.bytes(), chain.bytes());
    }

    #[test]
    fn the_parser_reads_back_what_the_oracle_wrote(chain in chain(), nodes in nodes()) {
        let visited = [&nodes[..], &[chain.dst]].concat();
        let bytes = chain.inserted(&visited).bytes();
        let packet = parse::packet(&bytes).unwrap();
        prop_assert_eq!((packet.src, packet.dst), (chain.src, visited[1]));
        prop_assert_eq!(
            (packet.traffic_class, packet.flow_label, packet.hop_limit),
            (chain.traffic_class, chain.flow_label, chain.hop_limit)
        );
        prop_assert_eq!(packet.len - packet.upper_at, chain.payload.len());
        let srh = packet.srh.unwrap();
        let read: Vec<Ipv6Addr> = (0..srh.segments()).rev().filter_map(|i| srh.segment(&bytes, i)).collect();
        prop_assert_eq!(read, &visited[..]);
        prop_assert_eq!(srh.segment(&bytes, srh.segments()), None);
        prop_assert_eq!(srh.first_visited(&bytes), Some(visited[0]));
        prop_assert_eq!(srh.final_destination(&bytes), Some(chain.dst));
    }
}

/// A packet with as many extension headers as are taken in has one more with an SRH, and the next node takes it in as well. Found by
/// fuzzing.
#[test]
fn the_last_extension_header_may_be_our_own() {
    let most = parse::MAX_EXTENSION_HEADERS as u8;
    let headers = build::options(nh::DESTINATION, 0).repeat(usize::from(most) - 1);
    let payload = [headers, build::options(nh::TCP, 0), build::syn()].concat();
    let full = build::to_vip(nh::DESTINATION, &payload);
    let mut frame = Buf::new(&full, 300);
    let packet = parse::packet(frame.bytes()).unwrap();
    let visited = [build::vip(), build::addr("fd00:5e:1::1000"), build::vip()];
    rewrite::insert(&mut frame, &packet, &visited, None).unwrap();
    let packet = parse::packet(frame.bytes()).unwrap();
    assert_eq!(packet.srh.map(|srh| srh.segments()), Some(3));
    let longer = [build::options(nh::DESTINATION, 0), payload].concat();
    let mut one_too_many = build::to_vip(
        nh::ROUTING,
        &build::srh(nh::DESTINATION, 0, &[build::vip()], &[]),
    );
    one_too_many.extend(&longer);
    let payload_len = (one_too_many.len() - 40) as u16;
    one_too_many[4..6].copy_from_slice(&payload_len.to_be_bytes());
    assert_eq!(
        parse::packet(&one_too_many),
        Err(parse::ParseError::TooManyExtensions)
    );
}
