//! The scenarios at a glance, and figure 11d beside ours.

use super::report::Row;
use super::scenario::Point;
use super::study::Measured;
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
    let mut x = BARS.0;
    for (colour, words, width) in [
        (COMPLETED, "completed", 96.0),
        (UNAVOIDABLE, "unavoidable", 106.0),
        (AVOIDABLE, "avoidable", 100.0),
    ] {
        picture.bar((x, 16.0), (12.0, 12.0), colour);
        picture.text((x + 17.0, 27.0), Anchor::Start, "black", words);
        x += width;
    }
    let mut x = STALLS.0;
    for (colour, words, width) in [
        (STALL, "longest stall", 110.0),
        (FAULT, "fault", 60.0),
        ("black", "bound", 0.0),
    ] {
        let box_width = if colour == "black" { 2.0 } else { 12.0 };
        picture.bar((x, 16.0), (box_width, 12.0), colour);
        let at = (x + box_width + 5.0, 27.0);
        picture.text(at, Anchor::Start, "black", words);
        x += width;
    }
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

const FIGURE_WIDTH: f64 = 760.0;
const FIGURE_HEIGHT: f64 = 400.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 216.0;
/// The most that the paper reports (section VI-B5): extra resets of 6LB and of Maglev, 48 servers.
const PAPER: [(f64, &str); 2] = [
    (0.02, "paper: 6LB, at most"),
    (0.04, "paper: Maglev, at most"),
];

/// Extra losses over x for servers that leave, or that join.
pub fn figure(points: &[Measured], leave: bool) -> String {
    let points: Vec<&Measured> = points.iter().filter(|m| m.point.leave == leave).collect();
    let most = (points.iter())
        .flat_map(|m| [m.extra_share(), m.expected_share])
        .fold(0.05, f64::max)
        * 1.1;
    let last = points.iter().map(|m| m.point.x).max().unwrap_or(1).max(2);
    let (right, bottom) = (FIGURE_WIDTH - RIGHT, FIGURE_HEIGHT - BOTTOM);
    let x = |x: f64| LEFT + (x - 0.5) / f64::from(last) * (right - LEFT);
    let y = |share: f64| bottom - share / most * (bottom - 30.0);
    let mut picture = Picture::new(FIGURE_WIDTH, FIGURE_HEIGHT);
    let step = tick_step(most * 1.6);
    for i in 0..=(most / step) as usize {
        let share = i as f64 * step;
        picture.line((LEFT, y(share)), (right, y(share)), GRID);
        let words = format!("{:.0}%", share * 100.0);
        picture.text((LEFT - 8.0, y(share) + 4.0), Anchor::End, "black", &words);
    }
    for n in 1..=last {
        let at = (x(f64::from(n)), bottom + 18.0);
        picture.text(at, Anchor::Middle, "black", &n.to_string());
    }
    let verb = ["join", "leave"][usize::from(leave)];
    let axis = format!("servers that {verb} while the edge turns to another LB");
    picture.text(
        ((LEFT + right) / 2.0, FIGURE_HEIGHT - 8.0),
        Anchor::Middle,
        "black",
        &axis,
    );
    let title = "extra losses, share of open connections whose server lives on";
    picture.text((LEFT, 18.0), Anchor::Start, "black", title);
    if leave {
        for (share, words) in PAPER {
            picture.dashes((LEFT, y(share)), (right, y(share)), COLOURS[4]);
            picture.text((right + 8.0, y(share) + 4.0), Anchor::Start, "#666", words);
        }
    }
    let designs = [(1, false), (2, false), (1, true), (2, true)];
    for (i, (choices, recovery)) in designs.into_iter().enumerate() {
        let of = |m: &&&Measured| m.point.choices == choices && m.point.recovery == recovery;
        let curve: Vec<&&Measured> = points.iter().filter(of).collect();
        let Some(first) = curve.first() else { continue };
        let at: Vec<(f64, f64)> = (curve.iter())
            .map(|m| (x(f64::from(m.point.x)), y(m.extra_share())))
            .collect();
        let expected: Vec<(f64, f64)> = (curve.iter())
            .map(|m| (x(f64::from(m.point.x)), y(m.expected_share)))
            .collect();
        if !recovery {
            let pairs = expected.windows(2);
            pairs.for_each(|pair| picture.dashes(pair[0], pair[1], COLOURS[i]));
        }
        picture.curve(at.iter().copied(), COLOURS[i]);
        at.iter().for_each(|at| picture.dot(*at, COLOURS[i]));
        let legend = (right + 8.0, 40.0 + 20.0 * i as f64);
        let words = Point::design(&first.point);
        picture.text(legend, Anchor::Start, COLOURS[i], words);
    }
    let note = (right + 8.0, FIGURE_HEIGHT - 8.0);
    picture.text(note, Anchor::Start, "#666", "dashed: from the tables");
    picture.finish()
}
