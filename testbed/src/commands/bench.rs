//! `srlb-testbed bench`: what packets and tables cost.

use std::process::ExitCode;

use anyhow::Result;

use super::bar;
use crate::bench::instructions::Counts;
use crate::bench::results::Results;
use crate::bench::{
    candidates, engine, full, page, profile, reload, show, veth, workers, BenchArgs, On,
};
use crate::signals::Interrupt;
use crate::tools;

pub fn run(args: &BenchArgs) -> Result<ExitCode> {
    match &args.on {
        Some(On::Veth(args)) => return run_veth(args),
        Some(On::Reload(args)) => return run_reload(args),
        Some(On::Full(args)) => return run_full(args),
        None => {}
    }
    let interrupt = Interrupt::install()?;
    let instructions = match &args.instructions {
        Some(path) => Counts::read(path)?,
        None => Err("`make bench` has them counted".into()),
    };
    let template = "[{bar:30}] {pos}/{len} turns, {eta} left";
    let bar = bar(engine::steps(args) + workers::steps(args) + 2, template);
    let step = || {
        bar.inc(1);
        interrupt.check()
    };
    let built = candidates::measure(args.passes())?;
    step()?;
    let measured = engine::measure(args, step)?;
    let scaling = workers::measure(args, &step)?;
    bar.set_message("the largest table");
    let full = match args.with_full() {
        true => {
            let passes = args.passes().min(full::MOST_PASSES);
            full::measure(full::FLOWS, passes, &interrupt).map_err(|why| format!("{why:#}"))
        }
        false => Err("only all cases and sizes have it".to_owned()),
    };
    step()?;
    bar.set_message("reloads");
    let reloaded = match tools::check_root() {
        Ok(()) => Ok(interrupt.explain(reload::measure(args.passes(), &interrupt, || {}))?),
        Err(why) => Err(format!("{why:#}")),
    };
    let mut results = Results {
        batch: args.batch,
        measured,
        scaling,
        instructions,
        built,
        full,
        reloaded,
        profiles: Ok(Vec::new()),
    };
    if let Some(folder) = &args.report {
        bar.set_message("profiles");
        results.profiles = profile::of_missed(args, &results, || interrupt.check())?;
        page::write(folder, args, &results)?;
    }
    bar.finish_and_clear();
    match args.json {
        true => daemon::say!("{:#}", show::as_json(&results)),
        false => daemon::say!("{}", show::terminal(&results)),
    }
    Ok(ExitCode::SUCCESS)
}

fn run_veth(args: &veth::VethArgs) -> Result<ExitCode> {
    tools::check_root()?;
    let interrupt = Interrupt::install()?;
    let bar = bar(
        veth::run::steps(args),
        "[{bar:30}] {pos}/{len} steps, {eta} left",
    );
    let measured = veth::run::measure(args, &interrupt, || bar.inc(1));
    let figures = interrupt.explain(measured)?;
    bar.finish_and_clear();
    if let Some(folder) = &args.report {
        veth::page::write(folder, args, &figures)?;
    }
    match args.json {
        true => daemon::say!("{:#}", veth::show::as_json(&figures)),
        false => daemon::say!("{}", veth::show::table(&figures).terminal()),
    }
    Ok(ExitCode::SUCCESS)
}

fn run_reload(args: &reload::ReloadArgs) -> Result<ExitCode> {
    tools::check_root()?;
    let interrupt = Interrupt::install()?;
    let bar = bar(
        args.rounds.into(),
        "[{bar:30}] {pos}/{len} reloads, {eta} left",
    );
    let reloaded = reload::measure(args.rounds, &interrupt, || bar.inc(1));
    let reloaded = interrupt.explain(reloaded)?;
    bar.finish_and_clear();
    match args.json {
        true => daemon::say!("{:#}", reload::as_json(&reloaded)),
        false => daemon::say!("{}", reload::table(&reloaded).terminal()),
    }
    Ok(ExitCode::SUCCESS)
}

fn run_full(args: &full::FullArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let full = interrupt.explain(full::measure(args.flows, args.passes, &interrupt))?;
    match args.json {
        true => daemon::say!("{:#}", full.as_json()),
        false => daemon::say!("{}", full.table().terminal()),
    }
    Ok(ExitCode::SUCCESS)
}
