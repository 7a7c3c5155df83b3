//! The hosts: what runs on them, and how it starts.

use std::collections::BTreeMap;
use std::time::Duration;

use flow_table::HashKey;
use ipnet::Ipv6Net;
use packet_io::Instant;
use srh::hmac::{Key, Keys};
use srh::{Encoding, Flow};
use srlb_lb::engine as lb_engine;
use srlb_server::engine as server_engine;

use super::nodes::{lb, server, LB_NETWORK, SERVER_NETWORK, VIP};
use super::scenario::{Clock, LbSpec, Scenario, ServerSpec};
use super::tcp::kernel::Kernel;
use super::tcp::listener::Listener;
use super::tcp::port::MTU_BYTES;
use crate::rng::Rng;

/// As it is by default; nobody sends datagrams in this world.
const UDP_IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// More than any scenario needs: the bound itself is tested elsewhere.
const NO_BOUND_PPS: u32 = 1_000_000;

/// An LB.
pub struct LbHost {
    /// What the scenario says of it.
    pub spec: LbSpec,
    /// Its process; none if the machine is off or the process has ended.
    pub engine: Option<lb_engine::Engine>,
    /// The version of the pool's file that lies on its disk.
    pub file: usize,
    /// How often it was started or ended.
    pub life: u64,
}

/// A server.
pub struct ServerHost {
    /// What the scenario says of it.
    pub spec: ServerSpec,
    /// The kernel with its application; none if the machine is off.
    pub kernel: Option<Kernel>,
    /// The router's process.
    pub engine: Option<server_engine::Engine>,
    /// Flows whose plain packets go through the router as well, and until when.
    pub steered: BTreeMap<Flow, u64>,
    /// How often it was switched on or off.
    pub life: u64,
    /// How often its router was started or ended.
    pub router_life: u64,
}

/// A server's application, as its router sees it.
pub struct App {
    is_up: bool,
    busy: u32,
    total: u32,
}

impl server_engine::Application for App {
    fn is_up(&self) -> bool {
        self.is_up
    }

    fn busy(&self) -> u32 {
        self.busy
    }

    fn total(&self) -> u32 {
        self.total
    }
}

/// What all hosts share.
pub struct Settings {
    /// How LBs address servers.
    pub encoding: Encoding,
    /// The keys, if functions are signed.
    pub hmac: Option<Keys>,
    /// What LBs do.
    pub lb: lb_engine::Contract,
    /// What routers do.
    pub server: server_engine::Contract,
}

impl Settings {
    /// Those of a scenario, under these contracts.
    pub fn new(
        scenario: &Scenario,
        lb: lb_engine::Contract,
        server: server_engine::Contract,
    ) -> Self {
        let keys = || Keys::new(1, vec![Key::new(1, b"a secret of this domain")]);
        Settings {
            encoding: scenario.encoding,
            hmac: scenario.hmac.then(keys).flatten(),
            lb,
            server,
        }
    }
}

/// What a host's clock shows.
pub fn local(clock: Clock, now_us: u64) -> Instant {
    Instant::from_micros(clock.micros(now_us))
}

fn networks(which: &[&str]) -> Vec<Ipv6Net> {
    let parsed = which.iter().map(|net| net.parse());
    parsed.map(|net| net.expect("a prefix")).collect()
}

fn key(rng: &mut Rng) -> HashKey {
    let mut bytes = [0; 16];
    for half in bytes.chunks_exact_mut(8) {
        half.copy_from_slice(&rng.next_u64().to_le_bytes());
    }
    HashKey(bytes)
}

impl LbHost {
    /// One whose process does not run yet.
    pub fn new(spec: LbSpec) -> Self {
        LbHost {
            spec,
            engine: None,
            file: 0,
            life: 0,
        }
    }

    /// Starts the process of LB `n`.
    pub fn start(&mut self, n: u16, world: &Settings, pool: lb_engine::Pool, rng: &mut Rng) {
        let config = lb_engine::Config {
            locator: lb(n),
            encoding: world.encoding,
            fabric_mtu_bytes: MTU_BYTES,
            domain: networks(&[LB_NETWORK, SERVER_NETWORK]),
            max_flows: self.spec.max_flows,
            idle_timeout: Duration::from_millis(self.spec.idle_timeout_ms.into()),
            udp_idle_timeout: UDP_IDLE_TIMEOUT,
            packet_too_big: true,
            icmp_rate_pps: 100,
            hunts_pps: NO_BOUND_PPS,
            recoveries_pps: NO_BOUND_PPS,
            hmac: world.hmac.clone(),
        };
        let contract = world.lb.clone();
        let mut engine = lb_engine::Engine::with_contract(contract, config, pool, key(rng));
        // Every second LB says which rows it met. The others have the short ways, which say nothing.
        engine.set_tracing(n.is_multiple_of(2));
        self.engine = Some(engine);
        self.life += 1;
    }

    /// What its clock shows.
    pub fn local(&self, now_us: u64) -> Instant {
        local(self.spec.clock, now_us)
    }
}

impl ServerHost {
    /// One that is off.
    pub fn new(spec: ServerSpec) -> Self {
        ServerHost {
            spec,
            kernel: None,
            engine: None,
            steered: BTreeMap::new(),
            life: 0,
            router_life: 0,
        }
    }

    /// Switches server `n` on.
    pub fn start(&mut self, n: u16, world: &Settings, now_us: u64, rng: &mut Rng) {
        let listener = Listener::new(
            self.spec.workers,
            self.spec.backlog as usize,
            self.spec.syn_backlog as usize,
        );
        self.kernel = Some(Kernel::new(rng.next_u64(), Some(listener)));
        self.life += 1;
        self.start_router(n, world, now_us, rng);
    }

    /// Starts its router, which reads the kernel's sockets once.
    pub fn start_router(&mut self, n: u16, world: &Settings, now_us: u64, rng: &mut Rng) {
        let config = server_engine::EngineConfig {
            locator: server(n),
            vips: vec![VIP],
            lb_locators: networks(&[LB_NETWORK]),
            domain: networks(&[LB_NETWORK, SERVER_NETWORK]),
            fabric_mtu_bytes: MTU_BYTES,
            accept: self.spec.accept,
            pending: self.spec.pending,
            max_flows: self.spec.max_flows,
            max_udp_flows: 1,
            udp_idle_timeout: UDP_IDLE_TIMEOUT,
            lookups_pps: NO_BOUND_PPS,
            icmp_rate_pps: 100,
            hmac: world.hmac.clone(),
        };
        let contract = world.server.clone();
        let mut engine = server_engine::Engine::with_contract(contract, config, key(rng));
        engine.set_tracing(true);
        let now = self.local(now_us);
        let sockets = self.kernel.iter().flat_map(Kernel::connections);
        sockets.for_each(|flow| engine.seed_socket(now, &flow));
        self.engine = Some(engine);
        self.steered.clear();
        self.router_life += 1;
    }

    /// The application now.
    pub fn app(&self) -> App {
        let listener = self.kernel.as_ref().and_then(|k| k.listener.as_ref());
        App {
            is_up: listener.is_some_and(|l| l.is_open),
            busy: listener.map_or(0, |l| l.busy),
            total: self.spec.workers,
        }
    }

    /// What its clock shows.
    pub fn local(&self, now_us: u64) -> Instant {
        local(self.spec.clock, now_us)
    }
}
