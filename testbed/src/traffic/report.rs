//! What the records say, taken together.

use std::collections::BTreeMap;

use comfy_table::{presets, CellAlignment, Table};
use serde::Serialize;

use super::record::{Class, Outcome, Record};

/// The figures of one class, or of all.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// How many.
    pub connections: usize,
    /// How many ended how.
    pub outcomes: BTreeMap<Outcome, usize>,
    /// Body bytes that came through right.
    pub bytes_right: u64,
    /// The longest stall of any of them.
    pub longest_stall_ms: f64,
    /// How many connections by server.
    pub servers: BTreeMap<String, usize>,
}

/// Figures by class.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Each class that had a connection.
    pub classes: BTreeMap<Class, Figures>,
    /// All together.
    pub all: Figures,
}

impl Figures {
    fn add(&mut self, record: &Record) {
        self.connections += 1;
        *self.outcomes.entry(record.outcome).or_default() += 1;
        self.bytes_right += record.bytes_right;
        self.longest_stall_ms = self.longest_stall_ms.max(record.longest_stall_ms);
        if let Some(server) = &record.server {
            *self.servers.entry(server.clone()).or_default() += 1;
        }
    }

    /// How many ended so.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.outcomes.get(&outcome).copied().unwrap_or(0)
    }

    /// Neither completed nor cut off by the end of the run.
    pub fn failed(&self) -> usize {
        self.connections - self.count(Outcome::Completed) - self.count(Outcome::Unfinished)
    }
}

impl Summary {
    /// Sums up.
    pub fn of(records: &[Record]) -> Summary {
        let mut summary = Summary::default();
        for record in records {
            summary.classes.entry(record.class).or_default().add(record);
            summary.all.add(record);
        }
        summary
    }
}

/// The figures for a reader.
pub fn render(summary: &Summary) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header([
        "class",
        "connections",
        "completed",
        "resets",
        "other failures",
        "unfinished",
        "longest stall",
        "right bytes",
    ]);
    let classes = summary.classes.iter().map(|(c, f)| (c.to_string(), f));
    for (name, figures) in classes.chain([("all".to_owned(), &summary.all)]) {
        let resets = figures.count(Outcome::Reset) + figures.count(Outcome::Refused);
        table.add_row([
            name,
            figures.connections.to_string(),
            figures.count(Outcome::Completed).to_string(),
            resets.to_string(),
            (figures.failed() - resets).to_string(),
            figures.count(Outcome::Unfinished).to_string(),
            format!("{:.0} ms", figures.longest_stall_ms),
            figures.bytes_right.to_string(),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::super::connection::blank_record;
    use super::*;

    #[test]
    fn every_end_is_counted_once() {
        let ended = |class, outcome, stall_ms| Record {
            outcome,
            longest_stall_ms: stall_ms,
            bytes_right: 10,
            server: Some("s1".into()),
            ..blank_record(0, class, None, 0.0)
        };
        let summary = Summary::of(&[
            ended(Class::Push, Outcome::Completed, 5.0),
            ended(Class::Push, Outcome::Reset, 90.0),
            ended(Class::Push, Outcome::Unfinished, 1.0),
            ended(Class::Short, Outcome::ClosedEarly, 2.0),
            ended(Class::Short, Outcome::Refused, 3.0),
        ]);
        let push = &summary.classes[&Class::Push];
        assert_eq!((push.connections, push.failed()), (3, 1));
        assert_eq!((push.longest_stall_ms, push.bytes_right), (90.0, 30));
        assert_eq!((summary.all.connections, summary.all.failed()), (5, 3));
        assert_eq!(summary.all.servers["s1"], 5);

        let text = render(&summary);
        let row = |name: &str| {
            let line = text.lines().find(|line| line.trim().starts_with(name));
            line.unwrap()
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            row("push")[1..],
            ["3", "1", "1", "0", "1", "90", "ms", "30"]
        );
        assert_eq!(
            row("short")[1..],
            ["2", "0", "1", "1", "0", "3", "ms", "20"]
        );
    }
}
