//! The daemon: one thread, one event loop around the engine.

mod devices;
mod show;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use daemon::control::{ConnId, Control, ControlEvent, Request};
use daemon::host::{nothing_is_left, Host};
use daemon::reload::{Reloaded, Stage};
use daemon::run::{notify, random_key, Clock, Signal, Signals};
use daemon::trace::{TraceFilter, Tracers};
use flow_table::HashKey;
use mio::{Events, Poll, Token};
use packet_io::{Batch, Instant, PacketBuf};
use serde_json::{json, Value};
use srh::{Describe, Frame};

use crate::apache::Apache;
use crate::config::Settings;
use crate::engine::{Engine, Verdict};
use crate::sockets::Sockets;
use devices::Devices;

const TUN: Token = Token(0);
const SIGNALS: Token = Token(1);
const CONTROL: Token = Token(2);
/// How often the engine is told that time passes, and Apache is looked at.
const TICK: Duration = Duration::from_millis(100);
/// Batches taken in before signals and the control socket get a turn.
const BATCHES_A_TURN: usize = 64;

/// Runs the server router until it is told to stop.
pub fn run(config: &Path) -> anyhow::Result<()> {
    let settings = Settings::load(config)?;
    let mut daemon = Daemon::start(config, settings)?;
    notify("READY=1");
    let served = daemon.serve();
    notify("STOPPING=1");
    served.and(nothing_is_left(&daemon.host.remove()))
}

struct Daemon {
    config: PathBuf,
    settings: Settings,
    engine: Engine,
    apache: Apache,
    sockets: Sockets,
    devices: Devices,
    host: Host,
    poll: Poll,
    signals: Signals,
    control: Control,
    clock: Clock,
    next_tick: Instant,
    tracers: Tracers,
    extra: Vec<PacketBuf>,
    reloaded: Reloaded,
    lookup_errors: u64,
}

impl Daemon {
    fn start(config: &Path, settings: Settings) -> anyhow::Result<Self> {
        let poll = Poll::new().context("making an event loop")?;
        // First of all: a second instance must not touch what the first one has installed.
        let control = Control::bind(&settings.control_socket, poll.registry(), CONTROL)?;
        let signals = Signals::new(poll.registry(), SIGNALS).context("taking over signals")?;
        let mut devices = Devices::create(&settings, poll.registry(), TUN)?;
        let mut clock = Clock::start();
        let mut sockets = Sockets::open().context(
            "asking the kernel for its sockets (is the kernel's inet_diag there? modprobe tcp_diag)",
        )?;
        let mut engine = Engine::new(
            settings.engine.clone(),
            HashKey(random_key().context("reading /dev/urandom")?),
        );
        let host = Host::install(settings.host().plan())?;
        let known = seed(
            &mut engine,
            &mut sockets,
            &mut devices,
            &settings,
            clock.tick(),
        )?;
        let mut apache = Apache::new(settings.application.clone());
        eprintln!(
            "srlb-server: {} serves; {}",
            settings.name,
            settings.sizes()
        );
        if known > 0 {
            eprintln!("srlb-server: {known} connections were here already");
        }
        for line in settings.advice() {
            eprintln!("srlb-server: note: {line}");
        }
        if !sockets.has_udp() {
            eprintln!(
                "srlb-server: note: the kernel does not tell who listens on UDP ports: every datagram counts as listened \
                 for; modprobe udp_diag"
            );
        }
        if let Some(event) = apache.check() {
            eprintln!("srlb-server: {event}");
        }
        Ok(Daemon {
            config: config.to_owned(),
            settings,
            engine,
            apache,
            sockets,
            devices,
            host,
            poll,
            signals,
            control,
            clock,
            next_tick: Instant::ZERO,
            tracers: Tracers::default(),
            extra: Vec::new(),
            reloaded: Reloaded::default(),
            lookup_errors: 0,
        })
    }

    fn serve(&mut self) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(128);
        let capacity = usize::from(self.settings.fabric_mtu_bytes);
        let mut batch = Batch::new(Batch::PACKETS, capacity);
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
            if more || events.iter().any(|event| event.token() == TUN) {
                more = self.packets(&mut batch)?;
            }
            self.tick();
            self.requests(&events);
            for signal in self.signals.pending() {
                match signal {
                    Signal::Stop => return Ok(()),
                    Signal::Reload => drop(self.reload()),
                }
            }
        }
    }

    /// Works on what the TUN device has, for one turn; true if there may be more.
    fn packets(&mut self, batch: &mut Batch) -> anyhow::Result<bool> {
        for _ in 0..BATCHES_A_TURN {
            if self.devices.receive(batch)? == 0 {
                return Ok(false);
            }
            self.clock.tick();
            for frame in batch.packets_mut() {
                let verdict = match self.tracers.are_any() {
                    true => self.traced(frame),
                    false => self.work(frame),
                };
                self.devices.carry_out(verdict, frame)?;
                for packet in self.extra.drain(..) {
                    self.devices.carry_out(Verdict::Transmit, &packet)?;
                }
            }
        }
        Ok(true)
    }

    /// One packet, with what the kernel has to say about it. Look-ups are carried out one by one and
    /// in order, so that packets of a flow don't overtake each other.
    fn work(&mut self, frame: &mut PacketBuf) -> Verdict {
        let now = self.clock.now();
        let verdict = self
            .engine
            .process(now, frame, &self.apache, &mut self.extra);
        let Verdict::LookUp(query) = verdict else {
            return verdict;
        };
        match self.sockets.look_up(&query.flow) {
            Ok(answer) => self
                .engine
                .resume(now, frame, answer, &self.apache, &mut self.extra),
            Err(error) => {
                if self.lookup_errors == 0 {
                    eprintln!(
                        "srlb-server: the kernel does not tell its sockets, packets are dropped: {error}"
                    );
                }
                self.lookup_errors += 1;
                verdict
            }
        }
    }

    /// The same, shown to those who watch.
    fn traced(&mut self, frame: &mut PacketBuf) -> Verdict {
        let arrived = Describe(frame.bytes()).to_string();
        let verdict = self.work(frame);
        let note = *self.engine.note();
        let now = self.clock.now();
        let extra = &self.extra;
        self.tracers
            .show(&mut self.control, note.flow.as_ref(), || {
                show::traced(now, &note, verdict, &arrived, frame, extra)
            });
        self.engine.set_tracing(self.tracers.are_any());
        verdict
    }

    fn tick(&mut self) {
        let now = self.clock.now();
        if now < self.next_tick {
            return;
        }
        self.next_tick = now + TICK;
        self.engine.poll(now);
        if let Some(event) = self.apache.check() {
            eprintln!("srlb-server: {event}");
        }
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
        self.engine.set_tracing(self.tracers.are_any());
    }

    fn answer(&mut self, conn: ConnId, request: &Request) -> Result<Option<Value>, String> {
        match request.cmd.as_str() {
            "program" => Ok(Some(json!({ "program": "srlb-server" }))),
            "status" => Ok(Some(self.status())),
            "trace" => {
                self.tracers.add(conn, request.args::<TraceFilter>()?);
                Ok(None)
            }
            "reload" => self.reload().map(|()| Some(json!({ "reloaded": true }))),
            other => Err(format!(
                "unknown command \"{other}\"; there are status, trace, reload"
            )),
        }
    }

    fn status(&mut self) -> Value {
        let now = self.clock.now();
        let mut status = show::engine(&mut self.engine, &self.settings, &self.apache, now);
        status["application"] = self.apache.status();
        status["uptime_s"] = json!(now.millis() / 1_000);
        status["last_reload_error"] = self.reloaded.last_error();
        status["lookup_errors"] = json!(self.lookup_errors);
        status["lost_on_tun"] = json!(self.devices.lost());
        status["host"] = self.host.status();
        status
    }

    /// Reads the configuration again; what is wrong with it is said, and the one in force stays.
    fn reload(&mut self) -> Result<(), String> {
        let error = self.take_new_settings().err();
        // The host comes last of what can fail, and packets after it.
        let result = self.reloaded.end(Stage::Before, error.as_slice());
        match &result {
            Ok(()) => eprintln!("srlb-server: reloaded; {}", self.settings.sizes()),
            Err(error) => eprintln!("srlb-server: the reload failed, {error}"),
        }
        result
    }

    fn take_new_settings(&mut self) -> anyhow::Result<()> {
        let settings = Settings::load(&self.config)?;
        self.settings.may_become(&settings, &self.config)?;
        self.host.update(settings.host().plan())?;
        self.engine.set_config(settings.engine.clone());
        if settings.application != self.settings.application {
            self.apache = Apache::new(settings.application.clone());
            self.next_tick = Instant::ZERO;
        }
        self.settings = settings;
        Ok(())
    }
}

/// Tells the engine of the connections and handshakes that are here already.
fn seed(
    engine: &mut Engine,
    sockets: &mut Sockets,
    devices: &mut Devices,
    settings: &Settings,
    now: Instant,
) -> anyhow::Result<usize> {
    let vips = &settings.engine.vips;
    let handshakes = (sockets.handshakes(vips)).context("reading the kernel's handshakes")?;
    for flow in &handshakes {
        let question = engine.seed_handshake(now, flow);
        devices.carry_out(Verdict::Deliver { steer: true }, &question)?;
    }
    let flows = (sockets.connections(vips)).context("reading the kernel's sockets")?;
    for flow in &flows {
        engine.seed_socket(now, flow);
    }
    Ok(flows.len())
}
