//! Fragments of clients' packets, in both encodings.

use std::time::Duration;

use super::*;

/// An engine with a DIRECT flow of TCP and one of UDP, and a packet of either in two fragments.
fn known(encoding: Encoding) -> (Bench, [[Vec<u8>; 2]; 2]) {
    let mut bench = Bench::direct(encoding, 100);
    let q = question(b"first");
    bench.delivers_steered(&offer(encoding, &q), &q);
    bench.delivers(&pinned(encoding, &q), &q);
    let segment = Segment {
        data: &[b'x'; 60],
        ..client_segment(ACK, 101)
    };
    let tcp = in_two(&segment.bytes(), 32);
    (bench, [tcp, in_two(&question(&[b'x'; 60]), 32)])
}

#[test]
fn fragments_of_a_flow_that_is_here_go_to_the_application() {
    for encoding in ENCODINGS {
        let (mut bench, packets) = known(encoding);
        for [first, later] in packets {
            bench.drops(&pinned(encoding, &later), DropReason::FragmentNoFirst);
            bench.delivers(&pinned(encoding, &first), &first);
            bench.delivers(&pinned(encoding, &later), &later);
            bench.now = bench.now + Duration::from_secs(5);
            bench.drops(&pinned(encoding, &later), DropReason::FragmentNoFirst);
        }
        assert_eq!(bench.state(), State::Direct);
        assert_eq!(bench.engine.events().get(Event::FragmentsDelivered), 4);
    }
}

#[test]
fn fragments_of_a_flow_that_is_not_here_are_dropped() {
    for encoding in ENCODINGS {
        let (_, packets) = known(encoding);
        for [first, later] in packets {
            let mut bench = Bench::always();
            bench.drops(&pinned(encoding, &first), DropReason::FragmentNoEntry);
            bench.drops(&pinned(encoding, &later), DropReason::FragmentNoFirst);
        }
        // A handshake that isn't over, and numbers that belong to another connection.
        let (_, [[first, _], _]) = known(encoding);
        let mut hunted = Bench::hunted(encoding, 100);
        hunted.drops(&pinned(encoding, &first), DropReason::FragmentNoEntry);
        let mut other = Bench::direct(encoding, 1 << 30);
        other.drops(&pinned(encoding, &first), DropReason::FragmentNoEntry);
    }
}

#[test]
fn nobody_is_offered_a_fragment_nor_asked_about_one() {
    for encoding in ENCODINGS {
        let (mut bench, packets) = known(encoding);
        for [first, later] in packets {
            for part in [first, later] {
                bench.drops(&offer(encoding, &part), DropReason::Fragment);
                bench.drops(&recovery(encoding, &part, 0), DropReason::Fragment);
                let last = one(encoding, Function::RecoverFinal, &part);
                bench.drops(&last, DropReason::Fragment);
            }
        }
    }
}

#[test]
fn a_handshake_a_reset_and_a_ping_in_fragments_are_dropped() {
    for encoding in ENCODINGS {
        let (mut bench, _) = known(encoding);
        for flags in [SYN, RST, RST | ACK] {
            let segment = Segment {
                data: &[0; 60],
                ..client_segment(flags, 101)
            };
            let [first, _] = in_two(&segment.bytes(), 32);
            bench.drops(&pinned(encoding, &first), DropReason::Fragment);
        }
        let ping = icmp(CLIENT, addr(VIP), 128, 1, &[0; 60]);
        let [first, _] = in_two(&ping, 32);
        bench.drops(&pinned(encoding, &first), DropReason::Fragment);
    }
}

#[test]
fn what_overlaps_the_first_fragment_is_dropped() {
    for encoding in ENCODINGS {
        let (mut bench, [_, [first, _]]) = known(encoding);
        bench.delivers(&pinned(encoding, &first), &first);
        let [other_first, inside] = in_two(&question(&[b'y'; 60]), 24);
        let reason = DropReason::FragmentOverlap;
        bench.drops(&pinned(encoding, &inside), reason);
        bench.drops(&pinned(encoding, &other_first), reason);
    }
}

#[test]
fn a_fragment_keeps_a_udp_flow_alive() {
    for encoding in ENCODINGS {
        let (mut bench, [_, [first, _]]) = known(encoding);
        let q = question(b"later");
        bench.now = T0 + Duration::from_secs(599);
        bench.delivers(&pinned(encoding, &first), &first);
        bench.now = T0 + Duration::from_secs(1_198);
        bench.delivers(&pinned(encoding, &q), &q);
    }
}

/// RFC 6946: a Fragment header on a whole packet.
#[test]
fn an_atomic_fragment_is_a_whole_packet() {
    for encoding in ENCODINGS {
        let mut bench = Bench::always();
        let [mut atomic, _] = in_two(&question(b"12345678"), 16);
        atomic[43] &= !1;
        bench.delivers_steered(&offer(encoding, &atomic), &atomic);
    }
}

#[test]
fn fragments_of_the_application_go_straight() {
    let mut bench = Bench::always();
    let q = question(b"question");
    bench.delivers_steered(&offer(Encoding::Encap, &q), &q);
    for part in in_two(&answer(&[7; 60]), 32) {
        bench.transmits(&part, &part);
    }
}
