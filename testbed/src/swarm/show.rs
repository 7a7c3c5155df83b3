//! What came out, as tables and as JSON.

use std::time::Duration;

use comfy_table::{presets, CellAlignment, Table};
use serde_json::{json, Value};

use crate::sim::Outcome;

use super::tally::{Failure, Tally};

/// Failures that are printed; the others are counted.
const SHOWN: usize = 50;

/// The figures, a line each.
pub fn table(tally: &Tally, took: Duration) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header(["what", "how many"]);
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for (name, value) in figures(tally, took) {
        table.add_row([name, value]);
    }
    table
}

fn figures(tally: &Tally, took: Duration) -> Vec<(String, String)> {
    let (slowest_ms, slowest) = tally.slowest_ms;
    let (stall_ms, stalled) = tally.longest_stall_ms;
    let line = |name: &str, value: String| (name.to_owned(), value);
    let mut lines = vec![
        line("worlds", tally.worlds.to_string()),
        line("connections", tally.connections.to_string()),
    ];
    for (end, count) in &tally.ends {
        lines.push((format!("  {end}"), count.to_string()));
    }
    lines.extend([
        line("faults", tally.faults.to_string()),
        line("  LBs that came or went", tally.lb_changes.to_string()),
        line("  changes of the pool", tally.pool_changes.to_string()),
        line("events", tally.events.to_string()),
        line(
            "virtual hours",
            format!("{:.1}", tally.virtual_ms as f64 / 3.6e6),
        ),
        line(
            "longest stall survived, s",
            format!("{:.1} (seed {stalled})", stall_ms as f64 / 1e3),
        ),
        line("wall time, s", format!("{:.1}", took.as_secs_f64())),
        line("seeds a second", format!("{:.1}", rate(tally, took))),
        line(
            "slowest world, ms",
            format!("{slowest_ms} (seed {slowest})"),
        ),
        line(
            "worlds that broke a promise",
            tally.failures.len().to_string(),
        ),
    ]);
    for (promise, count) in tally.broken_promises() {
        lines.push((format!("  {promise}"), count.to_string()));
    }
    lines
}

fn rate(tally: &Tally, took: Duration) -> f64 {
    tally.worlds as f64 / took.as_secs_f64().max(1e-3)
}

/// What failed, and how to see it.
pub fn failures(tally: &Tally) -> String {
    let mut text = String::new();
    for failure in tally.failures.iter().take(SHOWN) {
        text += &line(failure);
    }
    if tally.failures.len() > SHOWN {
        text += &format!("and {} more\n", tally.failures.len() - SHOWN);
    }
    text
}

fn line(failure: &Failure) -> String {
    let Failure {
        seed,
        promise,
        what,
        at_ms,
        connection,
        more,
    } = failure;
    let only = connection.map_or(String::new(), |n| format!(" --connection {n}"));
    let more = match more {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    format!("{promise} at {at_ms} ms: {what}{more}\n  srlb-testbed swarm --replay {seed}{only}\n")
}

/// Everything, for programs.
pub fn as_json(tally: &Tally, took: Duration) -> Value {
    let mut all = json!(tally);
    all["wall_s"] = json!(took.as_secs_f64());
    all["seeds_per_s"] = json!(rate(tally, took));
    all
}

/// What a replay came to, under its trace.
pub fn replay(outcome: &Outcome) -> String {
    let mut text = format!(
        "{} events in {:.3} s of virtual time, trace {:016x}\n",
        outcome.events,
        outcome.virtual_ms as f64 / 1e3,
        outcome.trace_hash
    );
    for violation in &outcome.violations {
        text += &format!(
            "{} at {:.6} s: {}\n",
            violation.promise,
            violation.at_us as f64 / 1e6,
            violation.what
        );
    }
    if outcome.is_well() {
        text += "every promise was kept\n";
    }
    text
}

/// A replay, for programs.
pub fn replay_as_json(seed: u64, outcome: &Outcome) -> Value {
    let violations: Vec<Value> = outcome
        .violations
        .iter()
        .map(|v| json!({"at_us": v.at_us, "promise": v.promise, "what": v.what, "connection": v.connection}))
        .collect();
    json!({
        "seed": seed,
        "events": outcome.events,
        "virtual_ms": outcome.virtual_ms,
        "trace_hash": format!("{:016x}", outcome.trace_hash),
        "counters": outcome.counters,
        "violations": violations,
        "trace": outcome.trace,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(seed: u64, promise: &str) -> Tally {
        Tally {
            worlds: 1,
            connections: 60,
            failures: vec![Failure {
                seed,
                promise: promise.to_owned(),
                what: "connection 4 was reset".to_owned(),
                at_ms: 77,
                connection: Some(4),
                more: 2,
            }],
            ..Tally::default()
        }
    }

    #[test]
    fn a_failure_says_how_to_see_it_again() {
        let text = failures(&failed(12, "no_reset"));
        assert!(text.contains("no_reset at 77 ms: connection 4 was reset (and 2 more)"));
        assert!(text.contains("srlb-testbed swarm --replay 12 --connection 4"));
    }

    #[test]
    fn figures_add_up_and_many_failures_are_cut() {
        let mut all = Tally::default();
        for seed in (0..60).rev() {
            all.add(failed(seed, if seed < 20 { "no_loop" } else { "no_reset" }));
        }
        assert_eq!((all.worlds, all.connections), (60, 3_600));
        assert_eq!(all.failures[0].seed, 0, "in order");
        let counts: Vec<_> = all.broken_promises().into_iter().collect();
        assert_eq!(counts, [("no_loop", 20), ("no_reset", 40)]);
        assert!(failures(&all).ends_with("and 10 more\n"));
        let text = table(&all, Duration::from_secs(2)).to_string();
        assert!(text.contains("30.0"), "{text}");
        let json = as_json(&all, Duration::from_secs(2));
        assert_eq!(json["failures"][3]["seed"], 3);
        assert_eq!(json["seeds_per_s"], 30.0);
    }
}
