//! `model`: the paper's analytic model.

use std::process::ExitCode;

use anyhow::Result;
use daemon::exit::UsageError;

use crate::model::{ModelArgs, Report};

/// Prints what the model says.
pub fn run(args: &ModelArgs) -> Result<ExitCode> {
    let report = Report::new(args).map_err(|error| UsageError(error.to_string()))?;
    match args.json {
        true => daemon::say!("{:#}", serde_json::json!(report)),
        false => daemon::say!("{}", report.render()),
    }
    Ok(ExitCode::SUCCESS)
}
