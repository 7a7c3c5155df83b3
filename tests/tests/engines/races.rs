//! The races of docs/protocol.md that concern TCP: no order of packets ends in a reset, a stall
//! or a loop for a connection whose server lives.

use std::time::Duration;

use srh::parse::Tcp;
use tests::packets::from_client;
use tests::world::pool::Version;
use tests::world::socket::Stage;
use tests::world::{Node, World};

use crate::{connect, expect, works, BOTH};

const RTO: Duration = Duration::from_secs(1);

/// Race 1: a SYN is sent again while the SYN-ACK is slow, and another server takes it as well.
#[test]
fn two_servers_take_one_syn_and_one_connection_comes_out() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        world.server(1).kernel.load.busy = 1;
        world.hold("createStickiness");
        world.open(port);
        world.run();
        world.server(1).kernel.load.busy = 0;
        world.pass(RTO);
        world.client_repeats(port);
        expect(
            &mut world,
            &[
                "client > vip: SYN",
                "lb1 > s2 connectForce, s1 connectForce: SYN",
            ],
        );
        world.pass(2 * RTO);
        world.client_repeats(port);
        expect(
            &mut world,
            &[
                "client > vip: SYN",
                "lb1 > s1 connectForce, s2 connectForce: SYN",
            ],
        );
        assert_eq!(world.owners(port), [1, 2]);
        world.release();
        expect(
            &mut world,
            &[
                "s2 > lb1 createStickiness: SYN-ACK",
                "s2 > lb1 createStickiness: SYN-ACK",
                "s1 > lb1 createStickiness: SYN-ACK",
                "lb1 drops: losers_syn_ack",
                "lb1 > client: SYN-ACK",
                "lb1 > client: SYN-ACK",
                "client > vip: ACK",
                "client > vip: ACK",
                "lb1 > s2 ackStickiness: ACK",
                "lb1 > s2 ackStickiness: ACK",
            ],
        );
        works(&mut world, port, 2);
        // The loser's kernel goes on; nobody hears it.
        world.server_repeats(1, port);
        expect(
            &mut world,
            &[
                "s1 > lb1 createStickiness: SYN-ACK",
                "lb1 drops: losers_syn_ack",
            ],
        );
        works(&mut world, port, 2);
    }
}

/// Race 1 across two LBs: each believes in another server.
#[test]
fn two_servers_take_one_syn_through_two_lbs() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        world.server(1).kernel.load.busy = 1;
        world.hold("s2 > lb1 createStickiness");
        world.open(port);
        world.run();
        world.server(1).kernel.load.busy = 0;
        world.pass(RTO);
        world.edge = 2;
        world.client_repeats(port);
        expect(
            &mut world,
            &[
                "client > vip: SYN",
                "lb2 > s1 connectAvail, s2 connectForce: SYN",
                "s1 > lb2 createStickiness: SYN-ACK",
                "lb2 > client: SYN-ACK",
                "client > vip: ACK",
                "lb2 > s1 ackStickiness: ACK",
            ],
        );
        assert_eq!(world.client.stage(port), Stage::Open);
        // Now the SYN-ACK of the other server comes through the other LB, and the client's
        // answer goes there as well.
        world.edge = 1;
        world.release();
        expect(
            &mut world,
            &[
                "s2 > lb1 createStickiness: SYN-ACK",
                "lb1 > client: SYN-ACK",
                "client > vip: ACK",
                "lb1 > s2 ackStickiness: ACK",
                "s2 > lb1 returnFlow: ACK",
                "lb1 > s1 recoverStickiness, s2 recoverFinal: ACK",
            ],
        );
        works(&mut world, port, 1);
        world.edge = 2;
        works(&mut world, port, 1);
        world.server_repeats(2, port);
        expect(&mut world, &["s2 drops: losers_syn_ack"]);
    }
}

/// Race 2: ECMP flaps.
#[test]
fn two_lbs_take_turns_with_every_packet() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[2, 1]);
        world.server(2).kernel.load.busy = 1;
        connect(&mut world, port);
        for i in 0..20 {
            world.edge = 1 + i % 2;
            works(&mut world, port, 1);
            world.pass(Duration::from_millis(700));
        }
        world.edge = 1;
        world.server_ends(1, port);
        world.run();
        world.edge = 2;
        world.client_does(port, |socket| Some(socket.end()));
        expect(
            &mut world,
            &[
                "client > vip: FIN",
                "lb2 > s1 ackStickiness: FIN",
                "s1 > client: ACK",
            ],
        );
        assert!(world.client.sockets[&port].is_over());
    }
}

/// Race 2: the LB changes while a recovery is under way.
#[test]
fn the_lb_changes_back_during_a_recovery() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[2, 1]);
        world.server(2).kernel.load.busy = 1;
        connect(&mut world, port);
        world.edge = 2;
        world.hold("recoverFinal");
        world.client_sends(port, b"one");
        world.run();
        world.edge = 1;
        world.client_sends(port, b"two");
        expect(
            &mut world,
            &[
                "client > vip: data 3",
                "lb1 > s1 ackStickiness: data 3",
                "s1 > client: ACK",
            ],
        );
        world.release();
        expect(
            &mut world,
            &[
                "lb2 > s2 recoverStickiness, s1 recoverFinal: data 3",
                "s2 > s1 recoverFinal: data 3",
                "s1 > lb2 createStickiness: ACK",
                "lb2 > client: ACK",
            ],
        );
        world.client_repeats(port);
        expect(
            &mut world,
            &[
                "client > vip: data 3",
                "lb1 > s1 ackStickiness: data 3",
                "s1 > client: ACK",
            ],
        );
        works(&mut world, port, 1);
    }
}

/// Race 3: a pin that nobody needs any more, and then the port is used again.
#[test]
fn a_stale_pin_meets_a_connection_that_uses_the_port_again() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        connect(&mut world, port);
        // ECMP moves the flow; it ends where lb1 sees nothing of it.
        world.edge = 2;
        works(&mut world, port, 1);
        world.client_does(port, |socket| Some(socket.end()));
        world.run();
        world.server_ends(1, port);
        world.run();
        assert!(world.owners(port).is_empty());
        world.pass(Duration::from_secs(11));
        // The port is used again, and another server takes it.
        world.server(1).kernel.load.busy = 1;
        world.open_with(port, 9_000_000);
        world.run();
        assert_eq!(world.owners(port), [2]);
        // ECMP flips back to lb1, whose pin says s1.
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
        works(&mut world, port, 2);
    }
}

/// Race 4: the client goes on sending for a long time after the server's FIN.
#[test]
fn a_half_close_lasts_longer_than_the_entry() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[2, 1]);
        world.server(2).kernel.load.busy = 1;
        connect(&mut world, port);
        world.server_ends(1, port);
        world.run();
        for i in 1..=8 {
            world.pass(Duration::from_secs(4));
            world.client_sends(port, b"abcd");
            world.run();
            assert!(world.client.sockets[&port].is_quiet(), "{i}");
        }
        // Silent for longer than everything that LB and router keep about it.
        world.pass(Duration::from_secs(100));
        world.client_sends(port, b"late");
        expect(
            &mut world,
            &[
                "client > vip: data 4",
                "lb1 > s2 recoverStickiness, s1 recoverFinal: data 4",
                "s2 > s1 recoverFinal: data 4",
                "s1 > client: ACK",
            ],
        );
        world.client_does(port, |socket| Some(socket.end()));
        expect(
            &mut world,
            &[
                "client > vip: FIN",
                "lb1 > s2 recoverStickiness, s1 recoverFinal: FIN",
                "s2 > s1 recoverFinal: FIN",
                "s1 > client: ACK",
            ],
        );
        assert!(world.client.sockets[&port].is_over());
    }
}

/// Race 4: the application ends the flow while the LB does not know it yet.
#[test]
fn a_fin_in_wait_and_the_acks_after_it() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        world.hold("ackStickiness");
        world.open(port);
        world.run();
        world.edge = 2;
        world.client_sends(port, b"GET /");
        world.run();
        world.server_sends(1, port, b"200 OK");
        world.server_ends(1, port);
        expect(
            &mut world,
            &[
                "s1 > lb2 createStickiness: data 6",
                "s1 > lb2 removeStickiness: FIN",
                "lb2 > client: data 6",
                "lb2 > client: FIN",
                "client > vip: ACK",
                "client > vip: ACK",
            ],
        );
        world.client_does(port, |socket| Some(socket.end()));
        world.run();
        world.release();
        expect(
            &mut world,
            &[
                "lb1 > s1 ackStickiness: ACK",
                "lb2 > s1 ackStickiness: ACK",
                "lb2 > s1 ackStickiness: ACK",
                "lb2 > s1 ackStickiness: FIN",
                "s1 > client: ACK",
            ],
        );
        assert!(world.client.sockets[&port].is_over());
        assert_eq!(world.client.received(port), b"200 OK");
    }
}

/// Race 5: the client has forgotten its connection and opens a new one from the same port.
#[test]
fn a_new_syn_on_a_live_flow_is_for_the_old_server_to_judge() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        connect(&mut world, port);
        world.open_with(port, 7_000_000);
        expect(
            &mut world,
            &[
                "client > vip: SYN",
                "lb1 > s1 ackStickiness: SYN",
                "s1 > client: ACK",
                "client > vip: RST",
                "lb1 > s1 ackStickiness: RST",
            ],
        );
        world.pass(RTO);
        world.client_repeats(port);
        expect(
            &mut world,
            &[
                "client > vip: SYN",
                "lb1 > s1 ackStickiness: SYN",
                "s1 > lb1 returnFlow: SYN",
                "lb1 > s1 connectAvail, s2 connectForce: SYN",
                "s1 > lb1 createStickiness: SYN-ACK",
                "lb1 > client: SYN-ACK",
                "client > vip: ACK",
                "lb1 > s1 ackStickiness: ACK",
            ],
        );
        works(&mut world, port, 1);
    }
}

/// Race 5: the old connection is in TIME_WAIT, and the LB still has its entry.
#[test]
fn a_new_syn_meets_time_wait() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        connect(&mut world, port);
        world.server_ends(1, port);
        world.run();
        world.client_does(port, |socket| Some(socket.end()));
        world.run();
        // A busy server must take it all the same: it is the only one that can.
        world.server(1).kernel.load.busy = 1;
        world.open_with(port, 7_000_000);
        expect(
            &mut world,
            &[
                "client > vip: SYN",
                "lb1 > s1 connectAvail, s2 connectForce: SYN",
                "s1 > lb1 createStickiness: SYN-ACK",
                "lb1 > client: SYN-ACK",
                "client > vip: ACK",
                "lb1 > s1 ackStickiness: ACK",
            ],
        );
        works(&mut world, port, 1);
    }
}

/// Race 5: the old server has nothing left, but the LB missed the end.
#[test]
fn a_new_syn_with_a_stale_pin_is_hunted_again() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        connect(&mut world, port);
        world.server(1).kernel.sockets.clear();
        world.restart_router(1);
        world.server(1).kernel.load.busy = 1;
        world.open_with(port, 7_000_000);
        expect(
            &mut world,
            &[
                "client > vip: SYN",
                "lb1 > s1 ackStickiness: SYN",
                "s1 > lb1 returnFlow: SYN",
                "lb1 > s1 connectAvail, s2 connectForce: SYN",
                "s1 > s2 connectForce: SYN",
                "s2 > lb1 createStickiness: SYN-ACK",
                "lb1 > client: SYN-ACK",
                "client > vip: ACK",
                "lb1 > s2 ackStickiness: ACK",
            ],
        );
        works(&mut world, port, 2);
    }
}

/// Somebody else sends a SYN and a RST in the client's name.
#[test]
fn forged_syn_and_rst_cost_a_live_flow_nothing() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        connect(&mut world, port);
        world.send(Node::Client, from_client(port, Tcp::SYN, 5, 0).bytes());
        expect(
            &mut world,
            &[
                "client > vip: SYN",
                "lb1 > s1 ackStickiness: SYN",
                "s1 > client: ACK",
            ],
        );
        world.send(Node::Client, from_client(port, Tcp::RST, 5, 0).bytes());
        expect(
            &mut world,
            &[
                "client > vip: RST",
                "lb1 > s1 ackStickiness: RST",
                "s1 > client: ACK",
            ],
        );
        works(&mut world, port, 1);
        world.pass(Duration::from_secs(11));
        works(&mut world, port, 1);
        // The same where nobody knows the flow.
        world.edge = 2;
        world.send(Node::Client, from_client(port, Tcp::RST, 5, 0).bytes());
        expect(
            &mut world,
            &[
                "client > vip: RST",
                "lb2 > s1 recoverStickiness, s2 recoverFinal: RST",
                "s1 > s2 recoverFinal: RST",
                "s1 > client: ACK",
            ],
        );
        works(&mut world, port, 1);
    }
}

/// Race 7: one LB hunts with the new pool already, the other one has staged it.
#[test]
fn lbs_on_neighbouring_generations() {
    for encoding in BOTH {
        let old = [1, 2];
        let new = [2, 3];
        let before = [Version::active(&old)];
        let mut world = World::new(encoding, 2, 2, &before);
        let staged = [Version::active(&old), Version::staged(&new)];
        world.set_pool(1, &staged);
        world.set_pool(2, &staged);
        world.set_pool(1, &[Version::kept(&old), Version::active(&new)]);
        let mut placed = [0; 3];
        for port in 50_000..50_060 {
            world.edge = 1 + port % 2;
            connect(&mut world, port);
            let owner = world.owners(port)[0];
            placed[usize::from(owner) - 1] += 1;
            if world.edge == 2 && owner == 1 {
                // For lb1 s1 is gone for good: what moves there is reset, and that is meant.
                continue;
            }
            world.edge = 3 - world.edge;
            works(&mut world, port, owner);
        }
        assert!(placed.iter().all(|&n| n > 0), "{placed:?}");
    }
}

/// Races 1 and 8: a router restarts while its kernel waits for a client that another server
/// has won, and then sees the SYN once more.
#[test]
fn a_restarted_router_does_not_take_the_winner_s_packets_for_its_own() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        world.server(1).kernel.load.busy = 1;
        world.hold("s2 > lb1");
        world.open(port);
        world.run();
        world.server(1).kernel.load.busy = 0;
        world.lose("s1 > lb2");
        world.edge = 2;
        world.client_repeats(port);
        world.run();
        world.lose_nothing();
        world.edge = 1;
        world.release();
        world.run();
        assert_eq!(world.owners(port), [1, 2]);
        works(&mut world, port, 2);

        world.restart_router(1);
        world.edge = 2;
        let syn = world.wires[0].bytes.clone();
        world.send(Node::Client, syn);
        expect(
            &mut world,
            &[
                "client > vip: SYN",
                "lb2 > s1 connectAvail, s2 connectForce: SYN",
                "s1 > lb2 createStickiness: SYN-ACK",
                "lb2 > client: SYN-ACK",
                "client > vip: ACK",
                "lb2 > s1 ackStickiness: ACK",
                "s1 > lb2 returnFlow: ACK",
                "lb2 > s2 recoverStickiness, s1 recoverFinal: ACK",
            ],
        );
        works(&mut world, port, 2);
    }
}

/// Races 3 and 5: the socket of a flow in WAIT is gone, the port is used again, and two servers
/// take its SYN.
#[test]
fn a_new_connection_meets_a_wait_of_the_old_one() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[2, 1]);
        world.server(2).kernel.load.busy = 1;
        connect(&mut world, port);
        world.server(2).kernel.load.busy = 0;
        world.edge = 2;
        world.client_sends(port, b"GET /");
        world.run();
        // WAIT(lb2) at s1; then its kernel forgets the connection, and so does the client.
        world.server(1).kernel.sockets.clear();
        world.lose("s1 > lb2");
        world.open_with(port, 7_000_000);
        world.run();
        world.lose_nothing();
        world.restart_lb(1);
        world.edge = 1;
        world.pass(RTO);
        world.client_repeats(port);
        expect(
            &mut world,
            &[
                "client > vip: SYN",
                "lb1 > s2 connectAvail, s1 connectForce: SYN",
                "s2 > lb1 createStickiness: SYN-ACK",
                "lb1 > client: SYN-ACK",
                "client > vip: ACK",
                "lb1 > s2 ackStickiness: ACK",
            ],
        );
        assert_eq!(world.owners(port), [1, 2]);
        world.edge = 2;
        world.client_sends(port, b"GET /");
        expect(
            &mut world,
            &[
                "client > vip: data 5",
                "lb2 > s1 ackStickiness: data 5",
                "s1 > lb2 returnFlow: data 5",
                "lb2 > s2 recoverStickiness, s1 recoverFinal: data 5",
                "s2 > lb2 createStickiness: ACK",
                "lb2 > client: ACK",
            ],
        );
        works(&mut world, port, 2);
    }
}

/// Race 3: the earlier connection of the port was never ended at its server, one of its packets is late, and the LB
/// that still has its pin gets the later connection.
#[test]
fn a_late_packet_of_the_earlier_connection_leads_nobody_astray() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[2, 1]);
        world.server(2).kernel.load.busy = 1;
        connect(&mut world, port);
        works(&mut world, port, 1);
        world.hold("client > vip: data");
        world.client_sends(port, b"late");
        world.run();
        // The client has lost its memory, and ECMP has moved: server 2 knows nothing of server 1.
        world.server(2).kernel.load.busy = 0;
        world.edge = 2;
        world.open_with(port, 2_000_000_000);
        world.run();
        assert_eq!(world.owners(port), [1, 2]);
        world.edge = 1;
        world.release();
        world.run();
        world.client_sends(port, b"here");
        let happened = world.run();
        assert_eq!(
            happened[..4],
            [
                "client > vip: data 4",
                "lb1 > s1 ackStickiness: data 4",
                "s1 > lb1 returnFlow: data 4",
                "lb1 > s2 recoverStickiness, s1 recoverFinal: data 4",
            ],
            "{happened:#?}"
        );
        works(&mut world, port, 2);
    }
}

/// Races 3 and 4: the client's last packets of a connection that its server has ended are recovered. The port's next
/// connection is with another server by then.
#[test]
fn a_connection_that_has_ended_is_not_pinned_again() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[2, 1]);
        world.server(2).kernel.load.busy = 1;
        connect(&mut world, port);
        world.server_ends(1, port);
        world.run();
        world.hold("client > vip: FIN");
        world.client_does(port, |socket| Some(socket.end()));
        world.run();
        world.server(2).kernel.load.busy = 0;
        world.edge = 2;
        world.open_with(port, 2_000_000_000);
        world.run();
        assert_eq!(world.owners(port), [1, 2]);
        world.restart_lb(2);
        world.release();
        expect(
            &mut world,
            &[
                "client > vip: FIN",
                "lb2 > s2 recoverStickiness, s1 recoverFinal: FIN",
                "s2 > s1 recoverFinal: FIN",
                "s1 > client: ACK",
            ],
        );
        works(&mut world, port, 2);
    }
}
