//! Legitimate connections of three kinds, as many as the machine carries: a closed loop in the client's namespace.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::fetch::{self, Wanted};
use super::share::Share;
use crate::plan::load_sources;

/// Pause between two connections of a newcomers' thread: each is a client's first.
const NEWCOMER_PAUSE: Duration = Duration::from_millis(50);

/// What to do.
#[derive(Clone, Debug)]
pub struct Legit {
    /// Whom to ask.
    pub target: SocketAddr,
    /// New connections begin for this long.
    pub time: Duration,
    /// Clients that come again and again, from addresses that the LBs know.
    pub regulars: usize,
    /// Threads of clients that nobody has seen before, each with one connection.
    pub newcomers: usize,
    /// Connections that stand before the flood, are silent through it and are used afterwards.
    pub held: usize,
    /// The first newcomer's number.
    pub first_newcomer: u64,
    /// The other processes of the testbed, the generator not among them.
    pub pids: Vec<u32>,
    /// The processors that they and this process have.
    pub processors: Vec<usize>,
}

/// Connections of one kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Connections begun.
    pub connections: u64,
    /// Those that did not bring all the right bytes.
    pub failed: u64,
    /// The longest of those that did, in seconds.
    pub slowest_s: f64,
    /// What went wrong first.
    pub error: Option<String>,
}

impl Group {
    fn add(&mut self, result: &Result<()>, time: Duration) {
        self.connections += 1;
        match result {
            Ok(()) => self.slowest_s = self.slowest_s.max(time.as_secs_f64()),
            Err(error) => {
                self.failed += 1;
                self.error.get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Served {
    /// How long it was measured.
    pub seconds: f64,
    /// Processor time in it, in seconds, that the inside had: taken by it or by its packets in the kernel, or free to be taken.
    pub share_s: f64,
    /// The rest of its processors' time: what the machine's other processes took.
    pub others_s: f64,
    /// Bytes that arrived at regulars and newcomers in that time.
    pub bytes: u64,
    /// By kind.
    pub regulars: Group,
    /// By kind.
    pub newcomers: Group,
    /// By kind.
    pub held: Group,
}

impl Served {
    /// Bytes a second.
    pub fn rate(&self) -> f64 {
        self.bytes as f64 / self.seconds
    }

    /// Bytes a second of processor time.
    pub fn rate_of_share(&self) -> f64 {
        self.bytes as f64 / self.share_s
    }

    /// All kinds.
    pub fn groups(&self) -> [(&'static str, &Group); 3] {
        [
            ("regular", &self.regulars),
            ("newcomer", &self.newcomers),
            ("held", &self.held),
        ]
    }
}

impl Legit {
    /// Runs it; `begun` is called when the held connections stand.
    pub fn run(&self, begun: impl FnOnce() -> Result<()>) -> Result<Served> {
        let wanted = Wanted::large();
        let arrived = AtomicU64::new(0);
        let regulars = Mutex::new(Group::default());
        let newcomers = Mutex::new(Group::default());
        let mut served = Served::default();
        let mut held = self.hold(&wanted)?;
        begun()?;
        let share = Share::now(&self.pids, &self.processors)?;
        let mut had = Ok((0.0, 0.0));
        let start = Instant::now();
        std::thread::scope(|scope| {
            for source in load_sources().cycle().take(self.regulars) {
                let (group, wanted, arrived) = (&regulars, &wanted, &arrived);
                scope.spawn(move || {
                    while start.elapsed() < self.time {
                        timed(group, || fetch::fetch(source, self.target, wanted, arrived));
                    }
                });
            }
            for thread in 0..self.newcomers {
                let (group, wanted, arrived) = (&newcomers, &wanted, &arrived);
                let numbers = (self.first_newcomer..).skip(thread).step_by(self.newcomers);
                scope.spawn(move || {
                    for number in numbers {
                        if start.elapsed() >= self.time {
                            return;
                        }
                        let source = fetch::newcomer(number);
                        timed(group, || fetch::fetch(source, self.target, wanted, arrived));
                        std::thread::sleep(NEWCOMER_PAUSE);
                    }
                });
            }
            std::thread::sleep(self.time.saturating_sub(start.elapsed()));
            served.seconds = start.elapsed().as_secs_f64();
            served.bytes = arrived.load(Ordering::Relaxed);
            had = share.seconds_since(&self.pids, &self.processors);
        });
        (served.share_s, served.others_s) = had?;
        for connection in &mut held {
            let begun = Instant::now();
            let result = connection.finish(&wanted, &AtomicU64::new(0));
            served.held.add(&result, begun.elapsed());
        }
        served.regulars = regulars.into_inner().unwrap_or_default();
        served.newcomers = newcomers.into_inner().unwrap_or_default();
        Ok(served)
    }

    /// Opens the connections that will be silent.
    fn hold(&self, wanted: &Wanted) -> Result<Vec<fetch::Connection>> {
        let sources = load_sources().cycle().take(self.held);
        sources
            .map(|source| {
                let mut connection = fetch::connect(source, self.target)?;
                connection.begin(wanted)?;
                Ok(connection)
            })
            .collect()
    }
}

fn timed(group: &Mutex<Group>, work: impl FnOnce() -> Result<()>) {
    let begun = Instant::now();
    let result = work();
    if let Ok(mut group) = group.lock() {
        group.add(&result, begun.elapsed());
    }
}
