//! What some scenarios show besides the ends of their connections.

mod candidate;
mod figure;

pub use candidate::{Connects, DeadCandidate};
pub use figure::Measured;

use anyhow::Result;
use serde::Serialize;
use srlb_lb::engine::Pool;
use srlb_lb::pool::view::Registry;

use super::action::{Action, Edit};
use super::actor::{Deeds, Done};
use super::scenario::{Scenario, Study};
use crate::candidates;
use crate::counters::ServerCounters;
use crate::plan::{Node, Plan};
use crate::traffic::Record;

/// A SYN may be on its way while the LBs are told that a server drains.
const UNDER_WAY_MS: f64 = 300.0;

/// What is kept for a study while the scenario is played.
pub struct Watch {
    study: Study,
    choices: u8,
    /// The pool as it was when the traffic began.
    pool: Option<Pool>,
    expected_share: f64,
}

/// What a study found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Findings {
    /// Nothing was looked for.
    None,
    /// New flows while a machine was dead and the LBs had to find out.
    DeadCandidate(DeadCandidate),
    /// New flows on a server that drains.
    Drained {
        /// How many it took after the LBs had been told.
        taken: usize,
    },
    /// A point of figure 11d.
    Figure(Measured),
}

impl Findings {
    /// Does it agree with what is promised?
    pub fn is_ok(&self) -> bool {
        match self {
            Findings::None | Findings::Figure(_) => true,
            Findings::DeadCandidate(found) => found.is_ok(),
            Findings::Drained { taken } => *taken == 0,
        }
    }
}

impl Watch {
    /// Before the first connection.
    pub fn begin(scenario: &Scenario, plan: &Plan) -> Result<Watch> {
        let all: Vec<Node> = plan.server_nodes().collect();
        let settings = scenario.settings(&plan.name);
        let mut registry = Registry::default();
        let mut pool_of = |members: &[Node]| candidates::pool(&settings, members, &mut registry);
        let (mut pool, mut expected_share) = (None, 0.0);
        match scenario.study {
            Study::DeadCandidate(_) => pool = Some(pool_of(&all)?),
            Study::Figure(point) => {
                let fewer = &all[..all.len() - usize::from(point.x)];
                let (many, few) = (pool_of(&all)?, pool_of(fewer)?);
                expected_share = match (point.recovery, point.leave) {
                    (true, _) => 0.0,
                    (false, true) => figure::lost_candidates(&many, &few),
                    (false, false) => figure::lost_candidates(&few, &many),
                };
            }
            _ => {}
        }
        Ok(Watch {
            study: scenario.study,
            choices: scenario.shape.choices,
            pool,
            expected_share,
        })
    }

    /// After the last one.
    pub fn end(&self, records: &[Record], deeds: &Deeds, counters: ServerCounters) -> Findings {
        let done = &deeds.done[..];
        match (self.study, &self.pool) {
            (Study::DeadCandidate(server), Some(pool)) => {
                let p_r = 1.0 - counters.first_share(self.choices).unwrap_or(1.0);
                let dead = Node::Server(server);
                Findings::DeadCandidate(DeadCandidate::of(pool, dead, records, done, p_r))
            }
            (Study::Drained(server), _) => Findings::Drained {
                taken: taken_while_draining(Node::Server(server), records, done),
            },
            (Study::Figure(point), _) => {
                Findings::Figure(Measured::of(point, self.expected_share, records, deeds))
            }
            _ => Findings::None,
        }
    }
}

/// Connections opened after the last LB had been told and answered by the draining server.
fn taken_while_draining(server: Node, records: &[Record], done: &[Done]) -> usize {
    let drains = |d: &Done| matches!(&d.action, Action::Stage(edits) if edits.iter().any(|e| matches!(e, Edit::Drain(_))));
    let Some(staged) = done.iter().position(drains) else {
        return 0;
    };
    let mut reloads = done[staged..]
        .iter()
        .filter(|d| matches!(d.action, Action::Reload(_)));
    let told_ms = reloads.next_back().map_or(f64::INFINITY, |d| d.at_ms);
    let name = server.to_string();
    records
        .iter()
        .filter(|r| r.opened_ms > told_ms + UNDER_WAY_MS && r.server.as_deref() == Some(&name))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::{Class, Outcome};
    use std::net::SocketAddr;

    pub fn client(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    pub fn record(port: u16, outcome: Outcome) -> Record {
        Record {
            id: port.into(),
            class: Class::Short,
            client: Some(client(port)),
            server: Some("s6".into()),
            opened_ms: 0.0,
            connected_ms: Some(1.0),
            ended_ms: 2.0,
            outcome,
            requests: 1,
            bytes_expected: 1,
            bytes_right: 1,
            longest_stall_ms: 0.0,
            stalled_at_ms: None,
            error: None,
        }
    }

    #[test]
    fn a_draining_server_may_take_what_was_under_way() {
        let done = |at_ms, action| Done { at_ms, action };
        let script = [
            done(1_000.0, Action::Stage(vec![Edit::Drain(6)])),
            done(1_100.0, Action::Reload(1)),
            done(1_200.0, Action::Activate),
            done(1_300.0, Action::Reload(1)),
        ];
        let opened = |opened_ms| Record {
            opened_ms,
            ..record(1, Outcome::Completed)
        };
        let taken = |records: &[Record]| taken_while_draining(Node::Server(6), records, &script);
        assert_eq!(taken(&[opened(500.0), opened(1_250.0), opened(1_500.0)]), 0);
        assert_eq!(taken(&[opened(1_700.0)]), 1);
        let elsewhere = Record {
            server: Some("s5".into()),
            ..opened(1_700.0)
        };
        assert_eq!(taken(&[elsewhere]), 0);
    }
}
