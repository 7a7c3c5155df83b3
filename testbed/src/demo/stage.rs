//! One stage: warm-up, load, what happens meanwhile, and what it came to.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};

use super::fairness::Sampler;
use super::faults::{Faults, Lost};
use super::progress::{Display, LoadProcess};
use super::verdict::Verdict;
use super::{Demo, StageReport};
use crate::counters::ServerCounters;
use crate::daemons;
use crate::load::{Record, Summary};
use crate::machine::Machine;
use crate::plan::Node;
use crate::records::read_records;
use crate::shell;
use crate::signals::Interrupt;
use crate::testbed::Testbed;

/// Requests that must come through before a stage counts.
const WARM_UP_REQUESTS: u64 = 64;
/// How often the main loop looks around.
const TICK: Duration = Duration::from_millis(50);
/// Each stage has its own part of the rotation of source ports, this long.
const SOURCES_PER_STAGE: u64 = 150_000;
/// A load that takes this much longer than it should is stuck.
const SLACK: Duration = Duration::from_secs(60);

/// What a stage shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One candidate per flow.
    SingleChoice,
    /// Two, and the first may refuse.
    SixLb,
    /// The same, while an LB and a server are taken away.
    SixLbFaults,
}

impl Kind {
    /// In the order of the demo.
    pub const ALL: [Kind; 3] = [Kind::SingleChoice, Kind::SixLb, Kind::SixLbFaults];

    /// Candidates per flow.
    pub fn choices(self) -> u8 {
        match self {
            Kind::SingleChoice => 1,
            Kind::SixLb | Kind::SixLbFaults => 2,
        }
    }

    /// For files and JSON.
    pub fn key(self) -> &'static str {
        match self {
            Kind::SingleChoice => "single-choice",
            Kind::SixLb => "6lb",
            Kind::SixLbFaults => "6lb-faults",
        }
    }

    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Kind::SingleChoice => "single choice (Maglev)",
            Kind::SixLb => "6LB",
            Kind::SixLbFaults => "6LB, LB and server lost",
        }
    }
}

/// One stage of a demo.
pub struct Stage<'a> {
    /// The whole.
    pub demo: &'a Demo,
    /// Its place, from 0.
    pub index: usize,
    /// What it shows.
    pub kind: Kind,
}

impl Stage<'_> {
    /// Runs it on a testbed whose daemons have just been started.
    pub fn run(
        &self,
        testbed: &Testbed,
        interrupt: &Interrupt,
        display: &Display,
    ) -> Result<(Vec<Record>, StageReport)> {
        self.warm_up(testbed, interrupt)?;
        let before = ServerCounters::of_all(testbed.plan(), &[]);
        let machine = Machine::now()?;
        let mut sampler = Sampler::new(testbed.plan())?;
        let mut faults = match self.kind {
            Kind::SixLbFaults => Faults::script(testbed.plan(), self.demo.seconds),
            Kind::SingleChoice | Kind::SixLb => Faults::none(),
        };

        self.play(testbed, interrupt, display, &mut sampler, &mut faults)?;

        let machine_busy = machine.busy_since()?;
        let lost = faults.finish()?;
        let gone: Vec<Node> = lost.iter().map(Lost::node).collect();
        check_daemons(testbed, &gone)?;
        let before_death = lost.iter().filter_map(|l| l.counters()).sum();
        let counters = ServerCounters::of_all(testbed.plan(), &gone)? + before_death - before?;

        let records = read_records(&self.records_path(testbed))?;
        let verdict = Verdict::of(&records, &lost);
        let report = StageReport {
            key: self.kind.key(),
            title: self.kind.title(),
            choices: self.kind.choices(),
            load: Summary::of(&records),
            unavoidable: verdict.unavoidable,
            resets: verdict.resets,
            fairness_jain: sampler.fairness(),
            first_candidate_share: counters.first_share(self.kind.choices()),
            recovered: counters.recovered,
            machine_busy,
            lost: lost.iter().map(Lost::describe).collect(),
            unexpected: verdict.unexpected,
        };
        Ok((records, report))
    }

    /// A handful of requests: the path stands, every policy and pool is awake.
    fn warm_up(&self, testbed: &Testbed, interrupt: &Interrupt) -> Result<()> {
        let out = self.warm_up_path(testbed);
        let mut args = self.load_args(&out, 0);
        args.extend(["--requests".into(), WARM_UP_REQUESTS.to_string()]);
        let mut load = LoadProcess::start(testbed.plan(), &args)?;
        while load.next(TICK)?.is_some() {
            interrupt.check()?;
        }
        let failed = |record: &&Record| !record.outcome.is_ok();
        match read_records::<Record>(&out)?.iter().find(failed) {
            Some(record) => bail!("a request of the warm-up failed: {record:?}"),
            None => Ok(()),
        }
    }

    /// Sends the load and does meanwhile what the stage is about.
    fn play(
        &self,
        testbed: &Testbed,
        interrupt: &Interrupt,
        display: &Display,
        sampler: &mut Sampler,
        faults: &mut Faults,
    ) -> Result<()> {
        let mut args = self.load_args(&self.records_path(testbed), WARM_UP_REQUESTS);
        args.extend(["--seconds".into(), self.demo.seconds.to_string()]);
        let title = format!(
            "{}/{} {}",
            self.index + 1,
            Kind::ALL.len(),
            self.kind.title()
        );
        let expected = (self.demo.rate_per_s() * self.demo.seconds) as u64;
        let bar = display.stage(&title, expected);

        let seconds = Duration::from_secs_f64(self.demo.seconds);
        let limit = Instant::now() + seconds + SLACK;
        let mut load = LoadProcess::start(testbed.plan(), &args)?;
        while let Some(progress) = load.next(TICK)? {
            interrupt.check()?;
            if Instant::now() > limit {
                bail!("the load does not come to its end");
            }
            bar.show(progress);
            let Some(elapsed) = load.elapsed() else {
                continue;
            };
            if elapsed <= seconds {
                sampler.sample(elapsed);
            }
            if let Some(news) = faults.advance(testbed, elapsed)? {
                display.note(&news.text);
                for node in news.gone {
                    sampler.forget(node);
                }
            }
        }
        bar.finish();
        Ok(())
    }

    fn load_args(&self, out: &Path, skip_sources: u64) -> Vec<String> {
        let program = std::env::current_exe().unwrap_or_else(|_| "srlb-testbed".into());
        let first_source = self.index as u64 * SOURCES_PER_STAGE + skip_sources;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        vec![
            text(&program),
            "load".into(),
            "--progress-json".into(),
            "--rate".into(),
            self.demo.rate_per_s().to_string(),
            "--seed".into(),
            self.demo.seed.to_string(),
            "--service-mean-ms".into(),
            self.demo.settings.service_mean_ms.to_string(),
            "--first-source".into(),
            first_source.to_string(),
            "--out".into(),
            text(out),
        ]
    }

    fn records_path(&self, testbed: &Testbed) -> PathBuf {
        testbed
            .plan()
            .run_dir()
            .join(format!("{}.jsonl", self.kind.key()))
    }

    fn warm_up_path(&self, testbed: &Testbed) -> PathBuf {
        testbed.plan().run_dir().join("warm-up.jsonl")
    }
}

/// A process that ended by itself is a failure even if no request noticed.
fn check_daemons(testbed: &Testbed, gone: &[Node]) -> Result<()> {
    let plan = testbed.plan();
    for started in &testbed.state().processes {
        let node: Node = (started.node.parse())
            .ok()
            .context("the state names a node that cannot be")?;
        if !started.process.is_alive() && !gone.contains(&node) {
            let log = shell::tail(&daemons::log_path(plan, node));
            bail!("{} on {node} ended by itself; {log}", started.role);
        }
    }
    Ok(())
}
