//! The report as a page: figures of one real run, and how to repeat it.

use std::fmt::Write;

use super::report::{self, dead_candidate_words, Report, HEAD, LEGEND};
use super::study::Measured;

/// The page. Plots lie beside it.
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    let connections: usize = report.scenarios.iter().map(|p| p.verdict.connections).sum();
    let busiest = report
        .scenarios
        .iter()
        .map(|p| p.machine_busy)
        .fold(0.0, f64::max);
    let _ = writeln!(
        text,
        "# Failover on real kernels\n\n\
         Written by `{}`: one run, as it came out.\n\n\
         | | |\n| --- | --- |\n| when | {} |\n| commit | {} |\n| machine | {} |\n\
         | busiest scenario | {:.0}% of all processors |\n| seed | {} |\n| scenarios | {} with {connections} connections |\n\
         | verdict | **{}** |\n",
        report.command,
        report.began,
        report.commit.unwrap_or("unknown"),
        report.machine,
        busiest * 100.0,
        report.seed,
        report.scenarios.len(),
        match report.ok {
            true => "nothing was lost that could be kept",
            false => "a promise was broken",
        },
    );
    let _ = writeln!(text, "![Overview](overview.svg)\n");
    table(&mut text, report);
    let _ = writeln!(text, "\n```\n{LEGEND}\n```\n");
    let points = report::figure(report);
    if !points.is_empty() {
        figure(&mut text, &points);
    }
    if let Some(found) = report::dead_candidate(report) {
        let _ = writeln!(
            text,
            "## A machine dies without a word: the paper's p_R\n\n\
             Section II-D: until the pool is told, flows whose first candidate is the dead machine fail, and flows whose\n\
             second is, if the first refuses. Here a SYN seen again goes first to another candidate,\n\
             or to the same one if that has spoken since, and whoever is first then may not refuse it.\n\n![New flows while a machine is dead](dead-machine.svg)\n\n```\n{}\n```\n",
            dead_candidate_words(&found)
        );
    }
    timelines(&mut text, report);
    text
}

fn table(text: &mut String, report: &Report) {
    let head: Vec<String> = HEAD
        .iter()
        .map(|h| h.replace("-\n", "").replace('\n', " "))
        .collect();
    let _ = writeln!(text, "| {} |", head.join(" | "));
    let _ = writeln!(text, "| --- |{}", " ---: |".repeat(HEAD.len() - 1));
    for row in report::rows(report) {
        let _ = writeln!(text, "| {} |", row.cells().join(" | "));
    }
}

fn figure(text: &mut String, points: &[Measured]) {
    let _ = writeln!(
        text,
        "## Figure 11d\n\n\
         As in the paper's section VI-B5: 4096 buckets, long-lived flows by one LB; then x servers leave (cable out, removed\n\
         from the pool) and at once the edge turns to another LB. The paper had 1000 flows on 48 servers and averaged 10 runs; here\n\
         it is one run a point on 8 servers, of which one is a larger share of all. Of the paper's curves only the maxima are known, from\n\
         its text (\"no more than 2%\" for 6LB, \"4%\" for Maglev): the grey lines. \"6LB as in the paper\" and \"Maglev\" are our LB\n\
         with a pool whose only generation is today's: without history the recovery list of a flow is its candidates of today, with\n\
         the last word behind them, as the paper's LB asks them. \"From the tables\" is the share of flows, spread evenly over their\n\
         candidates, whose server lives and is no candidate any more: what such a design has to lose.\n\n\
         ![Servers that leave](figure-11d.svg)\n\n![Servers that join](joins.svg)\n\n\
         | | x | open connections | unavoidable | extra lost | from the tables |\n| --- | ---: | ---: | ---: | ---: | ---: |"
    );
    for m in points {
        let verb = ["join", "leave"][usize::from(m.point.leave)];
        let _ = writeln!(
            text,
            "| {verb}, {} | {} | {} | {} | {} ({:.1}%) | {:.1}% |",
            m.point.design(),
            m.point.x,
            m.open,
            m.unavoidable,
            m.extra,
            m.extra_share() * 100.0,
            m.expected_share * 100.0
        );
    }
    let _ = writeln!(text);
}

fn timelines(text: &mut String, report: &Report) {
    let _ = writeln!(
        text,
        "## What happened when\n\nTimes from the start of the traffic.\n"
    );
    for played in &report.scenarios {
        let again = match played.times {
            1 => String::new(),
            times => format!(", in time when played for the {times}. time"),
        };
        let happened = match &played.error {
            Some(error) => format!("not played to its end: {error}"),
            None => played.done.join("; "),
        };
        let _ = writeln!(
            text,
            "- **{}** ({}{again}): {happened}",
            played.key, played.title
        );
    }
}
