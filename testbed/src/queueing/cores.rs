//! A server's cores: who of the queries that have a worker makes progress, and when the next one is done.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::scenario::Discipline;

/// The cores of one server.
pub enum Cores {
    /// One query a core, in the order in which they came.
    Fifo(Fifo),
    /// All queries at once, each with its share of the cores and at most one core.
    Shared(Shared),
}

impl Cores {
    /// So many cores, idle.
    pub fn new(cores: u32, discipline: Discipline) -> Self {
        match discipline {
            Discipline::Fifo => Cores::Fifo(Fifo {
                idle: cores,
                ends: BinaryHeap::new(),
                waiting: VecDeque::new(),
            }),
            Discipline::ProcessorSharing => Cores::Shared(Shared {
                cores: f64::from(cores),
                served_us: 0.0,
                at_us: 0,
                ends: BinaryHeap::new(),
            }),
        }
    }

    /// A worker begins with a query.
    pub fn begin(&mut self, now_us: u64, query: u64, service_us: u64) {
        match self {
            Cores::Fifo(fifo) => fifo.begin(now_us, query, service_us),
            Cores::Shared(shared) => shared.begin(now_us, query, service_us),
        }
    }

    /// When the next query is done, if nothing comes in between.
    pub fn next_end_us(&self) -> Option<u64> {
        match self {
            Cores::Fifo(fifo) => fifo.ends.peek().map(|Reverse((end_us, _))| *end_us),
            Cores::Shared(shared) => shared.next_end_us(),
        }
    }

    /// The query that is done now.
    pub fn end(&mut self, now_us: u64) -> Option<u64> {
        match self {
            Cores::Fifo(fifo) => fifo.end(now_us),
            Cores::Shared(shared) => shared.end(now_us),
        }
    }
}

/// First in, first out.
pub struct Fifo {
    idle: u32,
    ends: BinaryHeap<Reverse<(u64, u64)>>,
    waiting: VecDeque<(u64, u64)>,
}

impl Fifo {
    fn begin(&mut self, now_us: u64, query: u64, service_us: u64) {
        match self.idle.checked_sub(1) {
            Some(idle) => {
                self.idle = idle;
                self.ends.push(Reverse((now_us + service_us, query)));
            }
            None => self.waiting.push_back((query, service_us)),
        }
    }

    fn end(&mut self, now_us: u64) -> Option<u64> {
        let Reverse((_, done)) = self.ends.pop()?;
        self.idle += 1;
        if let Some((query, service_us)) = self.waiting.pop_front() {
            self.begin(now_us, query, service_us);
        }
        Some(done)
    }
}

/// Processor sharing. Time is kept as the service that each query present has received: that is when a query ends,
/// whoever comes or goes meanwhile.
pub struct Shared {
    cores: f64,
    served_us: f64,
    at_us: u64,
    ends: BinaryHeap<Reverse<(Served, u64)>>,
}

/// A service received, in microseconds; never NaN.
#[derive(Clone, Copy, PartialEq)]
struct Served(f64);

impl Eq for Served {}

impl PartialOrd for Served {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Served {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Shared {
    /// Service that each query receives in a unit of time.
    fn rate(&self) -> f64 {
        (self.cores / self.ends.len().max(1) as f64).min(1.0)
    }

    fn go_to(&mut self, now_us: u64) {
        self.served_us += (now_us - self.at_us) as f64 * self.rate();
        self.at_us = now_us;
    }

    fn begin(&mut self, now_us: u64, query: u64, service_us: u64) {
        self.go_to(now_us);
        let end = Served(self.served_us + service_us as f64);
        self.ends.push(Reverse((end, query)));
    }

    fn next_end_us(&self) -> Option<u64> {
        let Reverse((Served(end), _)) = self.ends.peek()?;
        let left_us = (end - self.served_us).max(0.0) / self.rate();
        Some(self.at_us + left_us.round() as u64)
    }

    fn end(&mut self, now_us: u64) -> Option<u64> {
        self.go_to(now_us);
        let Reverse((_, query)) = self.ends.pop()?;
        if self.ends.is_empty() {
            // so that the sum does not lose digits over a long run
            self.served_us = 0.0;
        }
        Some(query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays queries (when, how long) and says when each was done.
    fn play(discipline: Discipline, cores: u32, jobs: &[(u64, u64)]) -> Vec<u64> {
        let mut server = Cores::new(cores, discipline);
        let mut done = vec![0; jobs.len()];
        let mut jobs = jobs.iter().copied().zip(0u64..).peekable();
        loop {
            let end = server.next_end_us();
            match jobs.peek() {
                Some(&((at_us, service_us), query)) if end.is_none_or(|end| at_us < end) => {
                    server.begin(at_us, query, service_us);
                    jobs.next();
                }
                _ => match end {
                    Some(end) => done[server.end(end).unwrap() as usize] = end,
                    None => return done,
                },
            }
        }
    }

    #[test]
    fn first_in_first_out() {
        use Discipline::Fifo;
        let jobs = [(0, 100), (10, 50), (20, 10), (500, 5)];
        assert_eq!(play(Fifo, 1, &jobs), [100, 150, 160, 505]);
        assert_eq!(play(Fifo, 2, &jobs), [100, 60, 70, 505]);
        assert_eq!(play(Fifo, 3, &jobs), [100, 60, 30, 505]);
    }

    #[test]
    fn shares_of_the_processor() {
        use Discipline::ProcessorSharing;
        // alone to 10, halves to 30 (the second done after 10 of its own), alone again
        assert_eq!(play(ProcessorSharing, 1, &[(0, 100), (10, 10)]), [110, 30]);
        // three on two cores: two thirds each, until the short one is done at 15
        let jobs = [(0, 100), (0, 100), (0, 10)];
        assert_eq!(play(ProcessorSharing, 2, &jobs), [105, 105, 15]);
        // nobody gets more than a core
        assert_eq!(play(ProcessorSharing, 4, &jobs), [100, 100, 10]);
        assert_eq!(play(ProcessorSharing, 1, &[(0, 0), (7, 3)]), [0, 10]);
    }

    #[test]
    fn no_core_is_idle_while_somebody_waits() {
        let mut rng = crate::rng::Rng::new(1, 1);
        let mut at_us = 0;
        let jobs: Vec<(u64, u64)> = (0..300)
            .map(|_| {
                at_us += rng.below(900);
                (at_us, rng.below(1_000))
            })
            .collect();
        // with one core both disciplines are busy at the same times: the last of each busy period ends alike
        let fifo = play(Discipline::Fifo, 1, &jobs);
        let shared = play(Discipline::ProcessorSharing, 1, &jobs);
        let last = |done: &[u64]| done.iter().max().copied().unwrap();
        assert!(last(&fifo).abs_diff(last(&shared)) <= 300, "rounding only");
    }
}
