//! The limits of the rewriter: sizes on the wire, headroom, hop limit, length, list length.

use std::net::Ipv6Addr;

use srh::parse::{self, next_header as nh};
use srh::rewrite::{self, RewriteError, MAX_SEGMENTS};
use srh::{Frame, Function, Locator, NoHeadroom};

use crate::build::*;

fn list(n: usize) -> Vec<Ipv6Addr> {
    (0..n)
        .map(|i| Locator(0xfd00_005e_0000_0000 + i as u64).sid(Function::ConnectAvail))
        .collect()
}

#[test]
fn sizes_on_the_wire() {
    let client_packet = to_vip(nh::TCP, &syn());
    let packet = parse::packet(&client_packet).unwrap();
    let insert = |segments: usize| {
        let mut frame = Buf::new(&client_packet, 256);
        rewrite::insert(&mut frame, &packet, &list(segments), None).unwrap();
        frame.bytes().len() - client_packet.len()
    };
    let encap = |segments: usize| {
        let mut frame = Buf::new(&client_packet, 256);
        rewrite::encap(&mut frame, &packet, client(), &list(segments), 0, None).unwrap();
        frame.bytes().len() - client_packet.len()
    };
    // lb, two candidates, vip; lb, server, vip
    assert_eq!((insert(4), insert(3)), (72, 56));
    // two candidates; one server
    assert_eq!((encap(2), encap(1)), (64, 40));
    // the longest: a chunk of eight
    assert_eq!((insert(MAX_SEGMENTS), encap(8)), (168, 160));
}

#[test]
fn a_headroom_too_small_by_one_byte_is_refused_and_nothing_changes() {
    let bytes = to_vip(nh::TCP, &syn());
    let packet = parse::packet(&bytes).unwrap();
    for headroom in [0, 71] {
        let mut frame = Buf::new(&bytes, headroom);
        assert_eq!(
            rewrite::insert(&mut frame, &packet, &list(4), None),
            Err(RewriteError::NoHeadroom(NoHeadroom))
        );
        assert_eq!(frame.bytes(), bytes);
    }
    for (headroom, segments) in [(39, 1), (63, 2)] {
        let mut frame = Buf::new(&bytes, headroom);
        assert_eq!(
            rewrite::encap(&mut frame, &packet, client(), &list(segments), 0, None),
            Err(RewriteError::NoHeadroom(NoHeadroom))
        );
        assert_eq!(frame.bytes(), bytes);
    }
    let mut exact = Buf::new(&bytes, 72);
    assert_eq!(rewrite::insert(&mut exact, &packet, &list(4), None), Ok(()));
    let mut exact = Buf::new(&bytes, 64);
    assert_eq!(
        rewrite::encap(&mut exact, &packet, client(), &list(2), 0, None),
        Ok(())
    );
}

#[test]
fn lists_of_a_wrong_length_are_refused() {
    let bytes = to_vip(nh::TCP, &syn());
    let packet = parse::packet(&bytes).unwrap();
    for n in [0, 1, 2, MAX_SEGMENTS + 1] {
        let mut frame = Buf::new(&bytes, 512);
        assert_eq!(
            rewrite::insert(&mut frame, &packet, &list(n), None),
            Err(RewriteError::SegmentCount),
            "insert {n}"
        );
        assert_eq!(frame.bytes(), bytes);
    }
    for n in [0, MAX_SEGMENTS + 2] {
        let mut frame = Buf::new(&bytes, 512);
        assert_eq!(
            rewrite::encap(&mut frame, &packet, client(), &list(n), 0, None),
            Err(RewriteError::SegmentCount),
            "encap {n}"
        );
        assert_eq!(frame.bytes(), bytes);
    }
}

#[test]
fn a_packet_that_would_be_too_long_is_refused() {
    let largest = |added: usize| to_vip(nh::TCP, &vec![0x50; 65_535 - added]);
    for (encoding, added) in [("insert", 72), ("encap", 64)] {
        for over in [0, 1] {
            let bytes = largest(added - over);
            let packet = parse::packet(&bytes).unwrap();
            let mut frame = Buf::new(&bytes, 256);
            let result = match encoding {
                "insert" => rewrite::insert(&mut frame, &packet, &list(4), None),
                _ => {
                    // The inner header counts as payload.
                    rewrite::encap(&mut frame, &packet, client(), &list(2), 0, None)
                }
            };
            let expected = if over == 0 {
                Ok(())
            } else {
                Err(RewriteError::TooLong)
            };
            assert_eq!(result, expected, "{encoding}, {over} over");
            if over == 1 {
                assert_eq!(frame.bytes(), bytes);
            }
        }
    }
}

#[test]
fn the_hop_limit_ends_at_one() {
    let mut bytes = to_vip(
        nh::ROUTING,
        &concat(&[&srh(nh::TCP, 1, &list(2), &[]), &syn()]),
    );
    for (limit, expected) in [
        (2, Ok(())),
        (1, Err(RewriteError::HopLimit)),
        (0, Err(RewriteError::HopLimit)),
    ] {
        bytes[7] = limit;
        let packet = parse::packet(&bytes).unwrap();
        let mut frame = Buf::new(&bytes, 0);
        assert_eq!(rewrite::decrement_hop_limit(&mut frame), expected);
        assert_eq!(frame.bytes()[7], if limit == 2 { 1 } else { limit });
        let mut frame = Buf::new(&bytes, 0);
        assert_eq!(
            rewrite::advance(&mut frame, &packet).map(|_| ()),
            expected,
            "{limit}"
        );
        if limit < 2 {
            assert_eq!(frame.bytes(), bytes, "a refused advance changes nothing");
        }
    }
}

#[test]
fn without_an_srh_there_is_no_segment_to_go_to() {
    let bytes = to_vip(nh::TCP, &syn());
    let packet = parse::packet(&bytes).unwrap();
    let mut frame = Buf::new(&bytes, 0);
    assert_eq!(
        rewrite::advance(&mut frame, &packet),
        Err(RewriteError::NoSegment)
    );
    assert_eq!(
        rewrite::strip(&mut frame, &packet),
        Err(RewriteError::NoSegment)
    );
    assert_eq!(frame.bytes(), bytes);
}

#[test]
fn strip_keeps_what_stands_around_the_srh() {
    let segments = list(3);
    let hop_by_hop = options(nh::ROUTING, 0);
    let destination = options(nh::TCP, 1);
    let srh = srh(nh::DESTINATION, 1, &segments, &[4, 6, 0, 0, 0, 0, 0, 0]);
    let bytes = ipv6(
        client(),
        segments[1],
        nh::HOP_BY_HOP,
        &concat(&[&hop_by_hop, &srh, &destination, &syn()]),
    );
    let packet = parse::packet(&bytes).unwrap();
    let mut frame = Buf::new(&bytes, 0);
    assert_eq!(rewrite::strip(&mut frame, &packet), Ok(segments[0]));
    let expected = ipv6(
        client(),
        segments[0],
        nh::HOP_BY_HOP,
        &concat(&[&options(nh::DESTINATION, 0), &destination, &syn()]),
    );
    assert_eq!(frame.bytes(), expected);
}
