//! The paper's figure 11d beside ours.

use super::super::scenario::Point;
use super::super::study::Measured;
use crate::svg::{tick_step, Anchor, Picture, COLOURS, GRID};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 216.0;
const BOTTOM: f64 = 46.0;
/// Designs that come to the same stand side by side.
const ASIDE: f64 = 7.0;
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
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let x = |x: f64| LEFT + (x - 0.5) / f64::from(last) * (right - LEFT);
    let y = |share: f64| bottom - share / most * (bottom - 30.0);
    let mut picture = Picture::new(WIDTH, HEIGHT);
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
        ((LEFT + right) / 2.0, HEIGHT - 8.0),
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
        let aside = (i as f64 - 1.5) * ASIDE;
        let at: Vec<(f64, f64)> = (curve.iter())
            .map(|m| (x(f64::from(m.point.x)) + aside, y(m.extra_share())))
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
    let note = (right + 8.0, HEIGHT - 8.0);
    picture.text(note, Anchor::Start, "#666", "dashed: from the tables");
    picture.finish()
}
