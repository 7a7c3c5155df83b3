//! LBs, routers and pools that change in the middle of a connection.

use std::time::Duration;

use tests::world::pool::Version;
use tests::world::socket::Stage;
use tests::world::World;

use crate::{connect, expect, works, BOTH};

#[test]
fn another_lb_recovers_an_established_flow() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[2, 1]);
        world.server(2).kernel.load.busy = 1;
        connect(&mut world, port);
        assert_eq!(world.owners(port), [1]);
        world.edge = 2;
        world.client_sends(port, b"GET /");
        expect(
            &mut world,
            &[
                "client > vip: data 5",
                "lb2 > s2 recoverStickiness, s1 recoverFinal: data 5",
                "s2 > s1 recoverFinal: data 5",
                "s1 > lb2 createStickiness: ACK",
                "lb2 > client: ACK",
            ],
        );
        // the pin is there
        world.client_sends(port, b"more");
        expect(
            &mut world,
            &[
                "client > vip: data 4",
                "lb2 > s1 ackStickiness: data 4",
                "s1 > client: ACK",
            ],
        );
        works(&mut world, port, 1);
    }
}

#[test]
fn the_lb_changes_between_syn_and_ack() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[2, 1]);
        world.server(2).kernel.load.busy = 1;
        world.hold("client > vip: ACK");
        world.open(port);
        expect(
            &mut world,
            &[
                "client > vip: SYN",
                "lb1 > s2 connectAvail, s1 connectForce: SYN",
                "s2 > s1 connectForce: SYN",
                "s1 > lb1 createStickiness: SYN-ACK",
                "lb1 > client: SYN-ACK",
            ],
        );
        world.edge = 2;
        world.release();
        expect(
            &mut world,
            &[
                "client > vip: ACK",
                "lb2 > s2 recoverStickiness, s1 recoverFinal: ACK",
                "s2 > s1 recoverFinal: ACK",
            ],
        );
        works(&mut world, port, 1);
    }
}

#[test]
fn a_restarted_lb_recovers_its_flows() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        connect(&mut world, port);
        world.restart_lb(1);
        works(&mut world, port, 1);
    }
}

#[test]
fn a_restarted_router_knows_its_flows_from_the_sockets() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        connect(&mut world, port);
        world.restart_router(1);
        works(&mut world, port, 1);
        world.server_ends(1, port);
        expect(
            &mut world,
            &[
                "s1 > lb1 removeStickiness: FIN",
                "lb1 > client: FIN",
                "client > vip: ACK",
                "lb1 > s1 ackStickiness: ACK",
            ],
        );
    }
}

#[test]
fn a_router_that_restarts_in_a_handshake_learns_from_the_syn_ack_sent_again() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        world.hold("client > vip: ACK");
        world.open(port);
        world.run();
        world.restart_router(1);
        world.release();
        expect(
            &mut world,
            &[
                "client > vip: ACK",
                "lb1 > s1 ackStickiness: ACK",
                "s1 drops: unknown_number",
            ],
        );
        world.server_repeats(1, port);
        expect(
            &mut world,
            &[
                "s1 > client: SYN-ACK",
                "client > vip: ACK",
                "lb1 > s1 ackStickiness: ACK",
            ],
        );
        works(&mut world, port, 1);
    }
}

#[test]
fn a_server_that_drains_keeps_its_flows_and_gets_no_new_ones() {
    for encoding in BOTH {
        let before = [Version::active(&[1, 2, 3])];
        let mut world = World::new(encoding, 2, 2, &before);
        let port = world.port_for(&[1, 2]);
        connect(&mut world, port);
        let mut drained = Version::active(&[1, 2, 3]);
        drained.draining = vec![1];
        let after = [Version::kept(&[1, 2, 3]), drained];
        world.set_pool(1, &after);
        world.set_pool(2, &after);
        works(&mut world, port, 1);
        world.edge = 2;
        works(&mut world, port, 1);
        for port in 50_000..50_050 {
            world.open(port);
            world.run();
            assert_ne!(world.owners(port), [1]);
        }
    }
}

#[test]
fn an_lb_recovers_what_another_pool_placed() {
    for encoding in BOTH {
        let before = [Version::active(&[1, 2])];
        let mut world = World::new(encoding, 2, 2, &before);
        let ports: Vec<u16> = (50_000..50_020).collect();
        for &port in &ports {
            connect(&mut world, port);
        }
        let owners: Vec<Vec<u16>> = ports.iter().map(|&p| world.owners(p)).collect();
        // The pool grows to 20 servers, one at a time: the list takes three chunks.
        let mut history = vec![Version::kept(&[1, 2])];
        for n in 3..=20 {
            let members: Vec<u16> = (1..=n).collect();
            history.push(match n {
                20 => Version::active(&members),
                _ => Version::kept(&members),
            });
        }
        world.set_pool(2, &history);
        world.edge = 2;
        for (&port, owner) in ports.iter().zip(&owners) {
            works(&mut world, port, owner[0]);
        }
    }
}

#[test]
fn a_removed_server_s_flows_end_at_once() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        connect(&mut world, port);
        world.server(1).alive = false;
        world.set_pool(1, &[Version::kept(&[1, 2]), Version::active(&[2])]);
        world.client_sends(port, b"GET /");
        expect(
            &mut world,
            &[
                "client > vip: data 5",
                "lb1 > s2 recoverFinal: data 5",
                "s2 > client: RST",
            ],
        );
        assert_eq!(world.client.stage(port), Stage::Reset);
    }
}

#[test]
fn an_lb_that_dies_does_not_starve_a_server_in_wait() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        connect(&mut world, port);
        // lb2 recovers the flow and dies before the server has told it anything.
        world.edge = 2;
        world.hold("s1 > lb2");
        world.client_sends(port, b"GET /");
        world.run();
        world.lb(2).alive = false;
        world.release();
        world.run();
        // Only the server has something to say: at most three packets are lost, and no more.
        for _ in 0..3 {
            world.server_sends(1, port, b"x");
            world.run();
        }
        world.server_sends(1, port, b"y");
        expect(&mut world, &["s1 > client: data 1", "client > vip: ACK"]);
        world.edge = 1;
        world.server_repeats(1, port);
        expect(
            &mut world,
            &[
                "s1 > client: data 4",
                "client > vip: ACK",
                "lb1 > s1 ackStickiness: ACK",
            ],
        );
        assert_eq!(world.client.received(port), b"xxxy");
        world.pass(Duration::from_secs(2));
        works(&mut world, port, 1);
    }
}
