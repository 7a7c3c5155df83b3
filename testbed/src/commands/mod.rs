//! What each subcommand does.

mod bench;
mod client;
mod demo;
mod exec;
mod failover;
mod flood;
mod hostile;
mod load;
mod model;
mod reproduce;
mod simulate;
mod status;
mod swarm;
mod traffic;
mod up;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

use crate::bench::veth;
use crate::cli::{Cli, Command, CoresArgs};
use crate::cores;
use crate::signals::Interrupt;
use crate::teardown;
use crate::tools;

/// Does what the command line asks for.
pub fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Up(args) => up::run(&cli.name, &args),
        Command::Down => down(&cli.name),
        Command::Exec(args) => exec::run(&cli.name, &args),
        Command::Status(args) => status::run(&cli.name, &args),
        Command::Demo(args) => demo::run(&cli.name, &args),
        Command::Failover(args) => failover::run(&cli.name, &args),
        Command::Load(args) => load::run(&args),
        Command::Traffic(args) => traffic::run(&args),
        Command::Hostile(args) => hostile::run(&cli.name, &args),
        Command::Flood(args) => flood::run(&args),
        Command::Model(args) => model::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Reproduce(args) => reproduce::run(&cli.name, &args),
        Command::Swarm(args) => swarm::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Legit(args) => hostile::run_legit(&args),
        Command::Cores(args) => run_cores(&args),
        Command::TrafficBackend(args) => traffic::run_backend(&args),
    }
}

fn down(name: &str) -> Result<ExitCode> {
    tools::check_host()?;
    // Half a tear-down is what we are here to prevent: a Ctrl-C waits for its end.
    let _interrupt = Interrupt::install()?;
    if veth::leftovers::remove()? {
        eprintln!("removed what a killed `bench veth` had left");
    }
    if !teardown::anything_there(name) {
        eprintln!("nothing is up");
        return Ok(ExitCode::SUCCESS);
    }
    teardown::tear_down(name)?;
    eprintln!("down");
    Ok(ExitCode::SUCCESS)
}

fn run_cores(args: &CoresArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let mean = Duration::from_secs_f64(args.service_mean_ms / 1e3);
    cores::serve(&args.socket, args.cores, mean, &interrupt)?;
    Ok(ExitCode::SUCCESS)
}

/// A bar that is drawn where somebody looks.
fn bar(length: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

/// A bar for the check of a trace.
fn trace_bar(path: &Path) -> ProgressBar {
    let size_bytes = std::fs::metadata(path).map_or(0, |meta| meta.len());
    let template = "[{bar:30}] {bytes}/{total_bytes} of the trace checked, {eta} left";
    bar(size_bytes, template)
}
