//! `demo`: the whole idea on real parts.

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::DemoArgs;
use crate::demo::{render, Demo, LOAD};
use crate::signals::Interrupt;

/// Runs it; exit code 0 only if 6LB lost no request that could be kept.
pub fn run(name: &str, args: &DemoArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let demo = Demo {
        settings: args.settings(name),
        seconds: args.seconds,
        seed: args.seed,
        load: LOAD,
        records: args.records.clone(),
        svg: args.svg.clone(),
    };
    let report = interrupt.explain(demo.run(&interrupt))?;
    match args.json {
        true => daemon::say!("{:#}", serde_json::json!(report)),
        false => daemon::say!("{}", render(&report)),
    }
    let code = if report.ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    Ok(code)
}
