//! The demo: the same load against single choice, against 6LB, and against 6LB while parts
//! of it are taken away.

mod counters;
mod fairness;
mod faults;
mod machine;
mod progress;
mod report;
mod stage;
mod verdict;

pub use report::{render, DemoReport, StageReport};

use std::path::PathBuf;

use anyhow::{bail, Context, Result};

use crate::load::write_records;
use crate::settings::{Encoding, Policy, Settings};
use crate::signals::Interrupt;
use crate::state::Phase;
use crate::testbed::Testbed;
use progress::Display;
use stage::{Kind, Stage};

/// Emulated cores busy on average, as a share of all: the load that the paper calls high.
pub const LOAD: f64 = 0.85;

/// What to show.
#[derive(Clone, Debug)]
pub struct Demo {
    /// The testbed for it; the number of choices is the demo's.
    pub settings: Settings,
    /// How long each stage sends requests.
    pub seconds: f64,
    /// Seed of arrivals and jobs, the same in every stage.
    pub seed: u64,
    /// Share of the cores that the load keeps busy.
    pub load: f64,
    /// Where to keep every request's record, if anywhere.
    pub records: Option<PathBuf>,
}

impl Demo {
    /// Requests per second that make this load.
    pub fn rate_per_s(&self) -> f64 {
        let cores = f64::from(self.settings.plan.servers) * crate::apache::CORES_PER_SERVER as f64;
        self.load * cores / (self.settings.service_mean_ms / 1e3)
    }

    /// Runs all stages and says what they showed. Leaves nothing behind, whatever happens.
    pub fn run(&self, interrupt: &Interrupt) -> Result<DemoReport> {
        if self.settings.plan.lbs < 2 || self.settings.plan.servers < 2 {
            bail!("the demo takes one LB and one server away: it needs two of each");
        }
        let display = Display::new();
        let step = |what: &str| display.note(what);
        let mut settings = self.settings.clone();
        settings.choices = Kind::SingleChoice.choices();
        settings.policy = Policy::Dynamic;
        let mut testbed = Testbed::up(settings, Phase::Demo, interrupt, &step)?;

        let mut stages = Vec::new();
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            if index > 0 {
                testbed.reconfigure(|settings| settings.choices = kind.choices())?;
            }
            let stage = Stage {
                demo: self,
                index,
                kind,
            };
            let (records, report) = stage
                .run(&testbed, interrupt, &display)
                .with_context(|| format!("stage {}", kind.title()))?;
            if let Some(folder) = &self.records {
                std::fs::create_dir_all(folder)?;
                write_records(&folder.join(format!("{}.jsonl", kind.key())), &records)?;
            }
            stages.push(report);
        }
        display.note("taking the testbed down");
        testbed.down()?;
        Ok(DemoReport::new(self, stages))
    }

    /// Which encoding it shows.
    pub fn encoding(&self) -> Encoding {
        self.settings.encoding
    }
}
