//! `simulate`: queries, servers and a policy in virtual time.

use std::process::ExitCode;

use anyhow::Result;
use daemon::exit::UsageError;
use indicatif::{ProgressBar, ProgressStyle};

use crate::queueing::{self, show, SimulateArgs};
use crate::signals::Interrupt;

/// How many queries pass between two looks at the bar and at Ctrl-C.
const LOOK_EVERY: u64 = 10_000;

/// Runs one scenario; exit code 1 if the simulator itself lost something.
pub fn run(args: &SimulateArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let scenario = args.scenario()?;
    let bar = ProgressBar::new(scenario.arrivals.queries());
    if let Ok(style) = ProgressStyle::with_template("[{bar:30}] {pos}/{len} queries, {eta}") {
        bar.set_style(style.progress_chars("=> "));
    }
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
    let outcome = outcome.map_err(|error| UsageError(error.to_string()))?;
    match args.json {
        true => daemon::say!("{:#}", show::as_json(&outcome)),
        false => daemon::say!("{}", show::render(&outcome)),
    }
    interrupt.check()?;
    Ok(match outcome.is_whole() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
