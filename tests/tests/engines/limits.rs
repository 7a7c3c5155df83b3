//! What is too long, what is forged, what is not TCP, and lists that are longer than one header.

use std::time::Duration;

use srh::icmp::quoted_flow;
use srh::parse::{Icmp, Tcp, Upper};
use srh::{Encoding, Frame, Function};
use tests::nodes::{lb, server, CLIENT, VIP};
use tests::packets::{from_client, from_vip, parse};
use tests::samples::carried;
use tests::world::client::flow;
use tests::world::pool::Version;
use tests::world::{Node, World};

use crate::{connect, expect, works, BOTH};

/// `packet`, quoted by a router of the network in an error for `dst`.
fn error_about(packet: &[u8], dst: std::net::Ipv6Addr, kind: u8, value: u32) -> Vec<u8> {
    let mut frame = packet_io::PacketBuf::from_slice(packet);
    let error = srh::icmp::Error {
        src: "2001:db8:f::1".parse().unwrap(),
        dst,
        kind,
        code: 0,
        value,
    };
    srh::icmp::error(&mut frame, &error).unwrap();
    frame.bytes().to_vec()
}

#[test]
fn a_client_packet_that_does_not_fit_is_answered_with_packet_too_big() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        connect(&mut world, port);
        // Pinned: 40 or 56 bytes are added to the 1,500 that the fabric takes.
        world.client_sends(port, &[7; 1_440]);
        expect(
            &mut world,
            &["client > vip: data 1440", "lb1 > client: ICMPv6 error 2"],
        );
        let error = world.wires.last().unwrap().bytes.clone();
        let packet = parse(&error);
        let expected_mtu = 1_500 - encoding.longest_header_bytes(false) as u32;
        assert!(
            matches!(packet.upper, Upper::Icmp(Icmp { kind: 2, code: 0, value }) if value == expected_mtu)
        );
        assert!(srh::checksum::is_right(&error, &packet));
        let quoted = quoted_flow(&error, &packet).unwrap();
        assert_eq!(quoted.flow_sent_by_client(), Some(flow(port)));
    }
}

#[test]
fn an_answer_that_does_not_fit_goes_straight_and_an_empty_ack_carries_the_function() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        connect(&mut world, port);
        world.edge = 2;
        world.hold("s1 > lb2");
        world.client_sends(port, b"GET /");
        world.run();
        let long = [7; 1_440];
        world.server_sends(1, port, &long);
        world.server_sends(1, port, &long);
        world.release();
        expect(
            &mut world,
            &[
                "s1 > lb2 createStickiness: ACK",
                "s1 > client: data 1440",
                "s1 > client: data 1440",
                "s1 > lb2 createStickiness: ACK",
                "lb2 > client: ACK",
                "client > vip: ACK",
                "client > vip: ACK",
                "lb2 > client: ACK",
                "lb2 > s1 ackStickiness: ACK",
                "lb2 > s1 ackStickiness: ACK",
            ],
        );
        assert_eq!(world.client.received(port), [long, long].concat());
        works(&mut world, port, 1);
    }
}

#[test]
fn a_list_longer_than_a_header_is_asked_in_chunks() {
    for encoding in BOTH {
        let mut world = World::new(encoding, 2, 2, &[Version::active(&[1, 2])]);
        let port = world.port_for(&[1, 2]);
        connect(&mut world, port);
        world.set_pool(2, &Version::growing_to_18());
        // a list that has just changed has no last word in its later chunks
        world.pass(Duration::from_millis(100));
        world.pass(Duration::from_secs(2));
        world.edge = 2;
        world.client_sends(port, b"GET /");
        let asked: Vec<String> = world
            .run()
            .into_iter()
            .filter(|line| line.starts_with("lb2") || line.contains("> lb2"))
            .collect();
        let names = |line: &str, function: &str| line.matches(function).count();
        assert_eq!(asked.len(), 7, "{asked:#?}");
        assert_eq!(names(&asked[0], " recoverStickiness"), 8);
        assert!(asked[1].ends_with("> lb2 recoverNext: data 5"));
        assert_eq!(names(&asked[2], " recoverStickiness:1"), 8);
        assert!(asked[3].ends_with("> lb2 recoverNext:1: data 5"));
        assert_eq!(
            asked[4..],
            [
                "lb2 > s1 recoverStickiness:2, s2 recoverFinal: data 5",
                "s1 > lb2 createStickiness: ACK",
                "lb2 > client: ACK",
            ]
        );
        works(&mut world, port, 1);
    }
}

#[test]
fn packet_too_big_for_the_vip_reaches_the_owner_of_the_flow() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[2, 1]);
        world.server(2).kernel.load.busy = 1;
        connect(&mut world, port);
        let about = from_vip(port, Tcp::ACK, 5_000, 1_001)
            .data(&[1; 1_200])
            .bytes();
        let error = error_about(&about, VIP, Icmp::PACKET_TOO_BIG, 1_280);
        world.send(Node::Client, error.clone());
        expect(
            &mut world,
            &[
                "client > vip: ICMPv6 error 2",
                "lb1 > s1 ackStickiness: ICMPv6 error 2",
                "s1's kernel gets: ICMPv6 error 2",
            ],
        );
        world.edge = 2;
        world.send(Node::Client, error);
        expect(
            &mut world,
            &[
                "client > vip: ICMPv6 error 2",
                "lb2 > s2 recoverStickiness, s1 recoverFinal: ICMPv6 error 2",
                "s2 > s1 recoverFinal: ICMPv6 error 2",
                "s1's kernel gets: ICMPv6 error 2",
            ],
        );
    }
}

#[test]
fn packet_too_big_about_our_own_header_is_rebuilt_for_the_client() {
    let mut world = World::two_by_two(Encoding::Encap);
    let port = world.port_for(&[1, 2]);
    connect(&mut world, port);
    world.client_sends(port, &[7; 1_300]);
    world.run();
    let ours = world
        .wires
        .iter()
        .rev()
        .find(|wire| wire.from == Node::Lb(1))
        .unwrap();
    let error = error_about(
        &ours.bytes.clone(),
        lb(1).node(),
        Icmp::PACKET_TOO_BIG,
        1_400,
    );
    world.send(Node::Server(1), error);
    expect(
        &mut world,
        &[
            "s1 > lb1 node: ICMPv6 error 2",
            "lb1 > client: ICMPv6 error 2",
        ],
    );
    let rebuilt = &world.wires.last().unwrap().bytes;
    let packet = parse(rebuilt);
    assert!(
        matches!(
            packet.upper,
            Upper::Icmp(Icmp {
                kind: 2,
                value: 1_360,
                ..
            })
        ),
        "{packet:?}"
    );
    assert_eq!(packet.dst, CLIENT);
    let quoted = quoted_flow(rebuilt, &packet).unwrap();
    assert_eq!(quoted.flow_sent_by_client(), Some(flow(port)));
}

#[test]
fn who_is_no_member_pins_nothing() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        connect(&mut world, port);
        let data = from_vip(port, Tcp::ACK, 1, 1).data(b"x").bytes();
        let create = |sender, packet: &[u8]| {
            let to = [(lb(1), Function::CreateStickiness, 0)];
            carried(packet, sender, encoding, &to)
        };
        // a server that the pool does not name, an LB, and a member with rubbish
        let mut wrong_checksum = data.clone();
        wrong_checksum[60] ^= 1;
        let not_the_vip = from_client(port, Tcp::ACK, 1, 1).bytes();
        for forged in [
            create(server(9), &data),
            create(lb(2), &data),
            create(server(2), &wrong_checksum),
            create(server(2), &not_the_vip),
        ] {
            world.send(Node::Server(2), forged);
        }
        expect(
            &mut world,
            &[
                "s2 > lb1 createStickiness: data 1",
                "lb1 drops: unknown_sender",
                "s2 > lb1 createStickiness: data 1",
                "lb1 drops: unknown_sender",
                "s2 > lb1 createStickiness: data 1",
                "lb1 drops: wrong_checksum",
                "s2 > lb1 createStickiness: ACK",
                "lb1 drops: inner_source",
            ],
        );
        works(&mut world, port, 1);
    }
}

#[test]
fn a_client_inside_the_domain_or_with_a_routing_header_is_none() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let mut inside = from_client(40_000, Tcp::SYN, 1, 0);
        inside.src = server(1).node();
        let with_srh = carried(
            &from_client(40_000, Tcp::SYN, 1, 0).bytes(),
            lb(1),
            Encoding::Insert,
            &[(server(1), Function::ConnectForce, 0)],
        );
        let mut to_vip = packet_io::PacketBuf::from_slice(&with_srh);
        let packet = parse(to_vip.bytes());
        srh::rewrite::advance(&mut to_vip, &packet).unwrap();
        let as_lb = carried(
            &from_client(40_000, Tcp::SYN, 1, 0).bytes(),
            server(7),
            encoding,
            &[(server(1), Function::ConnectForce, 0)],
        );
        world.send(Node::Client, inside.bytes());
        world.send(Node::Client, to_vip.bytes().to_vec());
        world.send(Node::Client, as_lb);
        expect(
            &mut world,
            &[
                "client > vip: SYN",
                "lb1 drops: client_in_domain",
                "client > vip: SYN",
                "lb1 drops: routing_towards_vip",
                "client > s1 connectForce: SYN",
                "s1 drops: unknown_sender",
            ],
        );
    }
}
