//! Who runs where: the flood on one processor, all that it may harm on the others.
//!
//! A generator that competes with what it floods takes its share of the machine, whether its packets cost anybody else anything or not. So
//! it has a processor of its own, and its packets have it, too: the kernel carries each of them in the sender's time as far as the LB's queue,
//! over edge and switch, through the LB's routes and its guard. The others belong to LBs, servers and clients, who pay for whatever
//! gets into the queue.

use anyhow::{ensure, Result};
use rustix::thread::{sched_getaffinity, sched_setaffinity, CpuSet};

/// The machine's processors, shared out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processors {
    /// The flood's.
    pub outside: usize,
    /// Everybody else's.
    pub inside: Vec<usize>,
}

impl Processors {
    /// Shares out those that this process may use.
    pub fn share_out() -> Result<Processors> {
        let mut numbers = usable()?.into_iter();
        let outside = numbers.next().unwrap_or_default();
        let inside: Vec<usize> = numbers.collect();
        ensure!(
            !inside.is_empty(),
            "a flood needs a processor of its own, and there is only one"
        );
        Ok(Processors { outside, inside })
    }

    /// Puts this thread, and all that it will start, on the inside.
    pub fn bind_inside(&self) -> Result<()> {
        bind(&self.inside)
    }
}

/// Those that this thread may use.
pub fn usable() -> Result<Vec<usize>> {
    let ours = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU)
        .filter(|&cpu| ours.is_set(cpu))
        .collect())
}

/// Puts this thread on these processors.
pub fn bind(processors: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    processors.iter().for_each(|&cpu| set.set(cpu));
    Ok(sched_setaffinity(None, &set)?)
}
