//! `up`: builds a testbed and leaves it to the user.

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::UpArgs;
use crate::plan::{ONE_VIP, VIP, VIP_PORT};
use crate::signals::Interrupt;
use crate::state::Phase;
use crate::testbed::Testbed;

/// Builds it.
pub fn run(name: &str, args: &UpArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let settings = args.settings(name);
    let step = |what: &str| eprintln!("{what} ...");
    let built = Testbed::up(settings, Phase::Up, &interrupt, &step);
    let testbed = interrupt.explain(built)?;
    interrupt.check()?;
    testbed.leave();
    eprintln!(
        "up: {} load balancers, {} servers, http://[{VIP}]:{VIP_PORT}/\n\
         try: srlb-testbed exec client curl -6 http://[{VIP}]/\n\
         iperf3 opens two connections for one machine: [{ONE_VIP}] is s1 alone\n\
         end: srlb-testbed down",
        args.lbs, args.servers
    );
    Ok(ExitCode::SUCCESS)
}
