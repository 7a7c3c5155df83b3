//! What each subcommand does.

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

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

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
        Command::Legit(args) => hostile::run_legit(&args),
        Command::Cores(args) => run_cores(&args),
        Command::TrafficBackend(args) => traffic::run_backend(&args),
    }
}

fn down(name: &str) -> Result<ExitCode> {
    tools::check_host()?;
    // Half a tear-down is what we are here to prevent: a Ctrl-C waits for its end.
    let _interrupt = Interrupt::install()?;
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
