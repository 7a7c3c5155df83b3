//! The largest flow table that there may be, with as many flows as it is made for: what it takes, whether all are found, what their packets cost.

use std::time::Instant as Clock;

use anyhow::{ensure, Result};
use flow_table::Pages;
use srh::Encoding;

use super::args::BenchArgs;
use super::case::{Case, Way};
use super::rig::{ring, Rig, RING};
use super::spread::Spread;

/// Flows of the largest table.
pub const FLOWS: u64 = 64_000_000;
/// One flow in so many may have been displaced by others: it is one in 3,400, and this leaves room for chance in small tables.
const DISPLACED: u64 = 2_000;
/// In front of the first flow: see `flow_table`'s layout.
const HEAD_BYTES: usize = 128;
/// Passes beyond these say nothing new.
const MOST_PASSES: u32 = 15;

/// What came out.
#[derive(Clone, Debug)]
pub struct Full {
    /// Flows that it was made for, and has got.
    pub flows: u64,
    /// Its bytes, all taken at the start.
    pub bytes: usize,
    /// On which pages they lie.
    pub pages: Pages,
    /// How many of the flows have an entry afterwards.
    pub found: u64,
    /// Making it and giving every flow its entry, in seconds.
    pub filled_s: f64,
    /// Nanoseconds a packet, one of each flow, in random order.
    pub each_ns: f64,
    /// Nanoseconds a packet in the steady state.
    pub pinned_ns: Spread,
}

/// Fills one, and looks every flow up.
///
/// # Errors
///
/// Where flows are not found that should be.
pub fn measure(args: &BenchArgs, flows: u64) -> Result<Full> {
    let began = Clock::now();
    let mut rig = Rig::new(Way::Srv6(Encoding::Encap), args.servers, flows)?;
    let filled_s = began.elapsed().as_secs_f64();
    let (took, found) = rig.every_flow()?;
    ensure!(
        found + flows.div_ceil(DISPLACED) >= flows,
        "only {found} of {flows} flows are found"
    );
    let mut passes = Vec::new();
    let mut frames = ring(RING);
    for pass in 0..=args.passes().min(MOST_PASSES) {
        let measured = rig.pass(Case::Pinned, args.batch.into(), &mut frames)?;
        if pass > 0 {
            passes.push(measured.ns());
        }
    }
    Ok(Full {
        flows,
        bytes: rig.table_bytes(),
        pages: rig.table_pages(),
        found,
        filled_s,
        each_ns: took.as_nanos() as f64 / flows as f64,
        pinned_ns: Spread::of(&passes),
    })
}

impl Full {
    /// Bytes a flow, without the head that every table has.
    pub fn bytes_a_flow(&self) -> f64 {
        (self.bytes - HEAD_BYTES) as f64 / self.flows as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: BenchArgs,
    }

    #[test]
    fn nearly_all_flows_are_found_in_32_bytes_each() {
        let args = Cli::parse_from(["bench", "--passes", "2"]).args;
        let full = measure(&args, 200_000).unwrap();
        assert!(
            full.found <= full.flows && full.found >= 199_900,
            "{}",
            full.found
        );
        assert!(full.bytes_a_flow() <= 32.0, "{}", full.bytes_a_flow());
    }
}
