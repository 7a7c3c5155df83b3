//! Seed after seed, until one shows the mutant.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::OnceLock;

use serde::Serialize;

use crate::sim::Options;
use crate::swarm::one::run;
use crate::swarm::parallel;
use crate::swarm::tally::Tally;

use super::Mutant;

/// A world that shows a mutant.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// Its seed.
    pub seed: u64,
    /// The promise that it breaks.
    pub promise: String,
}

/// What became of a mutant.
#[derive(Clone, Debug, Serialize)]
pub struct Fate {
    /// What was altered.
    pub name: String,
    /// Worlds in which it might have been found: well as it should be, and using the row.
    pub looked_at: u64,
    /// The world that shows it.
    pub found: Option<Found>,
    /// Why none can, as the source has it.
    pub reason: Option<&'static str>,
}

impl Fate {
    /// Found, or known to be invisible; not both.
    pub fn is_well(&self) -> bool {
        self.found.is_some() != self.reason.is_some()
    }
}

/// What the seeds are like with the protocol as it is; each is run once, when it is needed first.
struct Ground {
    seeds: Vec<OnceLock<Tally>>,
    options: Options,
}

impl Ground {
    fn new(seeds: u64) -> Self {
        Ground {
            seeds: (0..seeds).map(|_| OnceLock::new()).collect(),
            options: Options::default(),
        }
    }

    /// Can this seed show the mutant? A world that is ill anyway shows nothing, nor does one in which the row
    /// is never used.
    fn may_show(&self, seed: u64, mutant: &Mutant, worlds: &AtomicU64) -> bool {
        let right = self.seeds[seed as usize].get_or_init(|| {
            worlds.fetch_add(1, Ordering::Relaxed);
            run(seed, &self.options)
        });
        right.failures.is_empty() && mutant.row.is_none_or(|row| right.rows.has(row))
    }
}

/// Looks for each mutant in the worlds of `seeds` seeds from 0. `done` hears of each fate, and `worlds` how many
/// worlds have been run.
pub fn search(
    mutants: &[Mutant],
    seeds: u64,
    threads: usize,
    worlds: &AtomicU64,
    mut done: impl FnMut(usize, Fate) -> ControlFlow<()>,
) {
    let ground = Ground::new(seeds);
    let look = |number: u64| {
        let place = number as usize;
        (place, look_for(&mutants[place], &ground, worlds))
    };
    parallel::each(mutants.len() as u64, threads, look, |(place, fate)| {
        done(place, fate)
    });
}

fn look_for(mutant: &Mutant, ground: &Ground, worlds: &AtomicU64) -> Fate {
    let (mut looked_at, mut found) = (0, None);
    for seed in 0..ground.seeds.len() as u64 {
        if !ground.may_show(seed, mutant, worlds) {
            continue;
        }
        looked_at += 1;
        worlds.fetch_add(1, Ordering::Relaxed);
        if let Some(first) = run(seed, &mutant.options).failures.into_iter().next() {
            let promise = first.promise;
            found = Some(Found { seed, promise });
            break;
        }
    }
    Fate {
        name: mutant.name.clone(),
        looked_at,
        found,
        reason: mutant.reason,
    }
}
