//! Who is offered a new flow: the candidates of its bucket, or the one server that a baseline picks.
//!
//! The baselines are what 6LB is measured against (the paper's section VI-B7, and least connections). They are no choice for
//! operators, so no configuration names them: no other LB can tell whom they picked, and a flow that changes its LB is
//! lost unless its server happens to be in the recovery list.

use super::pool::Pool;

/// How new flows find their servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// The candidates of the flow's bucket, in hunting order: the same on every LB.
    #[default]
    Candidates,
    /// One server after the other.
    RoundRobin,
    /// The server to which this LB has the fewest open flows.
    LeastConnections,
    /// One after the other, in proportion to weights that follow from what the servers were last heard to be busy with
    /// ([`Engine::feedback`](super::Engine::feedback)).
    WeightedRoundRobin,
}

/// The weight of a server with `busy` of `workers` workers busy: the paper's footnote 7.
pub fn weight(busy: u32, workers: u32) -> f64 {
    let share = f64::from(busy) / f64::from(workers.max(1));
    0.1 + 0.9 * (-8.0 * share * share).exp()
}

/// A server of a VIP that gets new flows.
#[derive(Clone, Copy)]
struct Member {
    server: u16,
    /// Turns that it is owed.
    credit: f64,
}

/// What is known of a server.
#[derive(Clone, Copy)]
struct Record {
    /// Open flows of this LB.
    flows: u32,
    weight: f64,
}

impl Default for Record {
    /// Idle, as far as anybody has heard.
    fn default() -> Self {
        Record {
            flows: 0,
            weight: 1.0,
        }
    }
}

/// The servers of one VIP.
#[derive(Default)]
struct Service {
    members: Vec<Member>,
    /// Whose turn is next.
    next: usize,
}

/// A baseline at work; with [`Selection::Candidates`] it does nothing.
#[derive(Default)]
pub(super) struct Selector {
    selection: Selection,
    services: Vec<Service>,
    records: Vec<Record>,
}

impl Selector {
    /// One that has seen nothing yet.
    pub fn new(selection: Selection, pool: &Pool) -> Self {
        let mut selector = Selector {
            selection,
            ..Selector::default()
        };
        selector.set_pool(pool);
        selector
    }

    /// Takes a new version of the pool: whoever is in a bucket gets new flows.
    pub fn set_pool(&mut self, pool: &Pool) {
        if self.selection == Selection::Candidates {
            return;
        }
        self.records.resize(pool.servers().len(), Record::default());
        let service = |vip: &super::Vip| {
            let buckets = 0..vip.tables.buckets();
            let mut servers: Vec<u16> = buckets
                .flat_map(|bucket| vip.tables.candidates(bucket).iter().copied())
                .collect();
            servers.sort_unstable();
            servers.dedup();
            let member = |server| Member {
                server,
                credit: 0.0,
            };
            Service {
                members: servers.into_iter().map(member).collect(),
                next: 0,
            }
        };
        self.services = pool.vips().iter().map(service).collect();
    }

    /// Does the bucket say who is offered a flow?
    pub fn is_by_bucket(&self) -> bool {
        self.selection == Selection::Candidates
    }

    /// Are open flows counted?
    pub fn counts_flows(&self) -> bool {
        self.selection == Selection::LeastConnections
    }

    /// Counts anew, from the servers of all open flows.
    pub fn recount(&mut self, open: impl Iterator<Item = u16>) {
        self.records.iter_mut().for_each(|record| record.flows = 0);
        open.for_each(|server| self.opened(server));
    }

    /// A flow was pinned to a server.
    pub fn opened(&mut self, server: u16) {
        if let Some(record) = self.records.get_mut(usize::from(server)) {
            record.flows += 1;
        }
    }

    /// A flow of a server has ended.
    pub fn closed(&mut self, server: u16) {
        if let Some(record) = self.records.get_mut(usize::from(server)) {
            record.flows = record.flows.saturating_sub(1);
        }
    }

    /// A server was heard to have so many of its workers busy.
    pub fn feedback(&mut self, server: u16, busy: u32, workers: u32) {
        if let Some(record) = self.records.get_mut(usize::from(server)) {
            record.weight = weight(busy, workers);
        }
    }

    /// The server of a new flow, among those that are `well`; none where the bucket says it, or nobody is well.
    pub fn pick(&mut self, vip: usize, well: impl Fn(u16) -> bool) -> Option<u16> {
        let service = self.services.get_mut(vip)?;
        let (members, next) = (&mut service.members, service.next);
        let count = members.len();
        let in_turn = (0..count).map(|i| (next + i) % count);
        let mut in_turn = in_turn.filter(|&at| well(members[at].server));
        let records = &self.records;
        let record = |at: usize| &records[usize::from(members[at].server)];
        let at = match self.selection {
            Selection::Candidates => None,
            Selection::RoundRobin => in_turn.next(),
            Selection::LeastConnections => in_turn.min_by_key(|&at| record(at).flows),
            Selection::WeightedRoundRobin => {
                let well: Vec<(usize, f64)> = in_turn.map(|at| (at, record(at).weight)).collect();
                owed_most(members, &well)
            }
        }?;
        service.next = at + 1;
        Some(service.members[at].server)
    }
}

/// The member that is owed most once everybody has got the credit of this turn; it pays for all of them. So turns come in
/// proportion to weights, and as evenly as can be.
fn owed_most(members: &mut [Member], well: &[(usize, f64)]) -> Option<usize> {
    let mut total = 0.0;
    for &(at, weight) in well {
        members[at].credit += weight;
        total += weight;
    }
    let credit = |at: usize| members[at].credit;
    let (at, _) = *well
        .iter()
        .max_by(|a, b| credit(a.0).total_cmp(&credit(b.0)))?;
    members[at].credit -= total;
    Some(at)
}
