//! New flows while a machine is dead and nobody has told the LBs: the paper's p_R.

use serde::Serialize;
use srlb_lb::engine::Pool;

use super::super::action::Action;
use super::super::actor::Done;
use crate::candidates;
use crate::plan::Node;
use crate::traffic::Record;

/// A client sends its SYN again after a second (RFC 6298); a connection that stands before this has
/// needed one retransmission at most.
const ONE_RETRANSMISSION_MS: f64 = 1_900.0;
/// A connection that stands before this has needed none.
const AT_ONCE_MS: f64 = 900.0;

/// Connections by how long they took to stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Connects {
    /// All of them.
    pub flows: usize,
    /// Without a retransmission.
    pub at_once: usize,
    /// After one.
    pub after_one: usize,
    /// After more.
    pub later: usize,
    /// Never.
    pub never: usize,
}

/// The paper's p_R beside what was measured (its section II-D).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DeadCandidate {
    /// New flows that have the dead server first.
    pub first: Connects,
    /// New flows that have it second.
    pub second: Connects,
    /// New flows that don't have it.
    pub neither: Connects,
    /// Share of the flows that their first candidate refused.
    pub p_r: f64,
    /// Share of new flows that would fail by the paper's argument: 1/N and p_R/N.
    pub paper_share: f64,
    /// Share of them that did.
    pub share: f64,
}

impl DeadCandidate {
    /// Was every new flow saved within one SYN retransmission? And did some need one: else nothing was shown.
    pub fn is_ok(&self) -> bool {
        let all = [self.first, self.second, self.neither];
        self.first.after_one > 0 && all.iter().all(|c| c.later + c.never == 0)
    }

    /// Share of new flows that came one SYN retransmission late.
    pub fn late_share(&self) -> f64 {
        let all = [self.first, self.second, self.neither];
        let late: usize = all.iter().map(|c| c.after_one).sum();
        let flows: usize = all.iter().map(|c| c.flows).sum();
        late as f64 / flows.max(1) as f64
    }

    /// Looks at the flows that were opened between the machine's death and the pool's change.
    pub fn of(
        pool: &Pool,
        dead: Node,
        records: &[Record],
        done: &[Done],
        p_r: f64,
    ) -> DeadCandidate {
        let at =
            |wanted: fn(&Action) -> bool| done.iter().find(|d| wanted(&d.action)).map(|d| d.at_ms);
        let from_ms = at(|a| matches!(a, Action::MachinesDie(_))).unwrap_or(f64::INFINITY);
        let until_ms = at(|a| matches!(a, Action::Stage(_))).unwrap_or(f64::INFINITY);
        let mut by_place = [Connects::default(); 3];
        for record in records {
            if record.opened_ms > from_ms && record.opened_ms < until_ms {
                by_place[place_of(pool, dead, record)].add(record);
            }
        }
        let [first, second, neither] = by_place;
        let all = first.flows + second.flows + neither.flows;
        let failed = first.never + second.never + neither.never;
        DeadCandidate {
            first,
            second,
            neither,
            p_r,
            paper_share: (1.0 + p_r) / pool.servers().len() as f64,
            share: failed as f64 / all.max(1) as f64,
        }
    }
}

impl Connects {
    fn add(&mut self, record: &Record) {
        self.flows += 1;
        let took_ms = record.connected_ms.map(|at| at - record.opened_ms);
        let count = match took_ms {
            Some(ms) if ms < AT_ONCE_MS => &mut self.at_once,
            Some(ms) if ms < ONE_RETRANSMISSION_MS => &mut self.after_one,
            Some(_) => &mut self.later,
            None => &mut self.never,
        };
        *count += 1;
    }
}

/// 0 or 1: the server's place among the flow's candidates; 2 if it is none.
fn place_of(pool: &Pool, server: Node, record: &Record) -> usize {
    let place = |client| candidates::place(pool, client, &server.to_string());
    record.client.and_then(place).unwrap_or(2).min(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failover::study::tests::record;
    use crate::traffic::Outcome;

    #[test]
    fn connections_are_told_apart_by_their_retransmissions() {
        let mut connects = Connects::default();
        for connected_ms in [0.5, 20.0, 1_003.0, 2_020.0, 7_000.0] {
            connects.add(&Record {
                opened_ms: 100.0,
                connected_ms: Some(100.0 + connected_ms),
                ..record(1, Outcome::Completed)
            });
        }
        connects.add(&Record {
            connected_ms: None,
            ..record(1, Outcome::TimedOut)
        });
        let expected = Connects {
            flows: 6,
            at_once: 2,
            after_one: 1,
            later: 2,
            never: 1,
        };
        assert_eq!(connects, expected);
    }

    #[test]
    fn one_retransmission_is_promised_and_must_have_been_needed() {
        let flows = |after_one, later, never| Connects {
            flows: 10,
            at_once: 10 - after_one - later - never,
            after_one,
            later,
            never,
        };
        let found = |first, second, neither| DeadCandidate {
            first,
            second,
            neither,
            p_r: 0.5,
            paper_share: 0.25,
            share: 0.0,
        };
        let (none, one) = (flows(0, 0, 0), flows(1, 0, 0));
        assert!(found(one, one, none).is_ok());
        assert!(!found(none, one, none).is_ok());
        for bad in [flows(1, 1, 0), flows(1, 0, 1)] {
            assert!(!found(bad, none, none).is_ok());
            assert!(!found(one, bad, none).is_ok());
            assert!(!found(one, none, bad).is_ok());
        }
        assert_eq!(found(one, flows(2, 0, 0), none).late_share(), 0.1);
    }
}
