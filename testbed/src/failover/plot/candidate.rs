//! New flows while a machine is dead, beside the paper's argument about p_R.

use super::super::study::{Connects, DeadCandidate};
use super::{legend_from, MARK};
use crate::svg::{Anchor, Picture, COLOURS, GRID};

const WIDTH: f64 = 760.0;
const ROW: f64 = 34.0;
const TOP: f64 = 54.0;
const BOTTOM: f64 = 46.0;
/// Where the bars begin and end.
const BARS: (f64, f64) = (180.0, 640.0);
const AT_ONCE: &str = COLOURS[2];
const AFTER_ONE: &str = COLOURS[1];
const LATER: &str = COLOURS[3];
const NEVER: &str = COLOURS[0];

/// One bar for each place of the dead machine in a flow's list; a mark where the flows begin that fail by the paper's
/// argument: all that have it first, and p_R of those that have it second.
pub fn candidate(found: &DeadCandidate) -> String {
    let rows = [
        ("dead machine first", &found.first, 1.0),
        ("dead machine second", &found.second, found.p_r),
        ("neither", &found.neither, 0.0),
    ];
    let bottom = TOP + ROW * rows.len() as f64;
    let mut picture = Picture::new(WIDTH, bottom + BOTTOM);
    let x = |share: f64| BARS.0 + share * (BARS.1 - BARS.0);
    legend(&mut picture);
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        picture.line((x(share), TOP - 6.0), (x(share), bottom), GRID);
        let words = format!("{:.0}%", share * 100.0);
        picture.text((x(share), bottom + 18.0), Anchor::Middle, "black", &words);
    }
    let axis = ((BARS.0 + BARS.1) / 2.0, bottom + 38.0);
    picture.text(axis, Anchor::Middle, "black", "share of new flows");
    for (i, (words, connects, fails)) in rows.into_iter().enumerate() {
        let top = TOP + ROW * i as f64;
        picture.text((BARS.0 - 12.0, top + 17.0), Anchor::End, "black", words);
        bar(&mut picture, connects, top, &x);
        picture.bar((x(1.0 - fails) - 1.5, top), (3.0, ROW - 6.0), "black");
        let count = (BARS.1 + 12.0, top + 17.0);
        picture.text(count, Anchor::Start, "#555", &connects.flows.to_string());
    }
    picture.finish()
}

fn bar(picture: &mut Picture, connects: &Connects, top: f64, x: &dyn Fn(f64) -> f64) {
    let all = connects.flows.max(1) as f64;
    let mut from = 0.0;
    for (count, colour) in [
        (connects.at_once, AT_ONCE),
        (connects.after_one, AFTER_ONE),
        (connects.later, LATER),
        (connects.never, NEVER),
    ] {
        let to = from + count as f64 / all;
        picture.bar((x(from), top + 4.0), (x(to) - x(from), ROW - 14.0), colour);
        from = to;
    }
}

fn legend(picture: &mut Picture) {
    let entries = [
        (AT_ONCE, "at once", 80.0),
        (AFTER_ONE, "after one SYN retransmission", 220.0),
        (LATER, "after more", 100.0),
        (NEVER, "never", 70.0),
        (MARK, "right of it: fail by the paper's argument", 0.0),
    ];
    legend_from(picture, 20.0, 3.0, &entries);
}
