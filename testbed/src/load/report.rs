//! What the records say, taken together.

use std::collections::BTreeMap;

use comfy_table::{presets, CellAlignment, Table};
use serde::Serialize;

use super::record::Record;

/// Figures over all requests of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// How many.
    pub requests: usize,
    /// How many did not end well.
    pub failed: usize,
    /// How many by kind of end.
    pub outcomes: BTreeMap<&'static str, usize>,
    /// How many answers by server.
    pub servers: BTreeMap<String, usize>,
    /// Response time of those that ended well, from the scheduled start.
    pub mean_ms: f64,
    /// Its median.
    pub p50_ms: f64,
    /// Nine of ten were faster.
    pub p90_ms: f64,
    /// Ninety-nine of a hundred were faster.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
    /// 99th percentile of how late our own starts were.
    pub lateness_p99_ms: f64,
}

impl Summary {
    /// Sums up.
    pub fn of(records: &[Record]) -> Summary {
        let mut outcomes = BTreeMap::new();
        let mut servers = BTreeMap::new();
        for record in records {
            *outcomes.entry(record.outcome.kind()).or_default() += 1;
            if let Some(server) = &record.server {
                *servers.entry(server.clone()).or_default() += 1;
            }
        }
        let times = sorted_times_ms(records);
        let lateness = sorted(records.iter().map(Record::lateness_ms));
        Summary {
            requests: records.len(),
            failed: records.len() - times.len(),
            outcomes,
            servers,
            mean_ms: times.iter().sum::<f64>() / times.len().max(1) as f64,
            p50_ms: percentile_ms(&times, 0.50),
            p90_ms: percentile_ms(&times, 0.90),
            p99_ms: percentile_ms(&times, 0.99),
            max_ms: percentile_ms(&times, 1.0),
            lateness_p99_ms: percentile_ms(&lateness, 0.99),
        }
    }

    /// How many ended so.
    pub fn outcome(&self, kind: &str) -> usize {
        self.outcomes.get(kind).copied().unwrap_or(0)
    }
}

/// Response times of the requests that ended well, sorted.
pub fn sorted_times_ms(records: &[Record]) -> Vec<f64> {
    let ok = records.iter().filter(|record| record.outcome.is_ok());
    sorted(ok.map(Record::response_ms))
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The smallest value that at least this share of the sorted values does not exceed.
pub fn percentile_ms(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

/// The figures for a reader.
pub fn render(summary: &Summary) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    let mut row = |name: &str, value: String| {
        table.add_row([name, &value]);
    };
    row("requests", summary.requests.to_string());
    for (kind, count) in &summary.outcomes {
        row(kind, count.to_string());
    }
    for (name, value) in [
        ("mean", summary.mean_ms),
        ("p50", summary.p50_ms),
        ("p90", summary.p90_ms),
        ("p99", summary.p99_ms),
        ("max", summary.max_ms),
        ("late starts p99", summary.lateness_p99_ms),
    ] {
        row(name, format!("{value:.1} ms"));
    }
    for (server, count) in &summary.servers {
        row(server, count.to_string());
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Outcome;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile_ms(&values, 0.5), 50.0);
        assert_eq!(percentile_ms(&values, 0.99), 99.0);
        assert_eq!(percentile_ms(&values, 1.0), 100.0);
        assert_eq!(percentile_ms(&values[..1], 0.5), 1.0);
        assert_eq!(percentile_ms(&[], 0.5), 0.0);
    }

    #[test]
    fn failures_count_and_their_times_do_not() {
        let record = |ended_ms, outcome| Record {
            id: 0,
            source: None,
            service_ms: 1.0,
            scheduled_ms: 0.0,
            started_ms: 0.5,
            connected_ms: None,
            first_byte_ms: None,
            ended_ms,
            outcome,
            server: None,
        };
        let records = [
            record(10.0, Outcome::Ok),
            record(20.0, Outcome::Ok),
            record(15_000.0, Outcome::Timeout),
            record(1.0, Outcome::WrongAnswer("x".into())),
        ];
        let summary = Summary::of(&records);
        assert_eq!((summary.requests, summary.failed), (4, 2));
        assert_eq!((summary.mean_ms, summary.max_ms), (15.0, 20.0));
        assert_eq!(summary.outcome("wrong_answer"), 1);
        assert_eq!(summary.outcome("reset"), 0);
    }
}
