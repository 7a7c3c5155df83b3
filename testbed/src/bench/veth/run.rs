//! All cases in turn, round by round.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use packet_io::lab::{Generator, Order, Pass, Shape, Sink};
use packet_io::PacketBuf;

use super::balancer::Balancer;
use super::bed::{self, Bed, Machine};
use super::case::Case;
use super::check;
use super::forward::Worker;
use super::leftovers;
use super::polls;
use super::sender::{frames, generator, Sender};
use super::slabs::Slabs;
use super::VethArgs;
use crate::bench::spread::Spread;
use crate::signals::Interrupt;

/// Before a case is measured in a round: its caches are to be warm, and its queues full.
const WARM_UP: Duration = Duration::from_millis(60);
/// After it: what is under way is to arrive.
const DRAIN: Duration = Duration::from_millis(30);
/// Packets that are looked at byte by byte before anything is measured.
const LOOKED_AT: u32 = 64;

/// One figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What forwarded.
    pub case: Case,
    /// Flows that packets came from.
    pub flows: u32,
    /// What arrived, in millions of packets a second.
    pub mpps: Spread,
    /// The same over what the reference did in the same round; none without it.
    pub ratio: Option<Spread>,
    /// What was sent, in millions a second.
    pub offered_mpps: f64,
    /// The share of its processor that was busy.
    pub busy: f64,
    /// Packets that arrived and looked otherwise than they should.
    pub wrong: u64,
    /// What packets of this case look like behind it.
    pub shape: Shape,
}

/// Who works on a machine under test.
#[expect(dead_code, reason = "kept, not asked")]
enum Host {
    Worker(Worker),
    Kernel(Pass),
    Balancer(Balancer),
}

/// A machine that is ready to be measured.
struct Ready<'a> {
    machine: &'a Machine,
    host: Host,
    sink: Sink,
    shape: Shape,
    /// For each number of flows.
    generators: Vec<Arc<Generator>>,
}

/// One case in one round.
#[derive(Clone, Copy, Debug)]
struct Round {
    mpps: f64,
    offered_mpps: f64,
    busy: f64,
}

/// Measures. `done` is called after each case has been made ready, and after each case of each round.
pub fn measure(
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
    let all = sizes
        .iter()
        .map(|&flows| frames(flows))
        .collect::<Result<Vec<_>>>()?;
    let mut ready = Vec::new();
    for machine in &bed.machines {
        interrupt.check()?;
        let mut generators = Vec::new();
        let sink = open_sink(&bed, machine)?;
        let host = open_host(&bed, machine, args, interrupt)?;
        for frames in &all {
            generators.push(Arc::new(generator(
                &bed.generator,
                machine,
                frames,
                Order::Random,
            )?));
        }
        let mut one = Ready {
            machine,
            host,
            sink,
            shape: Shape {
                len_bytes: 0,
                next_header: 0,
            },
            generators,
        };
        one.shape = look(&bed, &mut one, sizes[0], interrupt)?;
        ready.push(one);
        done();
    }
    let idle = polls::Idle::start()?;
    let mut rounds: HashMap<(Case, u32), Vec<Round>> = HashMap::new();
    for _ in 0..args.rounds() {
        for (number, &flows) in sizes.iter().enumerate() {
            for one in &ready {
                let round = round(&bed, one, number, &idle, args, interrupt)?;
                rounds
                    .entry((one.machine.case, flows))
                    .or_default()
                    .push(round);
                done();
            }
        }
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
    let sink = bed::inside(&bed.sink, || Ok(Sink::open(machine.sink())?))?;
    polls::give_thread(&bed.sink, machine.sink(), polls::OUTSIDE, polls::FIRST)?;
    Ok(sink)
}

fn open_host(bed: &Bed, machine: &Machine, args: &VethArgs, interrupt: &Interrupt) -> Result<Host> {
    let host = match machine.case {
        Case::L2fwd => Host::Worker(Worker::bare(machine)?),
        Case::Driver => Host::Worker(Worker::driver(machine)?),
        Case::Kernel | Case::Seg6Inline | Case::Seg6Encap => {
            Host::Kernel(bed::inside(&machine.namespace, || {
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
    polls::give_thread(
        &machine.namespace,
        machine.inner(),
        polls::UNDER_TEST,
        polls::WORK,
    )?;
    Ok(host)
}

/// Sends a few packets, and looks at every byte of them.
fn look(bed: &Bed, ready: &mut Ready<'_>, flows: u32, interrupt: &Interrupt) -> Result<Shape> {
    let sent = check::Sent::of(flows);
    ready.sink.expect(None)?;
    let generator = &ready.generators[0];
    bed::inside(&bed.generator, || {
        polls::bind(polls::OUTSIDE)?;
        generator.set_stopped(false)?;
        generator.run(LOOKED_AT).context("sending")
    })?;
    let mut arrived = vec![PacketBuf::with_capacity(2_000); LOOKED_AT as usize];
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

fn round(
    bed: &Bed,
    ready: &Ready<'_>,
    number: usize,
    idle: &polls::Idle,
    args: &VethArgs,
    interrupt: &Interrupt,
) -> Result<Round> {
    let sink = ready.machine.sink();
    polls::by_clock(&bed.sink, sink, true)?;
    let generator = &ready.generators[number];
    let measured = Duration::from_millis(args.round_ms());
    let sender = Sender::start(&bed.generator, generator, WARM_UP + measured, interrupt)?;
    interrupt.sleep(WARM_UP)?;
    let (arrived, sent) = (ready.sink.arrived()?, generator.sent()?);
    let (left, began) = (idle.ran()?, Instant::now());
    interrupt.sleep(measured)?;
    let came = ready.sink.arrived()?.right - arrived.right;
    let went = generator.sent()? - sent;
    let left = idle.ran()?.saturating_sub(left);
    let micros = began.elapsed().as_micros() as f64;
    sender.stop()?;
    interrupt.sleep(DRAIN)?;
    polls::by_clock(&bed.sink, sink, false)?;
    Ok(Round {
        mpps: came as f64 / micros,
        offered_mpps: went as f64 / micros,
        busy: 1.0 - left.as_micros() as f64 / micros,
    })
}

fn figure(
    ready: &Ready<'_>,
    flows: u32,
    rounds: &HashMap<(Case, u32), Vec<Round>>,
) -> Result<Figure> {
    let case = ready.machine.case;
    let own = rounds.get(&(case, flows)).context("no round")?;
    let pick = |of: fn(&Round) -> f64| own.iter().map(of).collect::<Vec<_>>();
    let reference = rounds.get(&(Case::REFERENCE, flows));
    let ratios = reference.map(|other| {
        let pairs = own.iter().zip(other);
        pairs
            .map(|(own, other)| own.mpps / other.mpps)
            .collect::<Vec<_>>()
    });
    Ok(Figure {
        case,
        flows,
        mpps: Spread::of(&pick(|round| round.mpps)),
        ratio: ratios.map(|all| Spread::of(&all)),
        offered_mpps: Spread::of(&pick(|round| round.offered_mpps)).median,
        busy: Spread::of(&pick(|round| round.busy)).median,
        wrong: ready.sink.arrived()?.wrong,
        shape: ready.shape,
    })
}
