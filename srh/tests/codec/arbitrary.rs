//! Any bytes: nothing panics, and every offset that comes out lies inside the packet.

use proptest::collection::vec;
use proptest::prelude::*;

use srh::icmp::quoted_flow;
use srh::parse::{self, next_header as nh, Packet, Upper};
use srh::{checksum, icmp, rewrite, tcp, Frame};

use crate::build::{self, Buf};

/// What lies inside the packet, whoever parsed it.
fn inside(bytes: &[u8], p: &Packet) {
    assert!(p.len <= bytes.len());
    assert!(40 <= p.insert_at && p.insert_at <= p.len);
    assert!(p.insert_announced_at < p.insert_at);
    assert!(p.insert_at <= p.upper_at && p.upper_at <= p.len);
    if let Some(srh) = &p.srh {
        assert!(srh.announced_at < srh.at && p.insert_at <= srh.at);
        assert!(srh.at + srh.len <= p.upper_at);
        assert!(8 + 16 * srh.segments() <= srh.len);
        assert!(usize::from(srh.segments_left) <= srh.segments());
        assert!(srh.final_destination(bytes).is_some() && srh.first_visited(bytes).is_some());
        assert_eq!(srh.segment(bytes, srh.segments()), None);
        if let Some(at) = srh.hmac_at {
            assert!(srh.at + 8 + 16 * srh.segments() <= at);
            assert!(at + 2 + usize::from(bytes[at + 1]) <= srh.at + srh.len);
        }
    }
    if let Upper::Tcp(t) = &p.upper {
        assert!(p.upper_at + t.header_len + t.data_len <= p.len);
    }
}

/// Everything that takes a parsed packet and reads or rewrites it.
fn use_it(bytes: &[u8], p: &Packet) {
    checksum::is_right(bytes, p);
    icmp::may_report(p);
    if let Some(quoted) = quoted_flow(bytes, p) {
        inside(&bytes[quoted.outer_at..p.len], &quoted.outer);
        inside(&bytes[quoted.inner_at..p.len], &quoted.inner);
        quoted.flow_sent_by_vip();
        quoted.flow_sent_by_client();
    }
    tcp::empty_ack(bytes, p, &mut [0; 128]);
    let list = [p.src, p.dst, p.dst];
    let frame = Buf::new(bytes, 256);
    // Refusals are as good as rewrites here.
    let _ = rewrite::insert(&mut frame.clone(), p, &list, None);
    let _ = rewrite::encap(&mut frame.clone(), p, p.src, &list, 0, None);
    let _ = rewrite::advance(&mut frame.clone(), p);
    let _ = rewrite::strip(&mut frame.clone(), p);
    rewrite::decap(&mut frame.clone(), p);
    tcp::clamp_mss(&mut frame.clone(), p, 500);
    if matches!(p.upper, Upper::Icmp(_)) {
        icmp::echo_reply(&mut frame.clone(), p);
    }
    let about = icmp::Error {
        src: p.dst,
        dst: p.src,
        kind: 1,
        code: 0,
        value: 0,
    };
    let mut error = frame.clone();
    icmp::error(&mut error, &about).unwrap();
    let message = parse::packet(error.bytes()).unwrap();
    assert!(checksum::is_right(error.bytes(), &message));
}

fn any_bytes(bytes: &[u8]) {
    let parsed = parse::packet(bytes);
    if let Err(error) = parsed {
        if let Some(complaint) = parse::segments_left_complaint(bytes, error) {
            assert!((complaint.pointer as usize) < complaint.len && complaint.len <= bytes.len());
        }
    }
    if let Ok(p) = parsed {
        inside(bytes, &p);
        use_it(bytes, &p);
        // Whoever takes a packet whole takes it as a quotation, and sees the same.
        assert_eq!(parse::quoted(&bytes[..p.len]), Ok(p));
    }
    if let Ok(p) = parse::quoted(bytes) {
        inside(bytes, &p);
        tcp::empty_ack(bytes, &p, &mut [0; 128]);
        tcp::clamp_mss(&mut Buf::new(bytes, 0), &p, 500);
    }
}

/// Bytes that get past the first checks: version 6, a number that is known, a length that
/// fits, and headers that announce each other.
fn nearly_right() -> impl Strategy<Value = Vec<u8>> {
    let number = || {
        prop_oneof![
            Just(nh::ROUTING),
            Just(nh::ROUTING),
            Just(nh::TCP),
            Just(nh::UDP),
            Just(nh::ICMPV6),
            Just(nh::IPV6),
            Just(nh::DESTINATION),
            Just(nh::FRAGMENT),
            Just(nh::HOP_BY_HOP),
            any::<u8>()
        ]
    };
    // next header, length, type, segments left, last entry: small numbers, mostly SRHs
    let header = (
        number(),
        0u8..10,
        prop_oneof![Just(4u8), 0u8..5],
        0u8..6,
        0u8..5,
    );
    let first = number();
    (
        first,
        vec((header, vec(any::<u8>(), 0..80)), 0..5),
        vec(any::<u8>(), 0..70),
        -4i32..5,
    )
        .prop_map(|(first, headers, rest, length_is_wrong_by)| {
            let mut payload = Vec::new();
            for ((next, len, kind, left, last), body) in headers {
                payload.extend([next, len, kind, left, last]);
                payload.extend(body.iter().cycle().take(if body.is_empty() {
                    0
                } else {
                    3 + 8 * usize::from(len)
                }));
            }
            payload.extend(rest);
            let mut bytes = build::to_vip(first, &payload);
            let length = (payload.len() as i32 + length_is_wrong_by).clamp(0, 65_535) as u16;
            bytes[4..6].copy_from_slice(&length.to_be_bytes());
            bytes
        })
}

/// A right packet of ours in which some bytes are then changed.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let list = [
        build::vip(),
        build::addr("fd00:5e:1::1000"),
        build::addr("fd00:1b:1::100"),
    ];
    let hmac = [&[5, 38][..], &[0; 38]].concat();
    let inserted = build::to_vip(
        nh::ROUTING,
        &[
            build::srh(nh::TCP, 1, &list, &hmac),
            build::tcp(1, 2, 2, &[2, 4, 5, 0xa0], &[]),
        ]
        .concat(),
    );
    let encapsulated = build::to_vip(
        nh::ROUTING,
        &[
            build::srh(nh::IPV6, 1, &list, &[]),
            build::to_vip(nh::TCP, &build::syn()),
        ]
        .concat(),
    );
    let error = build::icmp_error(build::vip(), 2, 1280, &encapsulated);
    let samples = vec![inserted, encapsulated, error];
    let changes = vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6);
    (proptest::sample::select(samples), changes, 0usize..12).prop_map(
        |(mut bytes, changes, cut)| {
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            bytes.truncate(bytes.len() - cut);
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn pure_noise(bytes in vec(any::<u8>(), 0..200)) {
        any_bytes(&bytes);
    }

    #[test]
    fn headers_that_are_nearly_right(bytes in nearly_right()) {
        any_bytes(&bytes);
    }

    #[test]
    fn right_packets_with_a_few_bytes_changed(bytes in mutated()) {
        any_bytes(&bytes);
    }
}

#[test]
fn every_prefix_of_a_packet() {
    let list = [build::vip(), build::addr("fd00:5e:1::1000")];
    let inner = build::to_vip(nh::TCP, &build::syn());
    let bytes = build::to_vip(
        nh::ROUTING,
        &[build::srh(nh::IPV6, 1, &list, &[]), inner].concat(),
    );
    for len in 0..=bytes.len() {
        any_bytes(&bytes[..len]);
        assert_eq!(parse::packet(&bytes[..len]).is_ok(), len == bytes.len());
    }
}
