//! What some scenarios show besides the ends of their connections.

use serde::Serialize;

use anyhow::{Context, Result};
use srh::Flow;
use srlb_lb::engine::Pool;
use srlb_lb::pool::file;
use srlb_lb::pool::view::{tables, Registry};

use super::action::{Action, Edit};
use super::actor::{Deeds, Done};
use super::scenario::{Point, Scenario, Study};
use crate::counters::ServerCounters;
use crate::daemons;
use crate::plan::{Node, Plan};
use crate::traffic::Record;

/// A client sends its SYN again after a second (RFC 6298); a connection that stands before this has
/// needed one retransmission at most.
const ONE_RETRANSMISSION_MS: f64 = 1_900.0;
/// A connection that stands before this has needed none.
const AT_ONCE_MS: f64 = 900.0;
/// A SYN may be on its way while the LBs are told that a server drains.
const UNDER_WAY_MS: f64 = 300.0;

/// What is kept for a study while the scenario is played.
pub struct Watch {
    study: Study,
    servers: u16,
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

/// A point of figure 11d as it came out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Which point.
    #[serde(flatten)]
    pub point: Point,
    /// Connections open at the moment of the change.
    pub open: usize,
    /// Of these, lost with their servers.
    pub unavoidable: usize,
    /// Of these, lost although their servers live.
    pub extra: usize,
    /// The share that the tables say is lost so without a recovery list: flows whose server lives and is
    /// no candidate any more.
    pub expected_share: f64,
}

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

impl Findings {
    /// Does it agree with what is promised?
    pub fn is_ok(&self) -> bool {
        match self {
            Findings::None | Findings::Figure(_) => true,
            Findings::DeadCandidate(found) => found.first.later == 0 && found.share == 0.0,
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
        let mut pool_of = |members: &[Node]| -> Result<Pool> {
            let path = plan.run_dir().join("study.toml");
            std::fs::write(&path, daemons::pool_file(&settings, members))?;
            let file = file::load(&path).context("the pool's file")?;
            Ok(tables(&file, &mut registry)?)
        };
        let (mut pool, mut expected_share) = (None, 0.0);
        match scenario.study {
            Study::DeadCandidate(_) => pool = Some(pool_of(&all)?),
            Study::Figure(point) => {
                let fewer = &all[..all.len() - usize::from(point.x)];
                let (many, few) = (pool_of(&all)?, pool_of(fewer)?);
                expected_share = match (point.recovery, point.leave) {
                    (true, _) => 0.0,
                    (false, true) => lost_candidates(&many, &few),
                    (false, false) => lost_candidates(&few, &many),
                };
            }
            _ => {}
        }
        Ok(Watch {
            study: scenario.study,
            servers: scenario.shape.servers,
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
                Findings::DeadCandidate(self.dead_candidate(pool, dead, records, done, p_r))
            }
            (Study::Drained(server), _) => Findings::Drained {
                taken: taken_while_draining(Node::Server(server), records, done),
            },
            (Study::Figure(point), _) => Findings::Figure(self.measured(point, records, deeds)),
            _ => Findings::None,
        }
    }

    fn measured(&self, point: Point, records: &[Record], deeds: &Deeds) -> Measured {
        let at_ms = deeds.done.first().map_or(f64::INFINITY, |d| d.at_ms);
        let mut measured = Measured {
            point,
            open: 0,
            unavoidable: 0,
            extra: 0,
            expected_share: self.expected_share,
        };
        for record in records {
            if record.opened_ms >= at_ms || record.ended_ms <= at_ms {
                continue;
            }
            let excused = record.client.is_some_and(|c| deeds.lost.contains(&c));
            measured.open += 1;
            match (record.outcome.is_completed(), excused) {
                (true, _) => {}
                (false, true) => measured.unavoidable += 1,
                (false, false) => measured.extra += 1,
            }
        }
        measured
    }

    fn dead_candidate(
        &self,
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
            paper_share: (1.0 + p_r) / f64::from(self.servers),
            share: failed as f64 / all.max(1) as f64,
        }
    }
}

impl Measured {
    /// Share of the open connections that were lost although their servers live.
    pub fn extra_share(&self) -> f64 {
        self.extra as f64 / self.open.max(1) as f64
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

/// Share of the flows, spread evenly over their candidates, whose server serves before and after but is
/// none of their candidates after (the paper's section III-B1).
fn lost_candidates(before: &Pool, after: &Pool) -> f64 {
    let vip = crate::plan::VIP.parse().ok();
    let tables = |pool: &Pool| {
        let at = vip.and_then(|vip| pool.vip_at(vip))?;
        Some(pool.vips()[at].tables.clone())
    };
    let (Some(before), Some(after)) = (tables(before), tables(after)) else {
        return 0.0;
    };
    let (mut lost, mut all) = (0, 0);
    for bucket in 0..before.buckets() {
        let now = after.candidates(bucket);
        for server in before.candidates(bucket) {
            all += 1;
            lost += usize::from(after.is_member(*server) && !now.contains(server));
        }
    }
    lost as f64 / all.max(1) as f64
}

/// 0 or 1: the server's place among the flow's candidates; 2 if it is none.
fn place_of(pool: &Pool, server: Node, record: &Record) -> usize {
    let place = || {
        let client = match record.client? {
            std::net::SocketAddr::V6(client) => client,
            std::net::SocketAddr::V4(_) => return None,
        };
        let flow = Flow {
            protocol: srh::parse::next_header::TCP,
            client: *client.ip(),
            client_port: client.port(),
            vip: crate::plan::VIP.parse().ok()?,
            vip_port: crate::plan::VIP_PORT,
        };
        let vip = &pool.vips()[pool.vip_at(flow.vip)?].tables;
        let candidates = vip.candidates(vip.bucket(&flow.key())).iter();
        let mut names = candidates.map(|&n| pool.servers()[usize::from(n)].name.as_str());
        let name = server.to_string();
        names.position(|candidate| candidate == name)
    };
    place().unwrap_or(2).min(2)
}

/// Connections opened after the last LB had been told and answered by the draining server.
fn taken_while_draining(server: Node, records: &[Record], done: &[Done]) -> usize {
    let drains = |d: &Done| matches!(&d.action, Action::Stage(edits) if edits.iter().any(|e| matches!(e, Edit::Drain(_))));
    let Some(staged) = done.iter().position(drains) else {
        return 0;
    };
    let reloads = done[staged..]
        .iter()
        .filter(|d| matches!(d.action, Action::Reload(_)));
    let told_ms = reloads.last().map_or(f64::INFINITY, |d| d.at_ms);
    let name = server.to_string();
    records
        .iter()
        .filter(|r| r.opened_ms > told_ms + UNDER_WAY_MS && r.server.as_deref() == Some(&name))
        .count()
}
