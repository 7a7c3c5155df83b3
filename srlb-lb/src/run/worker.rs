//! A worker: packets, on a thread of its own, with an engine and queues of its own. It is told what to do between two batches.

use std::sync::mpsc::{Receiver, Sender};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use daemon::run::Clock;
use daemon::trace::TraceFilter;
use daemon::{Counts, DropReason, SignedCounts};
use mio::{Events, Poll, Token, Waker};
use packet_io::tun::Tun;
use packet_io::xdp::{Lane, PortStatus, SendCounts};
use packet_io::{Batch, Driver, Instant, PacketBuf};
use rustix::time::{clock_gettime, ClockId};

use super::cores;
use super::shown::Shown;
use super::wire::Wire;
use crate::engine::{Change, Engine, Event, Verdict};

/// The TUN device has packets.
const TUN: Token = Token(0);
/// AF_XDP has some.
const LANE: Token = Token(1);
/// There are orders.
const ORDERS: Token = Token(2);
/// How often the engine is told that time passes.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// Batches taken in before the kernel is asked whether other devices have packets.
const BATCHES_A_TURN: usize = 16;
/// Packets in a batch: several times as many as the engine looks at together, so that it works on some while the lines of others come.
const PACKETS: usize = 256;

/// What a worker is told. Whoever tells it sees that it is done when the sender in it is gone.
pub(super) enum Order {
    /// Other settings and another pool.
    Take(Box<Change>, Sender<()>),
    /// Another lane, or none.
    Lane(Option<Lane>, Sender<()>),
    /// Such packets are to be shown.
    Show(Arc<[TraceFilter]>),
    /// A report is asked for.
    Report(Sender<Report>),
    /// That's it.
    Stop,
}

/// What a worker has done so far.
pub(super) struct Report {
    /// Its number.
    pub worker: usize,
    /// The core that it has alone.
    pub core: Option<usize>,
    /// Processor time that it has used.
    pub cpu: Duration,
    pub events: Counts<Event>,
    pub drops: Counts<DropReason>,
    pub signed: SignedCounts,
    /// Packets that no device took.
    pub lost: u64,
    /// Its part of each interface; empty without AF_XDP.
    pub ports: Vec<PortStatus>,
    pub sent_by_kernel: SendCounts,
}

/// What a worker is made of.
pub(super) struct Parts {
    pub number: usize,
    pub core: Option<usize>,
    pub engine: Engine,
    pub tun: Tun,
    pub lane: Option<Lane>,
    pub orders: Receiver<Order>,
    pub clock: Clock,
    pub shown: Shown,
}

/// A worker.
pub(super) struct Worker {
    number: usize,
    core: Option<usize>,
    engine: Engine,
    wire: Wire,
    poll: Poll,
    orders: Receiver<Order>,
    /// The order that is obeyed next.
    next: Option<Order>,
    clock: Clock,
    shown: Shown,
}

/// Is there more to do?
enum Goes {
    On,
    Home,
}

impl Worker {
    /// A worker, and what wakes it when it has orders.
    pub fn new(parts: Parts) -> anyhow::Result<(Self, Waker)> {
        let poll = Poll::new().context("making an event loop")?;
        let waker = Waker::new(poll.registry(), ORDERS).context("making a waker")?;
        let mut wire = Wire::new(parts.tun, poll.registry(), TUN)?;
        wire.set_lane(parts.lane, poll.registry(), LANE)?;
        let worker = Worker {
            number: parts.number,
            core: parts.core,
            engine: parts.engine,
            wire,
            poll,
            orders: parts.orders,
            next: None,
            clock: parts.clock,
            shown: parts.shown,
        };
        Ok((worker, waker))
    }

    /// Works until it is told to stop.
    pub fn run(mut self) -> anyhow::Result<()> {
        if let Some(core) = self.core {
            if let Err(error) = cores::pin(core) {
                eprintln!("srlb-lb: note: worker {} on any core: {error}", self.number);
                self.core = None;
            }
        }
        let mut events = Events::with_capacity(128);
        let mut buffers = Buffers::new(self.wire.capacity_bytes());
        let mut next_tick = Instant::ZERO;
        let mut more = false;
        loop {
            let sleep = match more {
                true => Duration::ZERO,
                false => self.clock.sleep_until(Some(next_tick), TICK),
            };
            match self.poll.poll(&mut events, Some(sleep)) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                polled => polled.context("waiting for events")?,
            }
            let now = self.clock.tick();
            let has = |token| events.iter().any(|event| event.token() == token);
            if has(TUN) {
                self.wire.wake();
            }
            let wakes = has(TUN) || has(LANE);
            if let Goes::Home = self.obey()? {
                return Ok(());
            }
            buffers.have_room_for(self.wire.capacity_bytes());
            if more || wakes {
                more = self.packets(&mut buffers)?;
            }
            if now >= next_tick {
                next_tick = now + TICK;
                self.tick(now)?;
            }
        }
    }

    /// Works on what the devices have, for one turn; true if there may be more.
    fn packets(&mut self, buffers: &mut Buffers) -> anyhow::Result<bool> {
        let Buffers {
            batch, verdicts, ..
        } = buffers;
        for _ in 0..BATCHES_A_TURN {
            if batch.receive(&mut self.wire)? == 0 {
                return Ok(false);
            }
            let now = self.clock.tick();
            if self.shown.is_wanted() {
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
            self.next = self.orders.try_recv().ok();
            if self.next.is_some() {
                break;
            }
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
            let shows = self.shown.before(frame);
            let verdict = self.engine.process(now, frame);
            verdicts.push(verdict);
            self.shown.show(shows, &self.engine, frame, verdict, now);
        }
    }

    fn tick(&mut self, now: Instant) -> anyhow::Result<()> {
        let mut out = Vec::new();
        self.engine.poll(now, &mut out);
        self.wire.transmit(&out)?;
        self.wire.flush();
        Ok(())
    }

    fn obey(&mut self) -> anyhow::Result<Goes> {
        while let Some(order) = self.next.take().or_else(|| self.orders.try_recv().ok()) {
            match order {
                Order::Take(change, _done) => self.engine.take(*change),
                Order::Lane(lane, _done) => {
                    self.wire.set_lane(lane, self.poll.registry(), LANE)?;
                }
                Order::Show(filters) => {
                    self.shown.set_filters(filters);
                    self.engine.set_tracing(self.shown.is_wanted());
                }
                Order::Report(to) => drop(to.send(self.report())),
                Order::Stop => return Ok(Goes::Home),
            }
        }
        Ok(Goes::On)
    }

    fn report(&self) -> Report {
        let cpu = clock_gettime(ClockId::ThreadCPUTime);
        let lane = self.wire.lane();
        Report {
            worker: self.number,
            core: self.core,
            cpu: Duration::new(cpu.tv_sec as u64, cpu.tv_nsec as u32),
            events: self.engine.events().clone(),
            drops: self.engine.drops().clone(),
            signed: self.engine.signed().clone(),
            lost: self.wire.lost(),
            ports: lane.map_or_else(Vec::new, |lane| lane.status().collect()),
            sent_by_kernel: lane.map_or_else(SendCounts::default, Lane::send_counts),
        }
    }
}

/// What packets lie in while they are worked on.
struct Buffers {
    batch: Batch,
    verdicts: Vec<Verdict>,
    capacity_bytes: usize,
}

impl Buffers {
    fn new(capacity_bytes: usize) -> Self {
        Buffers {
            batch: Batch::new(PACKETS, capacity_bytes),
            verdicts: Vec::with_capacity(PACKETS),
            capacity_bytes,
        }
    }

    fn have_room_for(&mut self, capacity_bytes: usize) {
        if capacity_bytes > self.capacity_bytes {
            *self = Buffers::new(capacity_bytes);
        }
    }
}
