//! The daemon: workers, each with an engine and queues of its own, and a thread apart from them for everything else: signals, the control
//! socket, reloads, a look at the interfaces, the guard. Nothing that this thread waits for keeps a packet waiting.

mod change;
mod cores;
mod fast;
mod guard;
mod host;
mod pressure;
mod reload;
mod shown;
mod status;
mod team;
mod wire;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use daemon::config::ConfigErrors;
use daemon::control::{ConnId, Control, ControlEvent, Request};
use daemon::host::{nothing_is_left, Host};
use daemon::reload::Reloaded;
use daemon::run::{notify, random_key, Clock, Signal, Signals};
use daemon::trace::{TraceFilter, Tracers};
use flow_table::HashKey;
use mio::{Events, Poll, Token, Waker};
use packet_io::guard::Guard;
use packet_io::tun::{Tun, TunHandle};
use packet_io::Instant;
use serde::Deserialize;
use serde_json::{json, Value};
use srh::Flow;

use crate::config::{DriverName, Settings};
use crate::engine::{Contract, Engine, Pool, Shared};
use crate::pool::view::{tables, Registry};

const SIGNALS: Token = Token(0);
/// A reload is done, a worker has something to show or has ended.
const NEWS: Token = Token(1);
/// And those above it.
const CONTROL: Token = Token(2);

use change::Step;
use fast::Fast;
use pressure::Pressure;
use reload::Reloads;
use shown::MOST_WAITING;
use team::Team;
use worker::TICK;

pub use host::plan as host_plan;

/// What the command line says in place of the configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overrides {
    /// What brings packets.
    pub driver: Option<DriverName>,
    /// On how many threads packets are worked on.
    pub workers: Option<usize>,
}

/// Runs the load balancer until it is told to stop.
pub fn run(config: &Path, overrides: Overrides) -> anyhow::Result<()> {
    let settings = load(config, overrides, None)?;
    let mut daemon = Daemon::start(config, overrides, settings)?;
    notify("READY=1");
    let served = daemon.serve();
    notify("STOPPING=1");
    let stopped = daemon.team.stop();
    daemon.reloads.wait();
    // The thread that had the other handle has ended.
    let host = Arc::into_inner(daemon.host).map(Mutex::into_inner);
    let removed = match host {
        Some(host) => nothing_is_left(&host.unwrap_or_else(PoisonError::into_inner).remove()),
        None => Ok(()),
    };
    served.and(stopped).and(removed)
}

/// Reads the files, after those that were read `before`.
fn load(
    config: &Path,
    overrides: Overrides,
    before: Option<&Settings>,
) -> Result<Settings, ConfigErrors> {
    let mut settings = Settings::load_after(config, before)?;
    if let Some(driver) = overrides.driver {
        settings.set_driver(driver)?;
    }
    if let Some(workers) = overrides.workers {
        settings.workers = workers;
    }
    settings.check_queues()?;
    Ok(settings)
}

struct Daemon {
    config: PathBuf,
    /// What the command line says.
    overrides: Overrides,
    settings: Arc<Settings>,
    registry: Registry,
    reloads: Reloads<Step>,
    /// What has failed in front of the workers, in the reload under way; none while packets have seen nothing of it.
    failed_in_front: Option<Vec<anyhow::Error>>,
    team: Team,
    /// One that sees what the workers' see, and gets no packets.
    desk: Engine,
    fast: Fast,
    tun: TunHandle,
    guard: Option<Guard>,
    pressure: Pressure,
    host: Arc<Mutex<Host>>,
    poll: Poll,
    signals: Signals,
    control: Control,
    clock: Clock,
    next_tick: Instant,
    tracers: Tracers,
    reloaded: Reloaded,
}

impl Daemon {
    fn start(config: &Path, overrides: Overrides, mut settings: Settings) -> anyhow::Result<Self> {
        let poll = Poll::new().context("making an event loop")?;
        // First of all: a second instance must not touch what the first one has installed.
        let control = Control::bind(&settings.control_socket, poll.registry(), CONTROL)?;
        let signals = Signals::new(poll.registry(), SIGNALS).context("taking over signals")?;
        let waker = Arc::new(Waker::new(poll.registry(), NEWS).context("making a waker")?);
        let workers = settings.workers;
        let tuns = Tun::create_queues(&settings.tun, settings.fabric_mtu_bytes, workers)?;
        let tun = tuns[0].handle().context("keeping the TUN device")?;
        let (fast, lanes) = Fast::start(&settings)?;
        settings.set_bounds(fast.is_open());
        let mut registry = Registry::default();
        let pool = Arc::new(tables(&settings.pool, &mut registry)?);
        let (desk, engines) = engines(&settings, &pool)?;
        let guard = guard::start(&settings, &tun);
        let clock = Clock::start();
        let team = Team::start(engines, tuns, lanes, &clock, &waker)?;
        let host = Host::install(host::plan(&settings))?;
        eprintln!("srlb-lb: {} serves; {}", settings.name, settings.sizes());
        let cores = cores::allowed().len();
        for line in settings
            .advice()
            .into_iter()
            .chain(too_many(workers, cores))
        {
            eprintln!("srlb-lb: note: {line}");
        }
        Ok(Daemon {
            config: config.to_owned(),
            overrides,
            settings: Arc::new(settings),
            registry,
            reloads: Reloads::new(waker),
            failed_in_front: None,
            team,
            desk,
            fast,
            tun,
            guard,
            pressure: Pressure::default(),
            host: Arc::new(Mutex::new(host)),
            poll,
            signals,
            control,
            clock,
            next_tick: Instant::ZERO,
            tracers: Tracers::default(),
            reloaded: Reloaded::default(),
        })
    }

    fn serve(&mut self) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(128);
        let mut more = false;
        loop {
            let sleep = match more {
                true => Duration::ZERO,
                false => self.clock.sleep_until(Some(self.next_tick), TICK),
            };
            match self.poll.poll(&mut events, Some(sleep)) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                polled => polled.context("waiting for events")?,
            }
            self.clock.tick();
            self.team.check()?;
            self.tick();
            more = self.show();
            self.requests(&events);
            self.take_what_is_ready();
            for signal in self.signals.pending() {
                match signal {
                    Signal::Stop => return Ok(()),
                    Signal::Reload => self.reload(None),
                }
            }
        }
    }

    fn tick(&mut self) {
        let now = self.clock.now();
        if now < self.next_tick {
            return;
        }
        self.next_tick = now + TICK;
        self.weigh(now);
        let (team, was_open) = (&self.team, self.fast.is_open());
        self.fast
            .look(&self.settings, now, |lanes| team.set_lanes(lanes));
        if self.fast.is_open() != was_open {
            self.fit_bounds();
        }
    }

    /// Takes the bounds that fit what brings packets now. They are shared: one engine takes them for all.
    fn fit_bounds(&mut self) {
        Arc::make_mut(&mut self.settings).set_bounds(self.fast.is_open());
        self.desk.set_config(self.settings.engine.clone());
    }

    /// Lets the guard know when what knocks a second time belongs to nobody.
    fn weigh(&mut self, now: Instant) {
        let refused = self.desk.recoveries_refused();
        let counts = self.guard.as_ref().and_then(|guard| guard.counts().ok());
        let knocks = counts.unwrap_or_default().refused;
        let recoveries_pps = self.settings.engine.recoveries_pps;
        if let Some(pps) = self.pressure.look(refused, knocks, recoveries_pps, now) {
            guard::limit_others(self.guard.as_ref(), pps);
        }
    }

    /// Shows packets to those who watch, for one turn; true if there may be more.
    fn show(&mut self) -> bool {
        let mut shown = 0;
        for sight in self.team.sights() {
            shown += 1;
            if sight.lost > 0 {
                self.tracers.lose(&mut self.control, sight.lost);
            }
            let line = || sight.line.clone();
            self.tracers
                .show(&mut self.control, sight.flow.as_ref(), line);
        }
        self.team.set_filters(self.tracers.filters());
        shown == MOST_WAITING
    }

    fn requests(&mut self, events: &Events) {
        let registry = self.poll.registry();
        for event in self.control.poll_events(events, registry) {
            match event {
                ControlEvent::Left(conn) => self.tracers.remove(conn),
                ControlEvent::Request(conn, request) => {
                    let answer = self.answer(conn, &request);
                    self.control.reply(conn, answer);
                }
            }
        }
        self.team.set_filters(self.tracers.filters());
    }

    fn answer(&mut self, conn: ConnId, request: &Request) -> Result<Option<Value>, String> {
        let now = self.clock.now();
        match request.cmd.as_str() {
            "program" => Ok(Some(json!({ "program": "srlb-lb" }))),
            "status" => Ok(Some(self.status(now))),
            "explain" => {
                let asked: Endpoints = request.args()?;
                let vip = asked.vip;
                status::explain(&self.desk, asked.flow(), now)
                    .map(Some)
                    .ok_or_else(|| format!("{vip} is no VIP of this pool"))
            }
            "trace" => {
                self.tracers.add(conn, request.args::<TraceFilter>()?);
                Ok(None)
            }
            "reload" => {
                self.reload(Some(conn));
                Ok(None)
            }
            other => Err(format!(
                "unknown command \"{other}\"; there are status, explain, trace, reload"
            )),
        }
    }

    fn status(&self, now: Instant) -> Value {
        let all = status::Total::of(self.team.reports(), &self.settings);
        let mut status = status::engine(&self.desk, &all, &self.settings, now);
        status["uptime_s"] = json!(now.millis() / 1_000);
        status["last_reload_error"] = self.reloaded.last_error();
        status["lost_on_tun"] = json!(all.lost);
        status["workers"] = all.workers();
        status["driver"] = self.fast.status(&all.ports, all.sent_by_kernel);
        status["guard"] = guard::status(self.guard.as_ref(), &self.settings);
        status["host"] = host::status(&self.host);
        status
    }
}

/// An engine for this thread, and one for each worker.
fn engines(settings: &Settings, pool: &Arc<Pool>) -> anyhow::Result<(Engine, Vec<Engine>)> {
    let contract = Contract::default();
    let key = HashKey(random_key().context("reading /dev/urandom")?);
    let shared = Shared::new(&contract, &settings.engine, key, settings.workers);
    shared.prepare();
    let engine = || {
        let (config, pool) = (settings.engine.clone(), Arc::clone(pool));
        Engine::sharing(&shared, contract.clone(), config, pool)
    };
    Ok((engine(), (0..settings.workers).map(|_| engine()).collect()))
}

/// What an operator should know of more workers than cores.
fn too_many(workers: usize, cores: usize) -> Option<String> {
    let is_so = workers > 1 && workers > cores;
    is_so.then(|| format!("{workers} workers on {cores} cores: they get in each other's way, and have no core of their own"))
}

/// The arguments of `explain`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Endpoints {
    client: std::net::Ipv6Addr,
    client_port: u16,
    vip: std::net::Ipv6Addr,
    vip_port: u16,
    #[serde(default)]
    udp: bool,
}

impl Endpoints {
    fn flow(&self) -> Flow {
        Flow {
            protocol: match self.udp {
                true => srh::parse::next_header::UDP,
                false => srh::parse::next_header::TCP,
            },
            client: self.client,
            client_port: self.client_port,
            vip: self.vip,
            vip_port: self.vip_port,
        }
    }
}
