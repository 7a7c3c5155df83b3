//! What became of the connections of a scenario, and whether that is what is promised.

use std::collections::HashSet;
use std::net::SocketAddr;

use serde::Serialize;

use super::outage::{beyond_ms, Window};
use crate::traffic::{Outcome, Record};

/// No connection may stand still for longer than this, beyond the fault itself.
pub const STALL_BOUND_MS: f64 = 3_000.0;
/// How many connections that should have been kept are told one by one.
const TOLD: usize = 10;

/// What a scenario's records are judged by.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// Clients with a socket on a server when its sockets were taken away.
    pub unavoidable: HashSet<SocketAddr>,
    /// When parts of the cluster were gone.
    pub outages: Vec<Window>,
    /// May Apache say goodbye between two requests (a graceful restart)?
    pub goodbyes: bool,
}

/// What the records come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// Connections opened.
    pub connections: usize,
    /// With the right bytes to their end, or ended by Apache between two requests where that is allowed.
    pub completed: usize,
    /// Of these, ended by Apache between two requests.
    pub goodbyes: usize,
    /// Reset after they stood.
    pub resets: usize,
    /// Refused, timed out, cut short, wrong bytes, not finished.
    pub other_failures: usize,
    /// Sockets on the servers that went, at the moment when they went.
    pub sockets_lost: usize,
    /// Failures whose socket was lost with its server.
    pub unavoidable: usize,
    /// Failures that nothing excuses.
    pub avoidable: usize,
    /// Resets among these.
    pub avoidable_resets: usize,
    /// The longest stall of a connection whose server lived, as the client saw it.
    pub longest_stall_ms: f64,
    /// The longest part of a stall that lies outside the faults' own time.
    pub longest_beyond_ms: f64,
    /// Whose that was, in words.
    pub slowest: Option<String>,
    /// Connections that stalled for longer than the bound.
    pub stalled: usize,
    /// The first of those that nothing excuses, in words.
    pub told: Vec<String>,
}

impl Verdict {
    /// Judges the records of one run. Times are told from `start_ms` on.
    pub fn of(records: &[Record], case: &Case, start_ms: f64) -> Verdict {
        let mut verdict = Verdict {
            connections: records.len(),
            sockets_lost: case.unavoidable.len(),
            ..Verdict::default()
        };
        for record in records {
            verdict.count(record, case, start_ms);
        }
        verdict
    }

    /// Is it what is promised?
    pub fn is_ok(&self) -> bool {
        self.connections > 0 && self.avoidable == 0 && self.stalled == 0
    }

    /// Takes another run's verdict in.
    pub fn add(&mut self, other: &Verdict) {
        self.connections += other.connections;
        self.completed += other.completed;
        self.goodbyes += other.goodbyes;
        self.resets += other.resets;
        self.other_failures += other.other_failures;
        self.sockets_lost += other.sockets_lost;
        self.unavoidable += other.unavoidable;
        self.avoidable += other.avoidable;
        self.avoidable_resets += other.avoidable_resets;
        self.longest_stall_ms = self.longest_stall_ms.max(other.longest_stall_ms);
        if other.longest_beyond_ms > self.longest_beyond_ms {
            self.longest_beyond_ms = other.longest_beyond_ms;
            self.slowest.clone_from(&other.slowest);
        }
        self.stalled += other.stalled;
        self.told.extend(other.told.iter().cloned());
    }

    fn count(&mut self, record: &Record, case: &Case, start_ms: f64) {
        let goodbye = case.goodbyes && record.outcome == Outcome::ClosedIdle;
        let completed = goodbye || record.outcome.is_completed();
        // Wrong bytes are never the fault of a server that is gone.
        let lost_its_server = record.outcome != Outcome::WrongBytes
            && (record.client).is_some_and(|c| case.unavoidable.contains(&c));
        self.completed += usize::from(completed);
        self.goodbyes += usize::from(goodbye);
        self.resets += usize::from(record.outcome == Outcome::Reset);
        self.other_failures += usize::from(!completed && record.outcome != Outcome::Reset);
        if lost_its_server {
            self.unavoidable += usize::from(!completed);
            return;
        }
        let beyond_ms = record.stalled_at_ms.map_or(0.0, |from_ms| {
            beyond_ms(from_ms, record.longest_stall_ms, &case.outages)
        });
        self.longest_stall_ms = self.longest_stall_ms.max(record.longest_stall_ms);
        if beyond_ms > self.longest_beyond_ms {
            self.longest_beyond_ms = beyond_ms;
            self.slowest = Some(describe(record, start_ms));
        }
        let stalled = beyond_ms > STALL_BOUND_MS;
        self.stalled += usize::from(stalled);
        if !completed {
            self.avoidable += 1;
            self.avoidable_resets += usize::from(record.outcome == Outcome::Reset);
        }
        if (stalled || !completed) && self.told.len() < TOLD {
            self.told.push(describe(record, start_ms));
        }
    }
}

fn describe(record: &Record, start_ms: f64) -> String {
    let seconds = |ms: f64| (ms - start_ms) / 1e3;
    let optional =
        |ms: Option<f64>| ms.map_or("never".into(), |ms| format!("{:.2} s", seconds(ms)));
    format!(
        "{} {} from {} on {}: {:?}{}; opened {:.2} s, connected {}, ended {:.2} s, {} of {} bytes, longest stall {:.2} s from {}",
        record.class,
        record.id,
        record.client.map_or("?".into(), |c| c.to_string()),
        record.server.as_deref().unwrap_or("no server"),
        record.outcome,
        record.error.as_ref().map_or(String::new(), |e| format!(" ({e})")),
        seconds(record.opened_ms),
        optional(record.connected_ms),
        seconds(record.ended_ms),
        record.bytes_right,
        record.bytes_expected,
        record.longest_stall_ms / 1e3,
        optional(record.stalled_at_ms),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::Class;

    const LOST: &str = "[2001:db8::1]:1";
    const KEPT: &str = "[2001:db8::1]:2";

    fn record(client: &str, outcome: Outcome, stall: Option<(f64, f64)>) -> Record {
        Record {
            id: 1,
            class: Class::Download,
            client: Some(client.parse().unwrap()),
            server: Some("s1".into()),
            opened_ms: 1_000.0,
            connected_ms: Some(1_001.0),
            ended_ms: 20_000.0,
            outcome,
            requests: 1,
            bytes_expected: 10,
            bytes_right: 10,
            longest_stall_ms: stall.map_or(0.0, |(_, ms)| ms),
            stalled_at_ms: stall.map(|(from, _)| from),
            error: None,
        }
    }

    fn case() -> Case {
        Case {
            unavoidable: [LOST.parse().unwrap()].into(),
            outages: vec![Window {
                from_ms: 5_000.0,
                until_ms: 6_000.0,
            }],
            goodbyes: false,
        }
    }

    /// (what, record, goodbyes allowed, completed, unavoidable, avoidable, stalled, ok)
    #[test]
    fn rows() {
        use Outcome::*;
        let row = |what: &str,
                   record: Record,
                   goodbyes: bool,
                   expected: (usize, usize, usize, usize, bool)| {
            let case = Case { goodbyes, ..case() };
            let v = Verdict::of(&[record], &case, 0.0);
            let got = (
                v.completed,
                v.unavoidable,
                v.avoidable,
                v.stalled,
                v.is_ok(),
            );
            assert_eq!(got, expected, "{what}");
            assert_eq!(v.completed + v.unavoidable + v.avoidable, 1, "{what}");
            assert_eq!(v.told.is_empty(), v.is_ok(), "{what}");
        };
        row(
            "whole",
            record(KEPT, Completed, None),
            false,
            (1, 0, 0, 0, true),
        );
        row(
            "whole although its server went",
            record(LOST, Completed, None),
            false,
            (1, 0, 0, 0, true),
        );
        for outcome in [
            Reset,
            Refused,
            TimedOut,
            ClosedEarly,
            ClosedIdle,
            Unfinished,
            Failed,
        ] {
            let (kept, lost) = (record(KEPT, outcome, None), record(LOST, outcome, None));
            row("its server lives", kept, false, (0, 0, 1, 0, false));
            row("its server is gone", lost, false, (0, 1, 0, 0, true));
        }
        let wrong = record(LOST, WrongBytes, None);
        row("wrong bytes", wrong, false, (0, 0, 1, 0, false));
        let goodbye = record(KEPT, ClosedIdle, None);
        row(
            "a goodbye where Apache restarts",
            goodbye,
            true,
            (1, 0, 0, 0, true),
        );
        let early = record(KEPT, ClosedEarly, None);
        row(
            "a goodbye inside an answer",
            early,
            true,
            (0, 0, 1, 0, false),
        );
        let stall = |client, from_ms, ms| record(client, Completed, Some((from_ms, ms)));
        row(
            "stalls for the fault and 3 s",
            stall(KEPT, 5_000.0, 4_000.0),
            false,
            (1, 0, 0, 0, true),
        );
        row(
            "stalls for longer",
            stall(KEPT, 5_000.0, 4_001.0),
            false,
            (1, 0, 0, 1, false),
        );
        row(
            "stalls where no fault is",
            stall(KEPT, 7_000.0, 3_001.0),
            false,
            (1, 0, 0, 1, false),
        );
        row(
            "stalls because its server is gone",
            stall(LOST, 5_000.0, 9_000.0),
            false,
            (1, 0, 0, 0, true),
        );
    }

    #[test]
    fn resets_are_told_apart() {
        let records = [
            record(LOST, Outcome::Reset, None),
            record(KEPT, Outcome::Reset, None),
            record(KEPT, Outcome::TimedOut, None),
        ];
        let v = Verdict::of(&records, &case(), 0.0);
        assert_eq!((v.resets, v.avoidable_resets, v.other_failures), (2, 1, 1));
        assert_eq!((v.unavoidable, v.avoidable, v.sockets_lost), (1, 2, 1));
    }

    #[test]
    fn a_run_without_connections_shows_nothing() {
        assert!(!Verdict::of(&[], &case(), 0.0).is_ok());
    }

    #[test]
    fn a_record_without_an_address_is_excused_by_nothing() {
        let mut nameless = record(LOST, Outcome::Failed, None);
        nameless.client = None;
        assert_eq!(Verdict::of(&[nameless], &case(), 0.0).avoidable, 1);
    }
}
