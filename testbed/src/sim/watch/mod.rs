//! Looks at everything that happens and says where a promise is broken.
//!
//! The promises, by their names in [`Violation::promise`]:
//!
//! | promise | what it says |
//! | --- | --- |
//! | `bytes` | what is received is what was sent |
//! | `completes` | a connection whose server lives comes to its end |
//! | `reset` | a connection breaks only for a cause of [`Cause`] |
//! | `stall` | none waits longer than what was lost on its way explains, and 3 s |
//! | `owner` | one connection, one server |
//! | `loop` | no packet passes more than [`MOST_HOPS`] engines |
//! | `one_syn_ack` | an LB lets one server's SYN-ACK through for one SYN, as long as no other SYN of the flow comes and it has the pin |
//! | `client_packets` | a client gets packets of the VIP, without SRH and with the right checksum |
//! | `server_packets` | a server's kernel gets clients' packets for the VIP, without SRH |
//! | `nobody` | no packet leaves for an address that nobody has |
//! | `conservation` | every packet into an engine is sent on, delivered or dropped for one reason |
//! | `lifetime` | no entry survives its time, and a router's none ends before |
//! | `entry` | an LB's entry is what the flow's server has said last, and ends when it has to |
//! | `flow` | a router's state of a flow is what came of its last packet, and agrees with the kernel's socket |
//! | `told` | an LB that has to be told of a flow is told, within bounds; one that knows is left alone |
//! | `drops` | what is dropped is dropped for a reason that is true |
//! | `order` | a SYN seen again is known as one; who is silent becomes suspect and dead, and nobody else does |
//! | `runaway` | the world comes to rest |

pub mod at_lb;
pub mod at_router;
pub mod causes;
pub mod connection;
pub mod opinion;
pub mod said;
#[cfg(test)]
mod tests;
pub mod told;

use std::collections::HashMap;

use srh::Flow;

use super::dialogue::ConnectionSpec;
use super::nodes::Node;
use super::outcome::{Cause, ConnectionResult, End, Violation};
use super::scenario::Scenario;
use super::tcp::report::Report;
use causes::Causes;
use connection::Connection;
use opinion::Seeing;
use told::Told;

/// A promise that is broken, and what happened.
pub type Broken = (&'static str, String);

/// A packet of a client passes no more engines than that. One that nobody owns goes along the whole list again each time that a later
/// connection of its ports is pinned meanwhile: 16 engines, where twelve servers are asked in two chunks, and four such walks have been seen.
pub const MOST_HOPS: u16 = 72;
/// So many violations of one promise are kept.
const MOST_VIOLATIONS: usize = 50;

/// A pin ends no sooner than this, by a clock that runs too fast, unless it was silent for the idle timeout: a connection that is over
/// quickly has it for another 10 s.
const PIN_LIVES_US: u64 = 9_000_000;

/// A SYN-ACK that an LB let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SynAck {
    at_us: u64,
    lb_life: u64,
    ack: u32,
    server: u16,
}

/// Everything that is watched.
pub struct Watch {
    /// The connections, in the scenario's order.
    pub connections: Vec<Connection>,
    /// What may excuse them.
    pub causes: Causes,
    /// The promises broken so far.
    pub violations: Vec<Violation>,
    /// Which connection a flow belongs to now.
    current: HashMap<Flow, usize>,
    /// By LB and flow: whose SYN-ACK passed.
    syn_acks: HashMap<(u16, Flow), SynAck>,
    /// By LB and its life: what it has seen of servers.
    seeing: HashMap<(u16, u64), Seeing>,
    /// By server, its router's life and flow: what the flow's LB was told.
    told: HashMap<(u16, u64, Flow), Told>,
}

impl Watch {
    /// At the start of a scenario.
    pub fn new(scenario: &Scenario) -> Self {
        Watch {
            connections: scenario.connections.iter().map(Connection::new).collect(),
            causes: Causes::new(scenario),
            violations: Vec::new(),
            current: HashMap::new(),
            syn_acks: HashMap::new(),
            seeing: HashMap::new(),
            told: HashMap::new(),
        }
    }

    /// What an LB has seen of servers in this life.
    pub fn seeing(&mut self, lb: u16, life: u64) -> &mut Seeing {
        self.seeing.entry((lb, life)).or_default()
    }

    /// What the router of a server has told a flow's LB in this life.
    pub fn told(&mut self, server: u16, router_life: u64, flow: Flow) -> &mut Told {
        self.told.entry((server, router_life, flow)).or_default()
    }

    /// A promise is broken.
    pub fn broken(
        &mut self,
        at_us: u64,
        promise: &'static str,
        connection: Option<usize>,
        what: String,
    ) {
        let same = self.violations.iter().filter(|v| v.promise == promise);
        if same.count() < MOST_VIOLATIONS {
            self.violations.push(Violation {
                at_us,
                promise,
                what,
                connection,
            });
        }
    }

    /// A client opens a connection.
    pub fn opened(&mut self, now_us: u64, connection: usize, flow: Flow) {
        self.current.insert(flow, connection);
        self.connections[connection].opened(now_us);
    }

    /// A client has given up to open a connection: its port is in use.
    pub fn never_opened(&mut self, now_us: u64, connection: usize) {
        self.connections[connection].result = Some(ConnectionResult {
            end: End::NotStarted,
            cause: None,
            server: None,
            longest_stall_ms: 0,
            ended_ms: now_us / 1_000,
        });
    }

    /// The connection that a flow belongs to now.
    pub fn of_flow(&self, flow: &Flow) -> Option<usize> {
        self.current.get(flow).copied()
    }

    /// Connections that are being opened, with their flows, in the scenario's order.
    pub fn undecided(&self) -> Vec<(usize, Flow)> {
        let is_open = |c: &Connection| c.result.is_some() || c.server_number().is_some();
        let mut list: Vec<_> = self
            .current
            .iter()
            .map(|(flow, &connection)| (connection, *flow))
            .filter(|(connection, _)| !is_open(&self.connections[*connection]))
            .collect();
        list.sort_unstable();
        list
    }

    /// A packet of a flow was lost, by a link or because nobody was there to take it.
    pub fn lost(&mut self, flow: &Flow) {
        if let Some(connection) = self.of_flow(flow) {
            self.connections[connection].lost += 1;
        }
    }

    /// A kernel has dropped a SYN, because too many connections wait for its application.
    pub fn queue_is_full(&mut self, flow: &Flow) {
        self.lost(flow);
        if let Some(connection) = self.of_flow(flow) {
            self.connections[connection].queue_was_full = true;
        }
    }

    /// An end of a connection has done something.
    pub fn report(&mut self, now_us: u64, node: Node, report: &Report, specs: &[ConnectionSpec]) {
        let number = report.connection;
        let connection = &mut self.connections[number];
        if let Some(at) = report.wrong_at.filter(|_| !connection.wrong) {
            connection.wrong = true;
            self.broken(
                now_us,
                "bytes",
                Some(number),
                format!("{node} got a wrong byte at {at} of connection {number}"),
            );
            return;
        }
        let stall = connection.take(now_us, node, report);
        if connection.has_two_owners(node, report) {
            let what = format!("{node} has connection {number} as well as its server");
            self.broken(now_us, "owner", Some(number), what);
            return;
        }
        if let Some(stall) = &stall {
            connection.longest_stall_us = connection.longest_stall_us.max(stall.took_us);
        }
        self.judge_end(now_us, number, specs);
        let result = self.connections[number].result.as_ref();
        let is_excused = result.is_some_and(|result| result.cause.is_some());
        if let Some(stall) = stall.filter(|_| !is_excused) {
            self.judge_stall(now_us, number, stall);
        }
    }

    fn judge_stall(&mut self, now_us: u64, number: usize, stall: connection::Stall) {
        let connection = &mut self.connections[number];
        connection.longest_stall_us = connection.longest_stall_us.max(stall.took_us);
        let excuse = self.causes.excuse_us(stall.since_us, now_us);
        let allowed = stall.allowed_us() + excuse;
        let is_lost = self.causes.is_lost(connection, number, now_us);
        if stall.took_us > allowed && !is_lost {
            let what = format!(
                "connection {number} stood still for {:.3} s, and {:.3} s are explained: {stall:?}",
                stall.took_us as f64 / 1e6,
                allowed as f64 / 1e6,
            );
            self.broken(now_us, "stall", Some(number), what);
        }
    }

    /// Has the connection ended by this? Then how, and was it allowed to?
    fn judge_end(&mut self, now_us: u64, number: usize, specs: &[ConnectionSpec]) {
        let Some(end) = self.connections[number].has_ended() else {
            return;
        };
        self.settle(now_us, number, end, &specs[number]);
    }

    fn settle(&mut self, now_us: u64, number: usize, end: End, spec: &ConnectionSpec) {
        let connection = &self.connections[number];
        let cause = match end {
            End::Completed | End::NotStarted => None,
            End::Aborted => Some(Cause::PeerAborted),
            _ => self.causes.of(connection, number, end, now_us, spec),
        };
        let is_allowed = cause.is_some() || matches!(end, End::Completed | End::NotStarted);
        let server = connection.server();
        self.connections[number].result = Some(ConnectionResult {
            end,
            cause,
            server,
            longest_stall_ms: self.connections[number].longest_stall_us / 1_000,
            ended_ms: now_us / 1_000,
        });
        if !is_allowed {
            let promise = match end {
                End::Unfinished => "completes",
                _ => "reset",
            };
            let at = server.map_or("no server".into(), |n| format!("s{n}"));
            let state = self.connections[number].describe();
            let what = format!("connection {number} ({at}) ended as {end:?}: {state}");
            self.broken(now_us, promise, Some(number), what);
        }
    }

    /// A client's SYN reaches an LB. One with another number ends what the LB kept of an earlier connection,
    /// and with it what it knew of that one's SYN-ACKs.
    pub fn syn(&mut self, lb: u16, flow: Flow, seq: u32) {
        let answer = self.syn_acks.get(&(lb, flow));
        if answer.is_some_and(|answer| answer.ack != seq.wrapping_add(1)) {
            self.syn_acks.remove(&(lb, flow));
        }
    }

    /// A SYN-ACK of `server` passes an LB that has not lost any entry: its number, its life, and its idle timeout in ms.
    pub fn syn_ack(
        &mut self,
        now_us: u64,
        through: (u16, u64, u32),
        flow: Flow,
        ack: u32,
        server: u16,
    ) {
        let (lb, lb_life, idle_timeout_ms) = through;
        let this = SynAck {
            at_us: now_us,
            lb_life,
            ack,
            server,
        };
        let first = self.syn_acks.entry((lb, flow)).or_insert(this);
        if (first.lb_life, first.ack) != (lb_life, ack) {
            *first = this;
        }
        let lives_us = PIN_LIVES_US.min(u64::from(idle_timeout_ms) * 900);
        let (other, is_pinned) = (first.server, now_us < first.at_us + lives_us);
        if other != server && is_pinned {
            let what = format!(
                "lb{lb} let SYN-ACKs of s{other} and s{server} through for one SYN of {flow}"
            );
            self.broken(now_us, "one_syn_ack", self.of_flow(&flow), what);
        }
    }

    /// The pinned server has returned the flow to an LB, or the LB offers it anew: somebody else may have it.
    pub fn pin_ends(&mut self, lb: u16, flow: Option<Flow>) {
        flow.and_then(|flow| self.syn_acks.remove(&(lb, flow)));
    }

    /// An LB has removed servers: their pins count as none, and another server may have the flow.
    pub fn pins_end(&mut self, lb: u16, is_removed: impl Fn(u16) -> bool) {
        self.syn_acks
            .retain(|(at, _), first| *at != lb || !is_removed(first.server));
    }

    /// Is there a connection that has not come to its end?
    pub fn is_busy(&self) -> bool {
        self.connections.iter().any(|c| c.result.is_none())
    }

    /// The run is over: what has not ended won't.
    pub fn finish(&mut self, now_us: u64, specs: &[ConnectionSpec]) -> Vec<ConnectionResult> {
        for (number, spec) in specs.iter().enumerate() {
            let connection = &mut self.connections[number];
            if connection.result.is_some() {
                continue;
            }
            let stall = connection.stall_so_far(now_us);
            let end = match connection.was_opened() {
                true => End::Unfinished,
                false => End::NotStarted,
            };
            self.settle(now_us, number, end, spec);
            let connection = &self.connections[number];
            let is_excused = connection
                .result
                .as_ref()
                .is_some_and(|r| r.cause.is_some());
            if let Some(stall) = stall.filter(|_| !is_excused) {
                self.judge_stall(now_us, number, stall);
            }
        }
        let results = self.connections.iter().filter_map(|c| c.result.clone());
        results.collect()
    }
}
