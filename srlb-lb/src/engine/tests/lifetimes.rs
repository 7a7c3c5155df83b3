//! How long entries live, and who goes when the table is full.

use std::time::Duration;

use flow_table::HashKey;
use srh::Encoding::{Encap, Insert};

use super::build::{ACK, FIN};
use super::world::*;
use crate::engine::{Engine, Event};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Asserts that the entry lives for exactly this long.
fn assert_ends_after(world: &mut World, time: Duration) {
    assert_eq!(world.left_ms(), time.as_millis() as i32);
    let entry = world.entry();
    world.pass(time - Duration::from_millis(1));
    assert_eq!(world.entry(), entry);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.entry(), Entry::None);
    assert_eq!(world.engine.flows_by_state(world.now), [0, 0, 0]);
}

#[test]
fn what_no_client_packet_confirms_ends_after_75_s() {
    let mut world = World::new(Encap);
    world.make(Entry::Unconfirmed(1, NUMBER));
    world.pass(s(20));
    // The SYN again and the SYN-ACK again prolong nothing: the SYN-ACK's own timer is shorter.
    world.sent(&world.syn());
    world.sent(&world.says(1, CREATE, &world.syn_ack(NUMBER)));
    assert_ends_after(&mut world, s(55));
}

#[test]
fn what_is_confirmed_ends_when_it_has_been_idle() {
    let mut world = World::new(Insert);
    world.make(Entry::Confirmed(1));
    world.pass(s(3_000));
    world.sent(&world.data(5));
    world.pass(s(3_000));
    let page = world.says(1, CREATE, &world.reply(ACK, NUMBER, b"page"));
    world.sent(&page);
    world.pass(s(1));
    world.sent(&world.syn());
    assert_ends_after(&mut world, s(3_599));
}

#[test]
fn a_closed_flow_ends_10_s_after_the_last_client_packet() {
    let mut world = World::new(Encap);
    world.make(Entry::Closing(1));
    for _ in 0..5 {
        world.pass(s(9));
        world.sent(&world.ack());
        assert_eq!(world.entry(), Entry::Closing(1));
    }
    world.pass(s(9));
    // The FIN again is none.
    world.sent(&world.says(1, REMOVE, &world.reply(FIN | ACK, NUMBER, b"")));
    assert_ends_after(&mut world, s(1));
}

#[test]
fn a_reset_ends_the_entry_after_10_s() {
    for entry in [Entry::Unconfirmed(1, NUMBER), Entry::Confirmed(1)] {
        let mut world = World::new(Encap);
        world.make(entry);
        world.sent(&world.rst());
        world.pass(s(4));
        // Once more prolongs nothing; a SYN neither.
        world.sent(&world.rst());
        world.sent(&world.syn());
        assert_eq!(world.entry(), entry);
        assert_ends_after(&mut world, s(6));
    }
}

#[test]
fn a_forged_reset_costs_nothing() {
    let mut world = World::new(Encap);
    world.make(Entry::Confirmed(1));
    world.sent(&world.rst());
    world.pass(s(9));
    world.sent(&world.ack());
    assert_ends_after(&mut world, s(3_600));
}

/// A port used again: the same server, another first number.
#[test]
fn a_second_handshake_starts_the_75_s_anew() {
    let mut world = World::new(Encap);
    world.make(Entry::Unconfirmed(1, 9));
    world.pass(s(70));
    world.sent(&world.says(1, CREATE, &world.syn_ack(NUMBER)));
    assert_ends_after(&mut world, s(75));
}

#[test]
fn expired_entries_are_collected_within_a_minute() {
    let mut world = World::new(Encap);
    for port in 0..500 {
        world.port = 1_000 + port;
        world.make(Entry::Unconfirmed(1, NUMBER));
    }
    assert_eq!(world.engine.flows.len(), 500);
    world.pass(s(76));
    for _ in 0..600 {
        world.pass(Duration::from_millis(100));
        world.engine.poll(world.now, &mut Vec::new());
    }
    assert_eq!(world.engine.flows.len(), 0);
}

#[test]
fn a_full_table_refuses_nobody_and_gives_up_the_unconfirmed_first() {
    let mut world = World::new(Encap);
    let mut small = config(Encap);
    small.max_flows = 30;
    world.engine = Engine::new(small, plain_pool(), HashKey([1; 16]));
    let (slots, _) = world.engine.table_size();
    assert!(slots < 100);
    // A few confirmed flows that have been idle for long, then a flood of handshakes that nobody
    // completes.
    for port in 0..10 {
        world.port = 1_000 + port;
        world.make(Entry::Confirmed(1));
    }
    world.pass(s(3_580));
    for port in 0..5_000 {
        world.port = 2_000 + port;
        world.pass(Duration::from_millis(1));
        world.make(Entry::Unconfirmed(2, NUMBER));
    }
    assert!(world.engine.events().get(Event::Evicted) >= 4_900);
    let [unconfirmed, confirmed, _] = world.engine.flows_by_state(world.now);
    assert_eq!(confirmed, 10, "the flood displaced none of them");
    assert_eq!(unconfirmed + confirmed, slots);
    // Among confirmed ones the one used longest ago goes, and lives on through recovery.
    for port in 0..200 {
        world.port = 20_000 + port;
        world.pass(s(1));
        world.make(Entry::Confirmed(1));
    }
    let living = |world: &mut World, first: u16| {
        let is_there = |port| {
            world.port = first + port;
            usize::from(world.entry() != Entry::None)
        };
        (0..10).map(is_there).sum::<usize>()
    };
    assert_eq!(living(&mut world, 1_000), 0, "the oldest");
    assert!(living(&mut world, 20_190) >= 9, "the newest");
    world.port = 1_000;
    let list = world.recovery();
    let sids = [sid(list[0], RECOVER), sid(list[1], RECOVER_FINAL)];
    let sent = world.sent(&world.ack());
    assert_eq!(sent[24..40], sids[0].octets());
    world.sent(&world.says(list[1], CREATE, &world.reply(ACK, NUMBER, b"")));
    assert_eq!(world.entry(), Entry::Confirmed(list[1]));
}
