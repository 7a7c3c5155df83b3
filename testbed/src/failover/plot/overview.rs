//! The scenarios at a glance.

use super::super::report::Row;
use super::{legend_from, MARK};
use crate::svg::{tick_step, Anchor, Picture, COLOURS, GRID};

const WIDTH: f64 = 980.0;
const ROW: f64 = 24.0;
const TOP: f64 = 54.0;
const BOTTOM: f64 = 46.0;
/// Where the bars of connections begin and end.
const BARS: (f64, f64) = (400.0, 660.0);
/// Where the stalls do.
const STALLS: (f64, f64) = (720.0, 960.0);
const COMPLETED: &str = COLOURS[2];
const UNAVOIDABLE: &str = COLOURS[4];
const AVOIDABLE: &str = COLOURS[0];
const FAULT: &str = "#c8c8c8";
const STALL: &str = COLOURS[1];

/// One line a scenario: what became of its connections, and the longest stall beside the fault's own time.
pub fn overview(rows: &[Row]) -> String {
    let height = TOP + ROW * rows.len() as f64 + BOTTOM;
    let bottom = height - BOTTOM;
    let mut picture = Picture::new(WIDTH, height);
    let longest_s = rows
        .iter()
        .flat_map(|row| [row.verdict.longest_stall_ms, row.fault_ms + 3_000.0])
        .fold(1_000.0, f64::max)
        / 1e3;
    let share = |s: f64| BARS.0 + s * (BARS.1 - BARS.0);
    let second = |s: f64| STALLS.0 + s / longest_s * (STALLS.1 - STALLS.0);
    legend(&mut picture);
    for s in [0.0, 0.25, 0.5, 0.75, 1.0] {
        picture.line((share(s), TOP - 6.0), (share(s), bottom), GRID);
        let words = format!("{:.0}%", s * 100.0);
        picture.text((share(s), bottom + 18.0), Anchor::Middle, "black", &words);
    }
    let step = tick_step(longest_s * 2.0);
    for i in 0..=(longest_s / step) as usize {
        let s = i as f64 * step;
        picture.line((second(s), TOP - 6.0), (second(s), bottom), GRID);
        picture.text(
            (second(s), bottom + 18.0),
            Anchor::Middle,
            "black",
            &s.to_string(),
        );
    }
    let middle = |range: (f64, f64)| (range.0 + range.1) / 2.0;
    let axes = bottom + 38.0;
    picture.text(
        (middle(BARS), axes),
        Anchor::Middle,
        "black",
        "share of connections",
    );
    picture.text((middle(STALLS), axes), Anchor::Middle, "black", "seconds");
    for (i, row) in rows.iter().enumerate() {
        let top = TOP + ROW * i as f64;
        let title = match row.judged {
            true => row.title.clone(),
            false => format!("{} (compared)", row.title),
        };
        picture.text((BARS.0 - 12.0, top + 15.0), Anchor::End, "black", &title);
        shares(&mut picture, row, top, &share);
        stalls(&mut picture, row, top, &second);
    }
    picture.finish()
}

fn legend(picture: &mut Picture) {
    let shares = [
        (COMPLETED, "completed", 96.0),
        (UNAVOIDABLE, "unavoidable", 106.0),
        (AVOIDABLE, "avoidable", 100.0),
    ];
    legend_from(picture, BARS.0, 2.0, &shares);
    let times = [
        (STALL, "longest stall", 110.0),
        (FAULT, "fault", 60.0),
        (MARK, "bound", 0.0),
    ];
    legend_from(picture, STALLS.0, 2.0, &times);
}

fn shares(picture: &mut Picture, row: &Row, top: f64, x: &dyn Fn(f64) -> f64) {
    let v = &row.verdict;
    let all = v.connections.max(1) as f64;
    let mut from = 0.0;
    for (count, colour) in [
        (v.completed, COMPLETED),
        (v.unavoidable, UNAVOIDABLE),
        (v.avoidable, AVOIDABLE),
    ] {
        let to = from + count as f64 / all;
        if count > 0 {
            // A single lost connection must be seen.
            let width = (x(to) - x(from)).max(2.0);
            picture.bar((x(to) - width, top + 3.0), (width, ROW - 8.0), colour);
        }
        from = to;
    }
    let count = (BARS.1 + 8.0, top + 15.0);
    picture.text(count, Anchor::Start, "#555", &v.connections.to_string());
}

fn stalls(picture: &mut Picture, row: &Row, top: f64, x: &dyn Fn(f64) -> f64) {
    let fault_s = row.fault_ms / 1e3;
    let stall_s = row.verdict.longest_stall_ms / 1e3;
    picture.bar((x(0.0), top + 3.0), (x(fault_s) - x(0.0), ROW - 8.0), FAULT);
    picture.bar(
        (x(0.0), top + 7.0),
        (x(stall_s) - x(0.0), ROW - 16.0),
        STALL,
    );
    if row.judged {
        picture.bar((x(fault_s + 3.0), top + 3.0), (2.0, ROW - 8.0), "black");
    }
}
