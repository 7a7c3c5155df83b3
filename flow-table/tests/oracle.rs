//! The table against a `HashMap` that does the same naively, as long as nothing is evicted.
#![forbid(unsafe_code)]

mod common;

use common::Entry;
use flow_table::{FlowHash, FlowTable, HashKey, Inserted};
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

/// The table, and what it should hold: every entry not swept, by flow.
struct Pair {
    table: FlowTable<Entry>,
    oracle: HashMap<u8, Entry>,
    now_s: u32,
    next_id: u32,
}

impl Pair {
    /// Room for twice the flows that there can be: every insertion finds an empty slot.
    fn new() -> Self {
        Pair {
            table: FlowTable::new(512, HashKey([7; 16])),
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

    fn insert(&mut self, flow: u8, lives_s: u32) {
        self.next_id += 1;
        let entry = Entry::new(self.next_id, self.now_s + lives_s, 0);
        let expected = self.live(flow).map_or(Inserted::Fresh, Inserted::Replaced);
        let (hash, now) = (self.hash(flow), self.now());
        assert_eq!(self.table.insert(hash, entry, now), expected);
        self.oracle.insert(flow, entry);
    }

    fn touch(&mut self, flow: u8, lives_s: u32) {
        let ends_s = self.now_s + lives_s;
        let live = self.live(flow);
        let (hash, now) = (self.hash(flow), self.now());
        let got = self.table.get_mut(hash, now);
        assert_eq!(got.as_deref().copied(), live);
        if let (Some(entry), Some(kept)) = (got, self.oracle.get_mut(&flow)) {
            entry.ends_s = ends_s;
            kept.ends_s = ends_s;
        }
    }

    fn sweep(&mut self, sets: usize) {
        let now = self.now();
        let removed = self.table.sweep(sets, now);
        let left: Vec<u32> = self.table.iter().map(|e| e.id).collect();
        let before = self.oracle.len();
        let now_s = self.now_s;
        self.oracle
            .retain(|_, e| e.ends_s > now_s || left.contains(&e.id));
        assert_eq!(removed, before - self.oracle.len());
        if sets >= self.table.sets() {
            assert!(self.oracle.values().all(|e| e.ends_s > now_s));
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Insert { flow, lives_s } => self.insert(flow, lives_s),
            Step::Get(flow) => {
                let got = self.table.get(self.hash(flow), self.now()).copied();
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
                assert_eq!(self.table.retain(keep), before - self.oracle.len());
            }
            Step::Wait(s) => self.now_s += s,
        }
    }

    /// Both hold the same entries, expired ones included.
    fn compare(&self) {
        let mut got: Vec<u32> = self.table.iter().map(|e| e.id).collect();
        let mut expected: Vec<u32> = self.oracle.values().map(|e| e.id).collect();
        got.sort_unstable();
        expected.sort_unstable();
        assert_eq!(got, expected);
        assert_eq!(self.table.len(), expected.len());
        assert_eq!(self.table.is_empty(), expected.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_table_does_what_a_map_does(steps in prop::collection::vec(step(), 1..400)) {
        let mut pair = Pair::new();
        for step in steps {
            pair.take(step);
        }
        pair.compare();
    }
}
