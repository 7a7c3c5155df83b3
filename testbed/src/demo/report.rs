//! What the demo showed, for people and for programs.

use std::fmt::Write;

use comfy_table::{presets, CellAlignment, Table};
use serde::Serialize;

use super::faults::LostReport;
use super::Demo;
use crate::load::Summary;

/// One stage.
#[derive(Clone, Debug, Serialize)]
pub struct StageReport {
    /// Its name for programs.
    pub key: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// Candidates per flow.
    pub choices: u8,
    /// Requests, ends and times.
    #[serde(flatten)]
    pub load: Summary,
    /// Failures whose socket was on the server that was taken away, counted at that moment.
    pub unavoidable: usize,
    /// Resets and refusals among the failures.
    pub resets: usize,
    /// Jain's index of busy workers, mean over samples.
    pub fairness_jain: Option<f64>,
    /// Share of flows that their first candidate took.
    pub first_candidate_share: Option<f64>,
    /// Client packets that found their server by recovery.
    pub recovered: i64,
    /// How busy the real machine was.
    pub machine_busy: f64,
    /// What was taken away.
    pub lost: Vec<LostReport>,
    /// Failures that nothing excuses, the first of them.
    pub unexpected: Vec<String>,
}

impl StageReport {
    /// Failures that nothing excuses.
    pub fn avoidable(&self) -> usize {
        self.load.failed - self.unavoidable
    }
}

/// The whole demo.
#[derive(Clone, Debug, Serialize)]
pub struct DemoReport {
    /// Did 6LB lose nothing that could be kept?
    pub ok: bool,
    /// Seed of arrivals and jobs.
    pub seed: u64,
    /// Load balancers.
    pub lbs: u16,
    /// Servers.
    pub servers: u16,
    /// How functions rode on packets.
    pub encoding: String,
    /// Share of the emulated cores that the load keeps busy.
    pub load: f64,
    /// Requests per second.
    pub rate_per_s: f64,
    /// Mean service time.
    pub service_mean_ms: f64,
    /// Length of each stage.
    pub seconds: f64,
    /// The stages.
    pub stages: Vec<StageReport>,
}

impl DemoReport {
    /// Puts it together.
    pub fn new(demo: &Demo, stages: Vec<StageReport>) -> DemoReport {
        let kept = |stage: &StageReport| stage.choices == 1 || stage.avoidable() == 0;
        DemoReport {
            ok: stages.iter().all(kept),
            seed: demo.seed,
            lbs: demo.settings.plan.lbs,
            servers: demo.settings.plan.servers,
            encoding: demo.encoding().to_string(),
            load: demo.load,
            rate_per_s: demo.rate_per_s(),
            service_mean_ms: demo.settings.service_mean_ms,
            seconds: demo.seconds,
            stages,
        }
    }
}

/// A machine that is busier than this delays the requests itself.
const TOO_BUSY: f64 = 0.9;

/// What the columns mean.
const LEGEND: &str = "\
unavoidable  failed, and the connection was open on the lost server at that moment
mean, p..    response time from the scheduled start, queueing and late starts included
Jain fair.   fairness of the servers' busy Apache workers, 1 = all equal; mean over samples, 10 a second
first cand.  share of the connections that their first candidate took of its own will
machine busy share of this machine's processors in use; above 90% it delays the requests itself";

/// The report for a reader.
pub fn render(report: &DemoReport) -> String {
    let mut text = String::new();
    let _ = writeln!(text,
        "\n{} LBs, {} servers with 2 emulated cores each, {} encoding, seed {}\n\
         load {:.2} of capacity: {:.0} requests/s, service time exponential with mean {} ms, {} s a stage\n",
        report.lbs,
        report.servers,
        report.encoding,
        report.seed,
        report.load,
        report.rate_per_s,
        report.service_mean_ms,
        report.seconds
    );
    let _ = writeln!(text, "{}\n{LEGEND}\n", table(report));
    for stage in &report.stages {
        for lost in stage.lost.iter().filter(|lost| lost.sockets > 0) {
            let _ = writeln!(text,
                "{}: {} had {} open connections when it was taken away; {} of their requests failed (unavoidable)",
                stage.title, lost.node, lost.sockets, stage.unavoidable
            );
        }
        if !stage.lost.is_empty() {
            let _ = writeln!(
                text,
                "{}: {} client packets without a pin found their server by recovery",
                stage.title, stage.recovered
            );
        }
        if stage.machine_busy > TOO_BUSY {
            let _ = writeln!(
                text,
                "{}: the machine itself was too busy; the times are not the servers' alone",
                stage.title
            );
        }
        for failure in &stage.unexpected {
            let _ = writeln!(text, "{}: {failure}", stage.title);
        }
    }
    let _ = writeln!(
        text,
        "{}",
        match report.ok {
            true => "6LB lost no request that could be kept.",
            false => "6LB LOST REQUESTS that should have been kept.",
        }
    );
    text
}

fn table(report: &DemoReport) -> Table {
    let optional = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.3}"));
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "",
        "requests",
        "failed",
        "unavoid-\nable",
        "resets",
        "mean\nms",
        "p50\nms",
        "p90\nms",
        "p99\nms",
        "Jain\nfair.",
        "first\ncand.",
        "machine\nbusy",
    ]);
    for stage in &report.stages {
        table.add_row([
            stage.title.to_owned(),
            stage.load.requests.to_string(),
            stage.load.failed.to_string(),
            stage.unavoidable.to_string(),
            stage.resets.to_string(),
            format!("{:.0}", stage.load.mean_ms),
            format!("{:.0}", stage.load.p50_ms),
            format!("{:.0}", stage.load.p90_ms),
            format!("{:.0}", stage.load.p99_ms),
            optional(stage.fairness_jain),
            optional(stage.first_candidate_share),
            format!("{:.0}%", stage.machine_busy * 100.0),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
