//! Figures 12a, 12b and 12c.

use super::log::Bin;
use super::{Played, Span};
use crate::queueing::histogram::Histogram;
use crate::reproduce::{Axis, Curve, Panel};

const LOAD_TIME: &str = "wiki page load time (s)";

/// All plots.
pub fn all(span: &Span, days: &[Played]) -> Vec<Panel> {
    let mut panels = vec![rate(span, days), medians(span, days)];
    panels.extend(days.iter().map(|day| deciles(span, day)));
    panels.push(cdf(
        days,
        "12c, wiki pages",
        Axis::new(LOAD_TIME, 1.2),
        |day| (&day.log.wiki_us, 1e6),
    ));
    panels.push(cdf(
        days,
        "12c, static pages",
        Axis::new("static page load time (ms)", 12.0),
        |day| (&day.log.static_us, 1e3),
    ));
    panels
}

/// The hour in the middle of a bin.
fn hour(span: &Span, bin: usize) -> f64 {
    span.begins_h + (bin as f64 + 0.5) / super::BINS_PER_HOUR as f64
}

fn hours(span: &Span) -> Axis {
    let ends_h = span.begins_h + span.bins as f64 / super::BINS_PER_HOUR as f64;
    Axis::between("hour (UTC)", span.begins_h.floor(), ends_h.ceil())
}

fn over_time(span: &Span, day: &Played, name: &str, value: impl Fn(&Bin) -> Option<f64>) -> Curve {
    let points = day.log.bins.iter().enumerate();
    let points = points.filter_map(|(n, bin)| Some((hour(span, n), value(bin)?)));
    Curve::new(name, points.collect())
}

/// Next above the greatest value: 1, 2 or 5 times a power of ten.
fn axis_for(curves: &[Curve], label: &'static str) -> Axis {
    let values = curves.iter().flat_map(|c| &c.points).map(|point| point.1);
    let most = values.fold(1e-3, f64::max);
    let power = 10f64.powf(most.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    let fits = steps.into_iter().find(|step| step * power >= most);
    Axis::new(label, fits.unwrap_or(10.0) * power)
}

fn rate(span: &Span, days: &[Played]) -> Panel {
    let per_s = |bin: &Bin| Some(bin.pages as f64 / span.bin_s as f64);
    // the same for every policy
    let curves = vec![over_time(span, &days[0], "wiki pages", per_s)];
    let y = axis_for(&curves, "wiki pages per second");
    Panel::new(hours(span), y, curves).titled("12a, rate")
}

fn medians(span: &Span, days: &[Played]) -> Panel {
    let median = |bin: &Bin| bin.percentile_s(50.0);
    let curves = days
        .iter()
        .map(|day| over_time(span, day, day.name, median));
    let curves: Vec<Curve> = curves.collect();
    let y = axis_for(&curves, "median wiki page load time (s)");
    Panel::new(hours(span), y, curves).titled("12a, medians")
}

fn deciles(span: &Span, day: &Played) -> Panel {
    let decile = |n: usize| {
        let name = format!("decile {n}");
        over_time(span, day, &name, |bin| bin.percentile_s(10.0 * n as f64))
    };
    // the highest on top, as in the legend
    let curves: Vec<Curve> = (1..=9).rev().map(decile).collect();
    // one height for all policies, so that they can be compared: SC's lower deciles would be flat below its ninth
    let y = Axis::new(LOAD_TIME, 1.2);
    Panel::new(hours(span), y, curves).titled(format!("12b, {}", day.name))
}

fn cdf(days: &[Played], title: &str, x: Axis, of: impl Fn(&Played) -> (&Histogram, f64)) -> Panel {
    let curve = |day: &Played| {
        let (histogram, unit_us) = of(day);
        let ends = histogram.cdf().into_iter();
        let ends = ends.map(|(end_us, share)| (end_us as f64 / unit_us, share));
        let seen = ends.take_while(|(at, _)| *at <= x.to);
        Curve::new(day.name, std::iter::once((0.0, 0.0)).chain(seen).collect())
    };
    let curves = days.iter().map(curve).collect();
    Panel::new(x, Axis::new("share of pages", 1.0), curves).titled(title)
}
