//! The results as tables and as JSON.

use flow_table::Pages;
use serde_json::{json, Value};

use super::case::Way;
use super::engine::Figure;
use super::full::Full;
use super::grid::Grid;
use super::reload;
use super::results::{OrWhy, Results};
use super::spread::Spread;
use super::target;

/// A number of flows, as in the issue: 1k, 128k, 1M.
pub fn short(flows: u64) -> String {
    match flows {
        0..=999 => flows.to_string(),
        n if n % 1_000_000 == 0 => format!("{}M", n / 1_000_000),
        n if n % 1_000 == 0 => format!("{}k", n / 1_000),
        n => n.to_string(),
    }
}

fn quartiles(spread: Spread, digits: usize) -> String {
    format!("{:.digits$} to {:.digits$}", spread.low, spread.high)
}

/// What packets cost.
pub fn packets(results: &Results) -> Grid {
    let mut grid = Grid::new(
        2,
        [
            "packets",
            "header",
            "flows",
            "ns",
            "quartiles",
            "Mpps",
            "instructions",
            "bytes a flow",
        ],
    );
    for figure in results.figures() {
        let ns = figure.ns;
        grid.push([
            figure.job.case.name().to_owned(),
            figure.way.name().to_owned(),
            short(figure.flows),
            format!("{:.1}", ns.median),
            quartiles(ns, 1),
            format!("{:.1}", 1e3 / ns.median),
            instructions(results, figure).map_or_else(String::new, |n| format!("{n:.0}")),
            format!("{:.0}", figure.table_bytes_a_flow),
        ]);
    }
    grid
}

/// They are counted with one number of flows: others change the memory's part alone.
fn instructions(results: &Results, figure: &Figure) -> Option<f64> {
    let counts = results.instructions.as_ref().ok()?;
    let is_counted = figure.flows == super::instructions::FLOWS;
    let count = counts.get(figure.job.case, figure.way);
    count.filter(|_| is_counted)
}

/// What is asked for, and what came out.
pub fn targets(results: &Results) -> Grid {
    let mut grid = Grid::new(1, ["target", "at most", "is", "quartiles", "verdict"]);
    for target in target::all(results) {
        let digits = target.digits;
        grid.push([
            target.what.clone(),
            format!("{:.digits$}", target.bound),
            format!("{:.digits$}", target.is.median),
            quartiles(target.is, digits),
            target.verdict().to_owned(),
        ]);
    }
    grid
}

/// 6LB over Maglev with GRE.
pub fn over_maglev(results: &Results) -> Grid {
    let head = [
        "packets",
        "header",
        "flows",
        "6LB over Maglev+GRE",
        "quartiles",
    ];
    let mut grid = Grid::new(2, head);
    for figure in results.figures() {
        let (case, way, flows) = (figure.job.case, figure.way, figure.flows);
        if let (Way::Srv6(_), Some(ratio)) = (way, target::over_maglev(results, case, way, flows)) {
            let (case, way) = (case.name().to_owned(), way.name().to_owned());
            let median = format!("{:.3}", ratio.median);
            grid.push([case, way, short(flows), median, quartiles(ratio, 3)]);
        }
    }
    grid
}

/// Pinned packets by the size of batches: a row each, a column for each number of flows.
pub fn batches(results: &Results) -> Grid {
    let figures = results.measured.batches();
    let sizes = results.sizes();
    let head = sizes.iter().map(|&flows| format!("ns at {}", short(flows)));
    let mut grid = Grid::new(0, std::iter::once("packets a batch".to_owned()).chain(head));
    let mut batches: Vec<u16> = figures.iter().map(|f| f.job.batch).collect();
    batches.sort_unstable();
    batches.dedup();
    for batch in batches {
        let of = |flows| {
            figures
                .iter()
                .find(|f| f.job.batch == batch && f.flows == flows)
        };
        let cell =
            |&flows: &u64| of(flows).map_or_else(String::new, |f| format!("{:.1}", f.ns.median));
        grid.push(std::iter::once(batch.to_string()).chain(sizes.iter().map(cell)));
    }
    grid
}

/// Two workers against one.
pub fn scaling(results: &Results) -> Grid {
    let head = [
        "packets",
        "flows",
        "one, Mpps",
        "two, Mpps",
        "two over one",
        "quartiles",
    ];
    let mut grid = Grid::new(1, head);
    for scaling in results.scaling.iter().flatten() {
        grid.push([
            scaling.case.name().to_owned(),
            short(scaling.flows),
            format!("{:.1}", scaling.one_mpps.median),
            format!("{:.1}", scaling.both_mpps.median),
            format!("{:.2}", scaling.ratio.median),
            quartiles(scaling.ratio, 2),
        ]);
    }
    grid
}

/// What tables cost.
pub fn tables(results: &Results) -> Grid {
    let mut grid = Grid::new(1, ["built, for 1,000 servers", "ms", "quartiles"]);
    for built in &results.built {
        let ms = format!("{:.2}", built.ms.median);
        grid.push([built.what.clone(), ms, quartiles(built.ms, 2)]);
    }
    grid
}

/// The largest flow table.
pub fn full(results: &Results) -> Grid {
    let full = results.full.as_ref();
    full.map_or_else(|_| Grid::default(), Full::table)
}

/// On which pages a table lies.
pub fn words(pages: Pages) -> String {
    match pages {
        Pages::Reserved => "reserved pages of 2 MB".to_owned(),
        Pages::Transparent(bytes) => format!("{} MB on transparent huge pages", bytes >> 20),
        Pages::Ordinary => "ordinary pages".to_owned(),
    }
}

/// How soon packets see another pool.
pub fn reloaded(results: &Results) -> Grid {
    let reloaded = results.reloaded.as_ref();
    reloaded.map_or_else(|_| Grid::default(), reload::table)
}

/// Everything, for a terminal.
pub fn terminal(results: &Results) -> String {
    let mut text = String::new();
    let grids = [
        packets(results),
        over_maglev(results),
        batches(results),
        scaling(results),
        tables(results),
        full(results),
        reloaded(results),
        targets(results),
    ];
    for grid in grids.iter().filter(|grid| !grid.is_empty()) {
        text += &format!("{}\n", grid.terminal());
    }
    let left_out = [
        ("two workers", why(&results.scaling)),
        ("instructions", why(&results.instructions)),
        ("the largest table", why(&results.full)),
        ("reloads", why(&results.reloaded)),
    ];
    for (what, why) in left_out {
        text += &why.map_or_else(String::new, |why| format!("skipped, {what}: {why}\n"));
    }
    text
}

/// Why something isn't there.
pub fn why<T>(there: &OrWhy<T>) -> Option<&str> {
    there.as_ref().err().map(String::as_str)
}

/// Everything, for programs.
pub fn as_json(results: &Results) -> Value {
    let figure = |f: &Figure| {
        json!({
            "packets": f.job.case.name(), "header": f.way.name(), "flows": f.flows, "batch": f.job.batch,
            "ns": f.ns.median, "ns_low": f.ns.low, "ns_high": f.ns.high, "ns_passes": f.passes,
            "instructions": instructions(results, f),
            "table_bytes_a_flow": f.table_bytes_a_flow, "table_pages": format!("{:?}", f.pages),
        })
    };
    let table = |b: &super::candidates::Built| json!({ "built": b.what, "ms": b.ms.median, "ms_low": b.ms.low, "ms_high": b.ms.high });
    let scaling = |s: &super::workers::Scaling| {
        json!({
            "packets": s.case.name(), "flows": s.flows, "one_mpps": s.one_mpps.median, "two_mpps": s.both_mpps.median,
            "ratio": s.ratio.median, "ratio_low": s.ratio.low, "ratio_high": s.ratio.high,
        })
    };
    let target = |t: target::Target| json!({ "target": t.what, "at_most": t.bound, "is": t.is.median, "verdict": t.verdict() });
    json!({
        "full": results.full.as_ref().ok().map(Full::as_json),
        "reload": results.reloaded.as_ref().ok().map(reload::as_json),
        "packets": results.measured.figures.iter().map(figure).collect::<Vec<_>>(),
        "tables": results.built.iter().map(table).collect::<Vec<_>>(),
        "workers": results.scaling.iter().flatten().map(scaling).collect::<Vec<_>>(),
        "targets": target::all(results).into_iter().map(target).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn flows_in_short() {
        let short: Vec<String> = [64, 1_000, 128_000, 10_000_000, 1_234].map(short).into();
        assert_eq!(short, ["64", "1k", "128k", "10M", "1234"]);
    }
}
