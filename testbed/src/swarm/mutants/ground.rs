//! What the seeds are like with the protocol as it is: which worlds keep every promise, and which rows of the
//! state tables each of them uses.

use std::ops::ControlFlow;

use crate::sim::rows::{Row, Rows};
use crate::sim::Options;
use crate::swarm::one::run;
use crate::swarm::{hurried, parallel};

/// A world that keeps every promise.
struct World {
    seed: u64,
    rows: Rows,
    events: u64,
}

/// The worlds in which mutants are looked for: a world that is ill anyway shows nothing.
pub struct Ground {
    worlds: Vec<World>,
}

impl Ground {
    /// Runs each of `seeds` seeds from 0 once. `ran` hears of each, and may end it early.
    pub fn survey(seeds: u64, threads: usize, mut ran: impl FnMut() -> ControlFlow<()>) -> Ground {
        let options = Options::default();
        let mut worlds = Vec::new();
        let work = |seed| (seed, run(hurried, seed, &options));
        parallel::each(seeds, threads, work, |(seed, tally)| {
            if tally.failures.is_empty() {
                worlds.push(World {
                    seed,
                    rows: tally.rows,
                    events: tally.events,
                });
            }
            ran()
        });
        worlds.sort_by_key(|world| world.seed);
        Ground { worlds }
    }

    /// How many worlds keep every promise.
    pub fn healthy(&self) -> usize {
        self.worlds.len()
    }

    /// Seeds whose worlds use a row, those first that use it most for what they cost; all of them in their order
    /// where no row is asked for.
    pub fn seeds(&self, row: Option<Row>) -> Vec<u64> {
        let Some(row) = row else {
            return self.worlds.iter().map(|world| world.seed).collect();
        };
        let using = self.worlds.iter().filter(|w| w.rows.uses(row) > 0);
        let mut using: Vec<&World> = using.collect();
        let cost_of_one = |world: &World| world.events / u64::from(world.rows.uses(row));
        using.sort_by_key(|world| (cost_of_one(world), world.seed));
        using.iter().map(|world| world.seed).collect()
    }
}
