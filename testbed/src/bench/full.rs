//! The largest flow table that there may be, with as many flows as it is made for: what it takes, whether all are found, what their packets cost.

use std::time::Instant as Clock;

use anyhow::{ensure, Result};
use clap::Args;
use flow_table::Pages;
use serde_json::{json, Value};
use srh::Encoding;

use super::case::{Case, Way};
use super::grid::Grid;
use super::rig::{ring, Rig, RING};
use super::show::{short, words};
use super::spread::Spread;
use crate::signals::Interrupt;

/// Flows of the largest table.
pub const FLOWS: u64 = 64_000_000;
/// Servers in the pool.
const SERVERS: u16 = 48;
/// Packets that the engine is given at a time.
const BATCH: usize = 256;
/// One flow in so many may have been displaced by others: it is one in 3,000, and this leaves room for chance in small tables.
const DISPLACED: u64 = 2_000;
/// What a flow takes.
const BYTES_A_FLOW: u64 = 32;
/// What has to be left for everybody else, in MB.
const SPARE_MB: u64 = 500;
/// In front of the first flow: see `flow_table`'s layout.
const HEAD_BYTES: usize = 128;
/// Passes beyond these say nothing new.
pub const MOST_PASSES: u32 = 15;

/// `srlb-testbed bench full` on the command line.
#[derive(Args, Clone, Debug)]
pub struct FullArgs {
    /// Flows
    #[arg(long, default_value_t = FLOWS, value_parser = clap::value_parser!(u64).range(64..=FLOWS))]
    pub flows: u64,
    /// Passes over the ring of packets for the figure of the steady state
    #[arg(long, default_value_t = MOST_PASSES, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub passes: u32,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

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
/// Where there isn't the memory for it, and where flows are not found that should be.
pub fn measure(flows: u64, passes: u32, interrupt: &Interrupt) -> Result<Full> {
    check_memory(flows)?;
    let began = Clock::now();
    let check = || interrupt.check();
    let mut rig = Rig::filled(Way::Srv6(Encoding::Encap), SERVERS, flows, &check)?;
    let filled_s = began.elapsed().as_secs_f64();
    let (took, found) = rig.every_flow(&check)?;
    ensure!(
        found + flows.div_ceil(DISPLACED) >= flows,
        "only {found} of {flows} flows are found"
    );
    let mut ns = Vec::new();
    let mut frames = ring(RING);
    for pass in 0..=passes {
        check()?;
        let measured = rig.pass(Case::Pinned, BATCH, &mut frames)?;
        if pass > 0 {
            ns.push(measured.ns());
        }
    }
    Ok(Full {
        flows,
        bytes: rig.table_bytes(),
        pages: rig.table_pages(),
        found,
        filled_s,
        each_ns: took.as_nanos() as f64 / flows as f64,
        pinned_ns: Spread::of(&ns),
    })
}

/// Refuses what the kernel would kill us for.
fn check_memory(flows: u64) -> Result<()> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    let needed_mb = (flows * BYTES_A_FLOW).div_ceil(1_000_000) + SPARE_MB;
    let there_mb = kib.map_or(u64::MAX, |kib| kib * 1_024 / 1_000_000);
    ensure!(
        there_mb >= needed_mb,
        "a table of {flows} flows needs {needed_mb} MB of memory, and {there_mb} MB are available"
    );
    Ok(())
}

impl Full {
    /// For a terminal and for a page.
    pub fn table(&self) -> Grid {
        let mut grid = Grid::new(1, ["a table that is full", ""]);
        let mut row = |what: &str, is: String| grid.push([what.to_owned(), is]);
        row("flows", short(self.flows));
        row("found", self.found.to_string());
        row("bytes a flow", format!("{:.1}", self.bytes_a_flow()));
        row("pages", words(self.pages));
        row("made and filled, s", format!("{:.1}", self.filled_s));
        row(
            "a packet of each flow, itself in the caches, ns a packet",
            format!("{:.1}", self.each_ns),
        );
        let Spread { low, median, high } = self.pinned_ns;
        row(
            "pinned, encap, ns a packet",
            format!("{median:.1} ({low:.1} to {high:.1})"),
        );
        grid
    }

    /// For programs.
    pub fn as_json(&self) -> Value {
        let ns = self.pinned_ns;
        json!({
            "flows": self.flows, "found": self.found, "bytes": self.bytes, "pages": format!("{:?}", self.pages), "filled_s": self.filled_s,
            "each_ns": self.each_ns, "pinned_ns": ns.median, "pinned_ns_low": ns.low, "pinned_ns_high": ns.high,
        })
    }

    /// Bytes a flow, without the head that every table has.
    pub fn bytes_a_flow(&self) -> f64 {
        (self.bytes - HEAD_BYTES) as f64 / self.flows as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn nearly_all_flows_are_found_in_32_bytes_each() {
        let full = measure(200_000, 2, &Interrupt::default()).unwrap();
        assert!(
            full.found <= full.flows && full.found >= 199_900,
            "{}",
            full.found
        );
        assert!(full.bytes_a_flow() <= 32.0, "{}", full.bytes_a_flow());
    }
}
