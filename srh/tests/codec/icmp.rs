//! ICMPv6 that we write, and the flow behind an error that somebody else wrote.

use srh::icmp::{self, quoted_flow, Quoted};
use srh::parse::{self, next_header as nh, Icmp, Upper};
use srh::{checksum, Flow, Frame, NoHeadroom};

use crate::build::*;

fn flow() -> Flow {
    Flow {
        protocol: 6,
        client: client(),
        client_port: 40_000,
        vip: vip(),
        vip_port: 80,
    }
}

fn error() -> icmp::Error {
    icmp::Error {
        src: addr("fd00:1b:1::100"),
        dst: client(),
        kind: Icmp::PACKET_TOO_BIG,
        code: 0,
        value: 1428,
    }
}

fn quote_of(bytes: &[u8]) -> Option<Quoted> {
    quoted_flow(bytes, &parse::packet(bytes).unwrap())
}

#[test]
fn an_error_quotes_the_packet_without_its_padding() {
    let about = to_vip(nh::TCP, &syn());
    let mut frame = Buf::new(&[&about[..], &[0xee; 6]].concat(), 48);
    icmp::error(&mut frame, &error()).unwrap();
    let packet = parse::packet(frame.bytes()).unwrap();
    assert_eq!(packet.len, frame.bytes().len());
    assert_eq!((packet.src, packet.dst), (error().src, client()));
    assert_eq!(
        packet.upper,
        Upper::Icmp(Icmp {
            kind: 2,
            code: 0,
            value: 1428
        })
    );
    assert!(checksum::is_right(frame.bytes(), &packet));
    assert_eq!(&frame.bytes()[48..], about);
}

#[test]
fn an_error_is_never_longer_than_1280_bytes() {
    for (data, expected) in [(1171, 1279), (1172, 1280), (1173, 1280), (9000, 1280)] {
        let about = to_vip(nh::TCP, &tcp(40_000, 80, 0x10, &[], &vec![7; data]));
        let mut frame = Buf::new(&about, 64);
        icmp::error(&mut frame, &error()).unwrap();
        assert_eq!(frame.bytes().len(), expected, "{data}");
        let packet = parse::packet(frame.bytes()).unwrap();
        assert!(checksum::is_right(frame.bytes(), &packet), "{data}");
        assert_eq!(
            quote_of(frame.bytes()).unwrap().flow_sent_by_client(),
            Some(flow())
        );
    }
}

#[test]
fn an_error_without_headroom_changes_nothing() {
    let about = to_vip(nh::TCP, &tcp(40_000, 80, 0x10, &[], &[7; 3000]));
    let mut frame = Buf::new(&about, 47);
    assert_eq!(icmp::error(&mut frame, &error()), Err(NoHeadroom));
    assert_eq!(frame.bytes(), about);
}

#[test]
fn what_may_be_reported() {
    let message = |kind| to_vip(nh::ICMPV6, &icmp(kind, 0, 0, &[]));
    let multicast = addr("ff02::1");
    let unspecified = addr("::");
    let later = |protocol| to_vip(nh::FRAGMENT, &fragment(protocol, 8, false));
    for (what, bytes, expected) in [
        ("a SYN", to_vip(nh::TCP, &syn()), true),
        ("an echo request", message(128), true),
        ("an error", message(1), false),
        ("an unknown error", message(127), false),
        ("a redirect", message(137), false),
        ("a later fragment of TCP", later(nh::TCP), true),
        (
            "a later fragment of ICMPv6, perhaps an error",
            later(nh::ICMPV6),
            false,
        ),
        (
            "from nobody",
            ipv6(unspecified, vip(), nh::TCP, &syn()),
            false,
        ),
        (
            "from a group",
            ipv6(multicast, vip(), nh::TCP, &syn()),
            false,
        ),
        (
            "to a group",
            ipv6(client(), multicast, nh::TCP, &syn()),
            false,
        ),
    ] {
        assert_eq!(
            icmp::may_report(&parse::packet(&bytes).unwrap()),
            expected,
            "{what}"
        );
    }
}

#[test]
fn an_echo_request_is_answered_with_its_data() {
    let message = icmp(128, 0, 0x0102_0304, b"data of the ping");
    for (what, bytes) in [
        ("plain", to_vip(nh::ICMPV6, &message)),
        ("padded", concat(&[&to_vip(nh::ICMPV6, &message), &[9; 4]])),
        (
            "behind options",
            to_vip(
                nh::DESTINATION,
                &concat(&[&options(nh::ICMPV6, 2), &message]),
            ),
        ),
    ] {
        let packet = parse::packet(&bytes).unwrap();
        let mut frame = Buf::new(&bytes, 0);
        icmp::echo_reply(&mut frame, &packet);
        let mut expected = ipv6(
            vip(),
            client(),
            nh::ICMPV6,
            &icmp(129, 0, 0x0102_0304, b"data of the ping"),
        );
        expected[7] = 64;
        let sum = checksum::over(vip(), client(), nh::ICMPV6, &expected[40..]);
        expected[42..44].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(frame.bytes(), expected, "{what}");
    }
}

#[test]
fn our_echo_request_is_one() {
    let bytes = icmp::echo_request(addr("fd00:1b:1::100"), addr("fd00:5e:1::100"), 7, 9);
    let packet = parse::packet(&bytes).unwrap();
    assert_eq!(
        packet.upper,
        Upper::Icmp(Icmp {
            kind: 128,
            code: 0,
            value: 7 << 16 | 9
        })
    );
    assert_eq!(
        (packet.len, packet.src, packet.dst),
        (48, addr("fd00:1b:1::100"), addr("fd00:5e:1::100"))
    );
    assert!(checksum::is_right(&bytes, &packet));
}

/// A SYN-ACK of the VIP for the client.
fn from_vip() -> Vec<u8> {
    ipv6(
        vip(),
        client(),
        nh::TCP,
        &tcp(80, 40_000, 0x12, &[2, 4, 5, 0xa0], &[]),
    )
}

#[test]
fn the_flow_behind_an_error_about_a_packet_of_the_vip() {
    let lb = addr("fd00:1b:1::3000");
    let s1 = addr("fd00:5e:1::100");
    let list = [client(), lb, s1];
    let inserted = ipv6(
        vip(),
        lb,
        nh::ROUTING,
        &concat(&[&srh(nh::TCP, 1, &list, &[]), &from_vip()[40..]]),
    );
    let encapsulated = ipv6(s1, lb, nh::IPV6, &from_vip());
    for (what, quote, inner_at) in [
        ("plain", from_vip(), 48),
        (
            "with createStickiness in an SRH that is still there",
            inserted,
            48,
        ),
        ("with createStickiness in an outer header", encapsulated, 88),
    ] {
        let quoted = quote_of(&icmp_error(vip(), 2, 1280, &quote)).unwrap();
        assert_eq!(quoted.flow_sent_by_vip(), Some(flow()), "{what}");
        assert_eq!(quoted.final_dst, client(), "{what}");
        assert_eq!((quoted.outer_at, quoted.inner_at), (48, inner_at), "{what}");
        assert_eq!(quoted.is_encapsulated(), inner_at != 48, "{what}");
    }
}

#[test]
fn the_flow_behind_an_error_to_our_own_outer_source() {
    let lb = addr("fd00:1b:1::100");
    let (s1, s2) = (addr("fd00:5e:1::1000"), addr("fd00:5e:2::1100"));
    let inner = to_vip(nh::TCP, &tcp(40_000, 80, 0x10, &[], &[7; 1300]));
    let pinned = ipv6(lb, s1, nh::IPV6, &inner);
    let hunting = ipv6(
        lb,
        s1,
        nh::ROUTING,
        &concat(&[&srh(nh::IPV6, 1, &[s2], &[]), &inner]),
    );
    for (what, quote, inner_at) in [("pinned", pinned, 88), ("hunting", hunting, 112)] {
        let cut = &quote[..1232];
        let message = icmp_error(lb, 2, 1400, cut);
        let quoted = quote_of(&message).unwrap();
        assert_eq!(
            (quoted.outer.src, quoted.outer.dst),
            (lb, s1),
            "{what}: the server that is concerned"
        );
        assert_eq!(quoted.inner_at, inner_at, "{what}");
        assert_eq!(quoted.flow_sent_by_client(), Some(flow()), "{what}");
        assert_eq!(
            &message[quoted.inner_at..],
            &inner[..message.len() - inner_at],
            "{what}"
        );
    }
}

#[test]
fn the_ports_are_enough_of_a_quotation() {
    for (kept, expected) in [
        (60, true),
        (48, true),
        (44, true),
        (43, false),
        (40, false),
        (39, false),
        (0, false),
    ] {
        let quoted = quote_of(&icmp_error(
            client(),
            1,
            0,
            &to_vip(nh::TCP, &syn())[..kept],
        ));
        assert_eq!(
            quoted.and_then(|q| q.flow_sent_by_client()),
            expected.then(flow),
            "{kept} bytes quoted"
        );
    }
    // The same inside an outer header.
    for (kept, expected) in [
        (100, true),
        (84, true),
        (83, false),
        (79, false),
        (40, false),
    ] {
        let outer = ipv6(client(), vip(), nh::IPV6, &to_vip(nh::TCP, &syn()));
        let quoted = quote_of(&icmp_error(client(), 1, 0, &outer[..kept]));
        assert_eq!(
            quoted.and_then(|q| q.flow_sent_by_client()),
            expected.then(flow),
            "{kept} bytes of the encapsulation quoted"
        );
    }
}

#[test]
fn what_is_missing_of_a_quoted_header_reads_as_zero() {
    let quote = &to_vip(nh::TCP, &tcp(40_000, 80, 0x10, &[1; 8], b"x"))[..48];
    let packet = parse::quoted(quote).unwrap();
    let tcp = packet.tcp().unwrap();
    assert_eq!(
        (tcp.src_port, tcp.dst_port, tcp.seq),
        (40_000, 80, 0x0102_0304)
    );
    assert_eq!(
        (tcp.ack, tcp.flags, tcp.header_len, tcp.data_len),
        (0, 0, 0, 8)
    );
    assert_eq!(packet.len, 48);
}

#[test]
fn what_names_no_flow() {
    let echo = to_vip(nh::ICMPV6, &icmp(128, 0, 0, &to_vip(nh::TCP, &syn())));
    assert_eq!(quote_of(&echo), None, "an echo request quotes nothing");
    assert_eq!(quote_of(&to_vip(nh::TCP, &syn())), None, "TCP");
    let twice = ipv6(
        client(),
        vip(),
        nh::IPV6,
        &ipv6(client(), vip(), nh::IPV6, &to_vip(nh::TCP, &syn())),
    );
    let quoted = quote_of(&icmp_error(client(), 1, 0, &twice)).unwrap();
    assert_eq!(
        quoted.flow_sent_by_client(),
        None,
        "nobody of ours encapsulates twice"
    );
    let later = to_vip(
        nh::FRAGMENT,
        &concat(&[&fragment(nh::TCP, 8, false), &syn()]),
    );
    let quoted = quote_of(&icmp_error(client(), 1, 0, &later)).unwrap();
    assert_eq!(
        quoted.flow_sent_by_client(),
        None,
        "a later fragment has no ports"
    );
    let bad = ipv6(
        client(),
        vip(),
        nh::ROUTING,
        &concat(&[&srh(nh::TCP, 9, &[vip()], &[]), &syn()]),
    );
    assert_eq!(
        quote_of(&icmp_error(client(), 1, 0, &bad)),
        None,
        "an SRH that is wrong"
    );
}

#[test]
fn ethernet_padding_is_no_part_of_a_quotation() {
    let mut message = icmp_error(client(), 1, 0, &to_vip(nh::TCP, &syn())[..40]);
    message.extend(&syn());
    let quoted = quote_of(&message);
    assert_eq!(quoted.and_then(|q| q.flow_sent_by_client()), None);
}
