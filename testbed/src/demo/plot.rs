//! Response times as a picture: one cumulative curve a stage, in plain SVG.

use std::fmt::Write;

use crate::load::percentile_ms;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
/// Room for the axes' words.
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 50.0;
const TOP: f64 = 20.0;
const RIGHT: f64 = 20.0;
/// Told apart without colour vision, too.
const COLOURS: [&str; 3] = ["#d55e00", "#0072b2", "#009e73"];
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
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let step = tick_step(longest);
    for i in 0..=(longest / step) as usize {
        let ms = i as f64 * step;
        let (at, bottom) = (x(ms), y(0.0));
        let _ = writeln!(
            text,
            "<line x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom}\" stroke=\"#ddd\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{ms}</text>",
            bottom + 18.0
        );
    }
    for share in [0.0, 0.25, 0.5, 0.75, 0.9, 1.0] {
        let (at, right) = (y(share), WIDTH - RIGHT);
        let _ = writeln!(
            text,
            "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{share}</text>",
            LEFT - 8.0,
            at + 4.0
        );
    }
    let _ = writeln!(
        text,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">response time, ms (share of requests answered by then)</text>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 12.0
    );
    for (index, curve) in curves.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let points: String = (0..=POINTS)
            .map(|i| i as f64 / POINTS as f64 * SHOWN)
            .map(|share| (percentile_ms(&curve.times_ms, share), share))
            .map(|(ms, share)| format!("{:.1},{:.1} ", x(ms), y(share)))
            .collect();
        let legend = y(0.30) + 20.0 * index as f64;
        let _ = writeln!(
            text,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <text x=\"{}\" y=\"{legend:.1}\" text-anchor=\"end\" fill=\"{colour}\">{}</text>",
            points.trim_end(),
            WIDTH - RIGHT - 10.0,
            curve.title
        );
    }
    text + "</svg>\n"
}

/// A round distance between ticks, about eight of them.
fn tick_step(longest: f64) -> f64 {
    let rough = longest / 8.0;
    let power = 10f64.powf(rough.log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|m| m * power >= rough);
    round.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(tick_step(800.0), 100.0);
        assert_eq!(tick_step(900.0), 200.0);
        assert_eq!(tick_step(7.0), 1.0);
    }

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
