//! The paper's figures again: from the model, from the candidate tables and from the queueing simulator.
//!
//! Each figure is a [`Figure`]: curves, and what the paper claims about them beside what came out. A run writes CSV and SVG as
//! soon as a figure is there, and one page with all of them at the end.

pub mod args;
mod chart;
pub mod figure;
mod from_model;
mod page;
mod poisson;
mod resiliency;
mod run;

pub use args::ReproduceArgs;
pub use figure::{Claim, Curve, Figure, Verdict};
pub use run::{run, Done};

use anyhow::Result;
use indicatif::ProgressBar;

use crate::signals::Interrupt;

/// What a figure is made with.
pub struct Workshop<'a> {
    /// Everything random comes from here.
    pub seed: u64,
    /// Runs at a time.
    pub threads: usize,
    /// A tenth of the queries and of the repetitions: to see that it works.
    pub is_quick: bool,
    /// Somebody may want to stop.
    pub interrupt: &'a Interrupt,
    /// How far it is.
    pub bar: &'a ProgressBar,
}

/// A figure that can be made.
pub struct Experiment {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// Makes it.
    pub make: fn(&Workshop) -> Result<Figure>,
}

/// All of them, in the paper's order.
pub fn all() -> Vec<Experiment> {
    let mut all = vec![resiliency::figure_7()];
    all.extend(from_model::figures());
    all.push(poisson::figure_10a());
    all
}

impl Workshop<'_> {
    /// A tenth of `full` if it is to be quick.
    pub fn scaled(&self, full: u64) -> u64 {
        match self.is_quick {
            true => (full / 10).max(1),
            false => full,
        }
    }

    /// Does `work` on every number below `count`, on several threads; results in the order of their numbers.
    pub fn each<T: Send>(
        &self,
        count: usize,
        work: impl Fn(usize) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        self.bar.inc_length(count as u64);
        let mut results: Vec<Option<T>> = (0..count).map(|_| None).collect();
        let mut failed = Ok(());
        crate::swarm::parallel::each(
            count as u64,
            self.threads,
            |number| (number as usize, work(number as usize)),
            |(place, result)| {
                self.bar.inc(1);
                match result {
                    Ok(result) => results[place] = Some(result),
                    Err(error) => failed = Err(error),
                }
                match failed.is_err() || self.interrupt.is_set() {
                    true => std::ops::ControlFlow::Break(()),
                    false => std::ops::ControlFlow::Continue(()),
                }
            },
        );
        self.interrupt.check()?;
        failed?;
        Ok(results.into_iter().flatten().collect())
    }
}
