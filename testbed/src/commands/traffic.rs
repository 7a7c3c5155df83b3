//! `traffic`: connections that last.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::{TrafficArgs, TrafficBackendArgs};
use crate::load::Sources;
use crate::opener::Opener;
use crate::plan::load_sources;
use crate::records::write_records;
use crate::signals::Interrupt;
use crate::traffic::{self, Class, Params, Progress, Shape, Summary};

/// The kernel's buffers hold less than a second of a transfer: a stall is soon seen.
const BUFFER_BYTES: usize = 16 * 1024;

/// Keeps the traffic going; exit code 1 if a connection failed.
pub fn run(args: &TrafficArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let bar = bar(args);
    let mut tell = |progress: Progress| match args.progress_json {
        // Whoever stopped reading is missed at the end; the traffic goes on.
        true => {
            let _ = writeln!(std::io::stdout(), "{}", serde_json::json!(progress));
        }
        false => {
            bar.set_position(progress.elapsed_s as u64);
            bar.set_message(format!(
                "s, {} open, {} ended, {} failed",
                progress.open, progress.ended, progress.failed
            ));
        }
    };
    let records = traffic::run(params(args), &interrupt, &mut tell)?;
    bar.finish_and_clear();

    if let Some(path) = &args.out {
        write_records(path, &records)?;
    }
    let summary = Summary::of(&records);
    match (args.progress_json, args.json) {
        (true, _) => {}
        (false, true) => daemon::say!("{:#}", serde_json::json!(summary)),
        (false, false) => daemon::say!("{}", traffic::render(&summary)),
    }
    let code = if summary.all.failed() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    Ok(code)
}

/// Serves one server's Apache until interrupted.
pub fn run_backend(args: &TrafficBackendArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    traffic::serve(&args.socket, &interrupt)?;
    Ok(ExitCode::SUCCESS)
}

fn params(args: &TrafficArgs) -> Params {
    let sources = match &args.sources {
        Some(given) => given.iter().copied().flatten().collect(),
        None => load_sources().map(Into::into).collect(),
    };
    Params {
        opener: Opener {
            target: args.vip,
            sources: Sources::new(sources, args.first_source),
            buffer_bytes: Some(BUFFER_BYTES),
        },
        counts: BTreeMap::from([
            (Class::Download, args.downloads),
            (Class::Upload, args.uploads),
            (Class::KeepAlive, args.keep_alive),
            (Class::Push, args.push),
            (Class::Idle, args.idle),
        ]),
        short_rate_per_s: args.short_rate,
        shape: Shape {
            transfer_s: args.transfer_s,
            transfer_bytes_per_s: args.transfer_bytes_per_s,
            keep_alive_pause_s: args.keep_alive_pause_s,
            push_every_s: args.push_every_s,
            idle_pause_s: args.idle_pause_s,
        },
        seed: args.seed,
        run: Duration::from_secs_f64(args.seconds),
        ramp: Duration::from_secs_f64(args.ramp_s),
        drain: Duration::from_secs_f64(args.drain_s),
        timeout: Duration::from_secs_f64(args.timeout_s),
    }
}

fn bar(args: &TrafficArgs) -> ProgressBar {
    if args.progress_json || args.json {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}");
    ProgressBar::new(args.seconds as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
