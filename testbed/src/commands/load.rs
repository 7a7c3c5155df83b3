//! `load`: the load generator on its own.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

use crate::cli::LoadArgs;
use crate::load::{self, Length, Params, Progress, Schedule, Summary};
use crate::signals::Interrupt;

/// How long it goes on if nobody says.
const DEFAULT_SECONDS: f64 = 10.0;

/// Sends the load; exit code 1 if a request failed.
pub fn run(args: &LoadArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let seconds = args.seconds.unwrap_or(DEFAULT_SECONDS);
    let length = match args.requests {
        Some(requests) => Length::Requests(requests),
        None => Length::Time(Duration::from_secs_f64(seconds)),
    };
    let service_mean = Duration::from_secs_f64(args.service_mean_ms / 1e3);
    let schedule = Schedule::new(args.seed, args.rate, service_mean, length);
    let params = Params {
        target: args.target,
        sources: args.client.rotation(),
        timeout: Duration::from_secs_f64(args.timeout_s),
    };

    let bar = args.client.bar(schedule.clone().count() as u64);
    let mut tell = |progress: Progress| {
        args.client.tell(&progress, || {
            bar.set_position(progress.ended);
            bar.set_message(format!("{} failed", progress.failed));
        });
    };
    let records = load::run(schedule, params, &interrupt, &mut tell)?;
    bar.finish_and_clear();
    let summary = Summary::of(&records);
    let rendered = || load::render(&summary);
    args.client
        .end(&records, &summary, rendered, summary.failed > 0)
}
