//! Several engines of one LB, one a thread: together they do what one engine would, whichever packet comes to whom.

use std::time::Duration;

use daemon::{Counter, Counts};
use packet_io::{Instant, PacketBuf};
use proptest::prelude::*;
use proptest::sample::Index;
use srh::{Encoding, Frame};

use super::anything::{entry, input};
use super::build::{addr, icmp, ACK, FIN};
use super::world::*;
use crate::engine::contract::Contract;
use crate::engine::{Config, Engine, Event, Opinion, Shared, Verdict};
use flow_table::HashKey;

/// An LB of so many engines.
fn engines(count: usize, config: &Config) -> Vec<Engine> {
    let contract = Contract::default();
    let shared = Shared::new(&contract, config, HashKey(TABLE_KEY), count);
    let engine = |_| Engine::sharing(&shared, contract.clone(), config.clone(), plain_pool());
    (0..count).map(engine).collect()
}

/// A world whose engine is one of two, and the other one.
fn two(config: &Config) -> (World, Engine) {
    let [here, there] = engines(2, config).try_into().ok().unwrap();
    let mut world = World::new(config.encoding);
    world.engine = here;
    (world, there)
}

/// The packets that come next come to the other engine.
fn turn(world: &mut World, there: &mut Engine) {
    std::mem::swap(&mut world.engine, there);
}

/// How many packets a poll sends.
fn polled(engine: &mut Engine, now: Instant) -> usize {
    let mut out = Vec::new();
    engine.poll(now, &mut out);
    out.len()
}

/// Counts of all engines.
fn sum<K: Counter>(engines: &[Engine], counts: impl Fn(&Engine) -> &Counts<K>) -> Counts<K> {
    let mut all = Counts::new();
    engines
        .iter()
        .for_each(|engine| all.add_all(counts(engine)));
    all
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn three_engines_do_what_one_would(
        encoding in prop_oneof![Just(Encoding::Encap), Just(Encoding::Insert)],
        entry in entry(),
        steps in prop::collection::vec((input(), any::<Index>(), 0..1_500_u64), 0..60),
    ) {
        let bounds = Config { hunts_pps: 5, recoveries_pps: 5, icmp_rate_pps: 3, ..config(encoding) };
        let mut one = World::new(encoding);
        one.engine = engines(1, &bounds).remove(0);
        one.make(entry);
        let mut three = engines(3, &bounds);
        std::mem::swap(&mut one.engine, &mut three[0]);
        one.make(entry);
        std::mem::swap(&mut one.engine, &mut three[0]);
        for (packet, whose, pass_ms) in steps {
            one.pass(Duration::from_millis(pass_ms));
            let (mut alone, mut shared) = (PacketBuf::from_slice(&packet), PacketBuf::from_slice(&packet));
            let expected = one.engine.process(one.now, &mut alone);
            let engine = &mut three[whose.index(3)];
            prop_assert_eq!(engine.process(one.now, &mut shared), expected);
            prop_assert_eq!(shared.bytes(), alone.bytes());
        }
        let entries = |engine: &Engine| -> Vec<_> { engine.flows.iter().collect() };
        prop_assert_eq!(entries(&three[0]), entries(&one.engine));
        prop_assert_eq!(sum(&three, Engine::drops).to_json(), one.engine.drops().to_json());
        prop_assert_eq!(sum(&three, Engine::events).to_json(), one.engine.events().to_json());
    }
}

/// SYNs of four flows come twice. What is thought of their first candidate, if it speaks, or not, to the other engine in between.
fn opinion_after_syns_seen_again(speaks: bool) -> [Opinion; 2] {
    let (mut world, mut there) = two(&config(Encoding::Encap));
    let first = world.candidates()[0];
    let mut flows = 0;
    while flows < 4 {
        world.port += 1;
        if world.candidates()[0] != first {
            continue;
        }
        flows += 1;
        world.sent(&world.syn());
        turn(&mut world, &mut there);
        if speaks {
            world.dropped(&icmp(sid(first, NODE), lb(NODE), 129, 0, 1, b""));
        }
        world.pass(Duration::from_secs(1));
        // Where the flow label counts, it comes to the other one.
        world.sent(&world.syn());
        turn(&mut world, &mut there);
    }
    assert_eq!(there.events().get(Event::Reordered), 4);
    [world.engine.opinion(first), there.opinion(first)]
}

#[test]
fn a_server_that_answers_to_one_engine_is_not_struck_by_the_other() {
    assert_eq!(opinion_after_syns_seen_again(true), [Opinion::Alive; 2]);
    assert_eq!(opinion_after_syns_seen_again(false), [Opinion::Suspect; 2]);
}

#[test]
fn what_one_engine_is_told_of_a_server_both_think_and_one_of_them_asks() {
    let (mut world, mut there) = two(&config(Encoding::Encap));
    let server = world.candidates()[0];
    let sent = super::build::encap(lb(NODE), &[sid(server, ACK_STICKINESS)], 7, &world.ack());
    world.dropped(&icmp(addr("2001:db8:fa::1"), lb(NODE), 1, 3, 0, &sent));
    assert_eq!(there.opinion(server), Opinion::Suspect);
    for _ in 0..4 {
        let asked = polled(&mut there, world.now) + polled(&mut world.engine, world.now);
        assert_eq!(asked, 1);
        world.pass(Duration::from_secs(1));
    }
    assert_eq!(world.engine.opinion(server), Opinion::Dead);
    turn(&mut world, &mut there);
    world.dropped(&icmp(sid(server, NODE), lb(NODE), 129, 0, 1, b""));
    assert_eq!(world.engine.events().get(Event::Revived), 1);
    turn(&mut world, &mut there);
    assert_eq!(world.engine.opinion(server), Opinion::Alive);
}

#[test]
fn a_flow_is_made_by_one_engine_and_steered_by_the_other() {
    let (mut world, mut there) = two(&config(Encoding::Insert));
    let server = world.candidates()[1];
    world.sent(&world.syn());
    turn(&mut world, &mut there);
    world.make(Entry::Unconfirmed(server, NUMBER));
    turn(&mut world, &mut there);
    let expected = world.along(&[sid(server, ACK_STICKINESS)], &world.ack());
    assert_eq!(world.sent(&world.ack()), expected);
    assert_eq!(world.entry(), Entry::Confirmed(server));
    turn(&mut world, &mut there);
    let reply = world.reply(FIN | ACK, NUMBER, b"");
    world.sent(&world.says(server, REMOVE, &reply));
    turn(&mut world, &mut there);
    assert_eq!(world.entry(), Entry::Closing(server));
}

/// Who takes over from a dead LB recovers as fast as servers answer: the answers come to another engine than the questions.
#[test]
fn a_recovery_is_given_back_wherever_its_owner_speaks() {
    let bounds = Config {
        recoveries_pps: 10,
        ..config(Encoding::Encap)
    };
    let (mut world, mut there) = two(&bounds);
    let server = world.candidates()[0];
    for _ in 0..100 {
        world.port += 1;
        world.sent(&world.ack());
        turn(&mut world, &mut there);
        let reply = world.reply(ACK, NUMBER, b"");
        world.sent(&world.says(server, CREATE, &reply));
        turn(&mut world, &mut there);
    }
}

#[test]
fn together_they_sweep_the_table_as_fast_as_one() {
    for count in [1, 2, 3] {
        let mut all = engines(count, &config(Encoding::Encap));
        let mut world = World::new(Encoding::Encap);
        for port in 0..500 {
            std::mem::swap(&mut world.engine, &mut all[0]);
            world.port = CLIENT_PORT + port;
            let server = world.candidates()[0];
            world.make(Entry::Unconfirmed(server, NUMBER));
            std::mem::swap(&mut world.engine, &mut all[0]);
        }
        world.pass(Duration::from_secs(80));
        let sweep_polls = Contract::default().limits.sweep_polls;
        for _ in 0..sweep_polls {
            all.iter_mut()
                .for_each(|engine| _ = polled(engine, world.now));
        }
        assert_eq!(all[0].entries(), 0, "{count} engines");
    }
}

#[test]
fn an_engine_with_the_old_pool_knows_that_another_has_a_new_one() {
    let (mut world, mut there) = two(&config(Encoding::Encap));
    assert!(!world
        .engine
        .pool_changed
        .is_within(Duration::from_secs(2), world.now));
    there.set_pool(plain_pool());
    assert!(world
        .engine
        .pool_changed
        .is_within(Duration::from_secs(2), world.now));
    polled(&mut world.engine, world.now);
    world.pass(Duration::from_secs(2));
    assert!(!there
        .pool_changed
        .is_within(Duration::from_secs(2), world.now));
    let mut frame = PacketBuf::from_slice(&world.syn());
    assert_eq!(there.process(world.now, &mut frame), Verdict::Transmit);
}
