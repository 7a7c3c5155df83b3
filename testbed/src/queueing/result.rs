//! What came out.

use daemon::{Counts, DropReason};
use serde::Serialize;

use super::histogram::Histogram;

/// A mean and how much it says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mean {
    /// The mean.
    pub mean_s: f64,
    /// The standard deviation of what it is the mean of.
    pub deviation_s: f64,
    /// Half of its 95% confidence interval, from batch means.
    pub half_width_s: f64,
}

/// The servers at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// When.
    pub at_s: f64,
    /// Busy workers of a server, on average.
    pub mean_busy: f64,
    /// Jain's fairness index of the servers' busy workers.
    pub fairness: f64,
}

/// What came out of a scenario. Queries of the warm-up count nowhere but in `queries` and what is about packets.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Queries sent.
    pub queries: u64,
    /// Queries answered.
    pub answered: u64,
    /// Queries that were reset because an accept queue was full.
    pub refused: u64,
    /// Queries that nobody has answered: a mistake of ours.
    pub unfinished: u64,
    /// Response times, from the SYN to the FIN, both at the client.
    pub response: Mean,
    /// Their distribution, in microseconds.
    pub times_us: Histogram,
    /// Flows that servers took although they might have refused them.
    pub taken: u64,
    /// Flows that servers had to take.
    pub forced: u64,
    /// Packets that were dropped: a mistake of ours, too.
    pub dropped: u64,
    /// Of these, by engines, and why.
    pub reasons: Counts<DropReason>,
    /// Packets sent, from node to node.
    pub packets: u64,
    /// Events.
    pub events: u64,
    /// Queries in flight at once, at most.
    pub most_in_flight: usize,
    /// Packets under way at once, at most: so many buffers there were.
    pub most_packets: usize,
    /// Events ahead at once, at most.
    pub most_events: usize,
    /// How long it took, in virtual time.
    pub virtual_s: f64,
    /// Load and fairness over time.
    pub samples: Vec<Sample>,
}

impl Outcome {
    /// A percentile of the response time.
    pub fn percentile_s(&self, percentile: f64) -> f64 {
        self.times_us.percentile(percentile) / 1e6
    }

    /// Has every query ended, and was no packet dropped?
    pub fn is_whole(&self) -> bool {
        self.unfinished == 0 && self.dropped == 0
    }

    /// The share of flows that were passed on by whoever might have refused them.
    pub fn passed_on(&self) -> f64 {
        self.forced as f64 / (self.taken + self.forced).max(1) as f64
    }
}
