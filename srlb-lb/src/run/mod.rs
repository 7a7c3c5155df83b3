//! The daemon: one event loop around the engine, on one thread. A reload is prepared on another one.

mod guard;
mod host;
mod pressure;
mod reload;
mod status;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use daemon::config::ConfigErrors;
use daemon::control::{ConnId, Control, ControlEvent, Request};
use daemon::host::Host;
use daemon::run::{notify, random_key, Clock, Signal, Signals};
use daemon::trace::{TraceFilter, Tracers};
use daemon::DropReason;
use flow_table::HashKey;
use mio::{Events, Poll, Token};
use packet_io::guard::Guard;
use packet_io::{Batch, Driver, Instant, PacketBuf};
use serde::Deserialize;
use serde_json::{json, Value};
use srh::{Describe, Flow, Frame};

use crate::config::{DriverName, Settings};
use crate::engine::{Engine, Pool, Verdict};
use crate::pool::view::{tables, Registry};

const WIRE: Token = Token(0);
const SIGNALS: Token = Token(1);
const RELOADED: Token = Token(2);
/// And those above it.
const CONTROL: Token = Token(3);
/// How often the engine is told that time passes.
const TICK: Duration = Duration::from_millis(100);
/// Batches taken in before signals and the control socket get a turn.
const BATCHES_A_TURN: usize = 64;

use pressure::Pressure;
use reload::Reloads;
use wire::Wire;

pub use host::plan as host_plan;

/// Runs the load balancer until it is told to stop.
/// `driver` goes before what the configuration says.
pub fn run(config: &Path, driver: Option<DriverName>) -> anyhow::Result<()> {
    let settings = load(config, driver)?;
    let mut daemon = Daemon::start(config, driver, settings)?;
    notify("READY=1");
    let served = daemon.serve();
    notify("STOPPING=1");
    daemon.reloads.wait();
    // The thread that had the other handle has ended.
    let host = Arc::into_inner(daemon.host).map(Mutex::into_inner);
    let removed = match host {
        Some(host) => host::remove(host.unwrap_or_else(PoisonError::into_inner)),
        None => Ok(()),
    };
    served.and(removed)
}

fn load(config: &Path, driver: Option<DriverName>) -> Result<Settings, ConfigErrors> {
    let mut settings = Settings::load(config)?;
    if let Some(driver) = driver {
        settings.set_driver(driver)?;
    }
    Ok(settings)
}

/// A reload that is done but for what packets see of it.
struct Ready {
    settings: Settings,
    pool: Pool,
    registry: Registry,
}

struct Daemon {
    config: PathBuf,
    /// What the command line says.
    driver: Option<DriverName>,
    settings: Arc<Settings>,
    registry: Registry,
    reloads: Reloads<Ready>,
    engine: Engine,
    wire: Wire,
    guard: Option<Guard>,
    pressure: Pressure,
    host: Arc<Mutex<Host>>,
    poll: Poll,
    signals: Signals,
    control: Control,
    clock: Clock,
    next_tick: Instant,
    tracers: Tracers,
    last_reload_error: Option<String>,
}

impl Daemon {
    fn start(
        config: &Path,
        driver: Option<DriverName>,
        settings: Settings,
    ) -> anyhow::Result<Self> {
        let poll = Poll::new().context("making an event loop")?;
        // First of all: a second instance must not touch what the first one has installed.
        let control = Control::bind(&settings.control_socket, poll.registry(), CONTROL)?;
        let signals = Signals::new(poll.registry(), SIGNALS).context("taking over signals")?;
        let reloads = Reloads::new(poll.registry(), RELOADED).context("making a waker")?;
        let wire = Wire::open(&settings, poll.registry(), WIRE)?;
        let mut registry = Registry::default();
        let pool = tables(&settings.pool, &mut registry)?;
        let engine = Engine::new(
            settings.engine.clone(),
            pool,
            HashKey(random_key().context("reading /dev/urandom")?),
        );
        let guard = guard::start(&settings, &wire.tun);
        let host = Host::install(host::plan(&settings))?;
        eprintln!("srlb-lb: {} serves; {}", settings.name, settings.sizes());
        for line in settings.advice() {
            eprintln!("srlb-lb: note: {line}");
        }
        Ok(Daemon {
            config: config.to_owned(),
            driver,
            settings: Arc::new(settings),
            registry,
            reloads,
            engine,
            wire,
            guard,
            pressure: Pressure::default(),
            host: Arc::new(Mutex::new(host)),
            poll,
            signals,
            control,
            clock: Clock::start(),
            next_tick: Instant::ZERO,
            tracers: Tracers::default(),
            last_reload_error: None,
        })
    }

    fn serve(&mut self) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(128);
        let mut capacity = self.wire.capacity_bytes();
        let mut batch = Batch::new(Batch::PACKETS, capacity);
        let mut verdicts = Vec::with_capacity(Batch::PACKETS);
        let mut more = false;
        loop {
            let sleep = if more {
                Duration::ZERO
            } else {
                self.clock.sleep_until(Some(self.next_tick), TICK)
            };
            match self.poll.poll(&mut events, Some(sleep)) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                polled => polled.context("waiting for events")?,
            }
            self.clock.tick();
            let wakes = events.iter().any(|event| event.token() == WIRE);
            if wakes {
                self.wire.wake();
            }
            if more || wakes {
                more = self.packets(&mut batch, &mut verdicts)?;
            }
            self.tick()?;
            if self.wire.capacity_bytes() > capacity {
                capacity = self.wire.capacity_bytes();
                batch = Batch::new(Batch::PACKETS, capacity);
            }
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

    /// Works on what the devices have, for one turn; true if there may be more.
    fn packets(&mut self, batch: &mut Batch, verdicts: &mut Vec<Verdict>) -> anyhow::Result<bool> {
        for _ in 0..BATCHES_A_TURN {
            if batch.receive(&mut self.wire)? == 0 {
                return Ok(false);
            }
            let now = self.clock.tick();
            if self.tracers.are_any() {
                self.traced_batch(batch.packets_mut(), verdicts, now);
            } else {
                self.engine
                    .process_batch(now, batch.packets_mut(), verdicts);
            }
            for (packet, verdict) in batch.packets().iter().zip(verdicts.iter()) {
                if *verdict == Verdict::Transmit {
                    self.wire.transmit(std::slice::from_ref(packet))?;
                }
            }
            self.wire.flush();
        }
        Ok(true)
    }

    /// The same packet by packet, shown to those who watch.
    fn traced_batch(
        &mut self,
        frames: &mut [PacketBuf],
        verdicts: &mut Vec<Verdict>,
        now: Instant,
    ) {
        verdicts.clear();
        for frame in frames {
            let arrived = Describe(frame.bytes()).to_string();
            let verdict = self.engine.process(now, frame);
            verdicts.push(verdict);
            let (note, pool) = (*self.engine.note(), self.engine.pool());
            let name = |n: Option<u16>| n.map(|n| pool.servers()[usize::from(n)].name.clone());
            let line = || {
                json!({
                    "time_s": now.micros() as f64 / 1e6,
                    "flow": note.flow.map(|f| f.to_string()),
                    "in": arrived,
                    "event": note
                        .event
                        .map(|e| format!("{e:?}"))
                        .or(note.udp.map(|(e, ..)| format!("{e:?}"))),
                    "before": note.before.map(|s| format!("{s:?}")),
                    "pinned": name(note.pinned),
                    "sender": name(note.sender),
                    "bucket": note.bucket,
                    "action": note
                        .said
                        .map(|(action, _)| action.words())
                        .or(note.udp.map(|(_, action, _)| action.words())),
                    "entry": note
                        .said
                        .map(|(_, next)| next)
                        .or(note.udp.map(|(_, _, next)| next))
                        .map(|next| format!("{next:?}")),
                    "dropped": match verdict {
                        Verdict::Drop(reason) => Some(reason.text()),
                        Verdict::Transmit => None,
                    },
                    "out": match verdict {
                        Verdict::Drop(_) => None,
                        Verdict::Transmit => Some(Describe(frame.bytes()).to_string()),
                    },
                })
            };
            self.tracers
                .show(&mut self.control, note.flow.as_ref(), line);
        }
        self.engine.set_tracing(self.tracers.are_any());
    }

    fn tick(&mut self) -> anyhow::Result<()> {
        let now = self.clock.now();
        if now < self.next_tick {
            return Ok(());
        }
        self.next_tick = now + TICK;
        self.weigh(now);
        let mut out = Vec::new();
        self.engine.poll(now, &mut out);
        self.wire.transmit(&out)?;
        self.wire.flush();
        let registry = self.poll.registry();
        self.wire.look(&self.settings, registry, WIRE, now);
        Ok(())
    }

    /// Lets the guard know when what knocks a second time belongs to nobody.
    fn weigh(&mut self, now: Instant) {
        let refused = self.engine.drops().get(DropReason::RecoveryRate);
        let counts = self.guard.as_ref().and_then(|guard| guard.counts().ok());
        let knocks = counts.unwrap_or_default().refused;
        if let Some(begins) = self.pressure.look(refused, knocks, now) {
            guard::limit_others(self.guard.as_ref(), &self.settings, begins);
        }
    }

    fn requests(&mut self, events: &Events) {
        let registry = self.poll.registry();
        for event in self.control.poll_events(events, registry) {
            match event {
                ControlEvent::Left(conn) => self.tracers.remove(conn),
                ControlEvent::Request(conn, request) => match self.answer(conn, &request) {
                    Ok(Some(value)) => drop(self.control.send(conn, &value)),
                    Ok(None) => {}
                    Err(message) => drop(self.control.refuse(conn, &message)),
                },
            }
        }
        self.engine.set_tracing(self.tracers.are_any());
    }

    fn answer(&mut self, conn: ConnId, request: &Request) -> Result<Option<Value>, String> {
        let now = self.clock.now();
        match request.cmd.as_str() {
            "program" => Ok(Some(json!({ "program": "srlb-lb" }))),
            "status" => {
                let mut status = status::engine(&self.engine, &self.settings, now);
                status["uptime_s"] = json!(now.millis() / 1_000);
                status["last_reload_error"] = json!(self.last_reload_error);
                status["lost_on_tun"] = json!(self.wire.lost());
                status["driver"] = self.wire.status();
                status["guard"] = guard::status(self.guard.as_ref(), &self.settings);
                status["host"] = host::status(&self.host);
                Ok(Some(status))
            }
            "explain" => {
                let asked: Endpoints = request.args()?;
                let vip = asked.vip;
                status::explain(&self.engine, asked.flow(), now)
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

    /// Reads the configuration again; what is wrong with it is said, and the one in force stays. `by` is told when it is done.
    fn reload(&mut self, by: Option<ConnId>) {
        if self.reloads.ask(by) {
            self.start_reload();
        }
    }

    fn start_reload(&mut self) {
        let (path, driver) = (self.config.clone(), self.driver);
        let (before, registry) = (Arc::clone(&self.settings), self.registry.clone());
        let host = Arc::clone(&self.host);
        self.reloads
            .start(move || prepare(&path, driver, &before, registry, &host));
    }

    /// Puts into force what a reload has prepared, and tells those who asked for it.
    fn take_what_is_ready(&mut self) {
        let Some((ready, asked)) = self.reloads.ended() else {
            return;
        };
        let taken = ready.and_then(|ready| self.take(ready));
        let result = taken.map_err(|error| format!("{error:#}"));
        match &result {
            Ok(()) => eprintln!("srlb-lb: reloaded; {}", self.settings.sizes()),
            Err(error) => eprintln!("srlb-lb: not reloaded, all stays as it was:\n{error}"),
        }
        for conn in asked {
            match &result {
                Ok(()) => self.control.send(conn, &json!({ "reloaded": true })),
                Err(error) => self.control.refuse(conn, error),
            };
        }
        self.last_reload_error = result.err();
        if self.reloads.is_wanted_again() {
            self.start_reload();
        }
    }

    fn take(&mut self, ready: Ready) -> anyhow::Result<()> {
        let Ready {
            settings,
            pool,
            registry,
        } = ready;
        guard::update(&mut self.guard, &settings, &self.wire.tun)?;
        self.wire.update(&settings)?;
        self.registry = registry;
        self.engine.set_config(settings.engine.clone());
        self.engine.set_pool(pool);
        self.settings = Arc::new(settings);
        Ok(())
    }
}

/// The long part of a reload: files, tables, routes and the filter.
fn prepare(
    path: &Path,
    driver: Option<DriverName>,
    before: &Settings,
    mut registry: Registry,
    host: &Mutex<Host>,
) -> anyhow::Result<Ready> {
    let settings = load(path, driver)?;
    before.may_become(&settings, path)?;
    let pool = tables(&settings.pool, &mut registry)?;
    let mut host = host.lock().unwrap_or_else(PoisonError::into_inner);
    host.update(host::plan(&settings))?;
    Ok(Ready {
        settings,
        pool,
        registry,
    })
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
