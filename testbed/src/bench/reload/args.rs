//! `srlb-testbed bench reload` on the command line.

use clap::Args;

/// What to measure.
#[derive(Args, Clone, Debug)]
pub struct ReloadArgs {
    /// Reloads
    #[arg(long, default_value_t = 31, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rounds: u32,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}
