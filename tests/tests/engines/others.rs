//! What went wrong for others (and was filed as a bug there), played against ours.
//!
//! | theirs | here |
//! | --- | --- |
//! | recovery that only a SYN can carry, ECMP rehash plus a pool change (cilium#27730, #32091, katran#155) | `a_rehash_and_a_pool_change_at_once` |
//! | an idle flow evicted, then a changed hash (katran#80) | `an_evicted_idle_flow_and_a_changed_pool` |
//! | a lost FIN, then the port used again (cilium#18632) | `a_lost_end_and_the_port_used_again` |
//! | full-size packets dropped for a few bytes of header (cilium#32601, #39690) | `a_full_size_packet_fits_the_longest_list` |
//! | Packet Too Big to the wrong server, with too little in it, or off (cilium#34380, #21795, katran PR 159, 206) | `limits::packet_too_big_*`, `limits::a_client_packet_that_does_not_fit_*` |
//! | Last Entry wiped, old bytes of the headroom on the wire (grout PR 713) | `wire::every_byte_of_a_hunt_and_of_a_pinned_packet` |
//! | weight 0 that becomes 1 after a reload (LVS#34, keepalived#1228, #1757) | `a_drain_outlives_every_reload` |
//! | entries that lead to a dead server for minutes (k8s#71358) | `a_dead_server_s_flows_end_with_the_next_packet_once_it_is_removed` |
//! | all candidates down: undefined (glb-director#77) | `with_all_candidates_dead_the_first_to_come_back_takes_it`, `life::with_every_application_down_*` |
//! | the last candidate may refuse; state for createStickiness from anybody (the authors' agent) | `life::the_last_candidate_takes_what_all_others_refuse`, `limits::who_is_no_member_pins_nothing` |

use std::time::Duration;

use srlb_lb::engine::{Event, Opinion};
use tests::nodes::CLIENT;
use tests::packets::{mss, parse};
use tests::world::pool::Version;
use tests::world::socket::Stage;
use tests::world::World;

use crate::{connect, works, BOTH};

/// Servers 1 and 2, then 1 to 6: most flows are offered to others afterwards.
fn grown() -> Vec<Version> {
    vec![Version::kept(&[1, 2]), Version::active(&[1, 2, 3, 4, 5, 6])]
}

/// A port that is offered to servers 1 and 2 today, and to two others in `later`.
fn port_that_moves(world: &World, later: &[Version]) -> u16 {
    let next = World::new(srh::Encoding::Encap, 2, 1, later);
    (40_000..60_000)
        .find(|&port| {
            world.candidates(port) == [1, 2] && next.candidates(port).iter().all(|&n| n > 2)
        })
        .expect("some bucket moves")
}

#[test]
fn a_rehash_and_a_pool_change_at_once() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = port_that_moves(&world, &grown());
        connect(&mut world, port);
        works(&mut world, port, 1);
        world.set_pool(1, &grown());
        world.set_pool(2, &grown());
        world.edge = 2;
        // No SYN is left that could carry anything: the next packet is data in mid-stream.
        works(&mut world, port, 1);
        assert_eq!(world.owners(port), [1]);
    }
}

#[test]
fn an_evicted_idle_flow_and_a_changed_pool() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = port_that_moves(&world, &grown());
        connect(&mut world, port);
        works(&mut world, port, 1);
        // Far more flows than the LB's table has room for, while this one says nothing.
        for other in (2_000..8_000).filter(|&other| other != port) {
            world.open(other);
            world.run();
        }
        assert!(world.lb(1).engine.events().get(Event::Evicted) > 0);
        world.set_pool(1, &grown());
        world.wires.clear();
        works(&mut world, port, 1);
        let recovered = |wire: &tests::world::Wire| {
            tests::world::line(wire.from, &wire.bytes).contains("recover")
        };
        assert!(world.wires.iter().any(recovered), "the entry was evicted");
    }
}

#[test]
fn a_lost_end_and_the_port_used_again() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        connect(&mut world, port);
        works(&mut world, port, 1);
        // Neither the server's FIN nor the client's RST arrives anywhere.
        world.lose("FIN");
        world.server_ends(1, port);
        world.run();
        world.lose_nothing();
        world.open_with(port, 900_000_000);
        world.run();
        // The old socket has answered with what it knows, and was reset for it: the SYN, sent again, finds nobody.
        world.client_repeats(port);
        world.run();
        assert_eq!(world.client.stage(port), Stage::Open);
        let owners = world.owners(port);
        assert_eq!(owners.len(), 1);
        works(&mut world, port, owners[0]);
    }
}

#[test]
fn a_full_size_packet_fits_the_longest_list() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        connect(&mut world, port);
        let sent = world.wires.iter().rev();
        let mss = sent
            .filter(|wire| parse(&wire.bytes).dst == CLIENT)
            .find_map(|wire| mss(&wire.bytes))
            .expect("a SYN-ACK with an MSS went to the client");
        // Eight servers share every bucket's history: the list is as long as a header can be.
        let history: Vec<Version> = (1..=4)
            .map(|n| Version {
                draining: (1..2 * n - 1).collect(),
                ..Version::kept(&(1..=2 * n).collect::<Vec<_>>())
            })
            .chain([Version {
                draining: (1..=8).collect(),
                ..Version::active(&(1..=10).collect::<Vec<_>>())
            }])
            .collect();
        world.set_pool(2, &history);
        world.edge = 2;
        world.wires.clear();
        let data = vec![7; usize::from(mss)];
        world.client_sends(port, &data);
        world.run();
        assert!(world.client.sockets[&port].is_quiet(), "it has arrived");
        let longest = world.wires.iter().map(|wire| wire.bytes.len()).max();
        let header = encoding.longest_header_bytes(false);
        assert_eq!(longest, Some(usize::from(mss) + 60 + header));
    }
}

#[test]
fn a_drain_outlives_every_reload() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let drained = vec![Version {
            draining: vec![1],
            ..Version::active(&[1, 2])
        }];
        let port = world.port_for(&[1, 2]);
        connect(&mut world, port);
        for _ in 0..3 {
            world.set_pool(1, &drained);
            works(&mut world, port, 1);
            for other in 50_000..50_040 {
                assert_eq!(world.candidates_at(1, other), ["s2"]);
            }
        }
    }
}

#[test]
fn a_dead_server_s_flows_end_with_the_next_packet_once_it_is_removed() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        connect(&mut world, port);
        works(&mut world, port, 1);
        world.server(1).alive = false;
        let died = world.now;
        // New connections that are offered there first show it: their SYNs are sent again.
        let fresh: Vec<u16> = (40_000..60_000)
            .filter(|&other| other != port && world.candidates(other) == [1, 2])
            .take(3)
            .collect();
        for &other in &fresh {
            world.open(other);
            world.run();
        }
        world.pass(Duration::from_secs(1));
        for &other in &fresh {
            world.client_repeats(other);
            world.run();
            assert_eq!(world.client.stage(other), Stage::Open, "one SYN later");
        }
        for _ in 0..40 {
            world.pass(Duration::from_millis(100));
            world.run();
        }
        assert_eq!(world.lb(1).engine.opinion(0), Opinion::Dead);
        assert!(world.now.since(died) < Duration::from_secs(10));
        // That is one LB's opinion, for which no connection is given up. The operator's word is enough: the next
        // packet is answered by whoever is left.
        world.client_sends(port, b"anybody there?");
        world.run();
        assert_eq!(world.client.stage(port), Stage::Open);
        world.set_pool(1, &[Version::kept(&[1, 2]), Version::active(&[2])]);
        world.client_repeats(port);
        world.run();
        assert_eq!(world.client.stage(port), Stage::Reset);
    }
}

#[test]
fn with_all_candidates_dead_the_first_to_come_back_takes_it() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        for n in 1..=2 {
            world.server(n).alive = false;
        }
        let ports: Vec<u16> = (40_000..40_008).collect();
        for &port in &ports {
            world.open(port);
        }
        world.run();
        for _ in 0..5 {
            world.pass(Duration::from_secs(1));
            for &port in &ports {
                world.client_repeats(port);
            }
            world.run();
        }
        for n in 0..2 {
            assert_eq!(world.lb(1).engine.opinion(n), Opinion::Dead);
        }
        assert!(world.lb(1).engine.events().get(Event::HuntedUnhealthy) > 0);
        world.server(2).alive = true;
        world.pass(Duration::from_secs(1));
        for &port in &ports {
            world.client_repeats(port);
        }
        world.run();
        for &port in &ports {
            // Offered to the dead one first, it takes one SYN more.
            world.client_repeats(port);
            world.run();
            assert_eq!(world.client.stage(port), Stage::Open);
            works(&mut world, port, 2);
        }
    }
}
