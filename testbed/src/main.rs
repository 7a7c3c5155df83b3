//! `srlb-testbed`: see `--help`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use testbed::cli::Cli;

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    let failed = daemon::exit::main("srlb-testbed", || {
        code = testbed::commands::run(Cli::parse())?;
        Ok(())
    });
    // An error has its own code; without one the subcommand's holds.
    if failed == ExitCode::SUCCESS {
        code
    } else {
        failed
    }
}
