//! The results as a table and as JSON.

use serde_json::{json, Value};

use super::Reloaded;
use crate::bench::grid::Grid;
use crate::bench::spread::Spread;

/// For a terminal and for a page.
pub fn table(reloaded: &Reloaded) -> Grid {
    let mut grid = Grid::new(1, ["from the request to reload", "ms", "quartiles"]);
    let mut push = |what: &str, ms: Spread| {
        let median = format!("{:.1}", ms.median);
        grid.push([
            what.to_owned(),
            median,
            format!("{:.1} to {:.1}", ms.low, ms.high),
        ]);
    };
    push("to the first packet by the new pool", reloaded.seen_ms);
    push("to the answer that all is done", reloaded.answered_ms);
    grid
}

/// For programs.
pub fn as_json(reloaded: &Reloaded) -> Value {
    let spread = |ms: Spread| json!({ "ms": ms.median, "ms_low": ms.low, "ms_high": ms.high });
    json!({
        "seen": spread(reloaded.seen_ms),
        "answered": spread(reloaded.answered_ms),
        "rounds": reloaded.rounds,
    })
}
