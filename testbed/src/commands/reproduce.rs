//! `reproduce`: the paper's figures again.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Result;
use comfy_table::{presets, ContentArrangement, Table};
use daemon::exit::UsageError;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::queueing::Trace;
use crate::reproduce::{
    all, count, run as make, wikipedia, Done, Experiment, Made, ReproduceArgs, Verdict, Workshop,
    PARTIAL,
};
use crate::signals::Interrupt;
use crate::{machine, provenance};

/// Makes the figures; exit code 1 if one went wrong, and with `--strict` also if one was skipped or a claim of the paper was missed.
pub fn run(name: &str, args: &ReproduceArgs) -> Result<ExitCode> {
    if args.list {
        for experiment in all() {
            daemon::say!("{:<9} {}", experiment.name, experiment.title);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let experiments = chosen(args)?;
    let interrupt = Interrupt::install()?;
    let trace = trace(args, &experiments, &interrupt)?;
    let bar = bar();
    let mut workshop = Workshop::new(args.seed, &interrupt, &bar);
    workshop.threads = args.threads.into();
    workshop.is_quick = args.quick;
    workshop.testbed = name.to_owned();
    workshop.trace = trace;
    let told = |done: &Done| match bar.is_hidden() {
        true => eprintln!("{}", line(done)),
        false => bar.println(line(done)),
    };
    let done = make(&workshop, &experiments, &args.out(), &how(args), told);
    bar.finish_and_clear();
    let done = interrupt.explain(done).inspect_err(|_| {
        if args.out().join(PARTIAL).is_file() {
            eprintln!(
                "what is there is kept in {}, marked as partial",
                args.out().display()
            );
        }
    })?;
    match args.json {
        true => daemon::say!("{:#}", as_json(&done)),
        false => show(args, &done)?,
    }
    let is_fine = |done: &Done| match &done.made {
        Made::Figure(figure) => {
            !args.strict || figure.claims.iter().all(|c| c.verdict != Verdict::Missed)
        }
        Made::Skipped(_) => !args.strict,
        Made::Failed(_) => false,
    };
    Ok(match done.iter().all(is_fine) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// For who has the page and not the terminal.
fn how(args: &ReproduceArgs) -> String {
    format!(
        "{}, {}, commit {}, seed {}, on {}.{}",
        provenance::command(),
        provenance::now(),
        provenance::commit().unwrap_or("unknown"),
        args.seed,
        machine::shape(),
        match args.quick {
            true => " A tenth of the queries only (--quick): chance may miss a claim.",
            false => "",
        }
    )
}

fn line(done: &Done) -> String {
    let what = format!("{}: {}", done.experiment.label(), done.experiment.title);
    match &done.made {
        Made::Figure(_) => what,
        Made::Skipped(why) => format!("{what}\n  skipped: {why}"),
        Made::Failed(how) => format!("{what}\n  failed: {how}"),
    }
}

fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    bar.enable_steady_tick(std::time::Duration::from_millis(500));
    match ProgressStyle::with_template("[{bar:30}] {pos}/{len} steps, {msg}, {elapsed}") {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

fn chosen(args: &ReproduceArgs) -> Result<Vec<Experiment>> {
    let mut experiments = all();
    let is_known = |name: &&String| experiments.iter().any(|e| e.name == **name);
    if let Some(unknown) = args.names.iter().find(|name| !is_known(name)) {
        let text = format!(
            "no figure is called \"{unknown}\"; `srlb-testbed reproduce --list` names them"
        );
        return Err(UsageError(text).into());
    }
    experiments.retain(|e| args.names.is_empty() || args.names.iter().any(|name| name == e.name));
    Ok(experiments)
}

/// The trace of figure 12, checked before anything is computed.
fn trace(
    args: &ReproduceArgs,
    experiments: &[Experiment],
    interrupt: &Interrupt,
) -> Result<Option<Trace>> {
    let Some(path) = &args.trace else {
        return Ok(None);
    };
    if !experiments.iter().any(|e| e.name == "12") {
        let text = "--trace is for figure 12, which is not among those asked for".to_owned();
        return Err(UsageError(text).into());
    }
    let bar = super::trace_bar(path);
    let trace = Trace::check(path, wikipedia::SERVICES, &mut |read_bytes| {
        bar.set_position(read_bytes);
        !interrupt.is_set()
    });
    bar.finish_and_clear();
    Ok(Some(trace?))
}

/// The paper's claims; our findings only where few figures were asked for, as all of them fill pages.
fn show(args: &ReproduceArgs, done: &[Done]) -> Result<()> {
    let is_shown = |verdict| verdict != Verdict::Finding || !args.names.is_empty();
    daemon::say!("{}", table(done, is_shown));
    daemon::say!(
        "{} claims met, {} missed, {} findings of ours; reasons and plots: {}",
        count(done, Verdict::Met),
        count(done, Verdict::Missed),
        count(done, Verdict::Finding),
        args.out().join("index.html").display()
    );
    Ok(())
}

fn table(done: &[Done], is_shown: impl Fn(Verdict) -> bool) -> Table {
    /// Where it isn't a terminal's.
    const WIDTH: u16 = 160;
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(WIDTH);
    }
    table.set_header(["figure", "claim", "paper", "ours", "verdict"]);
    for done in done {
        let name = done.experiment.name;
        match &done.made {
            Made::Figure(figure) => {
                let claims = figure.claims.iter();
                for claim in claims.filter(|claim| is_shown(claim.verdict)) {
                    let verdict = claim.verdict.name();
                    table.add_row([name, &claim.what, &claim.paper, &claim.ours, verdict]);
                }
            }
            Made::Skipped(why) => _ = table.add_row([name, "", "", why, "skipped"]),
            Made::Failed(how) => _ = table.add_row([name, "", "", how, "failed"]),
        }
    }
    table
}

fn as_json(done: &[Done]) -> serde_json::Value {
    let of = |done: &Done| {
        let mut value = json!({ "figure": done.experiment.name, "title": done.experiment.title });
        let (key, what) = match &done.made {
            Made::Figure(figure) => ("claims", json!(figure.claims)),
            Made::Skipped(why) => ("skipped", json!(why)),
            Made::Failed(how) => ("failed", json!(how)),
        };
        value[key] = what;
        value
    };
    done.iter().map(of).collect()
}
