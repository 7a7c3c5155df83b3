//! Response times as a picture: one cumulative curve a stage, in plain SVG.

use crate::load::percentile_ms;
use crate::svg::{tick_step, Anchor, Picture, COLOURS, GRID};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
/// Room for the axes' words.
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 50.0;
const TOP: f64 = 20.0;
const RIGHT: f64 = 20.0;
/// Points of a curve.
const POINTS: usize = 400;
/// The picture ends where this share of every stage's requests has been answered.
const SHOWN: f64 = 0.995;

/// One stage's curve.
pub struct Curve {
    /// Its name.
    pub title: &'static str,
    /// Response times, sorted.
    pub times_ms: Vec<f64>,
}

/// Draws the curves.
pub fn svg(curves: &[Curve]) -> String {
    let longest = (curves.iter())
        .map(|curve| percentile_ms(&curve.times_ms, SHOWN))
        .fold(1.0, f64::max);
    let x = |ms: f64| LEFT + ms / longest * (WIDTH - LEFT - RIGHT);
    let y = |share: f64| HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
    let mut picture = Picture::new(WIDTH, HEIGHT);
    let step = tick_step(longest);
    for i in 0..=(longest / step) as usize {
        let ms = i as f64 * step;
        let (at, bottom) = (x(ms), y(0.0));
        picture.line((at, TOP), (at, bottom), GRID);
        picture.text(
            (at, bottom + 18.0),
            Anchor::Middle,
            "black",
            &ms.to_string(),
        );
    }
    for share in [0.0, 0.25, 0.5, 0.75, 0.9, 1.0] {
        let at = y(share);
        picture.line((LEFT, at), (WIDTH - RIGHT, at), GRID);
        picture.text(
            (LEFT - 8.0, at + 4.0),
            Anchor::End,
            "black",
            &share.to_string(),
        );
    }
    let middle = (LEFT + WIDTH - RIGHT) / 2.0;
    let axis = "response time, ms (share of requests answered by then)";
    picture.text((middle, HEIGHT - 12.0), Anchor::Middle, "black", axis);
    for (index, curve) in curves.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let points = (0..=POINTS)
            .map(|i| i as f64 / POINTS as f64 * SHOWN)
            .map(|share| (x(percentile_ms(&curve.times_ms, share)), y(share)));
        picture.curve(points, colour);
        let legend = (WIDTH - RIGHT - 10.0, y(0.30) + 20.0 * index as f64);
        picture.text(legend, Anchor::End, colour, curve.title);
    }
    picture.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_curve_is_inside_and_named() {
        let curve = |title, scale: f64| Curve {
            title,
            times_ms: (1..=1000).map(|i| f64::from(i) * scale).collect(),
        };
        let text = svg(&[curve("fast", 0.1), curve("slow", 0.4)]);
        assert!(text.contains(">fast<") && text.contains(">slow<"));
        let lines = text.split("points=\"").skip(1);
        let mut curves = 0;
        for line in lines {
            curves += 1;
            let points = line.split('"').next().unwrap();
            for point in points.split(' ') {
                let (x, y) = point.split_once(',').unwrap();
                let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
                assert!((LEFT..=WIDTH - RIGHT).contains(&x), "{point}");
                assert!((TOP..=HEIGHT - BOTTOM).contains(&y), "{point}");
            }
        }
        assert_eq!(curves, 2);
    }
}
