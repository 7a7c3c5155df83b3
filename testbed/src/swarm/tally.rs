//! What came out of many worlds.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::sim::rows::Rows;
use crate::sim::{End, Outcome, Scenario};

use super::{is_lb_change, is_pool_change};

/// A world that broke a promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// Which promise, of the first violation.
    pub promise: String,
    /// What happened.
    pub what: String,
    /// When, in milliseconds of virtual time.
    pub at_ms: u64,
    /// The connection concerned, by its place in the scenario.
    pub connection: Option<usize>,
    /// How many more violations there are.
    pub more: usize,
}

/// Figures of one world or of many.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    /// Worlds.
    pub worlds: u64,
    /// Connections.
    pub connections: u64,
    /// Of these, by how they ended and, where something allowed them to break, why.
    pub ends: BTreeMap<String, u64>,
    /// Things that happened: packets that arrived somewhere, timers, faults.
    pub events: u64,
    /// Faults.
    pub faults: u64,
    /// Of these, LBs that came or went.
    pub lb_changes: u64,
    /// Of these, changes of the pool.
    pub pool_changes: u64,
    /// Virtual time.
    pub virtual_ms: u64,
    /// The longest time without progress that a connection survived, and its seed.
    pub longest_stall_ms: (u64, u64),
    /// The world that took longest, in milliseconds, and its seed.
    pub slowest_ms: (u64, u64),
    /// Rows of the state tables that were used.
    #[serde(skip)]
    pub rows: Rows,
    /// What the engines and the world counted.
    pub counters: BTreeMap<String, u64>,
    /// Worlds that broke a promise, by seed.
    pub failures: Vec<Failure>,
}

impl Tally {
    /// Of one world.
    pub fn of(scenario: &Scenario, outcome: &Outcome, took: Duration) -> Tally {
        let changes = |which: fn(&_) -> bool| {
            let faults = scenario.faults.iter();
            faults.filter(|fault| which(&fault.what)).count() as u64
        };
        let mut tally = Tally {
            worlds: 1,
            connections: outcome.connections.len() as u64,
            events: outcome.events,
            faults: scenario.faults.len() as u64,
            lb_changes: changes(is_lb_change),
            pool_changes: changes(is_pool_change),
            virtual_ms: outcome.virtual_ms,
            slowest_ms: (took.as_millis() as u64, scenario.seed),
            rows: outcome.rows.clone(),
            counters: outcome.counters.clone(),
            failures: Vec::from_iter(failure(scenario.seed, outcome)),
            ..Tally::default()
        };
        for connection in &outcome.connections {
            let end = match (connection.end, connection.cause) {
                (End::Completed | End::Aborted, _) | (_, None) => format!("{:?}", connection.end),
                (end, Some(cause)) => format!("{end:?}: {cause:?}"),
            };
            *tally.ends.entry(end).or_default() += 1;
            if connection.end == End::Completed && connection.cause.is_none() {
                let stall = (connection.longest_stall_ms, scenario.seed);
                tally.longest_stall_ms = tally.longest_stall_ms.max(stall);
            }
        }
        tally
    }

    /// Of a world whose run did not come to an end.
    pub fn without_end(
        scenario: &Scenario,
        promise: &str,
        message: String,
        took: Duration,
    ) -> Tally {
        Tally {
            worlds: 1,
            faults: scenario.faults.len() as u64,
            slowest_ms: (took.as_millis() as u64, scenario.seed),
            failures: vec![Failure {
                seed: scenario.seed,
                promise: promise.to_owned(),
                what: message,
                at_ms: 0,
                connection: None,
                more: 0,
            }],
            ..Tally::default()
        }
    }

    /// Adds others.
    pub fn add(&mut self, other: Tally) {
        self.worlds += other.worlds;
        self.connections += other.connections;
        add_all(&mut self.ends, other.ends);
        self.events += other.events;
        self.faults += other.faults;
        self.lb_changes += other.lb_changes;
        self.pool_changes += other.pool_changes;
        self.virtual_ms += other.virtual_ms;
        self.longest_stall_ms = self.longest_stall_ms.max(other.longest_stall_ms);
        self.slowest_ms = self.slowest_ms.max(other.slowest_ms);
        add_all(&mut self.counters, other.counters);
        self.failures.extend(other.failures);
        self.failures.sort_by_key(|failure| failure.seed);
    }

    /// How often each promise was broken first.
    pub fn broken_promises(&self) -> BTreeMap<&str, u64> {
        let mut counts = BTreeMap::new();
        for failure in &self.failures {
            *counts.entry(failure.promise.as_str()).or_default() += 1;
        }
        counts
    }
}

fn add_all(to: &mut BTreeMap<String, u64>, from: BTreeMap<String, u64>) {
    for (name, count) in from {
        *to.entry(name).or_default() += count;
    }
}

fn failure(seed: u64, outcome: &Outcome) -> Option<Failure> {
    let first = outcome.violations.first()?;
    Some(Failure {
        seed,
        promise: first.promise.to_owned(),
        what: first.what.clone(),
        at_ms: first.at_us / 1_000,
        connection: first.connection,
        more: outcome.violations.len() - 1,
    })
}
