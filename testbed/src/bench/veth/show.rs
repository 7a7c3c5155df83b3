//! The results as a table and as JSON.

use serde_json::{json, Value};

use super::run::Figure;
use crate::bench::grid::Grid;
use crate::bench::show::short;

/// Rows of the table.
fn row(figure: &Figure) -> [String; 9] {
    let Figure { ns, ratio, .. } = figure;
    [
        figure.case.name().to_owned(),
        short(figure.flows.into()),
        format!("{:.0}", ns.median),
        format!("{:.0} to {:.0}", ns.low, ns.high),
        format!("{:.2}", 1_000.0 / ns.median),
        ratio.map_or("".into(), |ratio| {
            format!(
                "{:.3} ({:.3} to {:.3})",
                ratio.median, ratio.low, ratio.high
            )
        }),
        format!("{:.0}", figure.kpps),
        format!("{:.2}%", 100.0 * figure.arrived),
        figure.shape.len_bytes.to_string(),
    ]
}

const HEADER: [&str; 9] = [
    "forwards",
    "flows",
    "ns",
    "quartiles",
    "Mpps a core",
    "over l2fwd",
    "kpps now",
    "arrived",
    "bytes out",
];

/// What arrived.
pub fn table(figures: &[Figure]) -> Grid {
    let mut grid = Grid::new(1, HEADER);
    for figure in figures {
        grid.push(row(figure));
    }
    grid
}

/// The same for programs.
pub fn as_json(figures: &[Figure]) -> Value {
    let figure = |f: &Figure| {
        json!({
            "case": f.case.name(), "flows": f.flows,
            "ns": f.ns.median, "ns_low": f.ns.low, "ns_high": f.ns.high,
            "over_l2fwd": f.ratio.map(|r| r.median),
            "over_l2fwd_low": f.ratio.map(|r| r.low), "over_l2fwd_high": f.ratio.map(|r| r.high),
            "kpps": f.kpps, "arrived": f.arrived, "wrong": f.wrong,
            "bytes_out": f.shape.len_bytes, "next_header": f.shape.next_header,
        })
    };
    json!({ "veth": figures.iter().map(figure).collect::<Vec<_>>() })
}
