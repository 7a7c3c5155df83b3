//! `srlb-testbed swarm` on the command line.

use std::path::PathBuf;

use clap::Args;

/// Which worlds to run.
#[derive(Args, Clone, Debug)]
pub struct SwarmArgs {
    /// How many seeds [default: 1000; for mutants 2000]
    #[arg(long)]
    pub seeds: Option<u64>,
    /// The first one
    #[arg(long, default_value_t = 0)]
    pub from: u64,
    /// Seed after seed for that long, or until there are as many as --seeds says
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub minutes: Option<u64>,
    /// Worlds at a time
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: u16,
    /// Stop at the first world that breaks a promise
    #[arg(long)]
    pub fail_fast: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// Worlds in a quarter of which clients give up soon and come again; mutants are always looked for in these
    #[arg(long)]
    pub hurry: bool,
    /// Run one seed and print what happens in it
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "minutes", "mutants"])]
    pub replay: Option<u64>,
    /// Keep every packet of the replay, with its virtual time
    #[arg(long, requires = "replay")]
    pub pcap: Option<PathBuf>,
    /// Of the replay, what concerns one connection: its number in the failure
    #[arg(long, requires = "replay")]
    pub connection: Option<usize>,
    /// Alter each row and each limit of the protocol in turn: is it found within that many seeds?
    #[arg(long, conflicts_with = "minutes")]
    pub mutants: bool,
    /// Of the mutants, those whose name contains this
    #[arg(long, requires = "mutants")]
    pub only: Option<String>,
    /// A folder for mutants.md and mutants.json
    #[arg(long, requires = "mutants")]
    pub report: Option<PathBuf>,
}
