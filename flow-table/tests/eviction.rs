//! Who goes when there is no room, and what hostile keys can do: little.
#![forbid(unsafe_code)]

mod common;

use common::Entry;
use flow_table::{FlowHash, FlowTable, HashKey, Inserted};
use packet_io::Instant;
use std::collections::HashSet;

const NOW: Instant = Instant::from_secs(100);
const LATER_S: u32 = 1_000;
const PAST_S: u32 = 50;

fn one_set() -> FlowTable<Entry> {
    let table = FlowTable::new(1, HashKey([0; 16]));
    assert_eq!((table.sets(), table.capacity()), (1, 3));
    table
}

/// Flow number `n` of flows that all have the same two homes.
fn colliding(n: u64) -> FlowHash {
    FlowHash::from_parts(0, n + 1)
}

fn ids(table: &FlowTable<Entry>) -> HashSet<u32> {
    table.iter().map(|e| e.id).collect()
}

#[test]
fn the_lowest_rank_goes_first() {
    let mut table = one_set();
    for (n, rank) in [(0, 30), (1, 10), (2, 20)] {
        let entry = Entry::new(n, LATER_S, rank);
        assert_eq!(
            table.insert(colliding(u64::from(n)), entry, NOW),
            Inserted::Fresh
        );
    }
    for (n, rank, victim) in [(3, 40, 1), (4, 50, 2), (5, 60, 0)] {
        match table.insert(colliding(n), Entry::new(n as u32, LATER_S, rank), NOW) {
            Inserted::Evicted(gone) => assert_eq!(gone.id, victim),
            other => panic!("flow {n}: {other:?}"),
        }
        assert_eq!(table.len(), 3);
    }
    assert_eq!(ids(&table), HashSet::from([3, 4, 5]));
    assert_eq!(table.get(colliding(1), NOW), None);
}

#[test]
fn a_newcomer_of_the_lowest_rank_still_gets_in() {
    let mut table = one_set();
    for n in 0..3 {
        table.insert(colliding(n), Entry::new(n as u32, LATER_S, 5), NOW);
    }
    let outcome = table.insert(colliding(9), Entry::new(9, LATER_S, 0), NOW);
    assert!(matches!(outcome, Inserted::Evicted(_)), "{outcome:?}");
    assert_eq!(table.get(colliding(9), NOW).map(|e| e.id), Some(9));
}

#[test]
fn an_expired_entry_goes_before_the_lowest_rank() {
    let mut table = one_set();
    table.insert(colliding(0), Entry::new(0, LATER_S, 1), NOW);
    table.insert(colliding(1), Entry::new(1, PAST_S, 99), NOW);
    table.insert(colliding(2), Entry::new(2, LATER_S, 2), NOW);
    assert_eq!(table.len(), 3, "an expired entry counts until it is swept");
    assert_eq!(table.get(colliding(1), NOW), None);
    let outcome = table.insert(colliding(3), Entry::new(3, LATER_S, 0), NOW);
    assert_eq!(outcome, Inserted::Fresh);
    assert_eq!(ids(&table), HashSet::from([0, 2, 3]));
    assert_eq!(table.len(), 3);
}

#[test]
fn an_expired_entry_of_the_same_flow_is_fresh_not_replaced() {
    let mut table = one_set();
    table.insert(colliding(0), Entry::new(0, PAST_S, 0), NOW);
    assert_eq!(table.get_mut(colliding(0), NOW), None);
    let outcome = table.insert(colliding(0), Entry::new(1, LATER_S, 0), NOW);
    assert_eq!(outcome, Inserted::Fresh);
    assert_eq!(table.len(), 1);
}

#[test]
fn an_empty_slot_of_the_second_home_goes_before_any_eviction() {
    let mut table: FlowTable<Entry> = FlowTable::new(12, HashKey([0; 16]));
    assert_eq!(table.sets(), 8);
    for n in 0..3 {
        table.insert(colliding(n), Entry::new(n as u32, LATER_S, 0), NOW);
    }
    // first home: set 0, full; second: set 7, empty
    let flow = FlowHash::from_parts(u64::from(u32::MAX), 77);
    assert_eq!(
        table.insert(flow, Entry::new(7, LATER_S, 0), NOW),
        Inserted::Fresh
    );
    assert_eq!(table.get(flow, NOW).map(|e| e.id), Some(7));
    assert_eq!(table.len(), 4);
}

#[test]
fn the_lowest_rank_of_both_homes_goes() {
    for (low_half, victim) in [(0, 10), (u64::from(u32::MAX), 20)] {
        let mut table: FlowTable<Entry> = FlowTable::new(12, HashKey([0; 16]));
        let high = u64::from(u32::MAX) << 32 | u64::from(u32::MAX);
        for n in 0..3 {
            table.insert(
                colliding(n),
                Entry::new(10 + n as u32, LATER_S, 5 + n as u32),
                NOW,
            );
            let far = FlowHash::from_parts(high, 100 + n);
            table.insert(far, Entry::new(20 + n as u32, LATER_S, 1 + n as u32), NOW);
        }
        let flow = FlowHash::from_parts(low_half, 200);
        match table.insert(flow, Entry::new(1, LATER_S, 9), NOW) {
            Inserted::Evicted(gone) => assert_eq!(gone.id, victim),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn hostile_keys_displace_each_other_and_nobody_else() {
    let mut table: FlowTable<Entry> = FlowTable::new(1_000, HashKey([0; 16]));
    let honest = FlowHash::from_parts(u64::MAX, 5);
    table.insert(honest, Entry::new(u32::MAX, LATER_S, 0), NOW);
    for n in 0..100_000 {
        let outcome = table.insert(colliding(n), Entry::new(n as u32, LATER_S, 1), NOW);
        assert_eq!(n < 3, outcome == Inserted::Fresh);
    }
    assert_eq!(table.len(), 4);
    assert_eq!(table.get(honest, NOW).map(|e| e.id), Some(u32::MAX));
    assert_eq!(table.retain(|_| false), 4);
    assert_eq!((table.len(), table.iter().count()), (0, 0));
}

#[test]
fn as_many_flows_as_asked_for_fit_with_hardly_any_eviction() {
    const FLOWS: u32 = 100_000;
    let mut table: FlowTable<Entry> = FlowTable::new(FLOWS as usize, HashKey([3; 16]));
    let flow = |n: u32| srh::Flow {
        protocol: 6,
        client: std::net::Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(n)),
        client_port: 1024,
        vip: "2001:db8:80::1".parse().unwrap(),
        vip_port: 80,
    };
    let mut evicted = 0;
    for n in 0..FLOWS {
        let outcome = table.insert(table.hash(&flow(n)), Entry::new(n, LATER_S, n), NOW);
        evicted += usize::from(outcome != Inserted::Fresh);
    }
    println!("{evicted} of {FLOWS} evicted");
    assert!(evicted <= FLOWS as usize / 500, "{evicted} of {FLOWS}");
    assert_eq!(table.len(), FLOWS as usize - evicted);
    let found = (0..FLOWS).filter(|&n| table.get(table.hash(&flow(n)), NOW).is_some());
    assert_eq!(found.count(), table.len());
}

#[test]
fn sweeping_is_bounded_and_comes_round() {
    let mut table: FlowTable<Entry> = FlowTable::new(600, HashKey([0; 16]));
    for n in 0..300u64 {
        let ends_s = if n % 2 == 0 { PAST_S } else { LATER_S };
        let index = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let before = Instant::from_secs(1);
        table.insert(
            FlowHash::from_parts(index, n + 1),
            Entry::new(n as u32, ends_s, 0),
            before,
        );
    }
    assert_eq!(table.len(), 300);
    assert_eq!(table.sweep(0, NOW), 0);
    let mut removed = 0;
    for _ in 0..table.sets().div_ceil(7) {
        let now = table.sweep(7, NOW);
        assert!(now <= 7 * 3);
        removed += now;
    }
    assert_eq!((removed, table.len()), (150, 150));
    assert_eq!(table.sweep(usize::MAX, NOW), 0);
}

#[test]
fn memory_is_taken_once_and_whole_lines() {
    let mut table: FlowTable<Entry> = FlowTable::new(1 << 10, HashKey([0; 16]));
    assert_eq!(table.memory_bytes(), table.sets() * 64);
    assert!(table.capacity() >= 1 << 10);
    let before = table.memory_bytes();
    for n in 0..10_000 {
        table.insert(
            FlowHash::from_parts(n << 50 | n, n),
            Entry::new(n as u32, LATER_S, 0),
            NOW,
        );
    }
    assert_eq!(table.memory_bytes(), before);
    assert!(table.len() <= table.capacity());
}

#[test]
fn sets_of_another_size_work_too() {
    let mut table: FlowTable<Entry, 7> = FlowTable::new(1, HashKey([0; 16]));
    for n in 0..7 {
        assert_eq!(
            table.insert(colliding(n), Entry::new(n as u32, LATER_S, 0), NOW),
            Inserted::Fresh
        );
    }
    assert_eq!(
        (table.len(), table.capacity(), table.memory_bytes()),
        (7, 7, 192)
    );
    assert_eq!(table.remove(colliding(3)).map(|e| e.id), Some(3));
    assert_eq!(table.remove(colliding(3)), None);
}
