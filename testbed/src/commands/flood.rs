//! `flood`: the generator of `hostile`, inside the client's namespace.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

use crate::cli::FloodArgs;
use crate::hostile::{processors, Flood};
use crate::plan::VIP_PORT;
use crate::signals::Interrupt;

/// Sends it and says what was sent, as JSON.
pub fn run(args: &FloodArgs) -> Result<ExitCode> {
    let flood = Flood {
        kind: args.kind,
        target: args.target,
        port: VIP_PORT,
        time: Duration::from_secs_f64(args.seconds),
        rate_pps: args.rate_pps,
        seed: args.seed,
    };
    if let Some(processor) = args.processor {
        processors::bind(&[processor])?;
    }
    let sent = flood.run(&Interrupt::install()?)?;
    daemon::say!("{}", serde_json::json!(sent));
    Ok(ExitCode::SUCCESS)
}
