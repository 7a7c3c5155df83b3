//! One worker against two on one table: each with its own engine, ring and processor.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Barrier;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use anyhow::{anyhow, Result};
use packet_io::PacketBuf;
use srh::Encoding;

use super::args::BenchArgs;
use super::case::{Case, Way};
use super::rig::{ring, Rig, RING};
use super::spread::Spread;
use crate::hostile::processors::{bind, usable};

/// As many as there are processors where this is measured.
pub const WORKERS: usize = 2;
/// What goes in front of the packets.
pub const WAY: Way = Way::Srv6(Encoding::Encap);
const CASES: [Case; 2] = [Case::Pinned, Case::Mixed];

/// One figure.
#[derive(Clone, Debug)]
pub struct Scaling {
    /// Which packets.
    pub case: Case,
    /// Flows in the table.
    pub flows: u64,
    /// Million packets a second, by one worker while the other one has nothing to do.
    pub one_mpps: Spread,
    /// By both at the same time, together.
    pub both_mpps: Spread,
    /// Both over one, pass by pass.
    pub ratio: Spread,
}

/// One turn of a case: each worker alone, then both at once.
struct Turn {
    alone: [Duration; WORKERS],
    both: Vec<Duration>,
}

impl Turn {
    fn one_mpps(&self) -> f64 {
        self.alone.iter().map(mpps).sum::<f64>() / WORKERS as f64
    }

    fn both_mpps(&self) -> f64 {
        self.both.iter().map(mpps).sum()
    }
}

fn mpps(took: &Duration) -> f64 {
    RING as f64 / took.as_secs_f64() / 1e6
}

/// A worker with its engine.
struct Worker {
    rig: Rig,
    ring: Vec<PacketBuf>,
}

/// Measures, if there are as many processors as workers; says why not else. `done` is called after each turn of all.
pub fn measure(
    args: &BenchArgs,
    mut done: impl FnMut() -> Result<()>,
) -> Result<Result<Vec<Scaling>, String>> {
    let processors = usable()?;
    let Some(processors) = processors.first_chunk::<WORKERS>() else {
        let there = processors.len();
        return Ok(Err(format!("{WORKERS} processors are needed, not {there}")));
    };
    let mut tables = Vec::new();
    for flows in args.sizes() {
        let rig = Rig::new(WAY, args.servers, flows)?;
        let worker = |number| -> Result<Worker> {
            let rig = rig.for_worker(number as u64, WORKERS as u64)?;
            let ring = ring(RING);
            Ok(Worker { rig, ring })
        };
        let workers = [worker(0)?, worker(1)?];
        tables.push((flows, rig, workers));
        done()?;
    }
    let mut turns: Vec<[Vec<Turn>; CASES.len()]> = Vec::new();
    turns.resize_with(tables.len(), Default::default);
    for pass in 0..=args.passes() {
        for ((_, rig, workers), turns) in tables.iter_mut().zip(&mut turns) {
            rig.settle()?;
            workers.iter_mut().for_each(|w| w.rig.steady_like(rig));
            for (case, turns) in CASES.into_iter().zip(turns) {
                let mut phase = |first: usize, count: usize| {
                    let range = first..first + count;
                    let (workers, processors) = (&mut workers[range.clone()], &processors[range]);
                    at_once(workers, processors, case, args.batch.into())
                };
                let turn = Turn {
                    alone: [phase(0, 1)?[0], phase(1, 1)?[0]],
                    both: phase(0, WORKERS)?,
                };
                if pass > 0 {
                    turns.push(turn);
                }
            }
        }
        done()?;
    }
    let figures = tables.iter().zip(&turns).flat_map(|((flows, ..), turns)| {
        let both = CASES.into_iter().zip(turns);
        both.map(|(case, turns)| scaling(case, *flows, turns))
    });
    Ok(Ok(figures.collect()))
}

/// How often `done` is called, where there are processors.
pub fn steps(args: &BenchArgs) -> u64 {
    args.sizes().len() as u64 + u64::from(args.passes()) + 1
}

fn scaling(case: Case, flows: u64, turns: &[Turn]) -> Scaling {
    let spread = |of: fn(&Turn) -> f64| Spread::of(&turns.iter().map(of).collect::<Vec<_>>());
    Scaling {
        case,
        flows,
        one_mpps: spread(Turn::one_mpps),
        both_mpps: spread(Turn::both_mpps),
        ratio: spread(|turn| turn.both_mpps() / turn.one_mpps()),
    }
}

/// Has workers do a pass each at the same time, on a thread and a processor of their own.
fn at_once(
    workers: &mut [Worker],
    processors: &[usize],
    case: Case,
    batch: usize,
) -> Result<Vec<Duration>> {
    let meeting = Meeting::of(workers.len());
    let run = |worker: &mut Worker, processor: usize| {
        let bound = bind(&[processor]);
        let filled = worker.rig.fill(case, &mut worker.ring);
        // Everybody comes, also after an error: the others would wait for ever.
        meeting.begin();
        bound?;
        worker.rig.work(batch, &mut worker.ring[..filled?])
    };
    std::thread::scope(|scope| {
        let both = workers.iter_mut().zip(processors);
        let threads: Vec<_> = both
            .map(|(worker, &processor)| scope.spawn(move || run(worker, processor)))
            .collect();
        let died = |_| anyhow!("a worker has panicked");
        let join = |thread: ScopedJoinHandle<'_, Result<Duration>>| thread.join().map_err(died)?;
        threads.into_iter().map(join).collect()
    })
}

/// Where workers wait for each other, once.
struct Meeting {
    asleep: Barrier,
    awake: AtomicUsize,
    workers: usize,
}

impl Meeting {
    fn of(workers: usize) -> Meeting {
        Meeting {
            asleep: Barrier::new(workers),
            awake: AtomicUsize::new(0),
            workers,
        }
    }

    /// All go on at the same moment, not each when it happens to wake up.
    fn begin(&self) {
        self.asleep.wait();
        self.awake.fetch_add(1, Ordering::AcqRel);
        while self.awake.load(Ordering::Acquire) < self.workers {
            std::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_of_a_turn_are_sums_and_means() {
        let us = |us| Duration::from_micros(us);
        let turn = Turn {
            alone: [us(1_000), us(2_000)],
            both: vec![us(2_000), us(4_000)],
        };
        let ring = RING as f64 / 1e3;
        assert!((turn.one_mpps() - ring * 0.75).abs() < 1e-9);
        assert!((turn.both_mpps() - ring * 0.75).abs() < 1e-9);
        assert_eq!(scaling(Case::Mixed, 1, &[turn]).ratio.median, 1.0);
    }

    #[test]
    fn workers_work_at_once_on_one_table() {
        let rig = Rig::new(WAY, 7, 1_000).unwrap();
        let worker = |number| Worker {
            rig: rig.for_worker(number, 2).unwrap(),
            ring: ring(RING),
        };
        let mut workers = [worker(0), worker(1)];
        let here = usable().unwrap()[0];
        let took = at_once(&mut workers, &[here, here], Case::NewFlow, 64).unwrap();
        assert_eq!(took.len(), 2);
        assert!(at_once(&mut workers[..1], &[1_023], Case::NewFlow, 64).is_err());
    }
}
