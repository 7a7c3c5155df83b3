//! What the LB sees of servers in-band: strikes, suspects, the dead, the revived.

use std::time::Duration;

use packet_io::PacketBuf;
use srh::Encoding::{self, Encap, Insert};
use srh::Frame;

use super::build::{self, addr, icmp, spoiled, ACK, FIN};
use super::world::*;
use crate::engine::contract::Limits;
use crate::engine::sketch::SynSketch;
use crate::engine::{Event, Opinion};

const SECOND: Duration = Duration::from_secs(1);

/// What a poll sends.
fn polled(world: &mut World) -> Vec<Vec<u8>> {
    let mut out: Vec<PacketBuf> = Vec::new();
    world.engine.poll(world.now, &mut out);
    out.iter().map(|frame| frame.bytes().to_vec()).collect()
}

/// A SYN of a flow whose first candidate is `server`, sent twice, a second apart.
fn strike(world: &mut World, server: u16, nth: u16) {
    let port = world.port;
    let ports = (1_000..).filter(|&p| {
        world.port = p;
        world.candidates()[0] == server
    });
    world.port = ports.take(usize::from(nth) + 1).last().unwrap();
    world.sent(&world.syn());
    world.pass(SECOND);
    world.sent(&world.syn());
    world.port = port;
}

/// An echo reply, which is a word of the server that says nothing about any flow.
fn speaks(world: &mut World, server: u16) {
    world.dropped(&icmp(sid(server, NODE), lb(NODE), 129, 0, 1, b""));
}

/// Unreachable about our packet for `server`, from a router of the fabric.
fn unreachable(world: &World, server: u16) -> Vec<u8> {
    let sent = build::encap(lb(NODE), &[sid(server, ACK_STICKINESS)], 7, &world.ack());
    icmp(addr("2001:db8:fa::1"), lb(NODE), 1, 3, 0, &sent)
}

fn make_suspect(world: &mut World, server: u16) {
    let error = unreachable(world, server);
    world.dropped(&error);
    assert_eq!(world.engine.opinion(server), Opinion::Suspect);
}

fn make_dead(world: &mut World, server: u16) {
    make_suspect(world, server);
    for _ in 0..4 {
        polled(world);
        world.pass(SECOND);
    }
    assert_eq!(world.engine.opinion(server), Opinion::Dead);
}

fn offers(world: &World, sids: &[(u16, u16)]) -> Vec<u8> {
    let sids: Vec<_> = sids.iter().map(|&(s, f)| sid(s, f)).collect();
    world.along(&sids, &world.syn())
}

fn asks(world: &World, sids: &[(u16, u16)]) -> Vec<u8> {
    let sids: Vec<_> = sids.iter().map(|&(s, f)| sid(s, f)).collect();
    world.along(&sids, &world.ack())
}

#[test]
fn a_syn_seen_again_goes_to_the_other_candidate_first_who_may_not_refuse() {
    for encoding in [Encap, Insert] {
        let mut world = World::new(encoding);
        let c = world.candidates();
        let straight = offers(&world, &[(c[0], CONNECT_AVAIL), (c[1], CONNECT_FORCE)]);
        let turned = offers(&world, &[(c[1], CONNECT_FORCE), (c[0], CONNECT_FORCE)]);
        let round = offers(&world, &[(c[0], CONNECT_FORCE), (c[1], CONNECT_FORCE)]);
        assert_eq!(world.sent(&world.syn()), straight);
        world.pass(Duration::from_millis(10));
        assert_eq!(world.sent(&world.syn()), straight, "a duplicate");
        world.pass(SECOND);
        assert_eq!(world.sent(&world.syn()), turned);
        world.pass(2 * SECOND);
        assert_eq!(world.sent(&world.syn()), round, "and round again");
        world.pass(100 * SECOND);
        assert_eq!(world.sent(&world.syn()), straight, "a new attempt");
        assert_eq!(world.engine.events().get(Event::Reordered), 2);
        assert_eq!(world.engine.flows_by_state(world.now), [0, 0, 0]);
    }
}

/// A duplicate of a retransmission does not make the next one the first again.
#[test]
fn duplicates_do_not_count_as_attempts() {
    let mut world = World::new(Encap);
    let c = world.candidates();
    let straight = offers(&world, &[(c[0], CONNECT_AVAIL), (c[1], CONNECT_FORCE)]);
    let turned = offers(&world, &[(c[1], CONNECT_FORCE), (c[0], CONNECT_FORCE)]);
    let round = offers(&world, &[(c[0], CONNECT_FORCE), (c[1], CONNECT_FORCE)]);
    assert_eq!(world.sent(&world.syn()), straight);
    world.pass(SECOND);
    assert_eq!(world.sent(&world.syn()), turned);
    world.pass(Duration::from_millis(10));
    world.sent(&world.syn());
    world.pass(2 * SECOND);
    assert_eq!(world.sent(&world.syn()), round, "the second retransmission");
}

/// The first candidate was too busy and the second is dead: whoever has spoken since goes first again, and the
/// silence is held against the other one.
#[test]
fn a_syn_seen_again_goes_first_to_who_has_spoken_since() {
    for encoding in [Encap, Insert] {
        let mut world = World::new(encoding);
        let c = world.candidates();
        let straight = offers(&world, &[(c[0], CONNECT_AVAIL), (c[1], CONNECT_FORCE)]);
        let kept = offers(&world, &[(c[0], CONNECT_FORCE), (c[1], CONNECT_FORCE)]);
        speaks(&mut world, c[1]);
        assert_eq!(world.sent(&world.syn()), straight);
        for sign in 1..=3 {
            world.pass(Duration::from_millis(500));
            speaks(&mut world, c[0]);
            world.pass(Duration::from_millis(500));
            assert_eq!(world.sent(&world.syn()), kept, "retransmission {sign}");
            assert_eq!(world.engine.opinion(c[0]), Opinion::Alive);
            let expected = [Opinion::Alive, Opinion::Suspect][usize::from(sign == 3)];
            assert_eq!(world.engine.opinion(c[1]), expected, "sign {sign}");
        }
    }
}

/// Both have spoken since: the packet was lost on its way, and nobody is to blame.
#[test]
fn a_loss_that_no_server_can_be_blamed_for_is_no_sign() {
    let mut world = World::new(Encap);
    let c = world.candidates();
    let orders = [[c[0], c[1]], [c[1], c[0]]];
    world.sent(&world.syn());
    for times in 1..=8 {
        world.pass(SECOND);
        for &server in &c {
            speaks(&mut world, server);
        }
        world.pass(SECOND);
        let order = orders[times % 2].map(|server| (server, CONNECT_FORCE));
        assert_eq!(world.sent(&world.syn()), offers(&world, &order));
    }
    for &server in &c {
        assert_eq!(world.engine.opinion(server), Opinion::Alive);
    }
}

#[test]
fn an_answer_in_between_keeps_the_order() {
    let mut world = World::new(Encap);
    let c = world.candidates();
    let straight = offers(&world, &[(c[0], CONNECT_AVAIL), (c[1], CONNECT_FORCE)]);
    assert_eq!(world.sent(&world.syn()), straight);
    world.make(Entry::Closing(c[0]));
    world.pass(SECOND);
    assert_eq!(world.sent(&world.syn()), straight);
    assert_eq!(world.engine.events().get(Event::Reordered), 0);
}

#[test]
fn three_strikes_then_echo_requests_then_dead_then_revived() {
    let mut world = World::new(Encap);
    let first = world.candidates()[0];
    for nth in 0..3 {
        assert_eq!(world.engine.opinion(first), Opinion::Alive);
        assert!(polled(&mut world).is_empty());
        strike(&mut world, first, nth);
    }
    assert_eq!(world.engine.opinion(first), Opinion::Suspect);
    for number in 1..=4 {
        let request = icmp(
            lb(NODE),
            sid(first, NODE),
            128,
            0,
            0x5352_0000 + number,
            b"",
        );
        assert_eq!(polled(&mut world), [request]);
        assert!(polled(&mut world).is_empty(), "one a second");
        let dead = world.engine.opinion(first) == Opinion::Dead;
        assert_eq!(dead, number == 4);
        world.pass(SECOND);
    }
    assert_eq!(world.engine.events().get(Event::ProbesSent), 4);
    let reply = icmp(sid(first, NODE), lb(NODE), 129, 0, 0x5352_0004, b"");
    world.dropped(&spoiled(&icmp(sid(first, NODE), lb(NODE), 129, 0, 7, b"x")));
    assert_eq!(world.engine.opinion(first), Opinion::Dead);
    world.dropped(&reply);
    assert_eq!(world.engine.opinion(first), Opinion::Alive);
    assert_eq!(world.engine.events().get(Event::Revived), 1);
    assert!(polled(&mut world).is_empty());
}

#[test]
fn an_echo_reply_of_somebody_else_revives_nobody() {
    let mut world = World::new(Encap);
    make_suspect(&mut world, 1);
    for from in [
        sid(2, NODE),
        sid(1, ACK_STICKINESS),
        addr("fd00:5e:2::9"),
        other_lb(NODE),
    ] {
        world.dropped(&icmp(from, lb(NODE), 129, 0, 1, b""));
        assert_eq!(world.engine.opinion(1), Opinion::Suspect);
    }
    world.dropped(&icmp(sid(1, NODE), lb(CREATE), 129, 0, 1, b""));
    assert_eq!(
        world.engine.opinion(1),
        Opinion::Suspect,
        "not for the node's SID"
    );
}

#[test]
fn any_create_stickiness_revives_its_sender_and_a_refused_one_does_not() {
    for encoding in [Encap, Insert] {
        let mut world = World::new(encoding);
        make_dead(&mut world, 1);
        world.dropped(&world.says(1, CREATE, &spoiled(&world.syn_ack(9))));
        world.dropped(&world.says(1, CREATE, &world.syn()));
        assert_eq!(world.engine.opinion(1), Opinion::Dead);
        world.sent(&world.says(1, CREATE, &world.syn_ack(9)));
        assert_eq!(world.engine.opinion(1), Opinion::Alive);
        assert_eq!(world.entry(), Entry::Unconfirmed(1, 9));
    }
}

#[test]
fn a_suspect_goes_last_and_keeps_its_pins() {
    for encoding in [Encap, Insert] {
        let mut world = World::new(encoding);
        let c = world.candidates();
        make_suspect(&mut world, c[0]);
        let turned = offers(&world, &[(c[1], CONNECT_FORCE), (c[0], CONNECT_FORCE)]);
        assert_eq!(world.sent(&world.syn()), turned);
        world.engine.sketch = SynSketch::new(Limits::default()).into();
        let list = world.recovery();
        let as_ever = asks(&world, &[(list[0], RECOVER), (list[1], RECOVER_FINAL)]);
        assert_eq!(world.sent(&world.ack()), as_ever);
        let explained = world.engine.explain(world.flow(), world.now).unwrap();
        let name = |server: u16| format!("s{server}");
        let expected = [(name(c[1]), Opinion::Alive), (name(c[0]), Opinion::Suspect)];
        assert_eq!(explained.candidates, expected);
    }
}

#[test]
fn pins_of_the_dead_are_bypassed_and_come_back_with_them() {
    for encoding in [Encap, Insert] {
        let mut world = World::new(encoding);
        let c = world.candidates();
        world.make(Entry::Confirmed(c[0]));
        make_dead(&mut world, c[0]);
        assert_eq!(world.entry(), Entry::None);
        // The last of the living may not refuse, else SYN after SYN ends at the dead one.
        let offered = offers(&world, &[(c[1], CONNECT_FORCE), (c[0], CONNECT_FORCE)]);
        assert_eq!(world.sent(&world.syn()), offered);
        let asked = asks(&world, &[(c[1], RECOVER), (c[0], RECOVER_FINAL)]);
        assert_eq!(world.sent(&world.ack()), asked);
        world.dropped(&icmp(sid(c[0], NODE), lb(NODE), 129, 0, 1, b""));
        assert_eq!(world.entry(), Entry::Confirmed(c[0]));
    }
}

#[test]
fn a_returned_syn_goes_to_the_living_first() {
    let mut world = World::new(Encap);
    let (c, stranger) = (world.candidates(), world.stranger());
    make_dead(&mut world, c[0]);
    let back = world.says(stranger, RETURN_FLOW, &world.syn());
    let offered = offers(&world, &[(c[1], CONNECT_FORCE), (c[0], CONNECT_FORCE)]);
    assert_eq!(world.sent(&back), offered);
    // Who returns it is alive.
    let back = world.says(c[0], RETURN_FLOW, &world.syn());
    let offered = offers(&world, &[(c[1], CONNECT_FINAL), (c[0], CONNECT_FINAL)]);
    assert_eq!(world.sent(&back), offered);
}

#[test]
fn any_create_stickiness_displaces_a_pin_of_the_dead() {
    for (number, flags, after) in [
        (NUMBER, build::SYN | ACK, Entry::Unconfirmed(2, NUMBER)),
        (9, build::SYN | ACK, Entry::Unconfirmed(2, 9)),
        (NUMBER, ACK, Entry::Confirmed(2)),
    ] {
        for before in [
            Entry::Unconfirmed(1, NUMBER),
            Entry::Confirmed(1),
            Entry::Closing(1),
        ] {
            let mut world = World::new(Encap);
            world.make(before);
            make_dead(&mut world, 1);
            let carried = world.reply(flags, number, b"");
            assert_eq!(world.sent(&world.says(2, CREATE, &carried)), carried);
            assert_eq!(world.entry(), after);
            world.dropped(&icmp(sid(1, NODE), lb(NODE), 129, 0, 1, b""));
            assert_eq!(world.entry(), after, "it has not come back");
        }
    }
}

#[test]
fn a_late_end_from_another_server_leaves_a_pin_of_the_dead_alone() {
    let mut world = World::new(Encap);
    world.make(Entry::Confirmed(1));
    make_dead(&mut world, 1);
    let end = world.reply(FIN | ACK, NUMBER, b"");
    assert_eq!(world.sent(&world.says(2, REMOVE, &end)), end);
    assert_eq!(world.engine.flows_by_state(world.now), [0, 1, 0]);
}

#[test]
fn all_candidates_out_of_reach_are_hunted_all_the_same() {
    let mut world = World::new(Encap);
    let c = world.candidates();
    make_dead(&mut world, c[0]);
    make_suspect(&mut world, c[1]);
    let offered = offers(&world, &[(c[1], CONNECT_FORCE), (c[0], CONNECT_FORCE)]);
    assert_eq!(world.sent(&world.syn()), offered);
    assert_eq!(world.engine.events().get(Event::HuntedUnhealthy), 1);
    world.engine.sketch = SynSketch::new(Limits::default()).into();
    world.pass(10 * SECOND);
    for _ in 0..4 {
        polled(&mut world);
        world.pass(SECOND);
    }
    assert_eq!(world.engine.opinion(c[1]), Opinion::Dead);
    let offered = offers(&world, &[(c[0], CONNECT_AVAIL), (c[1], CONNECT_FORCE)]);
    assert_eq!(world.sent(&world.syn()), offered);
    assert_eq!(world.engine.events().get(Event::HuntedUnhealthy), 2);
}

#[test]
fn the_set_never_changes() {
    let mut world = World::new(Encap);
    let mut all = world.candidates();
    all.sort_unstable();
    for dead in 0..4 {
        make_dead(&mut world, dead);
        world.pass(100 * SECOND);
        let sent = world.sent(&world.syn());
        let mut offered: Vec<u16> = (0..5)
            .filter(|&s| {
                let locator = &sid(s, NODE).octets()[..8];
                sent[24..32] == *locator || sent[48..56] == *locator
            })
            .collect();
        offered.sort_unstable();
        assert_eq!(offered, all);
    }
}

#[test]
fn nobody_asks_a_server_that_was_removed() {
    use consistent_hash::State::Active;
    let mut world = World::new(Encap);
    make_dead(&mut world, 3);
    assert_eq!(polled(&mut world).len(), 1);
    let members: Vec<_> = (0..3).map(member).collect();
    let without = pool(5, 2, &[generation(1, Active, &members)], true);
    world.engine.set_pool(without);
    world.pass(SECOND);
    assert!(polled(&mut world).is_empty());
    assert_eq!(world.engine.opinion(3), Opinion::Alive);
    let error = unreachable(&world, 3);
    world.dropped(&error);
    world.pass(SECOND);
    assert!(polled(&mut world).is_empty());
    // Its opinion of those who stay is kept.
    make_suspect(&mut world, 1);
    world.engine.set_pool(plain_pool());
    assert_eq!(world.engine.opinion(1), Opinion::Suspect);
    assert_eq!(polled(&mut world).len(), 1);
}

/// Eight servers, seven of them dead: a list of eight in one header.
#[test]
fn a_long_list_with_many_dead() {
    let members: Vec<_> = (0..8).map(member).collect();
    let history = [generation(1, consistent_hash::State::Active, &members)];
    let mut world = World::with(Encoding::Encap, pool(9, 8, &history, true));
    let c = world.candidates();
    for &server in &c[..7] {
        make_dead(&mut world, server);
    }
    let mut order = vec![(c[7], CONNECT_FORCE)];
    order.extend(c[..7].iter().map(|&s| (s, CONNECT_FORCE)));
    world.pass(100 * SECOND);
    assert_eq!(world.sent(&world.syn()), offers(&world, &order));
}

/// Outsiders must not be able to make a server suspect with SYNs that no server ever sees.
#[test]
fn a_syn_that_goes_nowhere_is_no_sign() {
    for encoding in [Encap, Insert] {
        let mut world = World::new(encoding);
        let first = world.candidates()[0];
        for _ in 0..8 {
            let mut at_its_end = world.syn();
            at_its_end[7] = 1;
            world.send(&at_its_end);
            let broken = spoiled(&world.syn());
            assert_eq!(world.dropped(&broken), daemon::DropReason::WrongChecksum);
            world.pass(SECOND);
        }
        assert_eq!(world.engine.opinion(first), Opinion::Alive);
        assert_eq!(world.engine.events().get(Event::Reordered), 0);
        let c = world.candidates();
        let straight = offers(&world, &[(c[0], CONNECT_AVAIL), (c[1], CONNECT_FORCE)]);
        assert_eq!(
            world.sent(&world.syn()),
            straight,
            "the first SYN that counts"
        );
    }
}
