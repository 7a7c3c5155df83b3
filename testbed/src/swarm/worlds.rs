//! Many seeds, with a progress bar.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::signals::Interrupt;
use crate::sim::Options;

use super::one::{run, Maker};
use super::parallel;
use super::tally::Tally;

/// Which seeds, and how.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What makes their worlds.
    pub make: Maker,
    /// The first one.
    pub from: u64,
    /// How many, unless the time is up before.
    pub seeds: u64,
    /// How long at most.
    pub time: Option<Duration>,
    /// Worlds at a time.
    pub threads: usize,
    /// Stop at the first world that breaks a promise?
    pub fail_fast: bool,
}

/// Runs them. An interrupt ends it early, with what there is.
pub fn run_all(plan: &Plan, interrupt: &Interrupt) -> Tally {
    let began = Instant::now();
    let bar = bar(plan);
    let mut all = Tally::default();
    let options = Options::default();
    let work = |number| run(plan.make, plan.from + number, &options);
    parallel::each(plan.seeds, plan.threads, work, |tally| {
        for failure in &tally.failures {
            bar.println(format!(
                "seed {}: {}: {}",
                failure.seed, failure.promise, failure.what
            ));
        }
        all.add(tally);
        bar.set_position(match plan.time {
            Some(_) => began.elapsed().as_secs(),
            None => all.worlds,
        });
        bar.set_message(message(&all, began.elapsed()));
        let time_is_up = plan.time.is_some_and(|time| began.elapsed() >= time);
        let failed = plan.fail_fast && !all.failures.is_empty();
        match time_is_up || failed || interrupt.is_set() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    bar.finish_and_clear();
    all
}

fn bar(plan: &Plan) -> ProgressBar {
    let (length, unit) = match plan.time {
        Some(time) => (time.as_secs(), "s"),
        None => (plan.seeds, "seeds"),
    };
    style(ProgressBar::new(length), unit)
}

/// A bar as all of ours look.
pub fn style(bar: ProgressBar, unit: &str) -> ProgressBar {
    let template = format!("[{{bar:30}}] {{pos}}/{{len}} {unit}, {{msg}}");
    let style = ProgressStyle::with_template(&template);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn message(all: &Tally, took: Duration) -> String {
    let rate = all.worlds as f64 / took.as_secs_f64().max(1e-3);
    format!(
        "{rate:.1} seeds/s, {} connections, {} failed",
        all.connections,
        all.failures.len()
    )
}
