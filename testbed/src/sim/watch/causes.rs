//! What may break a connection, and what may keep it waiting.

use std::collections::BTreeMap;

use super::connection::Connection;
use crate::sim::dialogue::{Act, ConnectionSpec, Side};
use crate::sim::outcome::{Cause, End};
use crate::sim::scenario::Scenario;

/// How long an LB may think a server dead that is back: an echo request a second, and its way.
const OPINION_US: u64 = 2_000_000;

/// A time in which something was out of order.
#[derive(Clone, Copy, Debug)]
struct Outage {
    from_us: u64,
    to_us: Option<u64>,
}

/// What has happened that may break connections.
///
/// A reset is allowed where the connection's own server, the one whose SYN-ACK the client has accepted:
///
/// - was switched off, or its application was killed, while it had a socket for the connection;
/// - closed its listener before the application had taken the connection;
/// - had answered by a SYN cookie, and got another packet before the one that the cookie is for, or its router has lost the
///   entry before;
/// - has heard nothing from the client before its kernel gave the handshake up;
/// - was removed from the pool, as at least one LB has it, during the connection's life;
///
/// or where one side's dialogue throws the connection away. A client's SYN may be refused, or never be answered, if each of its candidates
/// was without an application at some time of the attempt.
#[derive(Clone, Debug)]
pub struct Causes {
    complete_history: bool,
    /// By connection and the server's number for it.
    ends: BTreeMap<(usize, u32), Cause>,
    /// By server: since when no generation of some LB has it.
    removed: BTreeMap<u16, Vec<Outage>>,
    /// By server: when its application took nothing.
    without_application: BTreeMap<u16, Vec<Outage>>,
    /// By connection: candidates that it had in some generation.
    candidates: BTreeMap<usize, Vec<Vec<u16>>>,
    /// When nobody could do anything: no LB was announced.
    without_lb: Vec<Outage>,
}

fn begin(outages: &mut Vec<Outage>, now_us: u64) {
    if outages.last().is_none_or(|last| last.to_us.is_some()) {
        outages.push(Outage {
            from_us: now_us,
            to_us: None,
        });
    }
}

fn end(outages: &mut [Outage], now_us: u64) {
    if let Some(last) = outages.last_mut().filter(|last| last.to_us.is_none()) {
        last.to_us = Some(now_us);
    }
}

/// Did one of these happen between two times?
fn any_between(outages: &[Outage], from_us: u64, to_us: u64) -> bool {
    let overlaps = |o: &Outage| o.from_us <= to_us && o.to_us.is_none_or(|end| end >= from_us);
    outages.iter().any(overlaps)
}

impl Causes {
    /// Nothing has happened yet.
    pub fn new(scenario: &Scenario) -> Self {
        Causes {
            complete_history: scenario.complete_history,
            ends: BTreeMap::new(),
            removed: BTreeMap::new(),
            without_application: BTreeMap::new(),
            candidates: BTreeMap::new(),
            without_lb: Vec::new(),
        }
    }

    /// A server loses its sockets of these connections, known by their server's number.
    pub fn sockets_lost(&mut self, sockets: impl IntoIterator<Item = (usize, u32)>, cause: Cause) {
        for socket in sockets {
            self.ends.entry(socket).or_insert(cause);
        }
    }

    /// No generation that some LB uses has this server any more; or all have it again.
    pub fn removed(&mut self, now_us: u64, server: u16, is_removed: bool) {
        let outages = self.removed.entry(server).or_default();
        match is_removed {
            true => begin(outages, now_us),
            false => end(outages, now_us),
        }
    }

    /// A server's application takes nothing any more, or again.
    pub fn application(&mut self, now_us: u64, server: u16, is_up: bool) {
        let outages = self.without_application.entry(server).or_default();
        match is_up {
            false => begin(outages, now_us),
            true => end(outages, now_us),
        }
    }

    /// No LB is announced, or there is one again.
    pub fn lbs(&mut self, now_us: u64, any: bool) {
        match any {
            false => begin(&mut self.without_lb, now_us),
            true => end(&mut self.without_lb, now_us),
        }
    }

    /// How much of a time is explained by nobody being there: that time itself, and once more for the
    /// retransmission timer, which doubles with each attempt.
    pub fn excuse_us(&self, from_us: u64, to_us: u64) -> u64 {
        let overlap = |o: &Outage| {
            let end = o.to_us.unwrap_or(to_us).min(to_us);
            end.saturating_sub(o.from_us.max(from_us))
        };
        self.without_lb.iter().map(overlap).sum::<u64>() * 2
    }

    /// Why a connection was allowed to end so.
    pub fn of(
        &self,
        connection: &Connection,
        number: usize,
        how: End,
        now_us: u64,
        spec: &ConnectionSpec,
    ) -> Option<Cause> {
        let aborts = |side| {
            let mut turns = spec.turns.iter();
            turns.any(|turn| turn.side == side && turn.act == Act::Abort)
        };
        match how {
            End::Reset(side) if aborts(side.other()) => return Some(Cause::PeerAborted),
            End::Unfinished if aborts(Side::Client) || aborts(Side::Server) => {
                return Some(Cause::PeerAborted)
            }
            _ => {}
        }
        if let Some(server_number) = connection.server_number() {
            if let Some(&cause) = self.ends.get(&(number, server_number)) {
                return Some(cause);
            }
        }
        // Only a cookie leaves the server without a socket. If the client's ACK is lost the server may never hear of
        // the connection, and no other server can know that it is its own.
        let has_no_socket = connection.server_number().is_some() && connection.server().is_none();
        if has_no_socket {
            return Some(Cause::CookieRefused);
        }
        if connection.has_expired_handshake() {
            return Some(Cause::HandshakeExpired);
        }
        let life = (connection.opened_us(), now_us);
        if self.has_removed_server(connection, now_us) {
            return Some(Cause::ServerRemoved);
        }
        let never_connected = matches!(how, End::Refused | End::TimedOut);
        // An LB may think a server dead until its next echo request is answered.
        let attempt = (life.0.saturating_sub(OPINION_US), life.1);
        if never_connected && self.was_without_application(number, attempt) {
            return Some(Cause::NoApplication);
        }
        if how == End::TimedOut && connection.queue_was_full {
            return Some(Cause::QueueFull);
        }
        if how == End::TimedOut && any_between(&self.without_lb, life.0, life.1) {
            return Some(Cause::NoLb);
        }
        (how == End::Unfinished && !self.complete_history).then_some(Cause::HistoryForgotten)
    }

    /// Has the connection's server lost its socket, or was it removed? LBs take nothing from who is no member: his last
    /// packets wait until he sends them straight.
    pub fn is_lost(&self, connection: &Connection, number: usize, now_us: u64) -> bool {
        let socket = connection.server_number().map(|s| (number, s));
        socket.is_some_and(|socket| self.ends.contains_key(&socket))
            || self.has_removed_server(connection, now_us)
    }

    /// Was the connection's server removed during its life, as at least one LB has it?
    fn has_removed_server(&self, connection: &Connection, now_us: u64) -> bool {
        let outages = connection.server().and_then(|s| self.removed.get(&s));
        outages.is_some_and(|o| any_between(o, connection.opened_us(), now_us))
    }

    /// These are the candidates of a connection that is about to be opened, or not open yet.
    pub fn candidates(&mut self, connection: usize, servers: Vec<u16>) {
        let lists = self.candidates.entry(connection).or_default();
        if !lists.contains(&servers) {
            lists.push(servers);
        }
    }

    /// Was each of its candidates without an application at some time?
    fn was_without_application(&self, connection: usize, (from_us, to_us): (u64, u64)) -> bool {
        let was_down = |server: &u16| {
            let outages = self.without_application.get(server);
            outages.is_some_and(|o| any_between(o, from_us, to_us))
        };
        let mut lists = self.candidates.get(&connection).into_iter().flatten();
        lists.any(|servers| servers.iter().all(was_down))
    }
}
