//! `traffic`: connections that last.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

use crate::cli::{TrafficArgs, TrafficBackendArgs};
use crate::opener::Opener;
use crate::signals::Interrupt;
use crate::traffic::{self, Class, Params, Progress, Shape, Summary};

/// The kernel's buffers hold less than a second of a transfer: a stall is soon seen.
const BUFFER_BYTES: usize = 16 * 1024;

/// Keeps the traffic going; exit code 1 if a connection failed.
pub fn run(args: &TrafficArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let bar = args.client.bar(args.seconds as u64);
    let mut tell = |progress: Progress| {
        args.client.tell(&progress, || {
            bar.set_position(progress.elapsed_s as u64);
            bar.set_message(format!(
                "s, {} open, {} ended, {} failed",
                progress.open, progress.ended, progress.failed
            ));
        });
    };
    let records = traffic::run(params(args), &interrupt, &mut tell)?;
    bar.finish_and_clear();
    let summary = Summary::of(&records);
    let rendered = || traffic::render(&summary);
    args.client
        .end(&records, &summary, rendered, summary.all.failed() > 0)
}

/// Serves one server's Apache until interrupted.
pub fn run_backend(args: &TrafficBackendArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    traffic::serve(&args.socket, &interrupt)?;
    Ok(ExitCode::SUCCESS)
}

fn params(args: &TrafficArgs) -> Params {
    Params {
        opener: Opener {
            target: args.vip,
            sources: args.client.rotation(),
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
