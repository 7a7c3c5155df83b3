//! `failover`: what is lost when parts of a cluster go.

use std::process::ExitCode;

use anyhow::{bail, Result};

use crate::cli::FailoverArgs;
use crate::failover::{all, render, Failover, Scenario};
use crate::signals::Interrupt;

/// Plays the scenarios; exit code 0 only if every promise was kept.
pub fn run(name: &str, args: &FailoverArgs) -> Result<ExitCode> {
    if args.list {
        for scenario in all() {
            let quick = if scenario.quick { "  (quick)" } else { "" };
            daemon::say!("{:<22} {}{quick}", scenario.key, scenario.title);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let interrupt = Interrupt::install()?;
    let failover = Failover {
        name: name.to_owned(),
        scenarios: chosen(args)?,
        seed: args.seed,
        report: args.report.clone(),
        records: args.records.clone(),
    };
    let report = interrupt.explain(failover.run(&interrupt))?;
    match args.json {
        true => daemon::say!("{:#}", serde_json::json!(report)),
        false => daemon::say!("{}", render(&report)),
    }
    Ok(match report.ok {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn chosen(args: &FailoverArgs) -> Result<Vec<Scenario>> {
    let mut scenarios = all();
    for scenario in &mut scenarios {
        scenario.shape.hmac = args.hmac;
    }
    if args.all {
        return Ok(scenarios);
    }
    if let Some(unknown) =
        (args.scenarios.iter()).find(|key| scenarios.iter().all(|s| s.key != **key))
    {
        bail!("no scenario is called \"{unknown}\"; `srlb-testbed failover --list` names them");
    }
    scenarios.retain(|s| args.scenarios.contains(&s.key) || (args.quick && s.quick));
    Ok(scenarios)
}
