//! All cases in turn, round by round.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure, Context, Result};
use packet_io::lab::{Generator, Order, Pass, Shape, Sink};
use packet_io::PacketBuf;

use super::balancer::Balancer;
use super::bed::{self, Bed, Machine};
use super::case::Case;
use super::check;
use super::forward::Worker;
use super::leftovers;
use super::polls;
use super::sender::{frames, Sender};
use super::slabs::Slabs;
use super::VethArgs;
use crate::bench::place::inside;
use crate::bench::spread::Spread;
use crate::signals::Interrupt;

/// How long each case has the load before any is measured: drivers settle for how much comes.
const SETTLE: Duration = Duration::from_secs(1);
/// Before a case is measured in a round: its caches are to be warm.
const WARM_UP: Duration = Duration::from_millis(2);
/// How long the generator may send less than it is to.
const PATIENCE: Duration = Duration::from_secs(3);
/// Packets that are looked at byte by byte before anything is measured.
const LOOKED_AT: usize = 64;
/// One so often.
const LOOKED_AT_NS: u32 = 2_000;
/// How often the generator looks in one call, then, whether one is due.
const LOOKS: u32 = 1 << 12;

/// One figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What forwarded.
    pub case: Case,
    /// Flows that packets came from.
    pub flows: u32,
    /// Processor time of a packet that arrived, in nanoseconds.
    pub ns: Spread,
    /// Packets that the same time is enough for, over the reference's in the same round; none without it.
    pub ratio: Option<Spread>,
    /// What was sent, in thousands of packets a second.
    pub kpps: f64,
    /// The share of all packets that arrived.
    pub arrived: f64,
    /// Packets that arrived and looked otherwise than they should.
    pub wrong: u64,
    /// What packets of this case look like behind it.
    pub shape: Shape,
}

/// Who works on a machine under test.
enum Host {
    Worker(Worker),
    Kernel(#[expect(dead_code, reason = "kept, not asked")] Pass),
    Balancer(Balancer),
}

/// A machine that is ready to be measured.
struct Ready<'a> {
    machine: &'a Machine,
    host: Host,
    /// The threads that forward.
    threads: Vec<i32>,
    sink: Sink,
    shape: Shape,
    /// The index of the generator's end of its cable.
    aim: u32,
}

/// One case in one round.
#[derive(Clone, Copy, Debug)]
struct Round {
    ns: f64,
    kpps: f64,
    sent: u64,
    arrived: u64,
}

/// Measures. `done` is called after each case has been made ready, and after each case of each round.
pub fn measure(
    args: &VethArgs,
    interrupt: &Interrupt,
    done: impl FnMut() + Send,
) -> Result<Vec<Figure>> {
    // Bound and ranked is a thread of its own: who writes the page is neither, and sees all processors.
    thread::scope(|scope| {
        let there = scope.spawn(|| measure_here(args, interrupt, done));
        there.join().map_err(|_| anyhow!("a thread panicked"))?
    })
}

fn measure_here(
    args: &VethArgs,
    interrupt: &Interrupt,
    mut done: impl FnMut(),
) -> Result<Vec<Figure>> {
    polls::bind(polls::OUTSIDE)?;
    polls::set_rank(None, polls::WATCH)?;
    leftovers::remove()?;
    let bed = Bed::build(&args.cases())?;
    // Once the bed says that somebody measures: before, the settings would pass for what a killed run has left.
    let _slabs = Slabs::keep()?;
    let sizes = args.sizes();
    let mut ready = Vec::new();
    for machine in &bed.machines {
        interrupt.check()?;
        let sink = open_sink(&bed, machine)?;
        let (host, threads) = open_host(&bed, machine, args, interrupt)?;
        let mut one = Ready {
            machine,
            host,
            threads,
            sink,
            shape: Shape {
                len_bytes: 0,
                next_header: 0,
            },
            aim: inside(&bed.generator, || bed::if_index(machine.generator()))?,
        };
        one.shape = look(&bed, &mut one, sizes[0], interrupt)?;
        ready.push(one);
        done();
    }
    let _idle = polls::Idle::start()?;
    let mut rounds: HashMap<(Case, u32), Vec<Round>> = HashMap::new();
    for one in &ready {
        polls::by_clock(&bed.sink, one.machine.sink())?;
        polls::by_clock(&one.machine.namespace, one.machine.inner())?;
    }
    for &flows in &sizes {
        let every_ns = 1_000_000 / args.rate_kpps;
        let generator = Generator::new(&frames(flows)?, Order::Random, every_ns)
            .context("loading the generator")?;
        let sender = Sender::start(&bed.generator, generator);
        for one in &ready {
            sender.aim(one.aim)?;
            interrupt.sleep(SETTLE)?;
        }
        for _ in 0..args.rounds() {
            for one in &ready {
                rounds
                    .entry((one.machine.case, flows))
                    .or_default()
                    .push(round(one, &sender, args, interrupt)?);
                done();
            }
        }
        sender.stop()?;
    }
    for one in &ready {
        if let Host::Balancer(balancer) = &one.host {
            let flows = sizes.iter().max().copied().unwrap_or_default();
            ensure!(
                balancer.pinned()? == u64::from(flows),
                "flows have come or gone: {}",
                balancer.status()?["flows"]
            );
        }
    }
    let mut figures = Vec::new();
    for &flows in &sizes {
        for one in &ready {
            figures.push(figure(one, flows, &rounds)?);
        }
    }
    Ok(figures)
}

/// How often `done` is called.
pub fn steps(args: &VethArgs) -> u64 {
    let cases = args.cases().len() as u64;
    cases + cases * args.sizes().len() as u64 * u64::from(args.rounds())
}

fn open_sink(bed: &Bed, machine: &Machine) -> Result<Sink> {
    let sink = inside(&bed.sink, || Ok(Sink::open(machine.sink())?))?;
    polls::give_thread(&bed.sink, machine.sink(), polls::OUTSIDE, polls::FIRST)?;
    Ok(sink)
}

/// With the threads that forward.
fn open_host(
    bed: &Bed,
    machine: &Machine,
    args: &VethArgs,
    interrupt: &Interrupt,
) -> Result<(Host, Vec<i32>)> {
    let host = match machine.case {
        Case::L2fwd => Host::Worker(Worker::bare(machine, false)?),
        Case::L2fwdFew => Host::Worker(Worker::bare(machine, true)?),
        Case::Driver => Host::Worker(Worker::driver(machine)?),
        Case::Kernel | Case::Seg6Inline | Case::Seg6Encap => {
            Host::Kernel(inside(&machine.namespace, || {
                let index = bed::if_index(machine.inner())?;
                Pass::attach(index).context("attaching to the machine's interface")
            })?)
        }
        Case::LbEncap | Case::LbInsert => {
            let encoding = machine.case.encoding().context("a load balancer has one")?;
            let balancer = Balancer::start(bed, machine, encoding, args, interrupt)?;
            balancer.pin(bed, machine, encoding, args.servers, interrupt)?;
            Host::Balancer(balancer)
        }
    };
    let mut threads = polls::give_thread(
        &machine.namespace,
        machine.inner(),
        polls::UNDER_TEST,
        polls::WORK,
    )?;
    match &host {
        Host::Worker(worker) => threads.push(worker.id),
        Host::Balancer(balancer) => threads.push(balancer.worker()?),
        Host::Kernel(_) => {}
    }
    Ok((host, threads))
}

/// Sends a few packets, and looks at every byte of them.
fn look(bed: &Bed, ready: &mut Ready<'_>, flows: u32, interrupt: &Interrupt) -> Result<Shape> {
    let sent = check::Sent::of(flows);
    ready.sink.expect(None)?;
    let generator = Generator::new(&frames(flows)?, Order::Random, LOOKED_AT_NS)?;
    generator.aim(Some(ready.aim))?;
    inside(&bed.generator, || {
        polls::bind(polls::OUTSIDE)?;
        while generator.sent()? < LOOKED_AT as u64 {
            generator.run(LOOKS).context("sending")?;
        }
        Ok(())
    })?;
    let mut arrived = vec![PacketBuf::with_capacity(2_000); LOOKED_AT];
    let mut filled = 0;
    let case = ready.machine.case;
    let what = format!("{}: {LOOKED_AT} packets to arrive", case.name());
    let waited = interrupt.wait_for(&what, Duration::from_secs(3), || {
        filled += ready.sink.look(&mut arrived[filled..]);
        Ok(filled == arrived.len())
    });
    waited.with_context(|| format!("{filled} have arrived"))?;
    let shape = sent.look(case, &arrived)?;
    ready.sink.expect(Some(shape))?;
    Ok(shape)
}

/// Aims the generator at a machine and measures, again if it has stood still meanwhile.
fn round(
    ready: &Ready<'_>,
    sender: &Sender,
    args: &VethArgs,
    interrupt: &Interrupt,
) -> Result<Round> {
    sender.aim(ready.aim)?;
    let until = Instant::now() + PATIENCE;
    loop {
        interrupt.sleep(WARM_UP)?;
        let (arrived, sent) = (ready.sink.arrived()?.right, sender.sent()?);
        let (ran, began) = (polls::ran(&ready.threads)?, Instant::now());
        interrupt.sleep(Duration::from_millis(args.round_ms()))?;
        let arrived = ready.sink.arrived()?.right - arrived;
        let sent = sender.sent()? - sent;
        let ran = polls::ran(&ready.threads)?.saturating_sub(ran);
        let kpps = sent as f64 / (1_000.0 * began.elapsed().as_secs_f64());
        if arrived > 0 && kpps >= f64::from(args.rate_kpps) / 2.0 {
            return Ok(Round {
                ns: ran.as_nanos() as f64 / arrived as f64,
                kpps,
                sent,
                arrived,
            });
        }
        ensure!(
            Instant::now() < until,
            "{}: {kpps:.0} thousand packets a second were sent, and {arrived} arrived",
            ready.machine.case.name()
        );
    }
}

fn figure(
    ready: &Ready<'_>,
    flows: u32,
    rounds: &HashMap<(Case, u32), Vec<Round>>,
) -> Result<Figure> {
    let case = ready.machine.case;
    let own = rounds.get(&(case, flows)).context("no round")?;
    let pick = |of: fn(&Round) -> f64| Spread::of(&own.iter().map(of).collect::<Vec<_>>());
    let sum = |of: fn(&Round) -> u64| own.iter().map(of).sum::<u64>() as f64;
    let reference = rounds.get(&(Case::REFERENCE, flows));
    let ratios = reference.map(|other| {
        let pairs = own.iter().zip(other);
        pairs
            .map(|(own, other)| other.ns / own.ns)
            .collect::<Vec<_>>()
    });
    Ok(Figure {
        case,
        flows,
        ns: pick(|round| round.ns),
        ratio: ratios.map(|all| Spread::of(&all)),
        kpps: pick(|round| round.kpps).median,
        arrived: sum(|round| round.arrived) / sum(|round| round.sent),
        wrong: ready.sink.arrived()?.wrong,
        shape: ready.shape,
    })
}
