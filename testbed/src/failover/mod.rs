//! Failover on real kernels: what is lost when parts of a cluster go while connections of every
//! kind run through it.
//!
//! A [`Scenario`] says what happens when; an actor does it to a testbed; the clients' records are
//! judged against what the servers' socket tables held when they went.

pub(crate) mod action;
pub(crate) mod actor;
mod application;
mod catalogue;
mod client;
mod display;
mod judge;
mod markdown;
mod mix;
mod outage;
mod play;
mod plot;
mod pool;
mod report;
mod scenario;
mod storm;
mod study;

pub use catalogue::all;
pub use report::{render, Report};
pub use scenario::Scenario;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::signals::Interrupt;
use display::Display;
use play::{Played, Playing};

/// What to play.
#[derive(Clone, Debug)]
pub struct Failover {
    /// The testbeds' name.
    pub name: String,
    /// In this order.
    pub scenarios: Vec<Scenario>,
    /// The same seed gives the same requests.
    pub seed: u64,
    /// Where a report with plots goes, if anywhere.
    pub report: Option<PathBuf>,
    /// Where every connection's record is kept, if anywhere.
    pub records: Option<PathBuf>,
}

impl Failover {
    /// Plays all of them, one testbed after the other. Leaves nothing behind, whatever happens.
    pub fn run(&self, interrupt: &Interrupt) -> Result<Report> {
        for folder in [&self.report, &self.records].into_iter().flatten() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let mut report = Report::begin(self.seed);
        let mut display = Display::new(&self.scenarios);
        let playing = Playing {
            name: &self.name,
            seed: self.seed,
            records: self.records.as_deref(),
            interrupt,
        };
        for scenario in &self.scenarios {
            let mut tell = |elapsed_s| display.show(scenario, elapsed_s);
            let played = playing.play(scenario, &mut tell);
            interrupt.check()?;
            let played = played.unwrap_or_else(|error| Played::broken(scenario, &error));
            display.finish(&played);
            report.add(played);
        }
        drop(display);
        if let Some(folder) = &self.report {
            write(folder, &report)?;
        }
        Ok(report)
    }
}

/// Report, plots and figures as files.
fn write(folder: &Path, report: &Report) -> Result<()> {
    let rows = report::rows(report);
    let points = report::figure(report);
    let mut files = vec![
        ("overview.svg", plot::overview(&rows)),
        ("report.json", format!("{:#}\n", serde_json::json!(report))),
        ("README.md", markdown::render(report)),
    ];
    for (leave, name) in [(true, "figure-11d.svg"), (false, "joins.svg")] {
        if points.iter().any(|m| m.point.leave == leave) {
            files.push((name, plot::figure(&points, leave)));
        }
    }
    if let Some(found) = report::dead_candidate(report) {
        files.push(("dead-machine.svg", plot::candidate(&found)));
    }
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
