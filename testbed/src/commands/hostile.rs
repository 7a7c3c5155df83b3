//! `hostile`: floods beside legitimate connections.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cli::{HostileArgs, LegitArgs};
use crate::hostile::{argument, markdown, picture, Hostile, Legit, Report};
use crate::plan::default_target;
use crate::signals::Interrupt;

const REGULARS: usize = 8;
const NEWCOMERS: usize = 2;
const HELD: usize = 8;
/// From the held connections' standing to the first new one: the flood is on by then.
const LEAD: Duration = Duration::from_secs(1);

/// Plays it; exit code 0 only if all three promises were kept.
pub fn run(name: &str, args: &HostileArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let hostile = Hostile {
        settings: args.settings(name),
        rounds: args.rounds,
        floods: args.floods.clone(),
        seconds: args.seconds,
        regulars: REGULARS,
        newcomers: NEWCOMERS,
        held: HELD,
        command: command(args),
    };
    let step = |what: &str| eprintln!("{what} ...");
    let report = interrupt.explain(hostile.run(&interrupt, &step))?;
    if let Some(folder) = &args.report {
        write(folder, &report)
            .with_context(|| format!("cannot write into {}", folder.display()))?;
    }
    match args.json {
        true => daemon::say!("{:#}", serde_json::json!(report)),
        false => daemon::say!("{}", markdown(&report)),
    }
    Ok(match report.ok {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// What repeats it.
fn command(args: &HostileArgs) -> String {
    let floods: Vec<String> = args.floods.iter().map(|&kind| argument(kind)).collect();
    let guard = args
        .strangers_pps
        .map_or(String::new(), |pps| format!(" --strangers-pps {pps}"));
    format!(
        "srlb-testbed hostile --rounds {} --seconds {} --floods {} --lbs {} --servers {} --flows {}{guard}",
        args.rounds,
        args.seconds,
        floods.join(","),
        args.lbs,
        args.servers,
        args.flows,
    )
}

fn write(folder: &Path, report: &Report) -> Result<()> {
    fs::create_dir_all(folder)?;
    let text = format!(
        "# Floods from spoofed sources\n\n`{}`\n\n{}\n![each round](hostile.svg)\n",
        report.command,
        markdown(report)
    );
    fs::write(folder.join("hostile.md"), text)?;
    fs::write(folder.join("hostile.svg"), picture(report))?;
    fs::write(
        folder.join("hostile.json"),
        serde_json::to_string_pretty(report)?,
    )?;
    Ok(())
}

/// The clients; what came of them is said as JSON.
pub fn run_legit(args: &LegitArgs) -> Result<ExitCode> {
    let legit = Legit {
        target: default_target(),
        time: Duration::from_secs_f64(args.seconds),
        regulars: args.regulars,
        newcomers: args.newcomers,
        held: args.held,
        first_newcomer: args.first_newcomer,
        pids: args.pids.clone(),
        processors: args.processors.clone(),
    };
    let served = legit.run(|| {
        daemon::say!("the held connections stand");
        std::thread::sleep(LEAD);
        Ok(())
    })?;
    daemon::say!("{}", serde_json::json!(served));
    Ok(ExitCode::SUCCESS)
}
