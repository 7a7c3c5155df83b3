//! The races of docs/protocol.md that an LB has a part in, packet by packet. What servers and
//! clients do in between is written out.

use std::time::Duration;

use daemon::DropReason;
use srh::Encoding::{self, Encap, Insert};

use super::build::{ACK, FIN};
use super::world::*;

const BOTH: [Encoding; 2] = [Encap, Insert];

/// Where a client's packet goes, as the bytes of its next destination.
fn first_stop(world: &mut World, packet: &[u8]) -> std::net::Ipv6Addr {
    let sent = world.sent(packet);
    <[u8; 16]>::try_from(&sent[24..40]).unwrap().into()
}

fn ack_goes_to(world: &mut World) -> std::net::Ipv6Addr {
    let ack = world.ack();
    first_stop(world, &ack)
}

/// Race 1: the SYN was sent twice and both candidates took it. One connection comes out.
#[test]
fn two_servers_take_the_same_syn() {
    for encoding in BOTH {
        let mut world = World::new(encoding);
        let c = world.candidates();
        let (winner, loser) = (c[1], c[0]);
        world.sent(&world.syn());
        world.pass(Duration::from_secs(1));
        world.sent(&world.syn());
        let answer = world.syn_ack(NUMBER);
        assert_eq!(world.sent(&world.says(winner, CREATE, &answer)), answer);
        let late = world.says(loser, CREATE, &answer);
        assert_eq!(world.dropped(&late), DropReason::LosersSynAck);
        assert_eq!(ack_goes_to(&mut world), sid(winner, ACK_STICKINESS));
        // Its timer sends it again, after the handshake too.
        assert_eq!(world.dropped(&late), DropReason::LosersSynAck);
        assert_eq!(world.sent(&world.says(winner, CREATE, &answer)), answer);
        assert_eq!(world.entry(), Entry::Confirmed(winner));
    }
}

/// Race 1 across two LBs: each has pinned another server; the client believes one of them.
#[test]
fn two_servers_take_the_same_syn_by_two_lbs() {
    for encoding in BOTH {
        let (mut here, mut there) = (World::new(encoding), World::new(encoding));
        let c = here.candidates();
        here.make(Entry::Unconfirmed(c[0], NUMBER));
        there.make(Entry::Unconfirmed(c[1], NUMBER));
        // The client has answered c[0]'s SYN-ACK, and ECMP sends that by the other LB.
        let ack = there.ack();
        assert_eq!(first_stop(&mut there, &ack), sid(c[1], ACK_STICKINESS));
        // It acknowledges a number that c[1] never sent: a loser returns it.
        let back = there.says(c[1], RETURN_FLOW, &ack);
        assert_eq!(first_stop(&mut there, &back), sid(c[0], RECOVER));
        assert_eq!(there.entry(), Entry::None);
        let page = there.reply(ACK, NUMBER, b"page");
        assert_eq!(there.sent(&there.says(c[0], CREATE, &page)), page);
        assert_eq!(first_stop(&mut there, &ack), sid(c[0], ACK_STICKINESS));
        // The loser's SYN-ACK comes again.
        let late = there.says(c[1], CREATE, &there.syn_ack(NUMBER));
        assert_eq!(there.dropped(&late), DropReason::LosersSynAck);
    }
}

/// Race 2: the ACK goes by another LB than the SYN; then ECMP flaps.
#[test]
fn the_lb_changes_between_syn_and_ack() {
    for encoding in BOTH {
        let (mut here, mut there) = (World::new(encoding), World::new(encoding));
        let c = here.candidates();
        here.sent(&here.syn());
        here.sent(&here.says(c[1], CREATE, &here.syn_ack(NUMBER)));
        let list = there.recovery();
        assert_eq!(ack_goes_to(&mut there), sid(list[0], RECOVER));
        // The owner answers to the LB that asked.
        there.sent(&there.says(c[1], CREATE, &there.reply(ACK, NUMBER, b"")));
        assert_eq!(there.entry(), Entry::Confirmed(c[1]));
        for _ in 0..3 {
            for lb in [&mut here, &mut there] {
                let data = lb.data(100);
                assert_eq!(first_stop(lb, &data), sid(c[1], ACK_STICKINESS));
            }
        }
        // The SYN-ACK's timer, slower than all that, changes nothing.
        let again = here.says(c[1], CREATE, &here.syn_ack(NUMBER));
        here.sent(&again);
        assert_eq!(here.entry(), Entry::Confirmed(c[1]));
    }
}

/// Race 3: a stale pin, the port used again by another LB, and ECMP flips back.
#[test]
fn a_stale_pin_is_returned_and_replaced() {
    for encoding in BOTH {
        let mut world = World::new(encoding);
        let list = world.recovery();
        let (old, owner) = (world.stranger(), list[1]);
        world.make(Entry::Confirmed(old));
        let data = world.data(50);
        assert_eq!(first_stop(&mut world, &data), sid(old, ACK_STICKINESS));
        let back = world.says(old, RETURN_FLOW, &data);
        assert_eq!(first_stop(&mut world, &back), sid(list[0], RECOVER));
        assert_eq!(world.entry(), Entry::None);
        world.sent(&world.says(owner, CREATE, &world.reply(ACK, NUMBER, b"page")));
        assert_eq!(world.entry(), Entry::Confirmed(owner));
        // A second packet was under way to the old server: it comes back late.
        assert_eq!(first_stop(&mut world, &back), sid(owner, ACK_STICKINESS));
        assert_eq!(world.entry(), Entry::Confirmed(owner));
        // So does its late farewell.
        world.sent(&world.says(old, REMOVE, &world.reply(FIN | ACK, NUMBER, b"")));
        assert_eq!(world.entry(), Entry::Confirmed(owner));
    }
}

/// Race 4: the application has finished, the client goes on for a minute; and a FIN before any
/// client packet.
#[test]
fn half_closed() {
    for encoding in BOTH {
        for before in [Entry::Unconfirmed(1, NUMBER), Entry::Confirmed(1)] {
            let mut world = World::new(encoding);
            world.make(before);
            world.sent(&world.says(1, REMOVE, &world.reply(FIN | ACK, NUMBER, b"bye")));
            for _ in 0..8 {
                world.pass(Duration::from_secs(8));
                let data = world.data(300);
                assert_eq!(first_stop(&mut world, &data), sid(1, ACK_STICKINESS));
                // What the server still says is not a new flow.
                world.sent(&world.says(1, CREATE, &world.reply(ACK, NUMBER, b"")));
                assert_eq!(world.entry(), Entry::Closing(1));
            }
            // Longer silence than that is healed by recovery.
            world.pass(Duration::from_secs(11));
            let list = world.recovery();
            assert_eq!(ack_goes_to(&mut world), sid(list[0], RECOVER));
        }
    }
}

/// Race 5: a new SYN while there is an entry.
#[test]
fn a_new_syn_on_a_known_flow() {
    for encoding in BOTH {
        for before in [Entry::Unconfirmed(1, 9), Entry::Confirmed(1)] {
            let mut world = World::new(encoding);
            world.make(before);
            let syn = world.syn();
            assert_eq!(first_stop(&mut world, &syn), sid(1, ACK_STICKINESS));
            assert_eq!(world.entry(), before);
            // The old server has no socket any more.
            let back = world.says(1, RETURN_FLOW, &syn);
            let order = world.candidates();
            assert_eq!(first_stop(&mut world, &back), sid(order[0], CONNECT_AVAIL));
            assert_eq!(world.entry(), Entry::None);
            world.sent(&world.says(order[1], CREATE, &world.syn_ack(NUMBER)));
            assert_eq!(world.entry(), Entry::Unconfirmed(order[1], NUMBER));
        }
    }
}

/// Race 5, and the old server's kernel has the socket still: it answers itself.
#[test]
fn a_new_syn_that_the_old_server_takes() {
    let mut world = World::new(Encap);
    world.make(Entry::Confirmed(1));
    world.sent(&world.syn());
    world.sent(&world.says(1, CREATE, &world.syn_ack(123)));
    assert_eq!(world.entry(), Entry::Unconfirmed(1, 123));
    world.sent(&world.ack());
    assert_eq!(world.entry(), Entry::Confirmed(1));
}

/// Race 6: SYN cookies with a changed initial number; the client's number is the same.
#[test]
fn the_servers_first_number_does_not_matter() {
    let mut world = World::new(Encap);
    world.make(Entry::Unconfirmed(1, NUMBER));
    let mut answer = world.syn_ack(NUMBER);
    answer[44..48].copy_from_slice(&99_999_u32.to_be_bytes());
    let answer = super::build::with_source(&answer, vip());
    assert_eq!(world.sent(&world.says(1, CREATE, &answer)), answer);
    assert_eq!(world.entry(), Entry::Unconfirmed(1, NUMBER));
}

/// Race 6: somebody else sends SYN and RST in the client's name on a live flow.
#[test]
fn forged_syn_and_rst() {
    for encoding in BOTH {
        let mut world = World::new(encoding);
        world.make(Entry::Confirmed(1));
        for forged in [world.syn(), world.rst(), world.rst(), world.syn()] {
            assert_eq!(first_stop(&mut world, &forged), sid(1, ACK_STICKINESS));
            world.pass(Duration::from_secs(2));
        }
        // Longer than the 10 s of a RST, but the client has spoken in between.
        world.sent(&world.ack());
        world.pass(Duration::from_secs(60));
        assert_eq!(world.entry(), Entry::Confirmed(1));
    }
}

/// Race 6: every pair of a server's messages in the other order.
#[test]
fn reordered_messages_of_a_server() {
    let (syn_ack, data) = (
        |w: &World| w.syn_ack(NUMBER),
        |w: &World| w.reply(ACK, NUMBER, b"page"),
    );
    let mut world = World::new(Encap);
    world.sent(&world.says(1, CREATE, &data(&world)));
    world.sent(&world.says(1, CREATE, &syn_ack(&world)));
    world.sent(&world.ack());
    assert_eq!(world.entry(), Entry::Confirmed(1));

    let mut world = World::new(Encap);
    let end = world.reply(FIN | ACK, NUMBER, b"");
    world.sent(&world.says(1, REMOVE, &end));
    assert_eq!(world.entry(), Entry::None);
    world.sent(&world.says(1, CREATE, &data(&world)));
    assert_eq!(world.entry(), Entry::Confirmed(1));
    world.sent(&world.says(1, REMOVE, &end));
    world.sent(&world.says(1, CREATE, &data(&world)));
    world.sent(&world.says(1, CREATE, &syn_ack(&world)));
    assert_eq!(world.entry(), Entry::Closing(1), "overtaken by the FIN");
}

/// Race 8: the LB restarts in the middle. The flow lives on by recovery.
#[test]
fn a_restarted_lb() {
    for encoding in BOTH {
        let mut before = World::new(encoding);
        let owner = before.candidates()[1];
        before.make(Entry::Confirmed(owner));
        let mut world = World::new(encoding);
        let list = world.recovery();
        assert_eq!(ack_goes_to(&mut world), sid(list[0], RECOVER));
        world.sent(&world.says(owner, CREATE, &world.reply(ACK, NUMBER, b"")));
        assert_eq!(ack_goes_to(&mut world), sid(owner, ACK_STICKINESS));
        // The end of a flow that it never knew passes.
        let mut world = World::new(encoding);
        let end = world.reply(FIN | ACK, NUMBER, b"");
        assert_eq!(world.sent(&world.says(owner, REMOVE, &end)), end);
    }
}
