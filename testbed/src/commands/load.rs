//! `load`: the load generator on its own.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::LoadArgs;
use crate::load::{self, Length, Params, Progress, Schedule, Sources, Summary};
use crate::plan::load_sources;
use crate::records::write_records;
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
    let sources = match &args.sources {
        Some(given) => given.iter().copied().flatten().collect(),
        None => load_sources().map(Into::into).collect(),
    };
    let params = Params {
        target: args.target,
        sources: Sources::new(sources, args.first_source),
        timeout: Duration::from_secs_f64(args.timeout_s),
    };

    let bar = bar(args, schedule.clone().count() as u64);
    let mut tell = |progress: Progress| match args.progress_json {
        // Whoever stopped reading is missed at the end; the load goes on.
        true => {
            let _ = writeln!(std::io::stdout(), "{}", serde_json::json!(progress));
        }
        false => {
            bar.set_position(progress.ended);
            bar.set_message(format!("{} failed", progress.failed));
        }
    };
    let records = load::run(schedule, params, &interrupt, &mut tell)?;
    bar.finish_and_clear();

    if let Some(path) = &args.out {
        write_records(path, &records)?;
    }
    let summary = Summary::of(&records);
    match (args.progress_json, args.json) {
        (true, _) => {}
        (false, true) => daemon::say!("{:#}", serde_json::json!(summary)),
        (false, false) => daemon::say!("{}", load::render(&summary)),
    }
    let code = if summary.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    Ok(code)
}

fn bar(args: &LoadArgs, requests: u64) -> ProgressBar {
    if args.progress_json || args.json {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}");
    ProgressBar::new(requests).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
