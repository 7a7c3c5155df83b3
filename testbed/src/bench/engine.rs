//! All cases, ways and sizes, pass by pass in turn.

use anyhow::Result;
use flow_table::Pages;
use packet_io::PacketBuf;
use srh::Encoding;

use super::args::BenchArgs;
use super::case::{Case, Way};
use super::machine::Machine;
use super::rig::{ring, Rig, RING};
use super::spread::Spread;

/// What goes in front of packets, in every run.
pub const WAYS: [Way; 3] = [
    Way::Srv6(Encoding::Encap),
    Way::MaglevGre,
    Way::Srv6(Encoding::Insert),
];

/// What is measured on one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// Which packets.
    pub case: Case,
    /// How many of them the engine is given at a time.
    pub batch: u16,
}

/// One figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured.
    pub job: Job,
    /// What goes in front of the packets.
    pub way: Way,
    /// Flows in the table.
    pub flows: u64,
    /// Bytes that the table has for each of them.
    pub table_bytes_a_flow: f64,
    /// On which pages it lies.
    pub pages: Pages,
    /// Nanoseconds a packet, pass by pass.
    pub passes: Vec<f64>,
    /// Of these.
    pub ns: Spread,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Every job on every table.
    pub figures: Vec<Figure>,
    /// The machine while all tables were there.
    pub machine: Machine,
}

/// A table with what is measured on it, and the passes so far.
struct Bed {
    rig: Rig,
    jobs: Vec<Job>,
    passes: Vec<Vec<f64>>,
}

impl Bed {
    fn new(args: &BenchArgs, way: Way, flows: u64) -> Result<Bed> {
        let jobs = jobs(args, way);
        Ok(Bed {
            rig: Rig::new(way, args.servers, flows)?,
            passes: vec![Vec::new(); jobs.len()],
            jobs,
        })
    }

    /// Two passes, if it has this job. The second is kept: what the pass before has left in the caches, of another table, is no part of what it costs.
    fn pass(&mut self, job: Job, frames: &mut [PacketBuf]) -> Result<()> {
        if let Some(at) = self.jobs.iter().position(|one| *one == job) {
            self.rig.pass(job.case, job.batch.into(), frames)?;
            let measured = self.rig.pass(job.case, job.batch.into(), frames)?;
            self.passes[at].push(measured.ns());
        }
        Ok(())
    }
}

/// Measures. One pass over the ring for every figure, then the next one for every figure: so what the machine does meanwhile
/// befalls all of them alike. The ways of one job come right after each other, and who comes first changes from pass to pass; before each pass that is kept comes one that
/// isn't: a pass over a large table leaves others' lines and page tables out of the caches. `done` is called after each pass over all of them; an error from it ends the run.
pub fn measure(args: &BenchArgs, mut done: impl FnMut() -> Result<()>) -> Result<Measured> {
    let mut sizes: Vec<Vec<Bed>> = Vec::new();
    for flows in args.sizes() {
        let mut beds = Vec::new();
        for way in WAYS {
            beds.push(Bed::new(args, way, flows)?);
            done()?;
        }
        sizes.push(beds);
    }
    let mut frames = ring(RING);
    for pass in 0..args.passes() as usize {
        for size in from(pass, sizes.len()) {
            let beds = &mut sizes[size];
            beds.iter_mut().try_for_each(|bed| bed.rig.settle())?;
            // The first way has all jobs.
            for job in beds[0].jobs.clone() {
                for way in from(pass, beds.len()) {
                    beds[way].pass(job, &mut frames)?;
                }
            }
        }
        done()?;
    }
    let machine = Machine::here();
    let mut figures = Vec::new();
    for Bed { rig, jobs, passes } in sizes.into_iter().flatten() {
        let both = jobs.into_iter().zip(passes);
        figures.extend(both.map(|(job, passes)| figure(&rig, job, passes)));
    }
    Ok(Measured { figures, machine })
}

/// The numbers below `count`, in turn, from another one each time.
fn from(time: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |n| (time + n) % count)
}

fn figure(rig: &Rig, job: Job, passes: Vec<f64>) -> Figure {
    let flows = rig.flows();
    Figure {
        job,
        way: rig.way(),
        flows,
        table_bytes_a_flow: rig.table_bytes() as f64 / flows as f64,
        pages: rig.table_pages(),
        ns: Spread::of(&passes),
        passes,
    }
}

impl Measured {
    /// The figures of all cases, with batches of this size.
    pub fn cases(&self, batch: u16) -> impl Iterator<Item = &Figure> {
        self.figures.iter().filter(move |f| f.job.batch == batch)
    }

    /// Pinned packets in the first way by size of batch, if there is more than one.
    pub fn batches(&self) -> Vec<&Figure> {
        let is_one = |f: &&Figure| f.job.case == Case::Pinned && f.way == WAYS[0];
        let all: Vec<&Figure> = self.figures.iter().filter(is_one).collect();
        match all
            .windows(2)
            .all(|two| two[0].job.batch == two[1].job.batch)
        {
            true => Vec::new(),
            false => all,
        }
    }
}

/// What is measured with packets of one way: the sizes of batches with the first one only.
fn jobs(args: &BenchArgs, way: Way) -> Vec<Job> {
    let sweep = args.batches().into_iter().filter(|_| way == WAYS[0]);
    let case = Case::Pinned;
    let mut jobs: Vec<Job> = sweep.map(|batch| Job { case, batch }).collect();
    let batch = args.batch;
    for case in args.cases().into_iter().filter(|&case| way.has(case)) {
        let job = Job { case, batch };
        if !jobs.contains(&job) {
            jobs.push(job);
        }
    }
    jobs
}

/// How often `done` is called.
pub fn steps(args: &BenchArgs) -> u64 {
    (args.sizes().len() * WAYS.len()) as u64 + u64::from(args.passes())
}
