//! The bounds on flows without an entry: what counts, what doesn't, and what is given back.

use std::time::Duration;

use daemon::DropReason;
use flow_table::HashKey;
use srh::Encoding::{self, Encap, Insert};

use super::build::{addr, with_source, ACK};
use super::world::*;
use crate::engine::{Config, Engine};

const HUNTS: u32 = 20;
const RECOVERIES: u32 = 30;

fn bounded(encoding: Encoding) -> World {
    let mut world = World::new(encoding);
    world.engine.set_config(Config {
        hunts_pps: HUNTS,
        recoveries_pps: RECOVERIES,
        ..config(encoding)
    });
    world
}

/// How many of `packets` copies from as many sources go on. They come from other sources at another time.
fn flood(world: &mut World, packet: &[u8], packets: u32) -> u32 {
    let at_ms = world.now.millis();
    let source = |number: u32| {
        addr(&format!(
            "2001:db8:f:{:x}:{:x}::{number:x}",
            at_ms >> 16,
            at_ms & 0xffff
        ))
    };
    let all: Vec<_> = (1..=packets)
        .map(|number| with_source(packet, source(number)))
        .collect();
    let sent = all.iter().filter(|p| matches!(world.send(p), Out::Sent(_)));
    sent.count() as u32
}

#[test]
fn hunts_and_recoveries_are_bounded_apart() {
    for encoding in [Encap, Insert] {
        let mut world = bounded(encoding);
        let (syn, ack) = (world.syn(), world.ack());
        assert_eq!(flood(&mut world, &syn, 1_000), HUNTS);
        assert_eq!(flood(&mut world, &ack, 1_000), RECOVERIES);
        let drops = world.engine.drops();
        assert_eq!(drops.get(DropReason::HuntRate), u64::from(1_000 - HUNTS));
        let recoveries = u64::from(1_000 - RECOVERIES);
        assert_eq!(drops.get(DropReason::RecoveryRate), recoveries);
        world.pass(Duration::from_millis(500));
        assert_eq!(flood(&mut world, &syn, 1_000), HUNTS / 2);
        assert_eq!(flood(&mut world, &ack, 1_000), RECOVERIES / 2);
    }
}

/// Nothing is left for strangers: what has an entry goes on, and so does what servers send back.
#[test]
fn entries_and_what_comes_back_are_not_counted() {
    for encoding in [Encap, Insert] {
        let mut world = bounded(encoding);
        world.make(Entry::Confirmed(1));
        let (syn, ack) = (world.syn(), world.ack());
        flood(&mut world, &syn, 1_000);
        flood(&mut world, &ack, 1_000);
        for _ in 0..100 {
            world.sent(&ack);
            world.sent(&syn);
        }
        assert_eq!(world.entry(), Entry::Confirmed(1));
        world.sent(&world.says(1, RETURN_FLOW, &ack));
        assert_eq!(world.entry(), Entry::None);
        for (function, packet) in [(RETURN_FLOW, &ack), (RETURN_FLOW, &syn)] {
            for _ in 0..100 {
                world.sent(&world.says(1, function, packet));
            }
        }
        assert_eq!(world.dropped(&ack), DropReason::RecoveryRate);
        assert_eq!(world.dropped(&syn), DropReason::HuntRate);
    }
}

/// However many connections come up, none is slowed down, as long as their clients go on.
#[test]
fn hunts_that_are_confirmed_are_given_back() {
    for encoding in [Encap, Insert] {
        let mut world = bounded(encoding);
        for port in 0..1_000 {
            world.port = 10_000 + port;
            world.sent(&world.syn());
            world.sent(&world.says(1, CREATE, &world.syn_ack(NUMBER)));
            world.sent(&world.ack());
            world.sent(&world.data(100));
        }
        let syn = world.syn();
        assert_eq!(flood(&mut world, &syn, 1_000), HUNTS);
        world.sent(&world.ack());
        assert_eq!(flood(&mut world, &syn, 1_000), 0, "confirmed once only");
    }
}

/// An LB that takes over from another: every flow sends a few packets, and its server answers. However many they are, none is dropped.
#[test]
fn recoveries_that_find_an_owner_are_given_back() {
    for encoding in [Encap, Insert] {
        let mut world = bounded(encoding);
        for port in 0..1_000 {
            world.port = 10_000 + port;
            for _ in 0..5 {
                world.sent(&world.data(100));
            }
            world.sent(&world.says(1, CREATE, &world.reply(ACK, 1, b"answer")));
            assert_eq!(world.entry(), Entry::Confirmed(1));
        }
        // A SYN-ACK says nothing of a recovery: whoever sends SYNs gets one.
        world.port = 9_999;
        let ack = world.ack();
        assert_eq!(flood(&mut world, &ack, 1_000), RECOVERIES);
        world.sent(&world.says(1, CREATE, &world.syn_ack(7)));
        assert_eq!(flood(&mut world, &ack, 1_000), 0);
    }
}

/// While strangers use the bounds up, a client gets in with what it sends again, and so does a flow that has moved here.
#[test]
fn who_comes_again_gets_in_whatever_strangers_do() {
    // Enough to use either bound up, and few enough that no cell is taken by another flow meanwhile.
    const STRANGERS: u32 = 35;
    for encoding in [Encap, Insert] {
        let mut world = bounded(encoding);
        let large = Config {
            max_flows: 100_000,
            ..world.engine.config().clone()
        };
        world.engine = Engine::new(large, plain_pool(), HashKey(TABLE_KEY));
        let waits = |world: &mut World, packet: Vec<u8>, reason| {
            flood(world, &packet, STRANGERS);
            assert_eq!(world.dropped(&packet), reason);
            world.pass(Duration::from_millis(100));
            flood(world, &packet, STRANGERS);
            assert_eq!(world.dropped(&packet), reason, "a duplicate");
            world.pass(Duration::from_millis(900));
            flood(world, &packet, STRANGERS);
            world.sent(&packet);
            flood(world, &packet, STRANGERS);
            assert_eq!(world.dropped(&packet), reason, "not at once again");
        };
        for port in 0..10 {
            world.port = 10_000 + port;
            let (syn, ack) = (world.syn(), world.ack());
            waits(&mut world, syn, DropReason::HuntRate);
            world.port += 1_000;
            waits(&mut world, ack, DropReason::RecoveryRate);
        }
    }
}

/// A flood that sends everything twice costs twice what the bounds say, and no more.
#[test]
fn the_reserve_has_a_bound_too() {
    for encoding in [Encap, Insert] {
        let mut world = bounded(encoding);
        let syns: Vec<_> = (1..=1_000)
            .map(|n| with_source(&world.syn(), addr(&format!("2001:db8:f::{n:x}"))))
            .collect();
        let mut sent = 0;
        for _ in 0..10 {
            let passed = syns
                .iter()
                .filter(|p| matches!(world.send(p), Out::Sent(_)));
            sent += passed.count() as u32;
            world.pass(Duration::from_secs(1));
        }
        assert_eq!(sent, 10 * HUNTS + 9 * HUNTS);
    }
}
