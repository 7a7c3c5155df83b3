//! Which failures were the testbed's doing, and which should not have been.

use super::faults::Lost;
use crate::load::{Outcome, Record};

/// How many unexpected failures are told one by one.
const TOLD: usize = 10;

/// What the failures come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Failures whose socket was on a server when it was taken away.
    pub unavoidable: usize,
    /// Resets and refusals.
    pub resets: usize,
    /// The first of the other failures, in words.
    pub unexpected: Vec<String>,
}

impl Verdict {
    /// Judges the records.
    pub fn of(records: &[Record], lost: &[Lost]) -> Verdict {
        let mut verdict = Verdict::default();
        for record in records.iter().filter(|record| !record.outcome.is_ok()) {
            if matches!(record.outcome, Outcome::Reset | Outcome::Refused) {
                verdict.resets += 1;
            }
            let had = |source| lost.iter().any(|lost| lost.had(source));
            if record.source.as_ref().is_some_and(had) {
                verdict.unavoidable += 1;
            } else if verdict.unexpected.len() < TOLD {
                verdict.unexpected.push(describe(record));
            }
        }
        verdict
    }
}

fn describe(record: &Record) -> String {
    let source = record.source.map_or("?".to_owned(), |s| s.to_string());
    let connected = match record.connected_ms {
        Some(at) => format!("connected after {:.1} ms", at - record.started_ms),
        None => "never connected".to_owned(),
    };
    format!(
        "request {} from {source} at {:.3} s: {:?} after {:.1} ms, {connected}",
        record.id,
        record.started_ms / 1e3,
        record.outcome,
        record.ended_ms - record.started_ms,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::ServerCounters;
    use crate::plan::Node;

    #[test]
    fn only_sockets_of_the_lost_server_excuse() {
        let record = |port: u16, outcome| Record {
            id: u64::from(port),
            source: Some(([127, 0, 0, 1], port).into()),
            service_ms: 1.0,
            scheduled_ms: 0.0,
            started_ms: 0.0,
            connected_ms: None,
            first_byte_ms: None,
            ended_ms: 1.0,
            outcome,
            server: None,
        };
        let records = [
            record(1, Outcome::Ok),
            record(2, Outcome::Timeout),
            record(3, Outcome::Reset),
            record(4, Outcome::Refused),
        ];
        let sockets = [1, 2, 3].map(|port| ([127, 0, 0, 1], port).into());
        let lost = Lost::Server(Node::Server(1), sockets.into(), ServerCounters::default());
        let verdict = Verdict::of(&records, &[lost]);
        assert_eq!((verdict.unavoidable, verdict.resets), (2, 2));
        assert_eq!(verdict.unexpected.len(), 1);
        assert!(verdict.unexpected[0].contains("request 4"));
        assert_eq!(Verdict::of(&records, &[]).unavoidable, 0);
    }
}
