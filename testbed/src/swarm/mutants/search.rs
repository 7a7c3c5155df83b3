//! Seed after seed, until one shows the mutant.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::sim::Options;
use crate::swarm::one::run;
use crate::swarm::parallel;
use crate::swarm::tally::Failure;

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

/// Looks for each mutant in the worlds of `seeds` seeds from 0. `done` hears of each fate, and `worlds` how many
/// worlds have been run.
pub fn search(
    mutants: &[Mutant],
    seeds: u64,
    threads: usize,
    worlds: &AtomicU64,
    mut done: impl FnMut(usize, Fate) -> ControlFlow<()>,
) {
    let look = |number: u64| {
        let place = number as usize;
        (place, look_for(&mutants[place], seeds, worlds))
    };
    parallel::each(mutants.len() as u64, threads, look, |(place, fate)| {
        done(place, fate)
    });
}

fn look_for(mutant: &Mutant, seeds: u64, worlds: &AtomicU64) -> Fate {
    let shows = |seed| {
        worlds.fetch_add(1, Ordering::Relaxed);
        let first = first_failure(seed, &mutant.options)?;
        // A world that is ill anyway shows nothing.
        let is_ill = first_failure(seed, &Options::default()).is_some();
        (!is_ill).then_some(Found {
            seed,
            promise: first.promise,
        })
    };
    Fate {
        name: mutant.name.clone(),
        found: (0..seeds).find_map(shows),
        reason: mutant.reason,
    }
}

fn first_failure(seed: u64, options: &Options) -> Option<Failure> {
    run(seed, options).failures.into_iter().next()
}
