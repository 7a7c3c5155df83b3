//! A panel as a plot.

use super::figure::{Axis, Curve, Panel, Style};
use crate::svg::{tick_step, Anchor, Picture, COLOURS, GRID};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 544.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 354.0;

/// Draws a panel.
pub fn draw(panel: &Panel) -> String {
    let mut picture = Picture::new(WIDTH, HEIGHT);
    let at = |(x, y): (f64, f64)| {
        (
            LEFT + panel.x.place(x) * (RIGHT - LEFT),
            BOTTOM - panel.y.place(y) * (BOTTOM - TOP),
        )
    };
    for value in ticks(&panel.y) {
        let (_, y) = at((panel.x.from, value));
        picture.line((LEFT, y), (RIGHT, y), GRID);
        picture.text((LEFT - 8.0, y + 4.0), Anchor::End, "black", &short(value));
    }
    for value in ticks(&panel.x) {
        let (x, _) = at((value, panel.y.from));
        picture.line((x, TOP), (x, BOTTOM), GRID);
        let below = (x, BOTTOM + 18.0);
        picture.text(below, Anchor::Middle, "black", &short(value));
    }
    let below = ((LEFT + RIGHT) / 2.0, HEIGHT - 8.0);
    picture.text(below, Anchor::Middle, "black", panel.x.label);
    picture.text((LEFT, 18.0), Anchor::Start, "black", panel.y.label);
    let names = names(panel);
    for curve in &panel.curves {
        let place = names.iter().position(|name| *name == curve.name);
        let colour = colour(place.unwrap_or(0));
        for piece in visible(curve, panel) {
            let points = piece.into_iter().map(at).collect();
            trace(&mut picture, curve.style, points, colour);
        }
    }
    legend(&mut picture, panel, &names);
    picture.finish()
}

/// Each name once, in the order of the curves.
fn names(panel: &Panel) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for curve in &panel.curves {
        if !names.contains(&curve.name.as_str()) {
            names.push(&curve.name);
        }
    }
    names
}

fn colour(place: usize) -> &'static str {
    COLOURS[place % COLOURS.len()]
}

fn trace(picture: &mut Picture, style: Style, points: Vec<(f64, f64)>, colour: &str) {
    match style {
        Style::Line => picture.curve(points, colour),
        Style::Dashes => (points.windows(2)).for_each(|p| picture.dashes(p[0], p[1], colour)),
        Style::Dots => points.into_iter().for_each(|p| picture.dot(p, colour)),
    }
}

/// A name with a sample of each style that it is drawn in.
fn legend(picture: &mut Picture, panel: &Panel, names: &[&str]) {
    let distance = (20.0_f64).min((HEIGHT - TOP) / names.len().max(1) as f64);
    for (place, name) in names.iter().enumerate() {
        let y = TOP + 12.0 + distance * place as f64;
        let from = (RIGHT + 12.0, y - 4.0);
        let to = (RIGHT + 36.0, y - 4.0);
        let curves = panel.curves.iter().filter(|curve| curve.name == *name);
        for style in curves.map(|curve| curve.style) {
            let sample = match style {
                Style::Dots => vec![((from.0 + to.0) / 2.0, from.1)],
                Style::Line | Style::Dashes => vec![from, to],
            };
            trace(picture, style, sample, colour(place));
        }
        picture.text((RIGHT + 42.0, y), Anchor::Start, colour(place), name);
    }
}

/// The pieces of a curve that lie inside the panel; one that leaves it ends at its upper or lower edge.
fn visible(curve: &Curve, panel: &Panel) -> Vec<Vec<(f64, f64)>> {
    let is_on = |axis: &Axis, value: f64| (-1e-9..=1.0 + 1e-9).contains(&axis.place(value));
    let points = curve.points.iter().copied();
    let points: Vec<(f64, f64)> = points.filter(|(x, _)| is_on(&panel.x, *x)).collect();
    if curve.style == Style::Dots {
        let inside = points.into_iter().filter(|(_, y)| is_on(&panel.y, *y));
        return vec![inside.collect()];
    }
    let mut pieces = vec![Vec::new()];
    for (place, &point) in points.iter().enumerate() {
        let edge =
            |other: Option<&(f64, f64)>| other.and_then(|other| crossing(point, *other, panel));
        match is_on(&panel.y, point.1) {
            true => pieces.last_mut().expect("never empty").push(point),
            false => {
                let before = place.checked_sub(1).and_then(|before| points.get(before));
                pieces.last_mut().expect("never empty").extend(edge(before));
                pieces.push(edge(points.get(place + 1)).into_iter().collect());
            }
        }
    }
    pieces.retain(|piece| piece.len() > 1);
    pieces
}

/// Where the line from a point outside to one inside crosses the panel's edge; none if that is outside, too.
fn crossing(outside: (f64, f64), inside: (f64, f64), panel: &Panel) -> Option<(f64, f64)> {
    let [out, into] = [outside, inside].map(|(x, y)| (panel.x.place(x), panel.y.place(y)));
    let edge = out.1.clamp(0.0, 1.0);
    if !(0.0..=1.0).contains(&into.1) {
        return None;
    }
    let share = (edge - out.1) / (into.1 - out.1);
    let x = out.0 + share * (into.0 - out.0);
    Some((panel.x.value(x), panel.y.value(edge)))
}

fn ticks(axis: &Axis) -> Vec<f64> {
    match axis.is_log {
        true => decades(axis),
        false => {
            let step = tick_step(axis.to - axis.from);
            let first = (axis.from / step - 1e-9).ceil() as i64;
            let last = (axis.to / step + 1e-9).floor() as i64;
            (first..=last).map(|n| n as f64 * step).collect()
        }
    }
}

/// Powers of ten, and 2 and 5 times these where there is room for them.
fn decades(axis: &Axis) -> Vec<f64> {
    let (first, last) = (axis.from.log10().floor(), axis.to.log10().ceil());
    let times: &[f64] = match axis.to / axis.from <= 2e3 {
        true => &[1.0, 2.0, 5.0],
        false => &[1.0],
    };
    let powers = (first as i32..=last as i32).map(|n| 10f64.powi(n));
    let all = powers.flat_map(|power| times.iter().map(move |m| m * power));
    let is_on_it = |value: &f64| (-1e-9..=1.0 + 1e-9).contains(&axis.place(*value));
    all.filter(is_on_it).collect()
}

/// Without the digits that only a sum of floating-point numbers has, and without many zeros.
fn short(value: f64) -> String {
    let rounded = |value: f64| (value * 1e6).round() / 1e6;
    match value.abs() {
        large if large >= 1e6 => format!("{}M", rounded(value / 1e6)),
        large if large >= 1e4 => format!("{}k", rounded(value / 1e3)),
        _ => rounded(value).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_begin_where_the_axis_does() {
        let ticks_of = |axis: Axis| ticks(&axis);
        let linear = ticks_of(Axis::between("servers", 34.0, 48.0));
        assert_eq!(linear.first(), Some(&34.0));
        assert_eq!(linear.last(), Some(&48.0));
        let log = ticks_of(Axis::log("ms", 0.5, 20.0));
        assert_eq!(log, [0.5, 1.0, 2.0, 5.0, 10.0, 20.0]);
        assert_eq!(ticks_of(Axis::log("ms", 1.0, 1e4)).len(), 5);
        let labels = [0.1 + 0.2, 5e3, 2e4, 1.5e6].map(short);
        assert_eq!(labels, ["0.3", "5000", "20k", "1.5M"]);
    }

    fn panel_of(points: &[(f64, f64)]) -> Panel {
        let curve = Curve::new("a", points.to_vec());
        let x = Axis::between("x", 1.0, 5.0);
        Panel::new(x, Axis::new("y", 2.0), vec![curve])
    }

    #[test]
    fn what_is_outside_is_not_drawn() {
        let pieces = |points: &[(f64, f64)]| {
            let panel = panel_of(points);
            visible(&panel.curves[0], &panel)
        };
        let leaves = pieces(&[(0.0, 1.0), (1.0, 1.0), (3.0, 3.0), (4.0, 9.0)]);
        assert_eq!(leaves, [[(1.0, 1.0), (2.0, 2.0)]]);
        let enters = pieces(&[(1.0, 4.0), (3.0, 0.0), (5.0, 0.0)]);
        assert_eq!(enters, [[(2.0, 2.0), (3.0, 0.0), (5.0, 0.0)]]);
        let twice = pieces(&[(1.0, 1.0), (3.0, 3.0), (5.0, 1.0)]);
        assert_eq!(twice, [[(1.0, 1.0), (2.0, 2.0)], [(4.0, 2.0), (5.0, 1.0)]]);
        assert!(pieces(&[(1.0, 3.0), (5.0, 4.0)]).is_empty());
        let svg = draw(&panel_of(&[(1.0, 1.0), (3.0, 3.0)]));
        assert!(!svg.contains("NaN") && svg.matches("<polyline").count() == 2);
    }
}
