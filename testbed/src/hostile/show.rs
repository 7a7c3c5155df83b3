//! The report for people: tables and a picture.

use std::fmt::Write;

use super::legit::Group;
use super::packets::Kind;
use super::report::{Aim, Knocks, Report, Spread, LEAST_RATIO};
use crate::svg::{Anchor, Picture, COLOURS, GRID};

/// As Markdown, which reads well on a terminal too.
pub fn markdown(report: &Report) -> String {
    let mut text = format!("{}.\n\n", report.setting);
    text.push_str(
        "| flood | at | sent, 1,000 packets/s | legitimate MB/s | MB for a second of processor time | first knocks passed / dropped | second knocks passed / dropped |\n| --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for kind in report.kinds() {
        for (aim, words) in [
            (Aim::Discarded, "an address the edge discards"),
            (Aim::Vip, "the VIP"),
        ] {
            let pps = Spread::of(report.of(kind, aim).map(|p| p.sent.pps() / 1e3));
            let rate = Spread::of(report.of(kind, aim).map(|p| p.served.rate() / 1e6));
            let share = Spread::of(report.of(kind, aim).map(|p| p.served.rate_of_share() / 1e6));
            let knocks = |count: fn(&Knocks) -> u64| -> u64 {
                report.of(kind, aim).map(|p| count(&p.knocks)).sum()
            };
            let _ = writeln!(
                text,
                "| {} | {words} | {} | {} | {} | {} / {} | {} / {} |",
                kind.name(),
                spread(pps, 0),
                spread(rate, 1),
                spread(share, 1),
                knocks(|k| k.firsts_passed),
                knocks(|k| k.firsts_dropped),
                knocks(|k| k.seconds_passed),
                knocks(|k| k.seconds_dropped),
            );
        }
    }
    text.push_str("\nMedian (lowest to highest).\n\n");
    text.push_str("| connections | in all | failed | slowest, s |\n| --- | --- | --- | --- |\n");
    for (name, group) in groups(report) {
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {:.1} |",
            group.connections, group.failed, group.slowest_s
        );
    }
    text.push_str("\n| daemon on | before, MiB | peak | its table |\n| --- | --- | --- | --- |\n");
    for (node, memory) in &report.memory {
        let mib = |kib: u64| kib as f64 / 1024.0;
        let _ = writeln!(
            text,
            "| {node} | {:.1} | {:.1} | {:.1} |",
            mib(memory.before_kib),
            mib(memory.peak_kib),
            mib(memory.table_kib)
        );
    }
    text.push('\n');
    let verdict = |kept| if kept { "kept" } else { "NOT KEPT" };
    let _ = writeln!(
        text,
        "- no legitimate connection fails: {} ({} failed)",
        verdict(report.none_failed),
        report.failed()
    );
    let _ = writeln!(
        text,
        "- memory is bounded: {}",
        verdict(report.memory_bounded)
    );
    let crowded_out = report.crowded_out();
    if crowded_out > 0 {
        let _ = writeln!(
            text,
            "- new clients kept out by SYNs that came again, as nothing tells them apart: {crowded_out}"
        );
    }
    let list = |ratio: &dyn Fn(Kind) -> Spread| -> String {
        let each = report
            .kinds()
            .map(|kind| format!("{} {}", kind.name(), spread(ratio(kind), 2)));
        each.collect::<Vec<_>>().join("; ")
    };
    let _ = writeln!(
        text,
        "- throughput at least {LEAST_RATIO} of what the same processor time gives beside the discarded flood: {} ({})",
        verdict(report.throughput_kept),
        list(&|kind| report.ratio(kind))
    );
    let _ = writeln!(
        text,
        "- the same in plain MB/s: {}",
        list(&|kind| report.plain_ratio(kind))
    );
    let _ = writeln!(
        text,
        "- other processes of the machine took {:.0} % of the inside's processor time",
        report.others() * 100.0
    );
    if let Some(error) = first_error(report) {
        let _ = writeln!(text, "- the first failure: {error}");
    }
    text
}

fn spread(spread: Spread, digits: usize) -> String {
    format!(
        "{:.digits$} ({:.digits$} to {:.digits$})",
        spread.median, spread.low, spread.high
    )
}

/// Each kind of connection under floods at the VIP and beside discarded ones.
fn groups(report: &Report) -> Vec<(String, Group)> {
    let mut all: Vec<(String, Group)> = Vec::new();
    for (aim, words) in [(Aim::Discarded, "beside"), (Aim::Vip, "under")] {
        for phase in report.phases.iter().filter(|phase| phase.aim == aim) {
            for (name, group) in phase.served.groups() {
                let name = format!("{name}, {words} the flood");
                match all.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, sum)) => {
                        sum.connections += group.connections;
                        sum.failed += group.failed;
                        sum.slowest_s = sum.slowest_s.max(group.slowest_s);
                    }
                    None => all.push((name, group.clone())),
                }
            }
        }
    }
    all
}

fn first_error(report: &Report) -> Option<&str> {
    let groups = report.phases.iter().flat_map(|phase| phase.served.groups());
    groups
        .filter_map(|(_, group)| group.error.as_deref())
        .next()
}

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 330.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 50.0;
/// A ratio above this is drawn at the upper edge.
const HIGHEST: f64 = 1.4;

/// Every round's ratio as a dot, and the promise as a line.
pub fn picture(report: &Report) -> String {
    let mut picture = Picture::new(WIDTH, HEIGHT);
    let y = |ratio: f64| TOP + (1.0 - ratio.min(HIGHEST) / HIGHEST) * (HEIGHT - TOP - BOTTOM);
    for tenth in [0, 2, 4, 6, 8, 10, 12, 14] {
        let ratio = f64::from(tenth) / 10.0;
        picture.line((LEFT, y(ratio)), (WIDTH - 20.0, y(ratio)), GRID);
        let at = (LEFT - 8.0, y(ratio) + 4.0);
        picture.text(at, Anchor::End, "black", &ratio.to_string());
    }
    picture.dashes(
        (LEFT, y(LEAST_RATIO)),
        (WIDTH - 20.0, y(LEAST_RATIO)),
        COLOURS[0],
    );
    let kinds: Vec<Kind> = report.kinds().collect();
    for (i, &kind) in kinds.iter().enumerate() {
        let room = (WIDTH - LEFT - 20.0) / kinds.len() as f64;
        let middle = LEFT + room * (0.5 + i as f64);
        let ratios = report.ratios(kind);
        let step = 0.6 * room / ratios.len().max(2) as f64;
        for (round, ratio) in ratios.iter().enumerate() {
            let x = middle + (round as f64 - (ratios.len() as f64 - 1.0) / 2.0) * step;
            picture.dot((x, y(*ratio)), COLOURS[1]);
        }
        let median = y(report.ratio(kind).median);
        let (left, right) = (middle - 0.35 * room, middle + 0.35 * room);
        picture.line((left, median), (right, median), COLOURS[1]);
        let at = (middle, HEIGHT - BOTTOM + 20.0);
        picture.text(
            at,
            Anchor::Middle,
            "black",
            &format!("{} flood", kind.name()),
        );
    }
    let words = "throughput a processor second, flood at the VIP / discarded at the edge";
    picture.text((WIDTH / 2.0, HEIGHT - 12.0), Anchor::Middle, "black", words);
    picture.finish()
}
