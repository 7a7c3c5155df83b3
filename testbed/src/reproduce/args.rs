//! `srlb-testbed reproduce` on the command line.

use std::path::PathBuf;

use clap::Args;

/// What to reproduce.
#[derive(Args, Clone, Debug)]
pub struct ReproduceArgs {
    /// Names of figures [default: all of them]
    pub names: Vec<String>,
    /// Name the figures
    #[arg(long)]
    pub list: bool,
    /// Folder for CSV, plots and the page [default: reproduced, or reproduced-NAME if names are given]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Queries of figure 12, instead of a day that is made up: CSV with the columns at_s, and service_ms, class (wiki or static) or
    /// url; or WikiBench's format
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// The same seed gives the same figures
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Runs at a time
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: u16,
    /// A tenth of the queries and tables: to see that it works; chance may then miss a claim
    #[arg(long)]
    pub quick: bool,
    /// Exit code 1 if a claim of the paper is missed, or a figure skipped
    #[arg(long)]
    pub strict: bool,
    /// Print the claims as JSON
    #[arg(long)]
    pub json: bool,
}

impl ReproduceArgs {
    /// Where to write. Some figures alone don't replace the page of all.
    pub fn out(&self) -> PathBuf {
        let own = || match self.names.is_empty() {
            true => PathBuf::from("reproduced"),
            false => PathBuf::from(format!("reproduced-{}", self.names.join("-"))),
        };
        self.out.clone().unwrap_or_else(own)
    }
}
