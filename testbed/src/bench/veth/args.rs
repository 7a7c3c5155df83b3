//! `srlb-testbed bench veth` on the command line.

use std::path::PathBuf;

use clap::Args;

use super::case::Case;

/// What to measure.
#[derive(Args, Clone, Debug)]
pub struct VethArgs {
    /// A look only: few and short rounds
    #[arg(long)]
    pub quick: bool,
    /// Pinned flows, whose packets come in random order [default: 1000, 128000]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(64..=1_000_000))]
    pub flows: Vec<u32>,
    /// What forwards [default: all]
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<Case>,
    /// Rounds of all cases [default: 301, with --quick 31]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rounds: Option<u32>,
    /// How long each case is measured in each round [default: 10, with --quick 5]
    #[arg(long, value_parser = clap::value_parser!(u64).range(2..=60_000))]
    pub round_ms: Option<u64>,
    /// Packets offered, in thousands a second
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(10..=1_000))]
    pub rate_kpps: u32,
    /// Servers in the pool
    #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(u16).range(2..=5_000))]
    pub servers: u16,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// A folder for README.md and results.json
    #[arg(long)]
    pub report: Option<PathBuf>,
}

impl VethArgs {
    /// Numbers of flows.
    pub fn sizes(&self) -> Vec<u32> {
        match self.flows.is_empty() {
            true => vec![1_000, 128_000],
            false => self.flows.clone(),
        }
    }

    /// What forwards.
    pub fn cases(&self) -> Vec<Case> {
        match self.only.is_empty() {
            true => Case::ALL.to_vec(),
            false => self.only.clone(),
        }
    }

    /// Rounds of all cases.
    pub fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 31 } else { 301 })
    }

    /// Milliseconds of each case in each round.
    pub fn round_ms(&self) -> u64 {
        self.round_ms.unwrap_or(if self.quick { 5 } else { 10 })
    }
}
