//! UDP: every row of the table as packets, in both encodings; the one list; what ages; what a flood leaves.

use std::time::Duration;

use daemon::DropReason;
use proptest::prelude::*;
use srh::Encoding::{Encap, Insert};

use super::build::{self, spoiled};
use super::world::*;
use crate::engine::contract::Limits;
use crate::engine::health::Health;
use crate::engine::open::{open, Open};
use crate::engine::order::{Order, ORDER};
use crate::engine::{udp, Event, Opinion};
use consistent_hash::State as Used;

/// In both encodings, with and without HMAC.
fn worlds() -> [World; 4] {
    let plain = [Encap, Insert].map(World::new);
    let signed = [Encap, Insert].map(World::signed);
    let all = plain.into_iter().chain(signed);
    let mut all: Vec<World> = all.collect();
    all.iter_mut().for_each(|world| world.protocol = 17);
    all.try_into().ok().expect("four of them")
}

/// The SIDs of `(server, function)`.
fn along(world: &World, sids: &[(u16, u16)], carries: &[u8]) -> Out {
    let sids: Vec<_> = sids.iter().map(|&(s, f)| sid(s, f)).collect();
    Out::Sent(world.along(&sids, carries))
}

struct Row {
    what: &'static str,
    before: Entry,
    packet: Vec<u8>,
    out: Out,
    after: Entry,
}

fn check(rows: impl Fn(&World) -> Vec<Row>) {
    for (n, world) in worlds().into_iter().enumerate() {
        for row in rows(&world) {
            let mut world = worlds().into_iter().nth(n).unwrap();
            world.make(row.before);
            let what = format!("{:?}: {}", world.encoding, row.what);
            assert_eq!(world.send(&row.packet), row.out, "{what}");
            assert_eq!(world.entry(), row.after, "{what}");
        }
    }
}

#[test]
fn client_datagrams() {
    use Entry::{Confirmed, None, Unconfirmed};
    check(|w| {
        let (packet, c) = (w.datagram(b"question"), w.candidates());
        let list = [
            (c[1], RECOVER),
            (c[0], CONNECT_AVAIL),
            (c[1], CONNECT_FORCE),
        ];
        let row = |what, before, out, after| Row {
            what,
            before,
            packet: packet.clone(),
            out,
            after,
        };
        let ack = |server| along(w, &[(server, ACK_STICKINESS)], &packet);
        vec![
            row("none", None, along(w, &list, &packet), None),
            row("STEER", Unconfirmed(2, 0), ack(2), Confirmed(2)),
            row("STEER, confirmed", Confirmed(2), ack(2), Confirmed(2)),
        ]
    });
}

#[test]
fn create_stickiness() {
    use Entry::{Confirmed, None, Unconfirmed};
    check(|w| {
        let answer = w.answer(b"answer");
        let row = |what, before, server, after| Row {
            what,
            before,
            packet: w.says(server, CREATE, &answer),
            out: Out::Sent(answer.clone()),
            after,
        };
        vec![
            row("none", None, 3, Unconfirmed(3, 0)),
            row("STEER(s)", Unconfirmed(3, 0), 3, Unconfirmed(3, 0)),
            row("STEER(s), confirmed", Confirmed(3), 3, Confirmed(3)),
            row("STEER(other)", Unconfirmed(1, 0), 3, Unconfirmed(1, 0)),
            row("STEER(other), confirmed", Confirmed(1), 3, Confirmed(1)),
        ]
    });
}

#[test]
fn return_flow() {
    use Entry::{Confirmed, None, Unconfirmed};
    check(|w| {
        let (packet, c) = (w.datagram(b"question"), w.candidates());
        let list = |first: u16, second: u16| {
            along(
                w,
                &[
                    (second, RECOVER),
                    (first, CONNECT_AVAIL),
                    (second, CONNECT_FINAL),
                ],
                &packet,
            )
        };
        let mut rows = Vec::new();
        for from in [c[0], c[1], w.stranger()] {
            let (first, second) = match from == c[1] {
                true => (c[1], c[0]),
                false => (c[0], c[1]),
            };
            for before in [None, Unconfirmed(from, 0), Confirmed(from)] {
                rows.push(Row {
                    what: "from the pinned server, or without an entry",
                    before,
                    packet: w.says(from, RETURN_FLOW, &packet),
                    out: list(first, second),
                    after: None,
                });
            }
        }
        for before in [Unconfirmed(c[0], 0), Confirmed(c[0])] {
            rows.push(Row {
                what: "from another server",
                before,
                packet: w.says(w.stranger(), RETURN_FLOW, &packet),
                out: along(w, &[(c[0], ACK_STICKINESS)], &packet),
                after: before,
            });
        }
        rows
    });
}

#[test]
fn recover_next() {
    use Entry::{Confirmed, None, Unconfirmed};
    check(|w| {
        let (packet, c) = (w.datagram(b"question"), w.candidates());
        let list = [(c[0], CONNECT_AVAIL), (c[1], CONNECT_FINAL)];
        let offered = || along(w, &list, &packet);
        let row = |before, from, out| Row {
            what: "recoverNext",
            before,
            packet: w.says(from, RECOVER_NEXT, &packet),
            out,
            after: before,
        };
        vec![
            row(None, 2, offered()),
            row(Unconfirmed(2, 0), 2, offered()),
            row(Confirmed(2), 2, offered()),
            row(Confirmed(2), 1, along(w, &[(2, ACK_STICKINESS)], &packet)),
        ]
    });
}

#[test]
fn a_pin_of_a_server_that_is_removed_or_dead_is_passed_over() {
    for mut world in worlds() {
        let packet = world.datagram(b"question");
        let dead = world.candidates()[0];
        let other = world.candidates()[1];
        world.make(Entry::Confirmed(dead));
        world.engine.health.suspect(dead, world.now);
        for _ in 0..4 {
            world.engine.poll(world.now, &mut Vec::new());
            world.pass(Duration::from_secs(1));
        }
        assert_eq!(world.engine.opinion(dead), Opinion::Dead);
        // It is not asked, and it is offered the flow behind everybody else.
        let list = [(other, CONNECT_FORCE), (dead, CONNECT_FORCE)];
        assert_eq!(world.send(&packet), along(&world, &list, &packet));
        // Any answer of another server displaces its pin.
        world.sent(&world.says(other, CREATE, &world.answer(b"answer")));
        assert_eq!(world.entry(), Entry::Unconfirmed(other, 0));
        world.engine.set_pool(pool(
            5,
            1,
            &[generation(1, Used::Active, &[member(dead)])],
            true,
        ));
        assert_eq!(world.entry(), Entry::None);
    }
}

/// A machine that is out of reach does not answer; the client's next datagram goes another way round.
#[test]
fn a_datagram_seen_again_goes_to_another_one_first_and_the_first_is_asked() {
    for mut world in worlds() {
        let (packet, c) = (world.datagram(b"question"), world.candidates());
        world.sent(&packet);
        world.pass(Duration::from_secs(1));
        let again = [
            (c[0], RECOVER),
            (c[1], CONNECT_AVAIL),
            (c[0], CONNECT_FORCE),
        ];
        assert_eq!(world.send(&packet), along(&world, &again, &packet));
        let mut out = Vec::new();
        world.engine.poll(world.now, &mut out);
        let asked: Vec<_> = out
            .iter()
            .map(|p| srh::Frame::bytes(p)[24..40].to_vec())
            .collect();
        assert_eq!(asked, [sid(c[1], NODE).octets().to_vec()]);
        assert_eq!(world.engine.opinion(c[1]), Opinion::Alive);
        assert_eq!(world.engine.events().get(Event::OpenedAgain), 1);
        // A duplicate is no sign, and an answer takes the sign back.
        world.sent(&world.says(c[0], CREATE, &world.answer(b"answer")));
        world.pass(Duration::from_secs(400));
        assert_eq!(world.entry(), Entry::None);
        let first = [
            (c[1], RECOVER),
            (c[0], CONNECT_AVAIL),
            (c[1], CONNECT_FORCE),
        ];
        assert_eq!(world.send(&packet), along(&world, &first, &packet));
    }
}

#[test]
fn an_entry_lives_75_s_until_the_client_confirms_it_and_its_idle_timeout_then() {
    for mut world in worlds() {
        world.make(Entry::Unconfirmed(1, 0));
        assert_eq!(world.left_ms(), 75_000);
        world.sent(&world.datagram(b"x"));
        assert_eq!(world.left_ms(), 300_000);
        world.pass(Duration::from_secs(299));
        world.sent(&world.datagram(b"x"));
        assert_eq!(world.left_ms(), 300_000);
        // what servers say prolongs nothing
        world.pass(Duration::from_secs(100));
        world.sent(&world.says(1, CREATE, &world.answer(b"x")));
        assert_eq!(world.left_ms(), 200_000);
        world.pass(Duration::from_secs(200));
        assert_eq!(world.entry(), Entry::None);
    }
}

#[test]
fn an_entry_that_nobody_has_confirmed_lives_no_longer_than_the_idle_timeout() {
    let [mut world, ..] = worlds();
    let mut config = config(Encap);
    config.udp_idle_timeout = Duration::from_secs(30);
    world.engine.set_config(config);
    world.make(Entry::Unconfirmed(1, 0));
    assert_eq!(world.left_ms(), 30_000);
}

#[test]
fn a_flood_of_datagrams_writes_nothing() {
    for mut world in worlds() {
        for port in 1..5_000 {
            world.port = port;
            world.sent(&world.datagram(b"flood"));
        }
        assert_eq!(world.engine.flows_by_state(world.now), [0, 0, 0]);
        assert!(world.engine.fragments.is_empty());
        assert_eq!(world.engine.events().get(Event::Opened), 4_999);
    }
}

#[test]
fn tcp_and_udp_of_the_same_ports_are_two_flows() {
    for mut world in worlds() {
        world.make(Entry::Confirmed(1));
        world.protocol = 6;
        assert_eq!(world.entry(), Entry::None);
        world.make(Entry::Confirmed(2));
        world.protocol = 17;
        assert_eq!(world.entry(), Entry::Confirmed(1));
        assert_eq!(world.engine.udp_flows(world.now), 1);
    }
}

#[test]
fn a_datagram_that_does_not_fit_is_answered_with_packet_too_big() {
    for mut world in worlds() {
        world.make(Entry::Confirmed(1));
        let sent = world.sent(&world.datagram(&[7; 1_452]));
        assert_eq!((sent[6], sent[40]), (58, 2));
        assert_eq!(sent[8..24], vip().octets());
        assert_eq!(world.engine.events().get(Event::TooBigSent), 1);
    }
}

#[test]
fn errors_about_udp_flows_follow_them_and_change_nothing() {
    for mut world in worlds() {
        let c = world.candidates();
        let about = world.answer(&[1; 1_200]);
        let error = build::icmp(build::addr("2001:db8:f::1"), vip(), 2, 0, 1_280, &about);
        let list = [(c[0], RECOVER), (c[1], RECOVER_FINAL)];
        assert_eq!(world.send(&error), along(&world, &list, &error));
        let back = world.says(c[0], RETURN_FLOW, &error);
        let elsewhere = [(c[1], RECOVER), (c[0], RECOVER_FINAL)];
        assert_eq!(world.send(&back), along(&world, &elsewhere, &error));
        assert_eq!(world.entry(), Entry::None);
        world.make(Entry::Unconfirmed(2, 0));
        let ack = [(2, ACK_STICKINESS)];
        assert_eq!(world.send(&error), along(&world, &ack, &error));
        assert_eq!(world.entry(), Entry::Unconfirmed(2, 0));
    }
}

#[test]
fn explain_says_where_a_datagram_goes() {
    let [mut world, ..] = worlds();
    let meets = |world: &World| {
        let e = world.engine.explain(world.flow(), world.now).unwrap();
        assert_eq!((e.on_syn, e.on_other), (None, None));
        e.on_datagram
    };
    assert_eq!(meets(&world), Some(udp::Action::Open));
    world.make(Entry::Confirmed(1));
    assert_eq!(meets(&world), Some(udp::Action::ToPinned));
}

/// Without candidates (all of a bucket drain) there is still somebody to ask, and nobody to be offered to.
#[test]
fn without_candidates_the_recovery_list_alone_is_asked() {
    let mut draining = member(1);
    draining.draining = true;
    let history = [
        generation(1, Used::Kept, &[member(1)]),
        generation(2, Used::Active, &[draining]),
    ];
    let mut world = World::with(Encap, pool(5, 2, &history, true));
    world.protocol = 17;
    assert!(world.candidates().is_empty());
    let packet = world.datagram(b"x");
    let list = [(1, RECOVER_FINAL)];
    assert_eq!(world.send(&packet), along(&world, &list, &packet));
    assert_eq!(
        world.dropped(&world.says(1, RECOVER_NEXT, &packet)),
        DropReason::RecoveryEnded
    );
}

#[test]
fn a_datagram_with_a_wrong_checksum_is_carried_only_where_its_flow_is_known() {
    for mut world in worlds() {
        let packet = spoiled(&world.datagram(b"x"));
        assert_eq!(world.dropped(&packet), DropReason::WrongChecksum);
        world.make(Entry::Confirmed(1));
        world.sent(&packet);
    }
}

/// Some servers of `n` are dead.
fn health(n: u16, dead: &[u16]) -> Health {
    let health = Health::new(Limits::default());
    health.make_room(n.into());
    let now = packet_io::Instant::ZERO;
    dead.iter().for_each(|&server| health.suspect(server, now));
    for second in 0..4 {
        health.ask_suspects(packet_io::Instant::from_secs(second), |_| ());
    }
    health
}

/// Every chunk of a list, as LB and servers go through it.
fn chunks(list: &[u16], offer: Order, size: usize, health: &Health) -> Vec<Open> {
    let mut all = Vec::new();
    let mut number = 0;
    loop {
        let chunk = open(list, offer, size, number, health);
        number = chunk.number + 1;
        let last = chunk.offer.is_some();
        all.push(chunk);
        if last {
            return all;
        }
    }
}

proptest! {
    /// Against the plain rule: all who live are asked, once, in the list's order within a chunk, before
    /// anybody is offered the flow, and the first candidate at the latest by its offer.
    #[test]
    fn the_list_asks_everybody_who_lives_and_then_offers(
        servers in 1u16..60,
        choices in 1usize..=ORDER,
        dead in prop::collection::vec(0u16..60, 0..20),
        size in 1usize..12,
    ) {
        let list: Vec<u16> = (0..servers).rev().collect();
        let health = health(60, &dead);
        let mut offer = Order::of(&list[..choices.min(list.len())]);
        offer.by_health(&health);
        let all = chunks(&list, offer, size, &health);
        let (end, before) = all.split_last().unwrap();
        prop_assert!(before.iter().all(|c| !c.ask.as_slice().is_empty()));
        for chunk in &all {
            let offered = chunk.offer.map_or(0, |o| o.as_slice().len());
            prop_assert!((1..=ORDER).contains(&(chunk.ask.as_slice().len() + offered)));
        }
        let first = offer.as_slice()[0];
        let mut asked: Vec<u16> = all.iter().flat_map(|c| c.ask.as_slice().to_vec()).collect();
        prop_assert_eq!(end.offer.map(|o| o.as_slice().to_vec()), Some(offer.as_slice().to_vec()));
        if !asked.contains(&first) {
            asked.push(first);
        }
        asked.sort();
        let mut expected: Vec<u16> = list.iter().copied().filter(|s| !dead.contains(s)).collect();
        if dead.contains(&first) {
            expected.push(first);
        }
        expected.sort();
        prop_assert_eq!(asked, expected);
    }
}
