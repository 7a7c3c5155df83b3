//! `srlb-testbed swarm`: many worlds in virtual time.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::ProgressBar;

use crate::signals::Interrupt;
use crate::swarm::mutants::{self, Fate, Ground, Report};
use crate::swarm::one::Maker;
use crate::swarm::replay::Filter;
use crate::swarm::{hurried, replay, scenario, show, worlds, SwarmArgs};

/// Seeds in which a mutant has to be found, unless somebody says otherwise.
const MUTANT_SEEDS: u64 = 2_000;

pub fn run(args: &SwarmArgs) -> Result<ExitCode> {
    match (args.replay, args.mutants) {
        (Some(seed), _) => run_replay(args, seed),
        (None, true) => run_mutants(args),
        (None, false) => run_worlds(args),
    }
}

fn run_worlds(args: &SwarmArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    quiet_panics();
    let plan = worlds::Plan {
        make: maker(args),
        from: args.from,
        seeds: args.seeds.unwrap_or(match args.minutes {
            Some(_) => u64::MAX - args.from,
            None => 1_000,
        }),
        time: args
            .minutes
            .map(|minutes| Duration::from_secs(60 * minutes)),
        threads: args.threads.into(),
        fail_fast: args.fail_fast,
    };
    let began = Instant::now();
    let tally = worlds::run_all(&plan, &interrupt);
    let took = began.elapsed();
    match args.json {
        true => daemon::say!("{:#}", show::as_json(&tally, took)),
        false => daemon::say!("{}\n{}", show::table(&tally, took), show::failures(&tally)),
    }
    if let Some(seeds) = args.seeds.filter(|&seeds| tally.worlds < seeds) {
        eprintln!("{} of {seeds} seeds were run", tally.worlds);
    }
    interrupt.check()?;
    Ok(code(tally.failures.is_empty()))
}

/// Which worlds seeds make.
fn maker(args: &SwarmArgs) -> Maker {
    match args.hurry {
        true => hurried,
        false => scenario,
    }
}

fn run_replay(args: &SwarmArgs, seed: u64) -> Result<ExitCode> {
    let world = maker(args)(seed);
    let outcome = replay::replay(&world, args.pcap.clone())?;
    let filter = match args.connection {
        Some(number) => {
            let spec = world.connections.get(number);
            Some(Filter::new(
                number,
                spec.context("there is no such connection")?,
            ))
        }
        None => None,
    };
    if args.json {
        daemon::say!("{:#}", show::replay_as_json(seed, &outcome));
        return Ok(code(outcome.is_well()));
    }
    let lines = outcome.trace.iter();
    for line in lines.filter(|line| filter.as_ref().is_none_or(|filter| filter.takes(line))) {
        daemon::say!("{line}");
    }
    if let Some(number) = args.connection {
        daemon::say!(
            "\n{:#?}\n{:?}",
            world.connections[number],
            outcome.connections[number]
        );
    }
    daemon::say!("\n{}", show::replay(&outcome));
    Ok(code(outcome.is_well()))
}

fn run_mutants(args: &SwarmArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    quiet_panics();
    let began = Instant::now();
    let seeds = args.seeds.unwrap_or(MUTANT_SEEDS);
    let ground = survey(seeds, args.threads.into(), &interrupt);
    interrupt.check()?;
    eprintln!("{} of {seeds} worlds keep every promise", ground.healthy());
    let fates = look_for_mutants(args, &ground, &interrupt);
    let report = Report::new(seeds, ground.healthy(), began.elapsed(), fates);
    if let (Some(folder), false) = (&args.report, interrupt.is_set()) {
        report.write(folder)?;
    }
    match args.json {
        true => daemon::say!("{:#}", serde_json::json!(report)),
        false => daemon::say!("{}", report.markdown()),
    }
    interrupt.check()?;
    Ok(code(report.ok))
}

/// The fates of those mutants that are asked for, in the order of the tables; what doesn't fit is told at once.
fn look_for_mutants(args: &SwarmArgs, ground: &Ground, interrupt: &Interrupt) -> Vec<Fate> {
    let mut all = mutants::all();
    if let Some(part) = &args.only {
        all.retain(|mutant| mutant.name.contains(part.as_str()));
    }
    let bar = worlds::style(ProgressBar::new(all.len() as u64), "mutants");
    let (run, mut fates) = (AtomicU64::new(0), vec![None; all.len()]);
    let threads = args.threads.into();
    mutants::search(&all, ground, threads, &run, |place, fate: Fate| {
        if !fate.is_well() {
            bar.suspend(|| eprintln!("{}: {:?}", fate.name, fate.found));
        }
        fates[place] = Some(fate);
        bar.inc(1);
        bar.set_message(format!("{} worlds", run.load(Ordering::Relaxed)));
        match interrupt.is_set() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    bar.finish_and_clear();
    fates.into_iter().flatten().collect()
}

/// Which worlds keep every promise, and which rows they use.
fn survey(seeds: u64, threads: usize, interrupt: &Interrupt) -> Ground {
    let bar = worlds::style(ProgressBar::new(seeds), "worlds as they are");
    let ground = Ground::survey(seeds, threads, || {
        bar.inc(1);
        match interrupt.is_set() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    bar.finish_and_clear();
    ground
}

/// A panic in a world is reported as that world's failure, not on the terminal.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|_| ()));
}

fn code(is_well: bool) -> ExitCode {
    match is_well {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
