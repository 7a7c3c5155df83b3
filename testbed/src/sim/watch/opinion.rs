//! What an LB thinks of servers follows from what it has seen of them: docs/protocol.md, "Order".

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use packet_io::Instant;
use srh::Flow;
use srlb_lb::engine::Opinion;

use super::Broken;

/// A SYN seen again sooner is a duplicate.
const AGAIN_SOONEST: Duration = Duration::from_millis(300);
/// One seen again later is a new attempt.
const AGAIN_LATEST: Duration = Duration::from_secs(70);
/// So many signs make a server suspect.
const SIGNS: u32 = 3;
/// So many echo requests without a reply make it dead, once another one is due.
const PROBES: u32 = 3;
/// How far two echo requests may lie apart: a second, and a bit for the timer that looks at it.
const PROBE_GAP: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_millis(1_200);

/// What one LB has seen of one server since its last word.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    signs: u32,
    is_suspect: bool,
    probes: u32,
    probed_at: Instant,
    heard_at: Option<Instant>,
}

/// An offer of a new flow.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// Who is asked before the other candidates.
    pub first: u16,
    /// Does the LB take the SYN for one seen again?
    pub is_again: bool,
}

/// An offer that nobody has answered yet.
#[derive(Clone, Copy, Debug)]
struct Open {
    at: Instant,
    first: u16,
}

/// What one LB has seen, from its start on. Servers go by their numbers in the pool.
#[derive(Clone, Debug, Default)]
pub struct Seeing {
    servers: BTreeMap<u16, Seen>,
    offers: HashMap<Flow, Open>,
}

impl Seeing {
    /// A server has spoken.
    pub fn heard(&mut self, server: u16, now: Instant) {
        let seen = Seen {
            heard_at: Some(now),
            ..Seen::default()
        };
        self.servers.insert(server, seen);
    }

    /// A server has answered for a flow.
    pub fn answered(&mut self, flow: &Flow) {
        self.offers.remove(flow);
    }

    /// The pool's file was read: what was seen of those who aren't in it is forgotten.
    pub fn pool(&mut self, is_member: impl Fn(u16) -> bool) {
        self.servers.retain(|&server, _| is_member(server));
    }

    /// A SYN is offered to the candidates of its flow.
    pub fn offered(
        &mut self,
        now: Instant,
        flow: Flow,
        candidates: &[u16],
        offer: Offer,
    ) -> Option<Broken> {
        let Offer { first, is_again } = offer;
        let earlier = self.offers.get(&flow).copied();
        let since = earlier.map(|open| now.since(open.at));
        let expected = since.is_some_and(|since| (AGAIN_SOONEST..=AGAIN_LATEST).contains(&since));
        if since.is_none_or(|since| since >= AGAIN_SOONEST) {
            self.offers.insert(flow, Open { at: now, first });
        }
        if is_again != expected {
            let what =
                format!("a SYN of {flow} seen again {since:?} after it counts as one: {is_again}");
            return Some(("order", what));
        }
        let silent = earlier
            .filter(|_| expected)
            .and_then(|open| self.silent_one(candidates, open));
        if let Some(server) = silent {
            let seen = self.servers.entry(server).or_default();
            seen.signs += 1;
            seen.is_suspect |= seen.signs >= SIGNS;
        }
        None
    }

    /// Whom a SYN seen again speaks against.
    fn silent_one(&self, candidates: &[u16], open: Open) -> Option<u16> {
        let has_spoken = |server: &u16| {
            let heard_at = self.servers.get(server).and_then(|seen| seen.heard_at);
            heard_at.is_some_and(|heard_at| heard_at > open.at)
        };
        let mut asked = std::iter::once(open.first).chain(candidates.iter().copied());
        asked.find(|server| !has_spoken(server))
    }

    /// A server gets an echo request.
    pub fn probed(&mut self, now: Instant, server: u16) -> Option<Broken> {
        let seen = self.servers.entry(server).or_default();
        let gap = now.since(seen.probed_at);
        seen.probed_at = now;
        seen.probes += 1;
        let is_right = seen.is_suspect && (seen.probes == 1 || PROBE_GAP.contains(&gap));
        (!is_right).then(|| {
            let what = format!(
                "s{} gets an echo request after {gap:?}: {seen:?}",
                server + 1
            );
            ("order", what)
        })
    }

    /// Does the LB think of each server what it has to?
    pub fn opinions(&self, of: impl Fn(u16) -> Opinion) -> Option<Broken> {
        let wrong = self.servers.iter().find_map(|(&server, seen)| {
            let expected = match seen.is_suspect {
                false => Opinion::Alive,
                true if seen.probes > PROBES => Opinion::Dead,
                true => Opinion::Suspect,
            };
            let is = of(server);
            (is != expected).then_some((server, seen, is))
        });
        wrong.map(|(server, seen, is)| {
            let what = format!("s{} is thought to be {}: {seen:?}", server + 1, is.name());
            ("order", what)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::nodes::flow;

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    #[test]
    fn three_signs_and_three_silent_probes() {
        let mut seeing = Seeing::default();
        let flow = flow(1, 1);
        let is = |seeing: &Seeing, opinion| seeing.opinions(|_| opinion).is_none();
        let offer = |is_again| Offer { first: 4, is_again };
        assert!(seeing.offered(at(0), flow, &[4, 5], offer(false)).is_none());
        for (nth, ms) in [1_000, 3_000, 7_000].into_iter().enumerate() {
            assert!(is(&seeing, Opinion::Alive), "{nth} signs");
            seeing.heard(5, at(ms - 1));
            assert!(seeing.offered(at(ms), flow, &[4, 5], offer(true)).is_none());
        }
        assert!(seeing.probed(at(7_100), 5).is_some(), "it has spoken");
        for ms in [7_100, 8_100, 9_200] {
            assert!(seeing.probed(at(ms), 4).is_none());
        }
        let of = |server| match server {
            4 => Opinion::Suspect,
            _ => Opinion::Alive,
        };
        seeing.pool(|server| server == 4);
        assert!(seeing.opinions(of).is_none());
        assert!(seeing.probed(at(10_200), 4).is_none());
        assert!(is(&seeing, Opinion::Dead));
        seeing.heard(4, at(10_300));
        assert!(is(&seeing, Opinion::Alive));
    }

    #[test]
    fn a_syn_seen_again_within_bounds() {
        let offered = |ms, is_again| {
            let mut seeing = Seeing::default();
            let flow = flow(1, 1);
            let offer = |is_again| Offer { first: 0, is_again };
            assert!(seeing.offered(at(0), flow, &[0], offer(false)).is_none());
            seeing
                .offered(at(ms), flow, &[0], offer(is_again))
                .is_none()
        };
        for (ms, is_again) in [(299, false), (300, true), (70_000, true), (70_001, false)] {
            assert!(offered(ms, is_again), "{ms}");
            assert!(!offered(ms, !is_again), "{ms}");
        }
    }

    #[test]
    fn echo_requests_come_once_a_second() {
        for (gap_ms, is_right) in [(900, false), (1_000, true), (1_200, true), (1_300, false)] {
            let mut seeing = Seeing::default();
            let suspect = Seen {
                is_suspect: true,
                ..Seen::default()
            };
            seeing.servers.insert(0, suspect);
            assert!(seeing.probed(at(5_000), 0).is_none());
            let second = seeing.probed(at(5_000 + gap_ms), 0);
            assert_eq!(second.is_none(), is_right, "{gap_ms}");
        }
    }
}
