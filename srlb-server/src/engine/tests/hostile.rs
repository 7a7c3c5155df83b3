//! What must not get through, and what must not change anything.

use super::*;
use proptest::prelude::*;

#[test]
fn functions_come_from_lbs_only() {
    let syn = client(SYN, 0);
    let here = [sid(SERVER, Function::AckStickiness)];
    for encoding in ENCODINGS {
        let mut bench = Bench::always();
        // another server, and somebody outside
        for node in [NEXT, "2001:db8:bad::"] {
            bench.drops(
                &carried(encoding, node, &here, 0, &syn),
                DropReason::UnknownSender,
            );
        }
    }
    let mut from_no_node = carried(Encoding::Encap, LB, &here, 0, &syn);
    from_no_node[22..24].copy_from_slice(&0x3000u16.to_be_bytes());
    Bench::always().drops(&from_no_node, DropReason::UnknownSender);
}

#[test]
fn the_list_must_fit_the_function() {
    let syn = client(SYN, 0);
    let list = |first: Function, second: Function| [sid(SERVER, first), sid(NEXT, second)];
    for encoding in ENCODINGS {
        let mut bench = Bench::always();
        // a refusal would lead to the VIP
        bench.drops(
            &one(encoding, Function::ConnectAvail, &syn),
            DropReason::WrongSegments,
        );
        for last in [Function::RecoverFinal, Function::AckStickiness] {
            let sids = list(last, Function::ConnectForce);
            let packet = carried(encoding, LB, &sids, 0, &syn);
            bench.drops(&packet, DropReason::WrongSegments);
        }
        let to_an_lb = list(Function::ConnectAvail, Function::ReturnFlow);
        bench.drops(
            &carried(encoding, LB, &to_an_lb, 0, &syn),
            DropReason::WrongSegments,
        );
        let outside = [sid(SERVER, Function::ConnectAvail), addr(VIP)];
        bench.drops(
            &carried(encoding, LB, &outside, 0, &syn),
            DropReason::WrongSegments,
        );
    }
    // a pin is never the second of a list
    let second = [
        sid(NEXT, Function::ConnectAvail),
        sid(SERVER, Function::AckStickiness),
    ];
    let packet = carried(Encoding::Insert, LB, &second, 1, &syn);
    Bench::always().drops(&packet, DropReason::WrongSegments);
}

#[test]
fn functions_of_lbs_and_unknown_ones_are_refused() {
    let syn = client(SYN, 0);
    let mut bench = Bench::always();
    for function in [
        Function::Node,
        Function::CreateStickiness,
        Function::RecoverNext,
    ] {
        bench.drops(
            &one(Encoding::Encap, function, &syn),
            DropReason::NotOurFunction,
        );
    }
    let unknown = addr("fd00:5e:1::ff00");
    bench.drops(
        &carried(Encoding::Encap, LB, &[unknown], 0, &syn),
        DropReason::UnknownSid,
    );
    let bare = Segment {
        dst: ("fd00:5e:1::2000", 80),
        ..client_segment(SYN, 0)
    };
    bench.drops(&bare.bytes(), DropReason::NotEncapsulated);
    let stray = Segment {
        dst: ("2001:db8::9", 80),
        ..client_segment(SYN, 0)
    };
    bench.drops(&stray.bytes(), DropReason::NotForUs);
}

#[test]
fn what_is_inside_must_be_a_clients_packet_to_a_vip_of_ours() {
    let mut bench = Bench::always();
    for encoding in ENCODINGS {
        for src in [VIP, "fd00:1b:1::100", "fd00:5e:9::1", "ff02::1", "::1"] {
            let syn = Segment {
                src: (src, 40_000),
                ..client_segment(SYN, 0)
            };
            bench.drops(&offer(encoding, &syn.bytes()), DropReason::ClientInDomain);
        }
        let syn = Segment {
            dst: ("2001:db8:80::2", 80),
            ..client_segment(SYN, 0)
        };
        bench.drops(&offer(encoding, &syn.bytes()), DropReason::InnerDestination);
    }
    let routed = carried(Encoding::Insert, LB, &offer_list(), 0, &client(SYN, 0));
    let here = [sid(SERVER, Function::AckStickiness)];
    bench.drops(
        &carried(Encoding::Encap, LB, &here, 0, &routed),
        DropReason::RoutingTowardsVip,
    );
}

#[test]
fn a_wrong_checksum_writes_no_state() {
    for encoding in ENCODINGS {
        let mut wrong = client(SYN, 0);
        wrong[57] ^= 1;
        Bench::always().drops(&offer(encoding, &wrong), DropReason::WrongChecksum);
        let mut wrong = client(ACK, 900);
        wrong[57] ^= 1;
        Bench::hunted(encoding, 100).drops(&pinned(encoding, &wrong), DropReason::WrongChecksum);
        let mut wrong = client(RST, 0);
        wrong[57] ^= 1;
        Bench::direct(encoding, 100).drops(&pinned(encoding, &wrong), DropReason::WrongChecksum);
    }
}

#[test]
fn an_offer_needs_a_syn() {
    let mut bench = Bench::direct(Encoding::Encap, 100);
    for flags in [ACK, SYN | ACK, RST] {
        let packet = client(flags, 101);
        bench.drops(&offer(Encoding::Encap, &packet), DropReason::NotASyn);
    }
}

#[test]
fn other_transports_are_counted() {
    let mut bench = Bench::always();
    let mut sctp = client(ACK, 0);
    sctp[6] = 132;
    bench.drops(
        &pinned(Encoding::Encap, &sctp),
        DropReason::UnsupportedProtocol,
    );
}

#[test]
fn the_last_hop_is_told_to_the_client() {
    let syn = Segment {
        hop_limit: 2,
        ..client_segment(SYN, 0)
    };
    let mut bench = Bench::new(Accept::Never);
    let (verdict, bytes) = bench.put(&offer(Encoding::Insert, &syn.bytes()));
    assert_eq!(verdict, Verdict::Transmit);
    let packet = srh::parse::packet(&bytes).unwrap();
    assert_eq!((packet.src, packet.dst), (addr(VIP), addr(CLIENT)));
    assert!(matches!(packet.upper, Upper::Icmp(i) if i.kind == 3));
    assert_eq!(bench.engine.drops().get(DropReason::HopLimit), 1);
}

#[test]
fn impossible_segments_left_is_told_to_the_sender_up_to_a_rate() {
    let mut bench = Bench::always();
    let mut packet = offer(Encoding::Encap, &client(SYN, 0));
    packet[43] = 9;
    for _ in 0..100 {
        let (verdict, bytes) = bench.put(&packet);
        assert_eq!(verdict, Verdict::Transmit);
        let answer = srh::parse::packet(&bytes).unwrap();
        assert_eq!(answer.dst, sid(LB, Function::Node));
        assert!(matches!(answer.upper, Upper::Icmp(i) if (i.kind, i.value) == (4, 43)));
    }
    assert_eq!(
        bench.put(&packet).0,
        Verdict::Drop(DropReason::SrhSegmentsLeft)
    );
    assert_eq!(bench.engine.drops().get(DropReason::SrhSegmentsLeft), 101);
}

#[test]
fn sids_answer_echo() {
    let mut bench = Bench::always();
    let node = "fd00:1b:1::100";
    for to in [
        sid(SERVER, Function::Node),
        sid(SERVER, Function::AckStickiness),
    ] {
        let (verdict, bytes) = bench.put(&icmp(node, to, 128, 0x1234_5678, b"data"));
        assert_eq!(verdict, Verdict::Transmit);
        let answer = srh::parse::packet(&bytes).unwrap();
        assert_eq!((answer.src, answer.dst), (to, addr(node)));
        assert!(matches!(answer.upper, Upper::Icmp(i) if (i.kind, i.value) == (129, 0x1234_5678)));
        assert!(srh::checksum::is_right(&bytes, &answer));
    }
    let error = icmp(node, sid(SERVER, Function::Node), 1, 0, b"");
    bench.drops(&error, DropReason::IcmpIgnored);
}

/// Found by fuzzing.
#[test]
fn nobody_is_answered_whose_address_is_here() {
    let (mut bench, here) = (Bench::always(), sid(SERVER, Function::Node));
    for source in [VIP, "fd00:5e:1::100"] {
        bench.drops(
            &icmp(source, here, 128, 7, b"data"),
            DropReason::IcmpIgnored,
        );
        let mut offer = offer(Encoding::Encap, &client(SYN, 0));
        offer[8..24].copy_from_slice(&addr(source).octets());
        offer[43] = 9;
        bench.drops(&offer, DropReason::SrhSegmentsLeft);
    }
}

/// A packet that means something, to be spoilt.
fn meant() -> impl Strategy<Value = Vec<u8>> {
    let flags = prop_oneof![
        Just(SYN),
        Just(ACK),
        Just(RST),
        Just(FIN | ACK),
        any::<u8>()
    ];
    (0..13usize, flags, any::<bool>(), 99..103u32).prop_map(|(kind, flags, insert, ack)| {
        let encoding = ENCODINGS[usize::from(insert)];
        let packet = client(flags, ack);
        match kind {
            0 => offer(encoding, &packet),
            1 => one(encoding, Function::ConnectForce, &packet),
            2 => pinned(encoding, &packet),
            3 => recovery(encoding, &packet, 0),
            4 => one(encoding, Function::RecoverFinal, &packet),
            5 => server(SYN | ACK, ack, b""),
            6 => server(flags, ack, b"data"),
            7 => offer(encoding, &question(b"datagram")),
            8 => pinned(encoding, &question(b"datagram")),
            9 => recovery(encoding, &question(b"datagram"), 0),
            10 => answer(b"datagram"),
            11 => {
                let parts = in_two(&question(&[7; 40]), 16 + 8 * (ack as usize % 3));
                pinned(encoding, &parts[usize::from(flags & 1)])
            }
            _ => pinned(
                encoding,
                &icmp(CLIENT, addr(VIP), 1, 0, &server(ACK, 1, b"")),
            ),
        }
    })
}

fn spoilt() -> impl Strategy<Value = Vec<u8>> {
    let spoil = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let cut = prop::option::of(any::<prop::sample::Index>());
    (meant(), spoil, cut).prop_map(|(mut bytes, spoil, cut)| {
        for (at, value) in spoil {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(at) = cut {
            bytes.truncate(at.index(bytes.len()));
        }
        bytes
    })
}

fn answers() -> impl Strategy<Value = SocketAnswer> {
    prop_oneof![
        Just(SocketAnswer::None),
        Just(SocketAnswer::SynReceived),
        Just(SocketAnswer::Open {
            acked: Some(1),
            sent: Some(2)
        }),
        Just(SocketAnswer::Ended { sent: Some(400) }),
        Just(SocketAnswer::TimeWait),
    ]
}

/// Puts a packet in without the bench's expectations about look-ups.
fn any_put(bench: &mut Bench, bytes: &[u8], answer: SocketAnswer) {
    let mut frame = PacketBuf::from_slice(bytes);
    let before = bench.engine.snapshot();
    let (now, app, extra) = (bench.now, &bench.app, &mut bench.extra);
    let mut verdict = bench.engine.process(now, &mut frame, app, extra);
    if matches!(verdict, Verdict::LookUp(_)) {
        assert_eq!(before, bench.engine.snapshot());
        verdict = bench.engine.resume(now, &mut frame, answer, app, extra);
    }
    assert!(!matches!(verdict, Verdict::LookUp(_)), "asked twice");
    if matches!(verdict, Verdict::Drop(_)) {
        assert_eq!(before, bench.engine.snapshot(), "{verdict:?}");
    } else {
        let packet = srh::parse::packet(frame.bytes()).expect("what leaves can be read");
        assert_eq!(packet.len, frame.len());
    }
}

impl Engine {
    /// Every entry, in the table's order.
    fn snapshot(&self) -> Vec<String> {
        let tcp = self.flows.iter().map(|entry| format!("{entry:?}"));
        let udp = self.udp_flows.iter().map(|entry| format!("{entry:?}"));
        let fragments = format!("{} packets in fragments", self.fragments.len());
        tcp.chain(udp).chain([fragments]).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), answer in answers()) {
        any_put(&mut Bench::always(), &bytes, answer);
    }

    #[test]
    fn any_sequence_of_spoilt_packets_does_no_harm(
        packets in prop::collection::vec((spoilt(), answers(), 0..30_000u64), 1..12)
    ) {
        let mut bench = Bench::always();
        for (bytes, answer, millis) in packets {
            bench.now = bench.now + std::time::Duration::from_millis(millis);
            any_put(&mut bench, &bytes, answer);
        }
    }
}
