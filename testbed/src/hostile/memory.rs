//! How much memory the daemons take, as the kernel counts it.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::daemons;
use crate::plan::{Node, Plan};
use crate::state::{Started, State};

/// What a daemon may take besides its table: stacks, buffers, what the allocator keeps.
const ALLOWANCE_KIB: u64 = 8 << 10;

/// One daemon's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Its flow table as it says itself: taken once, touched bit by bit.
    pub table_kib: u64,
    /// Resident before the first flood.
    pub before_kib: u64,
    /// The most that was ever resident.
    pub peak_kib: u64,
}

impl Memory {
    /// Did it stay within what it had and what its table may touch?
    pub fn is_bounded(&self) -> bool {
        self.peak_kib <= self.before_kib + self.table_kib + ALLOWANCE_KIB
    }
}

/// All daemons' memory, by node.
pub type ByNode = BTreeMap<String, Memory>;

/// Takes down what they have before the floods.
pub fn before(plan: &Plan, state: &State) -> Result<ByNode> {
    let mut all = ByNode::new();
    for daemon in daemons_of(state) {
        let node: Node = daemon.node.parse().map_err(anyhow::Error::msg)?;
        let status = daemons::status(plan, node)?;
        let table_bytes = status["flows"]["memory_bytes"]
            .as_u64()
            .with_context(|| format!("{node}'s status tells no size of its table"))?;
        let now = resident_kib(daemon)?;
        let memory = Memory {
            table_kib: table_bytes >> 10,
            before_kib: now,
            peak_kib: now,
        };
        all.insert(daemon.node.clone(), memory);
    }
    Ok(all)
}

/// Looks again.
pub fn sample(all: &mut ByNode, state: &State) -> Result<()> {
    for daemon in daemons_of(state) {
        if let Some(memory) = all.get_mut(&daemon.node) {
            memory.peak_kib = memory.peak_kib.max(resident_kib(daemon)?);
        }
    }
    Ok(())
}

fn daemons_of(state: &State) -> impl Iterator<Item = &Started> {
    let is_daemon = |p: &&Started| p.role == daemons::LB || p.role == daemons::SERVER;
    state.processes.iter().filter(is_daemon)
}

fn resident_kib(daemon: &Started) -> Result<u64> {
    let path = format!("/proc/{}/status", daemon.process.pid);
    let text = fs::read_to_string(&path)
        .with_context(|| format!("{} on {} has ended", daemon.role, daemon.node))?;
    text.lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .with_context(|| format!("{path} tells no VmRSS"))
}
