//! The results on a terminal and as JSON.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use serde_json::{json, Value};

use super::candidates::Built;
use super::engine::Figure;

/// A number of flows, as in the issue: 1k, 128k, 1M.
pub fn short(flows: u64) -> String {
    match flows {
        0..=999 => flows.to_string(),
        n if n % 1_000_000 == 0 => format!("{}M", n / 1_000_000),
        n if n % 1_000 == 0 => format!("{}k", n / 1_000),
        n => n.to_string(),
    }
}

/// What packets cost.
pub fn packets(figures: &[Figure]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED);
    table.set_header([
        "packets",
        "header",
        "flows",
        "ns",
        "quartiles",
        "Mpps",
        "bytes a flow",
    ]);
    for figure in figures {
        let ns = figure.ns;
        table.add_row([
            figure.case.name().to_owned(),
            figure.way.name().to_owned(),
            short(figure.flows),
            format!("{:.1}", ns.median),
            format!("{:.1} to {:.1}", ns.low, ns.high),
            format!("{:.1}", 1e3 / ns.median),
            format!("{:.0}", figure.table_bytes_a_flow),
        ]);
    }
    align(&mut table, &[2, 3, 4, 5, 6]);
    table
}

/// What tables cost.
pub fn tables(built: &[Built]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED);
    table.set_header(["built", "ms", "quartiles"]);
    for Built { what, ms } in built {
        table.add_row([
            what.clone(),
            format!("{:.2}", ms.median),
            format!("{:.2} to {:.2}", ms.low, ms.high),
        ]);
    }
    align(&mut table, &[1, 2]);
    table
}

fn align(table: &mut Table, right: &[usize]) {
    for &place in right {
        if let Some(column) = table.column_mut(place) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// Everything.
pub fn as_json(figures: &[Figure], built: &[Built]) -> Value {
    let figure = |f: &Figure| {
        json!({
            "packets": f.case.name(), "header": f.way.name(), "flows": f.flows,
            "ns": f.ns.median, "ns_low": f.ns.low, "ns_high": f.ns.high,
            "table_bytes_a_flow": f.table_bytes_a_flow,
        })
    };
    let table = |b: &Built| json!({ "built": b.what, "ms": b.ms.median, "ms_low": b.ms.low, "ms_high": b.ms.high });
    json!({
        "packets": figures.iter().map(figure).collect::<Vec<_>>(),
        "tables": built.iter().map(table).collect::<Vec<_>>(),
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
