//! UDP flows: how they begin, how they are found again, and what goes wrong without harm.

use proptest::prelude::*;
use srh::Encoding;
use tests::world::pool::Version;
use tests::world::World;

use crate::{expect, BOTH};

/// A flow that server 1 has taken and LB 1 has pinned.
fn pinned(encoding: Encoding) -> (World, u16) {
    let mut world = World::two_by_two(encoding);
    let port = world.udp_port_for(&[1, 2]);
    world.client_asks(port, b"hello");
    world.run();
    world.server_answers(1, port, b"welcome");
    world.run();
    world.client_asks(port, b"again");
    expect(
        &mut world,
        &[
            "client > vip: datagram 5",
            "lb1 > s1 ackStickiness: datagram 5",
            "s1's kernel gets: datagram 5",
        ],
    );
    (world, port)
}

#[test]
fn list_refuse_force_pin_direct() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.udp_port_for(&[1, 2]);
        world.server(1).kernel.load.busy = 1;
        world.client_asks(port, b"hello");
        expect(
            &mut world,
            &[
                "client > vip: datagram 5",
                "lb1 > s2 recoverStickiness, s1 connectAvail, s2 connectForce: datagram 5",
                "s2 > s1 connectAvail, s2 connectForce: datagram 5",
                "s1 > s2 connectForce: datagram 5",
                "s2's kernel gets: datagram 5",
            ],
        );
        // Before the LB knows: the flow is found where it is, whatever the policy says by now.
        world.server(1).kernel.load.busy = 0;
        world.client_asks(port, b"hello?");
        expect(
            &mut world,
            &[
                "client > vip: datagram 6",
                "lb1 > s2 recoverStickiness, s1 connectAvail, s2 connectForce: datagram 6",
                "s2's kernel gets: datagram 6",
            ],
        );
        world.server_answers(2, port, b"welcome");
        expect(
            &mut world,
            &[
                "s2 > lb1 createStickiness: datagram 7",
                "lb1 > client: datagram 7",
            ],
        );
        world.client_asks(port, b"ok");
        expect(
            &mut world,
            &[
                "client > vip: datagram 2",
                "lb1 > s2 ackStickiness: datagram 2",
                "s2's kernel gets: datagram 2",
            ],
        );
        world.server_answers(2, port, b"bye");
        expect(&mut world, &["s2 > client: datagram 3"]);
    }
}

#[test]
fn another_lb_finds_the_flow_and_so_does_one_that_was_restarted() {
    for encoding in BOTH {
        let (mut world, port) = pinned(encoding);
        for n in [2, 1] {
            world.restart_lb(n);
            world.edge = n;
            world.client_asks(port, b"hello");
            let happened = world.run();
            assert!(happened.contains(&"s1's kernel gets: datagram 5".to_owned()));
            world.server_answers(1, port, b"here");
            let told = format!("s1 > lb{n} createStickiness: datagram 4");
            let on = format!("lb{n} > client: datagram 4");
            expect(&mut world, &[&told, &on]);
            world.client_asks(port, b"ok");
            let pinned = format!("lb{n} > s1 ackStickiness: datagram 2");
            expect(
                &mut world,
                &[
                    "client > vip: datagram 2",
                    &pinned,
                    "s1's kernel gets: datagram 2",
                ],
            );
        }
    }
}

/// ECMP flaps: datagram by datagram another LB. Both have the right pin in the end.
#[test]
fn two_lbs_alternate() {
    for encoding in BOTH {
        let (mut world, port) = pinned(encoding);
        for round in 0..6 {
            world.edge = 1 + round % 2;
            world.client_asks(port, b"hello");
            let happened = world.run();
            assert!(happened.contains(&"s1's kernel gets: datagram 5".to_owned()));
            world.server_answers(1, port, b"here");
            world.run();
        }
        let entries = |n: usize, world: &World| world.lbs[n].engine.udp_flows(world.now);
        assert_eq!((entries(0, &world), entries(1, &world)), (1, 1));
    }
}

/// The first answer has the pin, and the client gets both.
#[test]
fn two_servers_take_the_same_flow() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.udp_port_for(&[1, 2]);
        world.server(1).kernel.load.busy = 1;
        world.hold("s1 > s2 connectForce");
        world.client_asks(port, b"one");
        world.run();
        world.server(1).kernel.load.busy = 0;
        world.client_asks(port, b"two!");
        world.run();
        world.release();
        world.run();
        world.server_answers(2, port, b"from the second");
        world.server_answers(1, port, b"from the first");
        expect(
            &mut world,
            &[
                "s2 > lb1 createStickiness: datagram 15",
                "s1 > lb1 createStickiness: datagram 14",
                "lb1 > client: datagram 15",
                "lb1 > client: datagram 14",
            ],
        );
        world.client_asks(port, b"three");
        expect(
            &mut world,
            &[
                "client > vip: datagram 5",
                "lb1 > s2 ackStickiness: datagram 5",
                "s2's kernel gets: datagram 5",
            ],
        );
    }
}

#[test]
fn a_router_that_was_restarted_takes_the_flow_again() {
    for encoding in BOTH {
        let (mut world, port) = pinned(encoding);
        world.restart_router(1);
        world.client_asks(port, b"hello");
        expect(
            &mut world,
            &[
                "client > vip: datagram 5",
                "lb1 > s1 ackStickiness: datagram 5",
                "s1 > lb1 returnFlow: datagram 5",
                "lb1 > s2 recoverStickiness, s1 connectAvail, s2 connectFinal: datagram 5",
                "s2 > s1 connectAvail, s2 connectFinal: datagram 5",
                "s1's kernel gets: datagram 5",
            ],
        );
        world.server_answers(1, port, b"here");
        expect(
            &mut world,
            &[
                "s1 > lb1 createStickiness: datagram 4",
                "lb1 > client: datagram 4",
            ],
        );
    }
}

#[test]
fn where_nobody_listens_the_last_ones_kernel_says_so() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.udp_port_for(&[1, 2]);
        world.server(1).kernel.load.up = false;
        world.server(2).kernel.load.up = false;
        world.client_asks(port, b"hello");
        expect(
            &mut world,
            &[
                "client > vip: datagram 5",
                "lb1 > s2 recoverStickiness, s1 connectAvail, s2 connectForce: datagram 5",
                "s2 > s1 connectAvail, s2 connectForce: datagram 5",
                "s1 > s2 connectForce: datagram 5",
                "s2 > lb1 returnFlow: datagram 5",
                "lb1 > s1 recoverStickiness, s2 connectAvail, s1 connectFinal: datagram 5",
                "s1 > s2 connectAvail, s1 connectFinal: datagram 5",
                "s2 > s1 connectFinal: datagram 5",
                "s1's kernel gets: datagram 5",
            ],
        );
    }
}

#[test]
fn a_list_longer_than_a_header_is_asked_in_chunks_and_ends_in_an_offer() {
    for encoding in BOTH {
        let (mut world, port) = pinned(encoding);
        world.set_pool(2, &Version::growing_to_18());
        world.edge = 2;
        let from_lb = |happened: Vec<String>| -> Vec<String> {
            let mut lines = happened;
            lines.retain(|line| line.starts_with("lb2") || line.contains("kernel"));
            lines
        };
        world.client_asks(port, b"hello");
        let known = from_lb(world.run());
        assert_eq!(known.len(), 4, "{known:#?}");
        assert_eq!(known[0].matches(" recoverStickiness").count(), 8);
        assert_eq!(known[1].matches(" recoverStickiness:1").count(), 8);
        assert!(known[2].contains("recoverStickiness:2, "), "{known:#?}");
        assert!(known[2].contains(" connectFinal: "), "{known:#?}");
        assert_eq!(known[3], "s1's kernel gets: datagram 5");
        // Of a flow that nobody knows each member is asked once, and then it is offered.
        world.client_asks(port + 1, b"news");
        let fresh = from_lb(world.run());
        let last = fresh.last().unwrap();
        assert!(last.ends_with("kernel gets: datagram 4"), "{fresh:#?}");
        assert_eq!(fresh.len(), 4, "{fresh:#?}");
    }
}

#[test]
fn a_datagram_in_fragments_follows_its_flow_and_no_other() {
    for encoding in BOTH {
        let (mut world, port) = pinned(encoding);
        let parts = |port: u16| {
            let whole = tests::packets::datagram_from_client(port, &[7; 2_000]);
            let (head, payload) = whole.split_at(40);
            [(0u16, 0..1_200), (1_200, 1_200..payload.len())].map(|(offset, range)| {
                let more = u16::from(range.end < payload.len());
                let mut bytes = head.to_vec();
                let len = 8 + range.len() as u16;
                bytes[4..6].copy_from_slice(&len.to_be_bytes());
                bytes[6] = 44;
                bytes.extend([17, 0]);
                bytes.extend((offset | more).to_be_bytes());
                bytes.extend(u32::from(port).to_be_bytes());
                bytes.extend(&payload[range]);
                bytes
            })
        };
        let count = |happened: &[String], what: &str| {
            happened
                .iter()
                .filter(|line| line.starts_with(what))
                .count()
        };
        for part in parts(port) {
            world.send(tests::world::Node::Client, part);
        }
        let happened = world.run();
        assert_eq!(count(&happened, "s1's kernel gets"), 2, "{happened:#?}");
        for part in parts(port + 1) {
            world.send(tests::world::Node::Client, part);
        }
        let happened = world.run();
        assert_eq!(count(&happened, "lb1 drops: fragment_no_entry"), 1);
        assert_eq!(count(&happened, "lb1 drops: fragment_no_first"), 1);
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Ask,
    Answer(u16),
    Edge(u16),
    Busy(u16, u32),
    RestartLb(u16),
    RestartRouter(u16),
    /// Packets under way arrive, from this place of the queue on.
    Arrive(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Ask),
        3 => (1u16..3).prop_map(Step::Answer),
        1 => (1u16..3).prop_map(Step::Edge),
        1 => (1u16..3, 0u32..2).prop_map(|(n, busy)| Step::Busy(n, busy)),
        1 => (1u16..3).prop_map(Step::RestartLb),
        1 => (1u16..3).prop_map(Step::RestartRouter),
        8 => (0usize..4).prop_map(Step::Arrive),
        2 => (0u64..200).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever is restarted, and in whatever order packets arrive: each datagram of the client gets to one
    /// application, once, and each answer to the client.
    #[test]
    fn every_datagram_arrives_once(
        insert in any::<bool>(),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut world = World::two_by_two(BOTH[usize::from(insert)]);
        let port = world.udp_port_for(&[1, 2]);
        let (mut asked, mut answered) = (0, 0);
        for step in steps {
            match step {
                Step::Ask => {
                    asked += 1;
                    world.client_asks(port, b"question");
                }
                Step::Answer(n) => {
                    answered += 1;
                    world.server_answers(n, port, b"answer");
                }
                Step::Edge(n) => world.edge = n,
                Step::Busy(n, busy) => world.server(n).kernel.load.busy = busy,
                Step::RestartLb(n) => world.restart_lb(n),
                Step::RestartRouter(n) => world.restart_router(n),
                Step::Arrive(place) => {
                    let place = place.min(world.in_flight.len().saturating_sub(1));
                    world.step(place);
                }
                Step::Pass(ms) => world.pass(std::time::Duration::from_millis(ms)),
            }
        }
        let happened = world.run();
        let count = |what: &dyn Fn(&str) -> bool| happened.iter().filter(|l| what(l)).count();
        prop_assert_eq!(count(&|l| l.contains("kernel gets: datagram 8")), asked);
        prop_assert_eq!(count(&|l| l.ends_with("> client: datagram 6")), answered);
        // Servers may be asked whether they are there; there is nothing to be done with their replies.
        let lost = |l: &str| l.contains("drops") && !l.ends_with("icmp_ignored");
        prop_assert_eq!(count(&lost), 0);
    }
}
