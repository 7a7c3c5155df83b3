//! What figures are made with.

use std::ops::ControlFlow;
use std::sync::OnceLock;

use anyhow::Result;
use indicatif::ProgressBar;

use crate::queueing::Trace;
use crate::signals::Interrupt;

/// What a figure is made with.
pub struct Workshop<'a> {
    /// Everything random comes from here.
    pub seed: u64,
    /// Runs at a time.
    pub threads: usize,
    /// A tenth of the queries and of the repetitions: to see that it works.
    pub is_quick: bool,
    /// The name of the testbeds on real kernels.
    pub testbed: String,
    /// Whose queries figure 12 takes, if it isn't to make its own.
    pub trace: Option<Trace>,
    /// Somebody may want to stop.
    pub interrupt: &'a Interrupt,
    /// How far it is.
    pub bar: &'a ProgressBar,
    /// lambda_0, once [`super::farm::sustainable_qps`] has found it.
    pub(super) sustainable_qps: OnceLock<f64>,
}

impl<'a> Workshop<'a> {
    /// One that computes everything in full, one run at a time.
    pub fn new(seed: u64, interrupt: &'a Interrupt, bar: &'a ProgressBar) -> Self {
        Workshop {
            seed,
            threads: 1,
            is_quick: false,
            testbed: "srlb".to_owned(),
            trace: None,
            interrupt,
            bar,
            sustainable_qps: OnceLock::new(),
        }
    }

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
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            },
        );
        self.interrupt.check()?;
        failed?;
        Ok(results.into_iter().flatten().collect())
    }
}
