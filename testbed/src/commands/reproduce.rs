//! `reproduce`: the paper's figures again.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Result;
use comfy_table::{presets, Table};
use daemon::exit::UsageError;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::reproduce::{all, run as make, Done, Experiment, ReproduceArgs, Verdict, Workshop};
use crate::signals::Interrupt;

/// Makes the figures; exit code 1 if one of the paper's claims was missed.
pub fn run(args: &ReproduceArgs) -> Result<ExitCode> {
    if args.list {
        for experiment in all() {
            daemon::say!("{:<4} {}", experiment.name, experiment.title);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let experiments = chosen(&args.names)?;
    let interrupt = Interrupt::install()?;
    let bar = bar();
    let workshop = Workshop {
        seed: args.seed,
        threads: args.threads.into(),
        is_quick: args.quick,
        interrupt: &interrupt,
        bar: &bar,
    };
    let told = |done: &Done| {
        let line = format!("figure {}: {}", done.name, done.title);
        match bar.is_hidden() {
            true => eprintln!("{line}"),
            false => bar.println(line),
        }
    };
    let done = make(&workshop, &experiments, &args.out, told);
    bar.finish_and_clear();
    let done = interrupt.explain(done)?;
    match args.json {
        true => daemon::say!("{:#}", as_json(&done)),
        false => daemon::say!("{}\nin {}", table(&done), args.out.display()),
    }
    let mut claims = done.iter().flat_map(|done| &done.figure.claims);
    Ok(match claims.all(|claim| claim.verdict == Verdict::Met) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    match ProgressStyle::with_template("[{bar:30}] {pos}/{len} runs, {msg}, {elapsed}") {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

fn chosen(names: &[String]) -> Result<Vec<Experiment>> {
    let mut experiments = all();
    let is_known = |name: &&String| experiments.iter().any(|e| e.name == **name);
    if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
        let text = format!(
            "no figure is called \"{unknown}\"; `srlb-testbed reproduce --list` names them"
        );
        return Err(UsageError(text).into());
    }
    experiments.retain(|e| names.is_empty() || names.iter().any(|name| name == e.name));
    Ok(experiments)
}

fn table(done: &[Done]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY);
    table.set_header(["figure", "claim", "paper", "ours", "verdict"]);
    for done in done {
        for claim in &done.figure.claims {
            let verdict = match claim.verdict {
                Verdict::Met => "met",
                Verdict::Missed => "missed",
            };
            table.add_row([done.name, &claim.what, &claim.paper, &claim.ours, verdict]);
        }
    }
    table
}

fn as_json(done: &[Done]) -> serde_json::Value {
    let figures = done.iter().map(
        |done| json!({ "figure": done.name, "title": done.title, "claims": done.figure.claims }),
    );
    figures.collect()
}
