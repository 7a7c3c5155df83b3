//! The demo: the same load against single choice, against 6LB, and against 6LB while parts
//! of it are taken away.

mod fairness;
mod faults;
mod plot;
mod progress;
mod report;
mod stage;
mod verdict;

pub use report::{render, DemoReport, StageReport};

use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};

use crate::load::sorted_times_ms;
use crate::records::write_records;
use crate::settings::{Encoding, Policy, Settings};
use crate::signals::Interrupt;
use crate::state::Phase;
use crate::testbed::Testbed;
use plot::Curve;
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
    /// Where to draw the response times, if anywhere.
    pub svg: Option<PathBuf>,
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
        self.check_outputs()?;
        let display = Display::new();
        let step = |what: &str| display.note(what);
        let mut settings = self.settings.clone();
        settings.choices = Kind::SingleChoice.choices();
        settings.policy = Policy::Median;
        let mut testbed = Testbed::up(settings, Phase::Demo, interrupt, &step)?;

        let (mut stages, mut curves) = (Vec::new(), Vec::new());
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
                write_records(&folder.join(format!("{}.jsonl", kind.key())), &records)?;
            }
            curves.push(Curve {
                title: kind.title(),
                times_ms: sorted_times_ms(&records),
            });
            stages.push(report);
        }
        display.note("taking the testbed down");
        testbed.down()?;
        if let Some(path) = &self.svg {
            std::fs::write(path, plot::svg(&curves))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(DemoReport::new(self, stages))
    }

    /// A wrong path is told before two minutes of work, not after.
    fn check_outputs(&self) -> Result<()> {
        if let Some(folder) = &self.records {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("--records: cannot make {}", folder.display()))?;
        }
        let folder = self.svg.as_ref().and_then(|path| path.parent());
        match folder {
            Some(folder) if folder != Path::new("") && !folder.is_dir() => {
                bail!("--svg: there is no folder {}", folder.display())
            }
            _ => Ok(()),
        }
    }

    /// Which encoding it shows.
    pub fn encoding(&self) -> Encoding {
        self.settings.encoding
    }
}
