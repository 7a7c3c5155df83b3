//! `srlb-server`: the server router's command line.
#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::exit::main("srlb-server", cli::run)
}
