//! The baselines: who is offered a new flow where its bucket does not say it.

use std::time::Duration;

use consistent_hash::{Member, State as Used};
use daemon::DropReason;
use srh::Encoding::Encap;

use super::build::{ACK, FIN};
use super::world::*;
use crate::engine::selection::weight;
use crate::engine::{Pool, Selection};

fn world(selection: Selection) -> World {
    let mut world = World::new(Encap);
    world.engine.set_selection(selection);
    world
}

/// To whom the SYN of a fresh flow is offered; there is nobody behind it, and it may not refuse.
fn offered(world: &mut World) -> u16 {
    world.port += 1;
    let packet = world.sent(&world.syn());
    let is_it = |server: &u16| packet[24..40] == sid(*server, CONNECT_FORCE).octets();
    assert_eq!(packet[6], 41, "no SRH");
    (0..5).find(is_it).unwrap()
}

fn offers(world: &mut World, n: usize) -> Vec<u16> {
    (0..n).map(|_| offered(world)).collect()
}

/// Four servers of which one drains and one has weight 0.
fn two_of_four() -> Pool {
    let members = [
        member(0),
        Member {
            draining: true,
            ..member(1)
        },
        Member {
            weight: 0,
            ..member(2)
        },
        member(3),
    ];
    pool(5, 2, &[generation(1, Used::Active, &members)], true)
}

#[test]
fn one_after_the_other() {
    let mut world = world(Selection::RoundRobin);
    assert_eq!(offers(&mut world, 9), [0, 1, 2, 3, 0, 1, 2, 3, 0]);
    world.engine.set_pool(two_of_four());
    assert_eq!(offers(&mut world, 4), [0, 3, 0, 3]);
    world.engine.health.suspect(3, START);
    assert_eq!(offers(&mut world, 2), [0, 0]);
}

#[test]
fn the_fewest_open_flows() {
    let mut world = world(Selection::LeastConnections);
    let pin = |world: &mut World, port, server| {
        world.port = port;
        world.make(Entry::Confirmed(server));
    };
    for (port, server) in [(1, 0), (2, 0), (3, 1), (4, 3)] {
        pin(&mut world, port, server);
    }
    assert_eq!(offers(&mut world, 2), [2, 2], "nothing of 2 is pinned yet");
    pin(&mut world, 5, 2);
    pin(&mut world, 6, 2);
    assert_eq!(offers(&mut world, 3), [3, 1, 3], "equals take turns");
    // server 0 ends both of its flows
    for port in [1, 2] {
        world.port = port;
        world.sent(&world.says(0, REMOVE, &world.reply(FIN | ACK, NUMBER, b"")));
    }
    world.port = 20;
    assert_eq!(offered(&mut world), 0);
    // flows that nobody has ended are forgotten with their entries
    world.pass(Duration::from_secs(4_000));
    world.engine.poll(world.now, &mut Vec::new());
    let mut after = offers(&mut world, 4);
    after.sort_unstable();
    assert_eq!(after, [0, 1, 2, 3]);
}

#[test]
fn turns_in_proportion_to_what_is_heard() {
    let mut world = world(Selection::WeightedRoundRobin);
    assert_eq!(
        offers(&mut world, 4).iter().map(|s| 1u32 << s).sum::<u32>(),
        0b1111
    );
    world.engine.feedback(2, 32, 32);
    world.engine.feedback(1, 8, 32);
    let drawn = offers(&mut world, 2_000);
    let weights = [1.0, weight(8, 32), weight(32, 32), 1.0];
    let total: f64 = weights.iter().sum();
    for (server, weight) in (0u16..).zip(weights) {
        let turns = drawn.iter().filter(|&&s| s == server).count() as f64;
        let due = 2_000.0 * weight / total;
        assert!(
            (turns - due).abs() <= 2.0,
            "{server}: {turns} turns, {due} due"
        );
    }
}

/// The paper's footnote 7: w = 0.1 + 0.9 exp(-8 (b/32)^2).
#[test]
fn weights_of_the_footnote() {
    let rows = [
        (0, 1.0),
        (4, 0.894_247),
        (8, 0.645_878),
        (16, 0.221_802),
        (32, 0.100_302),
    ];
    for (busy, expected) in rows {
        let got = weight(busy, 32);
        assert!((got - expected).abs() < 1e-6, "{busy}: {got}");
    }
    assert_eq!(weight(0, 0), 1.0);
}

#[test]
fn where_nobody_can_be_picked_the_bucket_says_it() {
    for selection in [
        Selection::RoundRobin,
        Selection::LeastConnections,
        Selection::WeightedRoundRobin,
    ] {
        let mut world = world(selection);
        (0..4).for_each(|server| world.engine.health.suspect(server, START));
        let candidates = world.candidates();
        let packet = world.sent(&world.syn());
        let first = sid(candidates[0], CONNECT_AVAIL).octets();
        assert_eq!(packet[24..40], first, "{selection:?}");
        let nobody = pool(5, 2, &[generation(1, Used::Active, &[])], true);
        world.engine.set_pool(nobody);
        assert_eq!(world.dropped(&world.syn()), DropReason::NoCandidates);
    }
}
