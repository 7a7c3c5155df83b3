//! Both tables against a `HashMap` that does the same naively. Who is evicted the table says itself; the map asks whether
//! that was in order.
#![forbid(unsafe_code)]

mod common;

use common::Entry;
use flow_table::{FlowHash, FlowTable, HashKey, Inserted, Memory, SharedTable};
use packet_io::Instant;
use proptest::prelude::*;
use std::collections::HashMap;

#[derive(Clone, Debug)]
enum Step {
    Insert { flow: u8, lives_s: u32 },
    Get(u8),
    Touch { flow: u8, lives_s: u32 },
    Remove(u8),
    Sweep(usize),
    Retain { odd: bool },
    Wait(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let flow = any::<u8>;
    prop_oneof![
        6 => (flow(), 0u32..40).prop_map(|(flow, lives_s)| Step::Insert { flow, lives_s }),
        4 => flow().prop_map(Step::Get),
        2 => (flow(), 0u32..40).prop_map(|(flow, lives_s)| Step::Touch { flow, lives_s }),
        2 => flow().prop_map(Step::Remove),
        1 => (0usize..400).prop_map(Step::Sweep),
        1 => any::<bool>().prop_map(|odd| Step::Retain { odd }),
        2 => (0u32..10).prop_map(Step::Wait),
    ]
}

/// What both tables can do.
trait Table {
    fn hash(&self, flow: &srh::Flow) -> FlowHash;
    fn sets(&self) -> usize;
    fn slots(&self) -> usize;
    fn get(&self, flow: FlowHash, now: Instant) -> Option<Entry>;
    /// Sets a live entry's end, and says what was there before.
    fn touch(&mut self, flow: FlowHash, ends_s: u32, now: Instant) -> Option<Entry>;
    fn insert(&mut self, flow: FlowHash, entry: Entry, now: Instant) -> Inserted<Entry>;
    fn remove(&mut self, flow: FlowHash) -> Option<Entry>;
    fn sweep(&mut self, sets: usize, now: Instant) -> usize;
    fn retain(&mut self, keep: &dyn Fn(&Entry) -> bool) -> usize;
    fn ids(&self) -> Vec<u32>;
    fn len(&self) -> usize;
}

impl Table for FlowTable<Entry> {
    fn hash(&self, flow: &srh::Flow) -> FlowHash {
        self.hash(flow)
    }
    fn sets(&self) -> usize {
        self.sets()
    }
    fn slots(&self) -> usize {
        self.capacity()
    }
    fn get(&self, flow: FlowHash, now: Instant) -> Option<Entry> {
        self.get(flow, now).copied()
    }
    fn touch(&mut self, flow: FlowHash, ends_s: u32, now: Instant) -> Option<Entry> {
        let entry = self.get_mut(flow, now)?;
        let before = *entry;
        entry.ends_s = ends_s;
        Some(before)
    }
    fn insert(&mut self, flow: FlowHash, entry: Entry, now: Instant) -> Inserted<Entry> {
        self.insert(flow, entry, now)
    }
    fn remove(&mut self, flow: FlowHash) -> Option<Entry> {
        self.remove(flow)
    }
    fn sweep(&mut self, sets: usize, now: Instant) -> usize {
        self.sweep(sets, now)
    }
    fn retain(&mut self, keep: &dyn Fn(&Entry) -> bool) -> usize {
        self.retain(keep)
    }
    fn ids(&self) -> Vec<u32> {
        self.iter().map(|entry| entry.id).collect()
    }
    fn len(&self) -> usize {
        self.len()
    }
}

impl Table for SharedTable<Entry> {
    fn hash(&self, flow: &srh::Flow) -> FlowHash {
        self.hash(flow)
    }
    fn sets(&self) -> usize {
        self.sets()
    }
    fn slots(&self) -> usize {
        self.capacity()
    }
    fn get(&self, flow: FlowHash, now: Instant) -> Option<Entry> {
        let mut batch = [None; 3];
        self.get_batch(&[flow; 3], now, &mut batch);
        assert_eq!(batch, [self.get(flow, now); 3]);
        batch[0]
    }
    fn touch(&mut self, flow: FlowHash, ends_s: u32, now: Instant) -> Option<Entry> {
        let before = self.get(flow, now);
        let after = self.update(flow, now, |entry| Entry { ends_s, ..entry });
        assert_eq!(after, before.map(|entry| Entry { ends_s, ..entry }));
        before
    }
    fn insert(&mut self, flow: FlowHash, entry: Entry, now: Instant) -> Inserted<Entry> {
        (*self)
            .insert(flow, entry, now)
            .expect("nobody else writes")
    }
    fn remove(&mut self, flow: FlowHash) -> Option<Entry> {
        (*self).remove(flow)
    }
    fn sweep(&mut self, sets: usize, now: Instant) -> usize {
        (*self).sweep(sets, now)
    }
    fn retain(&mut self, keep: &dyn Fn(&Entry) -> bool) -> usize {
        self.sweep_out(self.sets(), |entry| !keep(entry))
    }
    fn ids(&self) -> Vec<u32> {
        self.iter().map(|entry| entry.id).collect()
    }
    fn len(&self) -> usize {
        self.len()
    }
}

/// The table, and what it should hold: every entry not swept, by flow.
struct Pair<T> {
    table: T,
    oracle: HashMap<u8, Entry>,
    now_s: u32,
    next_id: u32,
}

const KEY: HashKey = HashKey([7; 16]);

/// Room for twice the flows that there can be.
const LARGE: usize = 512;
/// Room for a few of them.
const SMALL: usize = 7;

fn shared(flows: usize) -> SharedTable<Entry> {
    let bytes = SharedTable::<Entry>::bytes_for(flows);
    SharedTable::new(Memory::plain(bytes), KEY)
}

impl<T: Table> Pair<T> {
    fn new(table: T) -> Self {
        Pair {
            table,
            oracle: HashMap::new(),
            now_s: 1,
            next_id: 0,
        }
    }

    fn now(&self) -> Instant {
        Instant::from_secs(u64::from(self.now_s))
    }

    fn hash(&self, flow: u8) -> FlowHash {
        self.table.hash(&srh::Flow {
            protocol: 6,
            client: "2001:db8::1".parse().unwrap(),
            client_port: u16::from(flow),
            vip: "2001:db8:80::1".parse().unwrap(),
            vip_port: 80,
        })
    }

    fn live(&self, flow: u8) -> Option<Entry> {
        self.oracle
            .get(&flow)
            .filter(|e| e.ends_s > self.now_s)
            .copied()
    }

    /// The live entry of another flow that had to go lies where the newcomer wants to be, and the
    /// places there are all in use by entries that do not rank lower.
    fn evict(&mut self, newcomer: FlowHash, gone: Entry) {
        let homes = |flow| self.hash(flow).homes(self.table.sets());
        let wanted = newcomer.homes(self.table.sets());
        let flow = *self.oracle.iter().find(|(_, e)| **e == gone).unwrap().0;
        assert!(self.live(flow).is_some(), "no free slot is left over");
        assert!(homes(flow).iter().any(|home| wanted.contains(home)));
        let neighbours = self.oracle.iter().filter(|(&other, entry)| {
            let may_lie_there = homes(other).iter().any(|home| wanted.contains(home));
            may_lie_there && self.live(other).is_some() && entry.rank >= gone.rank
        });
        let slots = self.table.slots() / self.table.sets();
        assert!(neighbours.count() >= slots);
        self.oracle.remove(&flow);
    }

    fn insert(&mut self, flow: u8, lives_s: u32) {
        self.next_id += 1;
        let entry = Entry::new(self.next_id, self.now_s + lives_s, self.next_id % 16);
        let expected = self.live(flow).map_or(Inserted::Fresh, Inserted::Replaced);
        let (hash, now) = (self.hash(flow), self.now());
        match self.table.insert(hash, entry, now) {
            Inserted::Evicted(gone) => {
                assert_eq!(expected, Inserted::Fresh);
                self.evict(hash, gone);
            }
            other => assert_eq!(other, expected),
        }
        self.oracle.insert(flow, entry);
        self.forget_overwritten();
    }

    fn touch(&mut self, flow: u8, lives_s: u32) {
        let ends_s = self.now_s + lives_s;
        let live = self.live(flow);
        let (hash, now) = (self.hash(flow), self.now());
        let got = self.table.touch(hash, ends_s, now);
        assert_eq!(got, live);
        if let (Some(_), Some(kept)) = (got, self.oracle.get_mut(&flow)) {
            kept.ends_s = ends_s;
        }
    }

    /// Expired entries may be gone: a newcomer has their slot, or the sweep took them.
    fn forget_overwritten(&mut self) {
        let (left, now_s) = (self.table.ids(), self.now_s);
        self.oracle
            .retain(|_, e| e.ends_s > now_s || left.contains(&e.id));
    }

    fn sweep(&mut self, sets: usize) {
        let now = self.now();
        let removed = self.table.sweep(sets, now);
        let before = self.oracle.len();
        let now_s = self.now_s;
        self.forget_overwritten();
        assert_eq!(removed, before - self.oracle.len());
        if sets >= self.table.sets() {
            assert!(self.oracle.values().all(|e| e.ends_s > now_s));
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Insert { flow, lives_s } => self.insert(flow, lives_s),
            Step::Get(flow) => {
                let got = self.table.get(self.hash(flow), self.now());
                assert_eq!(got, self.live(flow));
            }
            Step::Touch { flow, lives_s } => self.touch(flow, lives_s),
            Step::Remove(flow) => {
                let hash = self.hash(flow);
                assert_eq!(self.table.remove(hash), self.oracle.remove(&flow));
            }
            Step::Sweep(sets) => self.sweep(sets),
            Step::Retain { odd } => {
                let before = self.oracle.len();
                let keep = |e: &Entry| (e.id % 2 == 1) == odd;
                self.oracle.retain(|_, e| keep(e));
                assert_eq!(self.table.retain(&keep), before - self.oracle.len());
            }
            Step::Wait(s) => self.now_s += s,
        }
    }

    /// Both hold the same entries, expired ones included.
    fn compare(&self) {
        let mut got = self.table.ids();
        let mut expected: Vec<u32> = self.oracle.values().map(|e| e.id).collect();
        got.sort_unstable();
        expected.sort_unstable();
        assert_eq!(got, expected);
        assert_eq!(self.table.len(), expected.len());
        assert!(self.table.len() <= self.table.slots());
    }
}

fn walk(mut pair: Pair<impl Table>, steps: Vec<Step>) {
    for step in steps {
        pair.take(step);
        pair.compare();
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_table_does_what_a_map_does(steps in steps()) {
        walk(Pair::new(FlowTable::new(LARGE, KEY)), steps);
    }

    #[test]
    fn where_it_is_too_small_it_says_who_goes(steps in steps()) {
        walk(Pair::new(FlowTable::new(SMALL, KEY)), steps);
    }

    #[test]
    fn the_shared_table_does_what_a_map_does(steps in steps()) {
        walk(Pair::new(shared(LARGE)), steps);
    }

    #[test]
    fn where_the_shared_table_is_too_small_it_says_who_goes(steps in steps()) {
        walk(Pair::new(shared(SMALL)), steps);
    }
}
