//! Attempts to push a connection's entry out of an LB's table.

use std::net::Ipv6Addr;

use flow_table::{HashKey, Memory};
use srh::parse::Tcp;
use srh::{Encoding, Flow, Function};
use srlb_lb::engine::{Config, Engine, Flows, TICK_MS};
use tests::nodes::{lb, server};
use tests::packets::{from_client, from_vip, Segment};
use tests::samples::carried;
use tests::world::client::flow;
use tests::world::World;

use super::{at_lb, goes_on, live, Fate, BOTH};

/// Gives LB 1 another table.
fn with_table(world: &mut World, max_flows: usize, key: HashKey) {
    let engine = &world.lb(1).engine;
    let config = Config {
        max_flows,
        ..engine.config().clone()
    };
    let pool = engine.pool().clone();
    world.lb(1).engine = Engine::new(config, pool, key);
}

fn attacker(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0xbad, number, 0, 0, 0, 1)
}

/// A handshake of the attacker as far as a server answers it: LB 1 makes an unconfirmed entry.
fn half_open(world: &mut World, encoding: Encoding, client: Ipv6Addr, port: u16) {
    let syn_ack = Segment {
        dst: client,
        ..from_vip(port, Tcp::SYN | Tcp::ACK, 7, 9)
    };
    let function = [(lb(1), Function::CreateStickiness, 0)];
    let packet = carried(&syn_ack.mss(1_440).bytes(), server(2), encoding, &function);
    assert_eq!(at_lb(world, &packet), Fate::Sent);
}

fn is_pinned(world: &mut World, flow: Flow) -> bool {
    let now = world.now;
    world
        .lb(1)
        .engine
        .explain(flow, now)
        .unwrap()
        .entry
        .is_some()
}

/// A table of one set, in which every flow meets every other: what an attacker who knew the key could bring about. Half-open
/// connections displace each other, never a confirmed one.
#[test]
fn a_set_filled_on_purpose_costs_no_confirmed_entry() {
    for encoding in BOTH {
        let (mut world, port) = live(encoding);
        with_table(&mut world, 1, HashKey([1; 16]));
        let (slots, _) = world.lb(1).engine.table_size();
        assert_eq!(slots, 4, "one set");
        // Found again by recovery, pinned and confirmed.
        goes_on(&mut world, port);
        goes_on(&mut world, port);
        assert!(is_pinned(&mut world, flow(port)));
        for number in 0..1_000 {
            half_open(&mut world, encoding, attacker(number), 1_000);
            assert!(
                is_pinned(&mut world, flow(port)),
                "after {number} half-open connections"
            );
        }
        goes_on(&mut world, port);
    }
}

/// Whole connections of the attacker do displace the one that was silent for longest; it lives on through recovery.
#[test]
fn a_set_full_of_real_connections_costs_a_recovery() {
    for encoding in BOTH {
        let (mut world, port) = live(encoding);
        with_table(&mut world, 1, HashKey([1; 16]));
        let mut displaced = 0;
        for number in 0..100 {
            for client in [number, number + 1_000, number + 2_000, number + 3_000].map(attacker) {
                // Who was used last is known by the tick.
                world.now = world.now + std::time::Duration::from_millis(TICK_MS);
                half_open(&mut world, encoding, client, 1_000);
                let ack = Segment {
                    src: client,
                    ..from_client(1_000, Tcp::ACK, 9, 8)
                };
                assert_eq!(at_lb(&mut world, &ack.bytes()), Fate::Sent);
            }
            displaced += usize::from(!is_pinned(&mut world, flow(port)));
            goes_on(&mut world, port);
            assert_eq!(world.owners(port), [1]);
        }
        assert_eq!(
            displaced, 100,
            "each time it was gone, and each time it was found"
        );
    }
}

/// Who knows the code and guesses a key finds flows that share a set under that key. Under the real one they are spread like any others.
#[test]
fn collisions_under_a_guessed_key_are_none_under_the_real_one() {
    const FLOWS: usize = 1_000;
    // As the engine's own.
    let guessed = Flows::new(Memory::plain(Flows::bytes_for(FLOWS)), HashKey([7; 16]));
    // A few sets, in which both homes of each flow lie.
    let target = 0..guessed.sets() / 16;
    let colliding: Vec<(Ipv6Addr, u16)> = (0..u16::MAX)
        .flat_map(|number| (0..8).map(move |port| (attacker(number), 1_000 + port)))
        .filter(|&(client, client_port)| {
            let flow = Flow {
                client,
                client_port,
                ..flow(0)
            };
            let homes = guessed.hash(&flow).homes(guessed.sets());
            homes.iter().all(|home| target.contains(home))
        })
        .take(FLOWS)
        .collect();
    assert_eq!(colliding.len(), FLOWS);
    let evicted = |key: HashKey| {
        let (mut world, _) = live(Encoding::Encap);
        with_table(&mut world, FLOWS, key);
        for &(client, port) in &colliding {
            half_open(&mut world, Encoding::Encap, client, port);
        }
        world
            .lb(1)
            .engine
            .events()
            .get(srlb_lb::engine::Event::Evicted)
    };
    let (under_guess, under_real) = (evicted(HashKey([7; 16])), evicted(HashKey([8; 16])));
    println!(
        "{under_guess} of {FLOWS} evicted under the guessed key, {under_real} under the real one"
    );
    assert!(under_guess > 100, "the attack is one: {under_guess}");
    assert!(under_real <= 10, "{under_real} of {FLOWS}");
}
