//! What all engines of one LB know and bound together, one engine a thread.
//!
//! | each engine's own | shared |
//! | --- | --- |
//! | settings and pool, counters, the number of the next echo request, notes for `trace` | flows, fragments under way, what is thought of servers, SYNs seen lately, bounds (hunts, recoveries, ICMPv6), when the pool changed |
//!
//! A client's packets come to one engine and what its server says of it to another, because queues are chosen by addresses and ports of the outermost
//! header; and a client's SYN that comes again may come to a third one, where the flow label counts. So everything that packets change is shared: two engines do
//! what one would.

use std::sync::Arc;

use daemon::SharedRateLimit;
use flow_table::{Fragments, HashKey, Memory};

use super::contract::Contract;
use super::health::Health;
use super::pool::Changed;
use super::sketch::SynSketch;
use super::unpinned::Unpinned;
use super::{Config, Flows};

/// All of it; clones are the same.
#[derive(Clone)]
pub struct Shared {
    pub(super) flows: Arc<Flows>,
    pub(super) fragments: Arc<Fragments>,
    pub(super) health: Arc<Health>,
    pub(super) sketch: Arc<SynSketch>,
    pub(super) unpinned: Arc<Unpinned>,
    pub(super) icmp: Arc<SharedRateLimit>,
    pub(super) pool_changed: Arc<Changed>,
    /// How many engines sweep the flows, each its share.
    pub(super) sweepers: usize,
}

impl Shared {
    /// For so many engines that are polled. `key` is the tables', random and not shared with other LBs.
    pub fn new(contract: &Contract, config: &Config, key: HashKey, engines: usize) -> Self {
        Shared {
            fragments: Arc::new(contract.limits.fragments(key.clone())),
            flows: Arc::new(table(config.max_flows, key)),
            health: Arc::new(Health::new(contract.limits)),
            sketch: Arc::new(SynSketch::new(contract.limits)),
            unpinned: Arc::new(Unpinned::new(config)),
            icmp: Arc::new(SharedRateLimit::new(config.icmp_rate_pps)),
            pool_changed: Arc::default(),
            sweepers: engines.max(1),
        }
    }

    /// Takes the memory that it needs in a flood: else the first packet that is refused waits for that.
    pub fn prepare(&self) {
        self.unpinned.prepare();
    }
}

/// On the heap if the kernel has no room for it elsewhere.
fn table(flows: usize, key: HashKey) -> Flows {
    let bytes = Flows::bytes_for(flows);
    let memory = Memory::map(bytes).unwrap_or_else(|_| Memory::plain(bytes));
    Flows::new(memory, key)
}
