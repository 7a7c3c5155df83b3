//! A server: the router's engine, and the application behind it.

use std::collections::VecDeque;
use std::time::Duration;

use flow_table::HashKey;
use srlb_server::engine::{Application, Contract, Engine, EngineConfig};

use super::cores::Cores;
use super::lb::{entries, key, networks, MTU_BYTES, NO_BOUND_PPS};
use super::scenario::{Scenario, ServerSpec};
use crate::rng::Rng;
use crate::sim::nodes::{self, LB_NETWORK, SERVER_NETWORK, VIP};

/// A server.
pub struct Server {
    /// The router.
    pub engine: Engine,
    spec: ServerSpec,
    busy: u32,
    waiting: VecDeque<(u64, u64)>,
    counts_backlog: bool,
    cores: Cores,
    /// How often the next end has changed: an event with an older number is about one that is none any more.
    turn: u64,
}

/// The application, as the router sees it.
#[derive(Clone, Copy)]
pub struct Load {
    busy: u32,
    total: u32,
}

impl Application for Load {
    fn is_up(&self) -> bool {
        true
    }

    fn busy(&self) -> u32 {
        self.busy
    }

    fn total(&self) -> u32 {
        self.total
    }
}

impl Server {
    /// Server `n`, idle.
    pub fn new(scenario: &Scenario, n: u16, spec: ServerSpec, rng: &mut Rng) -> Self {
        Server {
            engine: engine(scenario, n, spec, HashKey(key(rng))),
            spec,
            busy: 0,
            waiting: VecDeque::new(),
            counts_backlog: scenario.counts_backlog,
            cores: Cores::new(spec.cores, scenario.discipline),
            turn: 0,
        }
    }

    /// What the router reads. Where it counts the backlog, that much more can be busy.
    pub fn load(&self) -> Load {
        let (waiting, places) = match self.counts_backlog {
            true => (self.waiting.len(), self.spec.backlog),
            false => (0, 0),
        };
        let with = |workers: u32, more: usize| {
            workers.saturating_add(u32::try_from(more).unwrap_or(u32::MAX))
        };
        Load {
            busy: with(self.busy, waiting),
            total: with(self.spec.workers, places),
        }
    }

    /// Its workers.
    pub fn workers(&self) -> u32 {
        self.spec.workers
    }

    /// Workers that are busy.
    pub fn busy(&self) -> u32 {
        self.busy
    }

    /// Has it nothing to do?
    pub fn is_idle(&self) -> bool {
        self.busy == 0
    }

    /// A connection is established. False if there is no room for it.
    pub fn accept(&mut self, now_us: u64, query: u64, service_us: u64) -> bool {
        if self.busy < self.spec.workers {
            self.busy += 1;
            self.cores.begin(now_us, query, service_us);
            return true;
        }
        let has_room = self.waiting.len() < self.spec.backlog;
        if has_room {
            self.waiting.push_back((query, service_us));
        }
        has_room
    }

    /// The query that is done at `turn`; none if that is not the time any more. Its worker takes the next one.
    pub fn done(&mut self, now_us: u64, turn: u64) -> Option<u64> {
        if turn != self.turn {
            return None;
        }
        let query = self.cores.end(now_us)?;
        match self.waiting.pop_front() {
            Some((next, service_us)) => self.cores.begin(now_us, next, service_us),
            None => self.busy -= 1,
        }
        Some(query)
    }

    /// When the next query is done, and under which turn: to be asked whenever one has come or gone.
    pub fn next_done(&mut self) -> Option<(u64, u64)> {
        self.turn += 1;
        self.cores.next_end_us().map(|at_us| (at_us, self.turn))
    }
}

/// How many entries of a server's table count for more than a handshake's: those of flows in flight, and of flows that have ended in the
/// last seconds. A handshake's entry makes room only if one of them has each of its six slots; with four times the room that they
/// need that is as good as never, and a client whose handshake is forgotten would wait for a SYN-ACK that nobody repeats here.
fn lasting(scenario: &Scenario, spec: ServerSpec) -> usize {
    let lately = entries(scenario, scenario.servers.len());
    let room = spec.backlog.saturating_add(spec.workers as usize);
    // Who has room for any number holds as many as come in that time, or has no equilibrium.
    lately + room.min(lately.max(256))
}

fn engine(scenario: &Scenario, n: u16, spec: ServerSpec, key: HashKey) -> Engine {
    let hunt = scenario.balancing.hunt();
    let config = EngineConfig {
        locator: nodes::server(n),
        vips: vec![VIP],
        lb_locators: networks(&[LB_NETWORK]),
        domain: networks(&[LB_NETWORK, SERVER_NETWORK]),
        fabric_mtu_bytes: MTU_BYTES,
        accept: spec.accept.unwrap_or(hunt.accept),
        pending: hunt.pending,
        max_flows: 256 + 4 * lasting(scenario, spec),
        max_udp_flows: 1,
        udp_idle_timeout: Duration::from_secs(300),
        lookups_pps: NO_BOUND_PPS,
        icmp_rate_pps: 100,
        hmac: None,
    };
    // Nothing here comes in fragments, and with thousands of servers room for them would be most of the memory.
    let mut contract = Contract::default();
    contract.limits.fragmented_packets = 1;
    Engine::with_contract(contract, config, key)
}
