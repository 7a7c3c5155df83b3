//! A connection's life when nothing goes wrong.

use tests::world::pool::Version;
use tests::world::socket::Stage;
use tests::world::World;

use crate::{expect, works, BOTH};

#[test]
fn hunt_refuse_force_pin_direct_and_end() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
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
        world.client_sends(port, b"GET /");
        expect(
            &mut world,
            &[
                "client > vip: data 5",
                "lb1 > s2 ackStickiness: data 5",
                "s2 > client: ACK",
            ],
        );
        world.server_sends(2, port, b"200 OK");
        expect(
            &mut world,
            &[
                "s2 > client: data 6",
                "client > vip: ACK",
                "lb1 > s2 ackStickiness: ACK",
            ],
        );
        world.server_ends(2, port);
        expect(
            &mut world,
            &[
                "s2 > lb1 removeStickiness: FIN",
                "lb1 > client: FIN",
                "client > vip: ACK",
                "lb1 > s2 ackStickiness: ACK",
            ],
        );
        world.client_does(port, |socket| Some(socket.end()));
        expect(
            &mut world,
            &[
                "client > vip: FIN",
                "lb1 > s2 ackStickiness: FIN",
                "s2 > client: ACK",
            ],
        );
        assert_eq!(world.client.received(port), b"200 OK");
        assert!(world.client.sockets[&port].is_over());
        world.pass(std::time::Duration::from_secs(11));
        assert_eq!(world.lbs[0].engine.flows_by_state(world.now), [0, 0, 0]);
    }
}

#[test]
fn a_free_first_candidate_takes_the_flow() {
    for encoding in BOTH {
        for choices in 1..=3 {
            let mut world = World::new(encoding, choices, 1, &[Version::active(&[1, 2, 3])]);
            let candidates: Vec<u16> = (1..=choices as u16).collect();
            let port = world.port_for(&candidates);
            world.open(port);
            let offer = [
                "lb1 > s1 connectForce: SYN",
                "lb1 > s1 connectAvail, s2 connectForce: SYN",
                "lb1 > s1 connectAvail, s2 connectAvail, s3 connectForce: SYN",
            ];
            expect(
                &mut world,
                &[
                    "client > vip: SYN",
                    offer[choices - 1],
                    "s1 > lb1 createStickiness: SYN-ACK",
                    "lb1 > client: SYN-ACK",
                    "client > vip: ACK",
                    "lb1 > s1 ackStickiness: ACK",
                ],
            );
            works(&mut world, port, 1);
        }
    }
}

#[test]
fn the_last_candidate_takes_what_all_others_refuse() {
    for encoding in BOTH {
        let mut world = World::new(encoding, 3, 1, &[Version::active(&[1, 2, 3])]);
        let port = world.port_for(&[1, 2, 3]);
        for n in 1..=3 {
            world.server(n).kernel.load.busy = 1;
        }
        world.open(port);
        expect(
            &mut world,
            &[
                "client > vip: SYN",
                "lb1 > s1 connectAvail, s2 connectAvail, s3 connectForce: SYN",
                "s1 > s2 connectAvail, s3 connectForce: SYN",
                "s2 > s3 connectForce: SYN",
                "s3 > lb1 createStickiness: SYN-ACK",
                "lb1 > client: SYN-ACK",
                "client > vip: ACK",
                "lb1 > s3 ackStickiness: ACK",
            ],
        );
        works(&mut world, port, 3);
    }
}

#[test]
fn with_the_last_application_down_the_flow_comes_back_and_the_first_must_take_it() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        world.server(1).kernel.load.busy = 1;
        world.server(2).kernel.load.up = false;
        world.open(port);
        expect(
            &mut world,
            &[
                "client > vip: SYN",
                "lb1 > s1 connectAvail, s2 connectForce: SYN",
                "s1 > s2 connectForce: SYN",
                "s2 > lb1 returnFlow: SYN",
                "lb1 > s1 connectFinal, s2 connectFinal: SYN",
                "s1 > lb1 createStickiness: SYN-ACK",
                "lb1 > client: SYN-ACK",
                "client > vip: ACK",
                "lb1 > s1 ackStickiness: ACK",
            ],
        );
    }
}

/// The only one that is up refuses for load: it must be asked again before the client is told that nobody is there.
#[test]
fn with_two_applications_down_the_busy_one_must_take_it() {
    for encoding in BOTH {
        let mut world = World::new(encoding, 3, 1, &[Version::active(&[1, 2, 3])]);
        let port = world.port_for(&[1, 2, 3]);
        world.server(1).kernel.load.busy = 1;
        for n in 2..=3 {
            world.server(n).kernel.load.up = false;
        }
        world.open(port);
        let happened = world.run();
        assert_eq!(
            happened[4..8],
            [
                "s3 > lb1 returnFlow: SYN",
                "lb1 > s1 connectFinal, s2 connectFinal, s3 connectFinal: SYN",
                "s1 > lb1 createStickiness: SYN-ACK",
                "lb1 > client: SYN-ACK",
            ],
            "{happened:#?}"
        );
        works(&mut world, port, 1);
    }
}

#[test]
fn with_every_application_down_the_client_is_told_at_once() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        world.server(1).kernel.load.up = false;
        world.server(2).kernel.load.up = false;
        world.open(port);
        expect(
            &mut world,
            &[
                "client > vip: SYN",
                "lb1 > s1 connectAvail, s2 connectForce: SYN",
                "s1 > s2 connectForce: SYN",
                "s2 > lb1 returnFlow: SYN",
                "lb1 > s1 connectFinal, s2 connectFinal: SYN",
                "s1 > s2 connectFinal: SYN",
                "s2 > client: RST",
            ],
        );
        assert_eq!(world.client.stage(port), Stage::Reset);
    }
}

#[test]
fn an_application_that_aborts_unpins_the_flow_as_well() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        crate::connect(&mut world, port);
        world.server_does(1, port, |socket| Some(socket.abort()));
        expect(
            &mut world,
            &["s1 > lb1 removeStickiness: RST", "lb1 > client: RST"],
        );
        assert_eq!(world.client.stage(port), Stage::Reset);
    }
}

#[test]
fn a_client_that_aborts_unpins_nothing_at_once() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        crate::connect(&mut world, port);
        world.client_does(port, |socket| Some(socket.abort()));
        expect(
            &mut world,
            &["client > vip: RST", "lb1 > s1 ackStickiness: RST"],
        );
        assert!(world.owners(port).is_empty());
    }
}
