//! A figure as a plot.

use super::figure::{Curve, Figure};
use crate::svg::{tick_step, Anchor, Picture, COLOURS, GRID};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 544.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 354.0;

/// Draws a figure.
pub fn draw(figure: &Figure) -> String {
    let mut picture = Picture::new(WIDTH, HEIGHT);
    let x = |value: f64| LEFT + value / figure.x.to * (RIGHT - LEFT);
    let y = |value: f64| BOTTOM - value.min(figure.y.to) / figure.y.to * (BOTTOM - TOP);
    for value in ticks(figure.y.to) {
        picture.line((LEFT, y(value)), (RIGHT, y(value)), GRID);
        let at = (LEFT - 8.0, y(value) + 4.0);
        picture.text(at, Anchor::End, "black", &short(value));
    }
    for value in ticks(figure.x.to) {
        picture.line((x(value), TOP), (x(value), BOTTOM), GRID);
        let at = (x(value), BOTTOM + 18.0);
        picture.text(at, Anchor::Middle, "black", &short(value));
    }
    let below = ((LEFT + RIGHT) / 2.0, HEIGHT - 8.0);
    picture.text(below, Anchor::Middle, "black", figure.x.label);
    picture.text((LEFT, 18.0), Anchor::Start, "black", figure.y.label);
    let mut names: Vec<&str> = Vec::new();
    for curve in &figure.curves {
        let place = names.iter().position(|name| *name == curve.name);
        let place = place.unwrap_or_else(|| {
            let at = (RIGHT + 12.0, TOP + 12.0 + 20.0 * names.len() as f64);
            let colour = COLOURS[names.len() % COLOURS.len()];
            picture.text(at, Anchor::Start, colour, &curve.name);
            names.push(&curve.name);
            names.len() - 1
        });
        let colour = COLOURS[place % COLOURS.len()];
        let points = visible(curve, figure.x.to, figure.y.to);
        let points: Vec<(f64, f64)> = points.into_iter().map(|(a, b)| (x(a), y(b))).collect();
        match curve.is_dashed {
            true => (points.windows(2)).for_each(|pair| picture.dashes(pair[0], pair[1], colour)),
            false => picture.curve(points, colour),
        }
    }
    picture.finish()
}

/// The points of a curve up to the first that is too high, which is cut off.
fn visible(curve: &Curve, most_x: f64, most_y: f64) -> Vec<(f64, f64)> {
    let points = curve.points.iter().copied();
    let points: Vec<(f64, f64)> = points.filter(|(x, _)| *x <= most_x).collect();
    let inside = points.iter().rposition(|(_, y)| *y <= most_y);
    let last = inside.map_or(0, |place| place + 2).min(points.len());
    points[..last].to_vec()
}

fn ticks(to: f64) -> impl Iterator<Item = f64> {
    let step = tick_step(to);
    (0..=(to / step + 1e-9) as usize).map(move |n| n as f64 * step)
}

/// Without the digits that only a sum of floating-point numbers has.
fn short(value: f64) -> String {
    let rounded = (value * 1e6).round() / 1e6;
    rounded.to_string()
}
