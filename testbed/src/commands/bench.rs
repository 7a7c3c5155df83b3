//! `srlb-testbed bench`: what packets and tables cost.

use std::process::ExitCode;

use anyhow::Result;

use super::bar;
use crate::bench::{candidates, engine, page, show, BenchArgs};
use crate::signals::Interrupt;

pub fn run(args: &BenchArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let template = "[{bar:30}] {pos}/{len} turns, {eta} left";
    let bar = bar(engine::steps(args) + 1, template);
    let built = candidates::measure(args.passes())?;
    bar.inc(1);
    let (figures, machine) = engine::measure(args, || {
        bar.inc(1);
        interrupt.check()
    })?;
    bar.finish_and_clear();
    if let Some(folder) = &args.report {
        page::write(folder, args, &machine, &figures, &built)?;
    }
    match args.json {
        true => daemon::say!("{:#}", show::as_json(&figures, &built)),
        false => daemon::say!("{}\n{}", show::packets(&figures), show::tables(&built)),
    }
    Ok(ExitCode::SUCCESS)
}
