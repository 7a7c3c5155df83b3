//! `srlb-testbed`: see `--help`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use testbed::cli::Cli;

fn main() -> ExitCode {
    match testbed::commands::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("srlb-testbed: {error:#}");
            ExitCode::FAILURE
        }
    }
}
