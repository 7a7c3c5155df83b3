//! `simulate`: queries, servers and a policy in virtual time.

use std::process::ExitCode;

use anyhow::Result;
use daemon::exit::UsageError;
use indicatif::ProgressBar;

use crate::queueing::{self, show, RunError, Scenario, SimulateArgs};
use crate::signals::Interrupt;

/// How many queries pass between two moves of the bar.
const LOOK_EVERY: u64 = 10_000;

/// Runs one scenario; exit code 1 if the simulator itself lost something.
pub fn run(args: &SimulateArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let scenario = scenario(args, &interrupt)?;
    let bar = super::bar(
        scenario.arrivals.queries(),
        "[{bar:30}] {human_pos}/{human_len} queries, {eta} left",
    );
    let mut ended = 0;
    let mut on_end = |_: &queueing::Ended| {
        ended += 1;
        if ended % LOOK_EVERY == 0 {
            bar.set_position(ended);
        }
        !interrupt.is_set()
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
    let bar = match &args.trace {
        Some(path) => super::trace_bar(path),
        None => ProgressBar::hidden(),
    };
    let scenario = args.scenario(&mut |read_bytes| {
        bar.set_position(read_bytes);
        !interrupt.is_set()
    });
    bar.finish_and_clear();
    scenario
}
