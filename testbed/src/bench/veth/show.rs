//! The results as a table and as JSON.

use serde_json::{json, Value};

use super::run::Figure;
use crate::bench::grid::Grid;
use crate::bench::show::short;

/// Rows of the table.
fn row(figure: &Figure) -> [String; 8] {
    let Figure { mpps, ratio, .. } = figure;
    [
        figure.case.name().to_owned(),
        short(figure.flows.into()),
        format!("{:.3}", mpps.median),
        format!("{:.3} to {:.3}", mpps.low, mpps.high),
        ratio.map_or("".into(), |ratio| {
            format!(
                "{:.3} ({:.3} to {:.3})",
                ratio.median, ratio.low, ratio.high
            )
        }),
        format!("{:.2}", figure.offered_mpps),
        format!("{:.0}%", 100.0 * figure.busy),
        figure.shape.len_bytes.to_string(),
    ]
}

const HEADER: [&str; 8] = [
    "forwards",
    "flows",
    "Mpps",
    "quartiles",
    "over l2fwd",
    "offered",
    "busy",
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
            "mpps": f.mpps.median, "mpps_low": f.mpps.low, "mpps_high": f.mpps.high,
            "over_l2fwd": f.ratio.map(|r| r.median),
            "over_l2fwd_low": f.ratio.map(|r| r.low), "over_l2fwd_high": f.ratio.map(|r| r.high),
            "offered_mpps": f.offered_mpps, "busy": f.busy, "wrong": f.wrong,
            "bytes_out": f.shape.len_bytes, "next_header": f.shape.next_header,
        })
    };
    json!({ "veth": figures.iter().map(figure).collect::<Vec<_>>() })
}
