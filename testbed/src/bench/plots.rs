//! The plots of the page.

use super::case::{Case, Way};
use super::results::Results;
use super::target::PINNED_NS;
use crate::reproduce::chart;
use crate::reproduce::figure::{Axis, Curve, Panel};

/// What VPP's lb costs on such a machine (Maglev and GRE, its whole path in memory), by flows.
pub const VPP_NS: [(f64, f64); 3] = [(1e3, 77.0), (128e3, 106.0), (1e6, 123.0)];
/// Katran's XDP program for flows that it knows; with 1k flows it is 78 to 110 ns.
pub const KATRAN_NS: [(f64, f64); 3] = [(1e3, 94.0), (128e3, 275.0), (1e6, 525.0)];

const CASES: [Case; 5] = [
    Case::Pinned,
    Case::Mixed,
    Case::NewFlow,
    Case::Recovery,
    Case::CreateStickiness,
];

/// Their files' names and contents.
pub fn all(results: &Results) -> Vec<(&'static str, String)> {
    let panels = [
        ("pinned.svg", pinned(results)),
        ("cases.svg", cases(results)),
        ("batches.svg", batches(results)),
    ];
    let has_points = |panel: &Panel| panel.curves.iter().any(|curve| curve.points.len() > 1);
    let panels = panels.into_iter().filter(|(_, panel)| has_points(panel));
    panels
        .map(|(name, panel)| (name, chart::draw(&panel)))
        .collect()
}

fn curve(results: &Results, case: Case, way: Way, name: &str) -> Curve {
    let point = |flows| {
        let figure = results.figure(case, way, flows)?;
        Some((flows as f64, figure.ns.median))
    };
    let sizes = results.sizes();
    Curve::new(name, sizes.into_iter().filter_map(point).collect())
}

/// Pinned packets beside what others need.
fn pinned(results: &Results) -> Panel {
    let ways = results.ways().into_iter();
    let mut curves: Vec<Curve> = ways
        .map(|way| curve(results, Case::Pinned, way, way.name()))
        .collect();
    let targets = PINNED_NS.map(|(flows, ns)| (flows as f64, ns));
    curves.push(Curve::new("target", targets.into()).dots());
    curves.push(Curve::new("VPP lb", VPP_NS.into()).dashed());
    curves.push(Curve::new("Katran", KATRAN_NS.into()).dashed());
    over_flows(results, curves)
}

/// All cases in the first way.
fn cases(results: &Results) -> Panel {
    let way = results.ways().into_iter().take(1);
    let curves = way.flat_map(|way| CASES.map(|case| curve(results, case, way, case.name())));
    over_flows(results, curves.collect())
}

fn over_flows(results: &Results, curves: Vec<Curve>) -> Panel {
    let sizes = results.sizes();
    let (first, last) = (sizes.first().copied(), sizes.last().copied());
    let from = first.unwrap_or(1_000).min(1_000) as f64;
    let to = last.unwrap_or(10_000_000).max(10_000_000) as f64;
    Panel::new(Axis::log("flows", from, to), ns_axis(&curves), curves)
}

fn batches(results: &Results) -> Panel {
    let figures = results.measured.batches();
    let curves: Vec<Curve> = (results.sizes().into_iter())
        .map(|flows| {
            let of = figures.iter().filter(|f| f.flows == flows);
            let mut points: Vec<(f64, f64)> =
                of.map(|f| (f64::from(f.job.batch), f.ns.median)).collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            Curve::new(format!("{} flows", super::show::short(flows)), points)
        })
        .collect();
    let largest = figures.iter().map(|f| f.job.batch).max().unwrap_or(2);
    let x = Axis::log("packets a batch", 1.0, f64::from(largest.max(2)));
    Panel::new(x, ns_axis(&curves), curves)
}

/// Logarithmic: what is twice as slow lies as far off everywhere.
fn ns_axis(curves: &[Curve]) -> Axis {
    let all = curves.iter().flat_map(|curve| &curve.points);
    let largest = all.map(|(_, ns)| *ns).fold(100.0, f64::max);
    Axis::log("ns a packet", 10.0, 1.1 * largest)
}
