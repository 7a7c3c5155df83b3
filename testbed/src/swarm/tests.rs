//! What every seed's world keeps, and what the worlds of many seeds have between them.

use std::collections::BTreeSet;

use crate::sim::{Scenario, What};

use super::*;

const SEEDS: u64 = 3_000;

fn count(world: &Scenario, which: impl Fn(&What) -> bool) -> usize {
    let faults = world.faults.iter();
    faults.filter(|fault| which(&fault.what)).count()
}

#[test]
fn the_same_seed_makes_the_same_world_and_another_one_another() {
    for seed in 0..200 {
        assert_eq!(scenario(seed), scenario(seed));
        assert_ne!(scenario(seed).connections, scenario(seed + 1).connections);
    }
}

#[test]
fn every_world_is_a_real_one() {
    for seed in 0..SEEDS {
        let world = scenario(seed);
        assert!(world.connections.len() >= 50, "{seed}");
        assert!(count(&world, is_lb_change) >= 2, "{seed}");
        assert!(count(&world, is_pool_change) >= 2, "{seed}");
        assert!(world.lbs.iter().any(|lb| lb.starts_up), "{seed}");
    }
}

#[test]
fn on_average_worlds_have_many_more() {
    let worlds: Vec<Scenario> = (0..SEEDS).map(scenario).collect();
    let mean = |of: &dyn Fn(&Scenario) -> usize| {
        worlds.iter().map(of).sum::<usize>() as f64 / SEEDS as f64
    };
    let connections = mean(&|world| world.connections.len());
    assert!(connections > 100.0, "{connections}");
    let lb_changes = mean(&|world| count(world, is_lb_change));
    assert!(lb_changes > 5.0, "{lb_changes}");
    let pool_changes = mean(&|world| count(world, is_pool_change));
    assert!(pool_changes > 8.0, "{pool_changes}");
}

#[test]
fn every_pool_has_known_members_and_somebody_takes_new_flows() {
    for seed in 0..SEEDS {
        let world = scenario(seed);
        let changes = world.faults.iter().filter_map(|fault| match &fault.what {
            What::Pool(change) => Some((&change.members, &change.draining)),
            _ => None,
        });
        let history = world.history.iter();
        let first = history.map(|version| (&version.members, &version.draining));
        for (members, draining) in first.chain(changes) {
            let all: BTreeSet<u16> = members.iter().copied().collect();
            assert_eq!(all.len(), members.len(), "{seed}: nobody twice");
            assert!(all
                .iter()
                .all(|&n| n >= 1 && usize::from(n) <= world.servers.len()));
            assert!(draining.iter().all(|n| all.contains(n)), "{seed}");
            assert!(
                draining.len() < all.len(),
                "{seed}: {members:?} {draining:?}"
            );
        }
        let active = consistent_hash::State::Active;
        assert_eq!(
            world.history.last().map(|version| version.state),
            Some(active)
        );
    }
}

#[test]
fn faults_name_who_is_there() {
    for seed in 0..SEEDS {
        let world = scenario(seed);
        let (lbs, servers) = (world.lbs.len() as u16, world.servers.len() as u16);
        for fault in &world.faults {
            match fault.what {
                What::LbKill { lb } | What::LbStop { lb, .. } | What::LbStart { lb } => {
                    assert!((1..=lbs).contains(&lb), "{seed}");
                }
                What::ServerKill { server }
                | What::ServerStart { server }
                | What::RouterRestart { server, .. }
                | What::AppDown { server }
                | What::AppUp { server }
                | What::AppKill { server } => assert!((1..=servers).contains(&server), "{seed}"),
                _ => {}
            }
        }
    }
}

/// Without `blackouts` there is always an LB; with them one is back within seconds.
#[test]
fn an_lb_is_there_or_comes_back_soon() {
    let mut blackouts = 0;
    for seed in 0..SEEDS {
        let world = scenario(seed);
        let mut up: BTreeSet<u16> = (1..)
            .zip(&world.lbs)
            .filter(|(_, lb)| lb.starts_up)
            .map(|(n, _)| n)
            .collect();
        let mut dark_since = None;
        for fault in &world.faults {
            match fault.what {
                What::LbKill { lb } | What::LbStop { lb, .. } => _ = up.remove(&lb),
                What::LbStart { lb } => _ = up.insert(lb),
                _ => {}
            }
            match (up.is_empty(), dark_since) {
                (true, None) => dark_since = Some(fault.at_ms),
                (false, Some(since)) => {
                    assert!(fault.at_ms - since <= 4_000, "{seed}");
                    blackouts += 1;
                    dark_since = None;
                }
                _ => {}
            }
        }
        assert_eq!(dark_since, None, "{seed}: dark for ever");
    }
    assert!(blackouts > 50, "{blackouts}");
}

/// A kind of world: its name, and how one is told.
type Kind = (&'static str, fn(&Scenario) -> bool);

/// Seeds differ in kind: each of these has to be there in some worlds and absent in others.
#[test]
fn worlds_differ_in_kind() {
    let kinds: [Kind; 16] = [
        ("a port is used again", |w| {
            let ends: BTreeSet<_> = w.connections.iter().map(|c| (c.client, c.port)).collect();
            ends.len() < w.connections.len()
        }),
        ("the edge flaps", |w| {
            count(w, |f| matches!(f, What::EdgeFlap { .. })) > 0
        }),
        ("a machine dies", |w| {
            count(w, |f| matches!(f, What::ServerKill { .. })) > 0
        }),
        ("a router restarts", |w| {
            count(w, |f| matches!(f, What::RouterRestart { .. })) > 0
        }),
        ("an application goes down", |w| {
            count(w, |f| matches!(f, What::AppDown { .. })) > 0
        }),
        ("an application is killed", |w| {
            count(w, |f| matches!(f, What::AppKill { .. })) > 0
        }),
        ("a server drains", |w| {
            count(
                w,
                |f| matches!(f, What::Pool(change) if !change.draining.is_empty()),
            ) > 0
        }),
        ("LBs are on neighbouring generations", |w| {
            count(
                w,
                |f| matches!(f, What::Pool(change) if change.activate_ms.iter().any(|&ms| ms > 1_000)),
            ) > 0
        }),
        ("more changes in a row than a chunk has servers", |w| {
            count(w, is_pool_change) > 8
        }),
        ("an LB's table is too small", |w| {
            w.lbs[0].max_flows < w.connections.len() / 2
        }),
        ("a router's table is too small", |w| {
            w.servers[0].max_flows < 25
        }),
        ("SYN cookies", |w| {
            w.servers.iter().any(|s| s.syn_backlog == 0)
        }),
        ("packets get lost", |w| {
            w.links.fabric.loss_ppm > 0 && w.links.wan.loss_ppm > 0
        }),
        ("a pause outlives CLOSING", |w| {
            w.connections
                .iter()
                .flat_map(|c| &c.turns)
                .any(|turn| turn.pause_ms > 10_000)
        }),
        ("a clock passes 2^32 ms", |w| {
            let wraps = |ms: u64| ms < 1 << 32 && ms + w.calm_ms >= 1 << 32;
            w.lbs.iter().any(|lb| wraps(lb.clock.offset_ms))
        }),
        ("the encoding is insert", |w| {
            w.encoding == srh::Encoding::Insert
        }),
    ];
    let worlds: Vec<Scenario> = (0..SEEDS).map(scenario).collect();
    for (name, has) in kinds {
        let with = worlds.iter().filter(|world| has(world)).count() as u64;
        assert!(with > SEEDS / 50, "{name}: {with} of {SEEDS}");
        assert!(with < SEEDS - SEEDS / 50, "{name}: {with} of {SEEDS}");
    }
}
