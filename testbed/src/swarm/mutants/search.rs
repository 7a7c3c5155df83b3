//! World after world, until one shows the mutant.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::sim::Options;
use crate::swarm::one::run;
use crate::swarm::{hurried, parallel};

use super::ground::Ground;
use super::Mutant;

/// So many worlds are enough to refute the reason why a mutant can't be found.
pub const WORLDS_AGAINST_A_REASON: usize = 200;

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
    /// Worlds that keep every promise without it, and use the row.
    pub worlds: usize,
    /// In how many of them it was looked for.
    pub looked_at: usize,
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

/// Looks for each mutant in the worlds of the ground. `done` hears of each fate, and `worlds` how many worlds have
/// been run.
pub fn search(
    mutants: &[Mutant],
    ground: &Ground,
    threads: usize,
    worlds: &AtomicU64,
    mut done: impl FnMut(usize, Fate) -> ControlFlow<()>,
) {
    let look = |number: u64| {
        let place = number as usize;
        (place, look_for(&mutants[place], ground, worlds))
    };
    parallel::each(mutants.len() as u64, threads, look, |(place, fate)| {
        done(place, fate)
    });
}

fn look_for(mutant: &Mutant, ground: &Ground, worlds: &AtomicU64) -> Fate {
    let seeds = ground.seeds(mutant.row);
    let most = match mutant.reason {
        Some(_) => WORLDS_AGAINST_A_REASON,
        None => seeds.len(),
    };
    let options = Options {
        until_broken: true,
        ..mutant.options.clone()
    };
    let (mut looked_at, mut found) = (0, None);
    for &seed in seeds.iter().take(most) {
        looked_at += 1;
        worlds.fetch_add(1, Ordering::Relaxed);
        if let Some(first) = run(hurried, seed, &options).failures.into_iter().next() {
            let promise = first.promise;
            found = Some(Found { seed, promise });
            break;
        }
    }
    Fate {
        name: mutant.name.clone(),
        worlds: seeds.len(),
        looked_at,
        found,
        reason: mutant.reason,
    }
}
