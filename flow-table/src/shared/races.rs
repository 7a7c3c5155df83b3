//! Threads that meet at one set, in every order that the memory model allows (loom), as far as three changes of thread
//! at awkward places go.

use std::num::NonZeroU64;
use std::sync::Arc;

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use packet_io::Instant;

use super::sets::{Place, Sets, SLOTS};
use super::word::{Line, Word, WORDS};
use super::Packed;
use crate::{FlowHash, Inserted, Value};

const NOW: Instant = Instant::from_secs(100);
/// A value below this has expired.
const LIVE: u64 = 100;

impl Word for AtomicU64 {
    fn load(&self) -> u64 {
        AtomicU64::load(self, Ordering::Acquire)
    }

    fn store(&self, value: u64) {
        AtomicU64::store(self, value, Ordering::Release);
    }

    fn replace(&self, old: u64, new: u64) -> bool {
        self.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    fn add(&self, value: u64) -> u64 {
        self.fetch_add(value, Ordering::AcqRel)
    }
}

/// A value that says itself what it is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Number(u64);

impl Value for Number {
    fn expired(&self, _: Instant) -> bool {
        self.0 < LIVE
    }

    fn keep_rank(&self, _: Instant) -> u64 {
        self.0
    }
}

impl Packed for Number {
    fn pack(self) -> NonZeroU64 {
        NonZeroU64::new(self.0).expect("tests keep no zero")
    }

    fn unpack(bits: u64) -> Self {
        Number(bits)
    }
}

/// A table of one set.
struct Table {
    lines: [Line<AtomicU64>; 1],
    taken: AtomicU64,
}

impl Table {
    fn new() -> Self {
        Table {
            lines: [Line([(); WORDS].map(|()| AtomicU64::new(0)))],
            taken: AtomicU64::new(0),
        }
    }

    fn sets(&self) -> Sets<'_, AtomicU64, Number> {
        Sets::new(&self.lines, &self.taken)
    }

    fn insert(&self, flow: u64, value: u64) -> Option<Inserted<Number>> {
        self.sets().insert(named(flow), Number(value), NOW)
    }

    fn get(&self, flow: u64) -> Option<u64> {
        let entry = self.sets().entry(named(flow), Place::NONE);
        entry.map(|entry| entry.value().0)
    }

    /// All values, and that as many slots are counted as taken.
    fn values(&self) -> Vec<u64> {
        let values: Vec<u64> = self.sets().values(0).map(|number| number.0).collect();
        assert_eq!(self.taken.load(Ordering::Relaxed), values.len() as u64);
        values
    }
}

fn named(flow: u64) -> FlowHash {
    FlowHash::from_parts(0, flow + 100)
}

/// `left` and `right` at the same time on a table that `before` has made; `after` looks at what came out.
fn together<L, R>(
    before: fn(&Table),
    left: fn(&Table) -> L,
    right: fn(&Table) -> R,
    after: fn(&Table, L, R),
) where
    L: 'static,
    R: 'static,
{
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let table = Arc::new(Table::new());
        before(&table);
        let other = {
            let table = table.clone();
            thread::spawn(move || right(&table))
        };
        let left = left(&table);
        let right = other.join().expect("no panic");
        after(&table, left, right);
    });
}

#[test]
fn two_who_insert_one_flow_leave_one_entry() {
    together(
        |_| (),
        |table| table.insert(1, 500),
        |table| table.insert(1, 600),
        |table, left, right| {
            assert!(left.is_some() && right.is_some());
            let values = table.values();
            assert!(values == [500] || values == [600], "{values:?}");
        },
    );
}

#[test]
fn two_flows_that_want_one_slot_both_get_in() {
    together(
        |table| (2..SLOTS as u64 + 1).for_each(|flow| _ = table.insert(flow, 900 + flow)),
        |table| table.insert(10, 500),
        |table| table.insert(11, 600),
        |table, left, right| {
            let evicted = |who: Option<Inserted<Number>>| matches!(who, Some(Inserted::Evicted(_)));
            assert!(left.is_some() && right.is_some());
            assert!(evicted(left) != evicted(right), "one free slot");
            assert_eq!(table.values().len(), SLOTS);
        },
    );
}

#[test]
fn a_reader_never_takes_one_flows_value_for_anothers() {
    together(
        |table| (1..=SLOTS as u64).for_each(|flow| _ = table.insert(flow, 500 + flow)),
        |table| (table.get(1), table.get(10)),
        // Takes the slot of flow 1, which ranks lowest.
        |table| table.insert(10, 700),
        |table, (old, new), _| {
            assert!(old.is_none_or(|value| value == 501), "{old:?}");
            assert!(new.is_none_or(|value| value == 700), "{new:?}");
            assert_eq!(table.get(10), Some(700));
        },
    );
}

#[test]
fn what_is_refreshed_while_its_slot_is_wanted_is_refreshed_or_gone() {
    together(
        |table| (1..=SLOTS as u64).for_each(|flow| _ = table.insert(flow, 500 + flow)),
        |table| table.sets().update(named(1), NOW, |_| Number(800)),
        |table| table.insert(10, 700),
        |table, refreshed, _| {
            assert_eq!(table.get(10), Some(700), "nobody else's value changes");
            match refreshed {
                Some(_) => assert!(matches!(table.get(1), Some(800) | None)),
                None => assert_eq!(table.get(1), None),
            }
            assert_eq!(table.values().len(), SLOTS);
        },
    );
}

#[test]
fn the_sweep_does_not_take_what_has_just_come_again() {
    together(
        |table| _ = table.insert(1, 50),
        |table| table.insert(1, 500),
        |table| table.sets().drop_from(0, |number| number.expired(NOW)),
        |table, inserted, _| {
            assert_eq!(inserted, Some(Inserted::Fresh));
            assert_eq!(table.values(), [500]);
        },
    );
}

#[test]
fn two_who_refresh_lose_neither_change() {
    let add = |table: &Table| {
        let sets = table.sets();
        sets.update(named(1), NOW, |number| Number(number.0 + 1))
    };
    together(
        |table| _ = table.insert(1, 500),
        add,
        add,
        |table, _, _| assert_eq!(table.values(), [502]),
    );
}

#[test]
fn what_is_removed_while_it_is_refreshed_is_gone() {
    together(
        |table| _ = table.insert(1, 500),
        |table| table.sets().update(named(1), NOW, |_| Number(600)),
        |table| table.sets().remove(named(1)),
        |table, _, removed| {
            assert!(removed.is_some());
            assert!(table.values().is_empty());
        },
    );
}

/// Inserted as the engine does it, which has looked for the flow before.
fn insert_unless_there(table: &Table, flow: u64, value: u64) -> Option<Inserted<Number>> {
    let sets = table.sets();
    match sets.is_absent(named(flow)) {
        true => sets.insert_absent(named(flow), Number(value), NOW),
        false => sets.insert(named(flow), Number(value), NOW),
    }
}

#[test]
fn two_who_find_it_absent_write_one_entry() {
    together(
        |_| (),
        |table| insert_unless_there(table, 1, 500),
        |table| insert_unless_there(table, 1, 600),
        |table, left, right| {
            assert!(left.is_some() && right.is_some());
            assert_eq!(table.values().len(), 1);
        },
    );
}

#[test]
fn and_where_all_others_have_expired() {
    together(
        |table| (2..=SLOTS as u64 + 1).for_each(|flow| _ = table.insert(flow, 40 + flow)),
        |table| insert_unless_there(table, 1, 500),
        |table| insert_unless_there(table, 1, 600),
        |table, left, right| {
            assert!(left.is_some() && right.is_some());
            let live = table.values().iter().filter(|v| **v >= LIVE).count();
            assert_eq!(live, 1, "{:?}", table.values());
        },
    );
}
