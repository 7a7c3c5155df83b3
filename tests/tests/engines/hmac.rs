//! Life with keys: everything between LBs and servers is signed, keys come, change and go under live connections,
//! and who has no key is not listened to.

use std::time::Duration;

use daemon::DropReason;
use srh::hmac::{Key, Keys, Signature};
use srh::parse::{self, Upper};
use srh::{Encoding, Function, Locator};
use tests::nodes::{keys, lb, server, CLIENT, KEY, NEXT_KEY};
use tests::packets::{from_client, from_vip};
use tests::samples::{carried, carried_by};
use tests::world::pool::Version;
use tests::world::socket::Stage;
use tests::world::{Node, World};

use crate::{connect, expect, works, BOTH};

/// Two LBs and two servers that sign.
fn signed_world(encoding: Encoding) -> World {
    let mut world = World::two_by_two(encoding);
    world.sign_with(&keys(&[KEY]));
    world
}

/// Everything that went over the wire between nodes carries a valid HMAC.
fn all_is_signed(world: &World) {
    let keys = keys(&[KEY]);
    let mut count = 0;
    for wire in &world.wires {
        let packet = parse::packet(&wire.bytes).unwrap();
        if Node::of(Locator::of(packet.dst)).is_some() {
            let said = keys.check(&wire.bytes, &packet);
            assert_eq!(said, Ok(Signature::By(KEY.0)), "from {}", wire.from);
            count += 1;
        }
    }
    assert!(count > 0, "something went over the wire");
}

/// Nobody has dropped anything.
fn nothing_is_lost(world: &mut World) {
    for node in world.nodes() {
        for &reason in DropReason::ALL {
            assert_eq!(world.drops(node, reason), 0, "{node}: {reason}");
        }
    }
}

#[test]
fn a_whole_life_is_the_same_with_hmac() {
    for encoding in BOTH {
        let mut world = signed_world(encoding);
        let port = world.port_for(&[1, 2]);
        world.server(1).kernel.load.busy = 1;
        world.open(port);
        expect(
            &mut world,
            &[
                "client > vip: SYN",
                "lb1 > s1 connectAvail, s2 connectForce: SYN",
                "s1 > s2 connectForce: SYN",
                "s2 > lb1 createStickiness: SYN-ACK",
                "lb1 > client: SYN-ACK",
                "client > vip: ACK",
                "lb1 > s2 ackStickiness: ACK",
            ],
        );
        works(&mut world, port, 2);
        // Another LB recovers it, and the first one's stale pin comes back.
        world.edge = 2;
        works(&mut world, port, 2);
        world.server_ends(2, port);
        world.client_does(port, |socket| Some(socket.end()));
        world.run();
        assert!(world.client.sockets[&port].is_over());
        all_is_signed(&world);
        nothing_is_lost(&mut world);
    }
}

#[test]
fn what_a_server_sends_back_is_signed_as_well() {
    for encoding in BOTH {
        let mut world = signed_world(encoding);
        let port = world.port_for(&[1, 2]);
        connect(&mut world, port);
        // ECMP moves the flow; it ends where lb1 sees nothing of it, and the port is used again.
        world.edge = 2;
        works(&mut world, port, 1);
        world.client_does(port, |socket| Some(socket.end()));
        world.run();
        world.server_ends(1, port);
        world.run();
        world.pass(Duration::from_secs(11));
        world.server(1).kernel.load.busy = 1;
        world.open_with(port, 9_000_000);
        world.run();
        world.edge = 1;
        world.client_sends(port, b"ping");
        expect(
            &mut world,
            &[
                "client > vip: data 4",
                "lb1 > s1 ackStickiness: data 4",
                "s1 > lb1 returnFlow: data 4",
                "lb1 > s2 recoverStickiness, s1 recoverFinal: data 4",
                "s2 > lb1 createStickiness: ACK",
                "lb1 > client: ACK",
            ],
        );
        all_is_signed(&world);
        nothing_is_lost(&mut world);
    }
}

/// The sizes of docs/protocol.md, on the wire: SYN of a hunt, ACK of a pinned flow.
#[test]
fn the_sizes_on_the_wire() {
    for (encoding, hunt, pinned) in [(Encoding::Encap, 120, 104), (Encoding::Insert, 112, 96)] {
        let mut world = signed_world(encoding);
        let port = world.port_for(&[1, 2]);
        connect(&mut world, port);
        let len = |i: usize| world.wires[i].bytes.len();
        let said: Vec<_> = world.wires.iter().map(|wire| wire.from).collect();
        assert_eq!(said[..2], [Node::Client, Node::Lb(1)]);
        assert_eq!(len(1) - len(0), hunt, "{encoding:?}");
        let ack = said.iter().rposition(|&from| from == Node::Client).unwrap();
        assert_eq!(len(ack + 1) - len(ack), pinned, "{encoding:?}");
    }
}

/// A segment as long as the clamped MSS fits through the longest list with its HMAC, exactly.
#[test]
fn the_clamped_mss_fits_the_longest_header() {
    for encoding in BOTH {
        let eight: Vec<u16> = (1..=8).collect();
        let mut world = World::new(encoding, 8, 2, &[Version::active(&eight)]);
        world.sign_with(&keys(&[KEY]));
        let port = 41_000;
        connect(&mut world, port);
        let owner = world.owners(port)[0];
        world.edge = 2;
        let mss = 1_500 - 60 - 216;
        let before = world.wires.len();
        world.client_sends(port, &vec![7; mss]);
        world.run();
        assert!(
            world.client.sockets[&port].is_quiet(),
            "server {owner} has it"
        );
        let longest = world.wires[before..]
            .iter()
            .map(|wire| wire.bytes.len())
            .max();
        let room_left = 216 - encoding.longest_header_bytes(true);
        assert_eq!(longest, Some(1_500 - room_left), "{encoding:?}");
    }
}

/// All orders of four things.
fn orders() -> Vec<Vec<usize>> {
    let all = (0..256).map(|n: usize| vec![n & 3, n >> 2 & 3, n >> 4 & 3, n >> 6]);
    all.filter(|order| (0..4).all(|i| order.contains(&i)))
        .collect()
}

/// One step after the other is brought to one node after the other, in this order; after each the old
/// connection goes on, and a new one is made.
fn goes_through(encoding: Encoding, order: &[usize], steps: &[Option<Keys>]) -> World {
    let mut world = World::two_by_two(encoding);
    let nodes = world.nodes();
    let old = world.port_for(&[1, 2]);
    let mut ports = (old + 1..).filter(|&port| port != old);
    for (n, keys) in steps.iter().enumerate() {
        for &place in order {
            world.set_keys(nodes[place], keys.clone());
            if n == 0 {
                continue;
            }
            works(&mut world, old, 1);
            // And through the other LB, which has to find it anew.
            world.edge = 3 - world.edge;
            works(&mut world, old, 1);
            connect(&mut world, ports.next().unwrap());
        }
        if n == 0 {
            connect(&mut world, old);
        }
    }
    nothing_is_lost(&mut world);
    world
}

#[test]
fn keys_are_changed_without_a_loss() {
    let steps = [
        keys(&[KEY]),
        keys(&[KEY, NEXT_KEY]),
        keys(&[NEXT_KEY, KEY]),
        keys(&[NEXT_KEY]),
    ]
    .map(Some);
    for encoding in BOTH {
        for order in orders() {
            let mut world = goes_through(encoding, &order, &steps);
            let counts = world.lb(1).engine.signed();
            assert!(counts.by(NEXT_KEY.0) > 0);
            assert_eq!(counts.by(KEY.0), 0, "a key that is gone is not counted");
        }
    }
}

#[test]
fn hmac_is_switched_on_and_off_without_a_loss() {
    let lax = || Some(keys(&[KEY]).with_required(false));
    let steps = [None, lax(), Some(keys(&[KEY])), lax(), None];
    for encoding in BOTH {
        for order in orders() {
            goes_through(encoding, &order, &steps);
        }
    }
}

#[test]
fn an_lb_whose_key_nobody_knows_is_not_listened_to() {
    let other_secret = Keys::new(KEY.0, vec![Key::new(KEY.0, NEXT_KEY.1)]).unwrap();
    let rows = [
        (Some(other_secret), DropReason::HmacWrong),
        (Some(keys(&[NEXT_KEY])), DropReason::HmacUnknownKey),
        (None, DropReason::HmacMissing),
    ];
    for encoding in BOTH {
        for (keys, reason) in rows.clone() {
            let mut world = signed_world(encoding);
            let port = world.port_for(&[1, 2]);
            connect(&mut world, port);
            let (sockets, now) = (world.server(1).kernel.sockets.len(), world.now);
            world.set_keys(Node::Lb(2), keys);
            world.edge = 2;
            // neither a new flow, nor one that is there
            world.open(port + 1);
            world.client_sends(port, b"ping");
            world.run();
            let mut dropped = 0;
            for n in 1..=2 {
                dropped += world.drops(Node::Server(n), reason);
                let states = world.server(n).engine.flows_by_state(now);
                assert_eq!(
                    states.iter().sum::<usize>(),
                    usize::from(n == 1),
                    "{reason}"
                );
            }
            assert_eq!(dropped, 2, "{encoding:?}: {reason}");
            assert_eq!(world.server(1).kernel.sockets.len(), sockets);
            assert_eq!(world.client.stage(port), Stage::Open, "no reset");
            assert_eq!(world.client.stage(port + 1), Stage::SynSent, "no reset");
            // By way of the LB that has the key all is well.
            world.edge = 1;
            world.client_repeats(port);
            world.run();
            works(&mut world, port, 1);
        }
    }
}

#[test]
fn a_server_whose_key_nobody_knows_pins_nothing() {
    for encoding in BOTH {
        let mut world = signed_world(encoding);
        let port = world.port_for(&[1, 2]);
        // It takes what the LB signs, and signs with a key that the LB doesn't know.
        world.set_keys(Node::Server(1), Some(keys(&[NEXT_KEY, KEY])));
        world.open(port);
        world.run();
        assert_eq!(world.drops(Node::Lb(1), DropReason::HmacUnknownKey), 1);
        let now = world.now;
        assert_eq!(world.lb(1).engine.flows_by_state(now), [0, 0, 0]);
        assert_eq!(world.client.stage(port), Stage::SynSent);
        // The LB learns the key, the SYN-ACK is sent again, and the connection comes about.
        world.set_keys(Node::Lb(1), Some(keys(&[KEY, NEXT_KEY])));
        world.server_repeats(1, port);
        world.run();
        works(&mut world, port, 1);
    }
}

/// Functions from inside the domain by somebody who knows everything but the key.
#[test]
fn forged_functions_change_nothing() {
    for encoding in BOTH {
        let mut world = signed_world(encoding);
        let port = world.port_for(&[1, 2]);
        connect(&mut world, port);
        let kernel = |world: &mut World| {
            world
                .server(1)
                .kernel
                .sockets
                .values()
                .next()
                .unwrap()
                .clone()
        };
        let iss = kernel(&mut world).iss;
        let client = |flags, ack| from_client(port, flags, 1_001, ack).bytes();
        let (rst, fin) = (parse::Tcp::RST, parse::Tcp::FIN | parse::Tcp::ACK);
        let syn_ack = from_vip(port, parse::Tcp::SYN | parse::Tcp::ACK, 9, 1_001).bytes();
        let end = from_vip(port, fin, iss + 1, 1_001).bytes();
        // (to whom, from whom, function, packet)
        let forged = [
            (lb(1), server(2), Function::CreateStickiness, syn_ack),
            (lb(1), server(1), Function::RemoveStickiness, end),
            (
                lb(1),
                server(1),
                Function::ReturnFlow,
                client(parse::Tcp::ACK, iss + 1),
            ),
            (
                lb(1),
                server(2),
                Function::RecoverNext,
                client(parse::Tcp::ACK, iss + 1),
            ),
            (server(1), lb(1), Function::AckStickiness, client(rst, 0)),
            (
                server(1),
                lb(1),
                Function::RecoverFinal,
                client(parse::Tcp::ACK, 77),
            ),
            (
                server(2),
                lb(2),
                Function::ConnectForce,
                client(parse::Tcp::SYN, 0),
            ),
        ];
        let stranger = keys(&[NEXT_KEY]);
        for (to, from, function, packet) in forged {
            let sids = [(to, function, 0)];
            let sender = srh::Sender {
                node: from,
                keys: Some(&stranger),
            };
            for (bytes, reason) in [
                (
                    carried(&packet, from, encoding, &sids),
                    DropReason::HmacMissing,
                ),
                (
                    carried_by(&packet, sender, encoding, &sids),
                    DropReason::HmacUnknownKey,
                ),
            ] {
                let node = Node::of(to).unwrap();
                let (dropped, log) = (world.drops(node, reason), world.owners(port));
                world.send(Node::Client, bytes);
                world.run();
                assert_eq!(world.drops(node, reason), dropped + 1, "{function}");
                assert_eq!(world.owners(port), log, "{function}");
            }
        }
        assert_eq!(kernel(&mut world).stage, Stage::Open);
        works(&mut world, port, 1);
    }
}

/// Echo and the errors of routers, which have no key, get through.
#[test]
fn icmpv6_without_a_function_needs_no_hmac() {
    for encoding in BOTH {
        let mut world = signed_world(encoding);
        for to in [lb(1).node(), server(1).node()] {
            let before = world.wires.len();
            world.send(
                Node::Client,
                srh::icmp::echo_request(CLIENT, to, 1, 1).to_vec(),
            );
            world.run();
            let answer = parse::packet(&world.wires[before + 1].bytes).unwrap();
            assert_eq!((answer.src, answer.dst), (to, CLIENT));
            assert!(matches!(answer.upper, Upper::Icmp(icmp) if icmp.kind == 129));
        }
        nothing_is_lost(&mut world);
    }
}

/// RFC 8754 section 2.1.2.1 wants a Parameter Problem; but in encoding insert the source is the client, or the VIP
/// itself, who have not written the HMAC.
#[test]
fn a_wrong_hmac_is_reported_to_a_node_and_to_nobody_else() {
    for encoding in BOTH {
        let mut world = signed_world(encoding);
        let port = world.port_for(&[1, 2]);
        world.set_keys(Node::Lb(1), Some(keys(&[NEXT_KEY])));
        world.open(port);
        world.run();
        assert_eq!(world.client.stage(port), Stage::SynSent);
        let offered = parse::packet(&world.wires[1].bytes).unwrap();
        let told = match encoding {
            Encoding::Insert => None,
            Encoding::Encap => Some((4, 0, offered.srh.unwrap().hmac_at.unwrap() as u32)),
        };
        let answers = world.wires[2..].iter().map(|wire| {
            let answer = parse::packet(&wire.bytes).unwrap();
            assert_eq!((wire.from, answer.dst), (Node::Server(1), lb(1).node()));
            let Upper::Icmp(icmp) = answer.upper else {
                panic!("{answer:?}");
            };
            (icmp.kind, icmp.code, icmp.value)
        });
        assert_eq!(answers.collect::<Vec<_>>(), Vec::from_iter(told));
    }
}
