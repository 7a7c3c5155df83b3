//! `srlb-testbed bench` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::case::Case;
use super::full::FullArgs;
use super::reload::ReloadArgs;
use super::veth::VethArgs;

/// What to measure.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BenchArgs {
    /// Another way than memory to memory
    #[command(subcommand)]
    pub on: Option<On>,
    /// A look only: no table of ten million flows, a fifth of the passes
    #[arg(long)]
    pub quick: bool,
    /// Flows in the table, one table for each number [default: 1000, 128000, 1000000, 10000000]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u64).range(64..=64_000_000))]
    pub flows: Vec<u64>,
    /// What comes in [default: all]
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<CaseName>,
    /// Passes over the ring of packets for each figure [default: 31, with --quick 7]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub passes: Option<u32>,
    /// Packets that the engine is given at a time
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub batch: u16,
    /// Sizes of batches to compare, with pinned packets [default: 1, 8, 32, 64, 128, 256, with --quick none]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub batches: Vec<u16>,
    /// Servers in the pool
    #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(u16).range(2..=5_000))]
    pub servers: u16,
    /// What gungraun has counted, as JSON: `make bench` makes it
    #[arg(long)]
    pub instructions: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// A folder for README.md with its plots, and results.json; profiles of what misses its target are taken, too
    #[arg(long)]
    pub report: Option<PathBuf>,
}

/// Where else the load balancer can be measured.
#[derive(Clone, Debug, Subcommand)]
pub enum On {
    /// Packets a second over veth pairs, beside a bare AF_XDP l2fwd and the kernel's forwarding (root)
    Veth(VethArgs),
    /// How soon packets see a pool that is reloaded (root)
    Reload(ReloadArgs),
    /// The largest flow table: filled, and every flow looked for
    Full(FullArgs),
}

/// A case on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum CaseName {
    Pinned,
    Settled,
    New,
    Recovery,
    Mixed,
    Refresh,
    Create,
}

impl From<CaseName> for Case {
    fn from(name: CaseName) -> Case {
        match name {
            CaseName::Pinned => Case::Pinned,
            CaseName::Settled => Case::Settled,
            CaseName::Refresh => Case::Refresh,
            CaseName::New => Case::NewFlow,
            CaseName::Recovery => Case::Recovery,
            CaseName::Create => Case::CreateStickiness,
            CaseName::Mixed => Case::Mixed,
        }
    }
}

impl BenchArgs {
    /// Sizes of tables.
    pub fn sizes(&self) -> Vec<u64> {
        match (self.flows.is_empty(), self.quick) {
            (false, _) => self.flows.clone(),
            (true, true) => vec![1_000, 128_000, 1_000_000],
            (true, false) => vec![1_000, 128_000, 1_000_000, 10_000_000],
        }
    }

    /// What comes in, in [`Case::ALL`]'s order.
    pub fn cases(&self) -> Vec<Case> {
        let mut cases: Vec<Case> = self.only.iter().map(|&name| name.into()).collect();
        cases.sort_unstable();
        cases.dedup();
        match cases.is_empty() {
            true => Case::ALL.to_vec(),
            false => cases,
        }
    }

    /// Is the largest table measured, too? It takes 2 GB, and a minute.
    pub fn with_full(&self) -> bool {
        !self.quick && self.flows.is_empty() && self.only.is_empty()
    }

    /// Sizes of batches to compare.
    pub fn batches(&self) -> Vec<u16> {
        match (self.batches.is_empty(), self.quick) {
            (false, _) => self.batches.clone(),
            (true, true) => Vec::new(),
            (true, false) => vec![1, 8, 32, 64, 128, 256],
        }
    }

    /// Passes for each figure.
    pub fn passes(&self) -> u32 {
        self.passes.unwrap_or(if self.quick { 7 } else { 31 })
    }
}
