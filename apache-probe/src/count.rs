//! Counting the workers, while Apache goes on.

use crate::layout::Geometry;
use crate::memory::Loads;
use crate::status::{Load, Status};

/// How many workers do what, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Workers taken by a connection: reading, writing, keep-alive, logging, DNS, closing, finishing gracefully.
    pub busy: u32,
    /// Workers that wait for a connection.
    pub idle: u32,
    /// `busy + idle`: the workers there are, the paper's n.
    pub total: u32,
    /// Workers that start up: neither busy nor idle yet.
    pub starting: u32,
    /// Workers on their way out: idle ones being killed or of an older generation, and whatever a quiescing process still has.
    pub leaving: u32,
    /// Processes (worker, event) that have stopped accepting because they are full.
    pub not_accepting: u32,
    /// Workers with a status that httpd does not have. Not zero means that this is no scoreboard after all.
    pub unknown: u32,
}

/// Counts what `memory` shows. Each worker is looked at once and counts at most once, whatever it does meanwhile; workers
/// that are looked at one after the other may have been so at different moments.
#[inline]
pub(crate) fn count(memory: &impl Loads, geometry: &Geometry) -> Counts {
    let running = memory.load_u32(geometry.generation_at());
    let mut counts = Counts::default();
    for slot in 0..geometry.server_limit() {
        let process = geometry.process(slot);
        if memory.load_u32(process.pid()) == 0 {
            continue;
        }
        let is_quiescing = memory.load_u8(process.quiescing()) != 0;
        let is_current = memory.load_u32(process.generation()) == running;
        if !is_quiescing {
            let is_full = memory.load_u8(process.not_accepting()) != 0;
            counts.not_accepting += u32::from(is_full);
        }
        for thread in 0..geometry.thread_limit() {
            let status = memory.load_u8(geometry.worker(slot, thread).status());
            counts.add(Status::from_number(status), is_quiescing, is_current);
        }
    }
    counts.total = counts.busy + counts.idle;
    counts
}

impl Counts {
    #[inline]
    fn add(&mut self, status: Option<Status>, is_quiescing: bool, is_current: bool) {
        let Some(status) = status else {
            self.unknown += 1;
            return;
        };
        match status.load() {
            Load::Absent => {}
            _ if is_quiescing => self.leaving += 1,
            Load::Starting => self.starting += 1,
            Load::Idle if is_current => self.idle += 1,
            Load::Idle | Load::Leaving => self.leaving += 1,
            Load::Busy => self.busy += 1,
        }
    }
}

#[cfg(test)]
mod races;
