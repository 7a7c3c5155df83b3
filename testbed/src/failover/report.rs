//! What the scenarios came to, for people and for programs.

use std::fmt::Write;

use comfy_table::{presets, CellAlignment, Table};
use serde::Serialize;

use super::judge::Verdict;
use super::play::Played;
use super::scenario::Point;
use super::study::{DeadCandidate, Findings, Measured};
use crate::{machine, provenance};

/// All scenarios that were played.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Was every promise kept?
    pub ok: bool,
    /// Seed of the requests.
    pub seed: u64,
    /// The command that played them.
    pub command: String,
    /// The commit that the binary was built from, as far as git could tell.
    pub commit: Option<&'static str>,
    /// When it began, UTC.
    pub began: String,
    /// What machine this is.
    pub machine: String,
    /// In the order in which they were played.
    pub scenarios: Vec<Played>,
}

impl Report {
    /// Nothing has been played yet.
    pub fn begin(seed: u64) -> Report {
        Report {
            ok: true,
            seed,
            command: provenance::command(),
            commit: provenance::commit(),
            began: provenance::now(),
            machine: machine::shape(),
            scenarios: Vec::new(),
        }
    }

    /// Takes in what a scenario came to.
    pub fn add(&mut self, played: Played) {
        self.ok &= played.ok;
        self.scenarios.push(played);
    }
}

/// One row of the table: a scenario, or several points of figure 11d.
pub struct Row {
    /// For people.
    pub title: String,
    /// Is it a promise?
    pub judged: bool,
    /// Was it kept?
    pub ok: bool,
    /// The connections.
    pub verdict: Verdict,
    /// The longest time that the fault itself lasted.
    pub fault_ms: f64,
    /// Packets that found their server by recovery.
    pub recovered: i64,
}

/// What the columns mean.
pub const LEGEND: &str = "\
completed    the right bytes to the end; in a graceful restart of Apache also: closed between two requests
unavoidable  failed, and its socket was on a server whose sockets were taken away; read from that server's table
             at that moment (in parentheses: how many sockets there were)
avoidable    failed, and nothing excuses it
fault        how long a fault itself kept packets from passing, the longest
stall        the longest time without progress of a connection whose server lived; the part beyond the fault";

/// The table's rows: scenarios one by one, the points of figure 11d put together by design.
pub fn rows(report: &Report) -> Vec<Row> {
    let mut rows: Vec<(Option<Point>, Row)> = Vec::new();
    for played in &report.scenarios {
        let design = match &played.findings {
            Findings::Figure(measured) => Some(Point {
                x: 0,
                ..measured.point
            }),
            _ => None,
        };
        match rows
            .iter_mut()
            .find(|(d, _)| design.is_some() && *d == design)
        {
            Some((_, row)) => row.add(played),
            None => rows.push((design, Row::of(played, design))),
        }
    }
    rows.into_iter().map(|(_, row)| row).collect()
}

impl Row {
    fn of(played: &Played, design: Option<Point>) -> Row {
        Row {
            title: design.map_or(played.title.clone(), |p| {
                format!(
                    "servers {} with an LB, {}",
                    ["join", "leave"][usize::from(p.leave)],
                    p.design()
                )
            }),
            judged: played.judged,
            ok: played.ok,
            verdict: played.verdict.clone(),
            fault_ms: played.fault_ms,
            recovered: played.recovered,
        }
    }

    fn add(&mut self, played: &Played) {
        let other = Row::of(played, None);
        self.ok &= other.ok;
        self.verdict.add(&other.verdict);
        self.fault_ms = self.fault_ms.max(other.fault_ms);
        self.recovered += other.recovered;
    }

    /// One word.
    pub fn word(&self) -> &'static str {
        match (self.judged, self.ok) {
            (false, _) => "compared",
            (true, true) => "ok",
            (true, false) => "FAILED",
        }
    }

    /// The table's cells.
    pub fn cells(&self) -> [String; 10] {
        let v = &self.verdict;
        let seconds = |ms: f64| format!("{:.2}", ms / 1e3);
        [
            self.title.clone(),
            v.connections.to_string(),
            v.completed.to_string(),
            v.resets.to_string(),
            format!("{} ({})", v.unavoidable, v.sockets_lost),
            v.avoidable.to_string(),
            seconds(self.fault_ms),
            seconds(v.longest_stall_ms),
            seconds(v.longest_beyond_ms),
            self.word().to_owned(),
        ]
    }
}

/// The table's head.
pub const HEAD: [&str; 10] = [
    "",
    "connec-\ntions",
    "com-\npleted",
    "resets",
    "unavoidable\n(sockets)",
    "avoid-\nable",
    "fault\ns",
    "stall\ns",
    "beyond\ns",
    "",
];

/// The points of figure 11d.
pub fn figure(report: &Report) -> Vec<Measured> {
    let found = report.scenarios.iter().map(|played| &played.findings);
    found
        .filter_map(|findings| match findings {
            Findings::Figure(measured) => Some(*measured),
            _ => None,
        })
        .collect()
}

/// What was found about flows whose candidate was dead.
pub fn dead_candidate(report: &Report) -> Option<DeadCandidate> {
    report
        .scenarios
        .iter()
        .find_map(|played| match played.findings {
            Findings::DeadCandidate(found) => Some(found),
            _ => None,
        })
}

/// The report for a reader at a terminal.
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "\n{}\n{LEGEND}", table(report));
    let points = figure(report);
    if !points.is_empty() {
        let _ = writeln!(text, "\n{}", figure_table(&points));
    }
    if let Some(found) = dead_candidate(report) {
        let _ = writeln!(text, "\n{}", dead_candidate_words(&found));
    }
    for played in report.scenarios.iter().filter(|played| played.judged) {
        for words in &played.verdict.told {
            let _ = writeln!(text, "{}: {words}", played.key);
        }
        if let Some(error) = &played.error {
            let _ = writeln!(text, "{}: {error}", played.key);
        }
        if !played.findings.is_ok() {
            let _ = writeln!(text, "{}: {:?}", played.key, played.findings);
        }
    }
    let _ = writeln!(
        text,
        "\n{}",
        match report.ok {
            true => "Nothing was lost that could be kept.",
            false => "A PROMISE WAS BROKEN.",
        }
    );
    text
}

fn table(report: &Report) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(HEAD);
    for row in rows(report) {
        table.add_row(row.cells());
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn figure_table(points: &[Measured]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["figure 11d", "x", "open", "unavoidable", "extra lost"]);
    for measured in points {
        let point = measured.point;
        table.add_row([
            format!(
                "{}, {}",
                ["join", "leave"][usize::from(point.leave)],
                point.design()
            ),
            point.x.to_string(),
            measured.open.to_string(),
            measured.unavoidable.to_string(),
            format!(
                "{} ({:.1}%)",
                measured.extra,
                measured.extra_share() * 100.0
            ),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// What was measured beside the paper's argument.
pub fn dead_candidate_words(found: &DeadCandidate) -> String {
    let connects = |what: &str, c: &super::study::Connects| {
        format!(
            "  {what}: {} new flows, {} at once, {} after one SYN retransmission, {} after more, {} never",
            c.flows, c.at_once, c.after_one, c.later, c.never
        )
    };
    format!(
        "while a machine was dead and nobody had told the LBs:\n{}\n{}\n{}\n  \
         p_R was {:.2}: by the paper's argument {:.1}% of new flows fail (1/N and p_R/N);\n  \
         {:.1}% did, {:.1}% came one SYN retransmission late",
        connects("dead server first ", &found.first),
        connects("dead server second", &found.second),
        connects("neither           ", &found.neither),
        found.p_r,
        found.paper_share * 100.0,
        found.share * 100.0,
        found.late_share() * 100.0
    )
}
