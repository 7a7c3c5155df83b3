//! `simulate`: queries, servers and a policy in virtual time.

use std::process::ExitCode;

use anyhow::Result;
use daemon::exit::UsageError;
use indicatif::{ProgressBar, ProgressStyle};

use crate::queueing::{self, show, RunError, Scenario, SimulateArgs};
use crate::signals::Interrupt;

/// How many queries pass between two looks at the bar and at Ctrl-C.
const LOOK_EVERY: u64 = 10_000;

/// Runs one scenario; exit code 1 if the simulator itself lost something.
pub fn run(args: &SimulateArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let scenario = scenario(args, &interrupt)?;
    let bar = bar(
        scenario.arrivals.queries(),
        "[{bar:30}] {human_pos}/{human_len} queries, {eta} left",
    );
    let mut ended = 0;
    let mut on_end = |_: &queueing::Ended| {
        ended += 1;
        if ended % LOOK_EVERY == 0 {
            bar.set_position(ended);
            return !interrupt.is_set();
        }
        true
    };
    let outcome = queueing::run(&scenario, &mut on_end);
    bar.finish_and_clear();
    let outcome = outcome.map_err(|error| match error {
        RunError::Scenario(error) => UsageError(error.to_string()).into(),
        RunError::Trace(error) => anyhow::Error::new(error),
    })?;
    // what came out of the first queries is none of what was asked for
    interrupt.check()?;
    match args.json {
        true => daemon::say!("{:#}", show::as_json(&outcome)),
        false => daemon::say!("{}", show::render(&outcome)),
    }
    Ok(match outcome.is_whole() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// The scenario; a long trace is checked behind a bar.
fn scenario(args: &SimulateArgs, interrupt: &Interrupt) -> Result<Scenario> {
    let meta = args.trace.as_ref().map(std::fs::metadata);
    let size_bytes = meta.and_then(|meta| meta.ok()).map_or(0, |meta| meta.len());
    let bar = bar(
        size_bytes,
        "[{bar:30}] {bytes}/{total_bytes} checked, {eta} left",
    );
    let scenario = args.scenario(&mut |read_bytes| {
        bar.set_position(read_bytes);
        !interrupt.is_set()
    });
    bar.finish_and_clear();
    scenario
}

fn bar(length: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}
