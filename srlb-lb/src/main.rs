//! `srlb-lb`: the load balancer's command line.
#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::exit::main("srlb-lb", cli::run)
}
