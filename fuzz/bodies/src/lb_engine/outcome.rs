//! What must be true of an LB after any packet.

use daemon::{Counts, DropReason};
use packet_io::Instant;
use srh::parse::{self, Icmp, Packet, Upper};
use srh::{Flow, Locator, Sid};
use srlb_lb::engine::state::State;
use srlb_lb::engine::{Engine, Event, Verdict};

use crate::script::{final_destination, flow_of, innermost, is_sealed, Witness};

/// The engine before a packet.
pub struct Before<'a> {
    received: &'a [u8],
    now: Instant,
    table: Table,
    drops: Counts<DropReason>,
    events: Counts<Event>,
}

/// All that can be seen of the flow table.
#[derive(PartialEq, Debug)]
struct Table {
    by_state: [usize; 3],
    size: (usize, usize),
    flow: Option<Flow>,
    entry: Option<(State, String, i32)>,
}

impl Table {
    fn of(engine: &Engine, flow: Option<Flow>, now: Instant) -> Self {
        Table {
            by_state: engine.flows_by_state(now),
            size: engine.table_size(),
            entry: flow.and_then(|flow| engine.explain(flow, now)?.entry),
            flow,
        }
    }
}

impl<'a> Before<'a> {
    /// What can be seen before `received` is handed in.
    pub fn of(engine: &Engine, received: &'a [u8], now: Instant) -> Self {
        Before {
            received,
            now,
            table: Table::of(
                engine,
                flow_of(received, |a| engine.pool().vip_at(a).is_some()),
                now,
            ),
            drops: engine.drops().clone(),
            events: engine.events().clone(),
        }
    }

    /// Holds the engine's verdict, and `sent`, against what may be.
    pub fn check(&self, engine: &Engine, verdict: Verdict, sent: &[u8]) {
        let _witness = Witness {
            received: self.received,
            sent,
        };
        let more = |event| engine.events().get(event) - self.events.get(event);
        let dropped = engine.drops().total() - self.drops.total();
        let both = more(Event::ParameterProblemSent);
        assert_eq!(more(Event::Received), 1);
        assert_eq!(
            more(Event::Transmitted) + dropped,
            1 + both,
            "a packet is sent or counted in one drop"
        );
        let after = Table::of(engine, self.table.flow, self.now);
        assert_eq!(after.size, self.table.size, "the table's memory");
        assert!(after.by_state.iter().sum::<usize>() <= after.size.0);
        match verdict {
            Verdict::Drop(reason) => {
                assert_eq!(engine.drops().get(reason), self.drops.get(reason) + 1);
                assert_eq!(
                    after, self.table,
                    "{reason}: a dropped packet writes nothing"
                );
            }
            Verdict::Transmit => {
                let answers = [
                    Event::TooBigSent,
                    Event::TimeExceededSent,
                    Event::EchoAnswered,
                ];
                let is_answer = both + answers.iter().map(|&event| more(event)).sum::<u64>() > 0;
                if is_answer {
                    assert_eq!(after, self.table, "an answer to the sender writes nothing");
                }
                Sent::of(engine, sent).check(self.received, is_answer);
            }
        }
    }
}

/// A packet that leaves.
struct Sent<'a> {
    engine: &'a Engine,
    bytes: &'a [u8],
    packet: Packet,
}

impl<'a> Sent<'a> {
    fn of(engine: &'a Engine, bytes: &'a [u8]) -> Self {
        let packet = parse::packet(bytes).expect("what is sent parses");
        assert_eq!(packet.len, bytes.len(), "and ends where it says");
        Sent {
            engine,
            bytes,
            packet,
        }
    }

    fn check(&self, received: &[u8], is_answer: bool) {
        let (home, pool) = (self.engine.config().locator, self.engine.pool());
        let dst = self.packet.dst;
        assert!(!home.contains(dst), "to ourselves");
        assert!(pool.vip_at(dst).is_none(), "to a VIP: it would come back");
        let longest = self.engine.config().fabric_mtu_bytes.max(received.len());
        assert!(
            self.bytes.len() <= longest,
            "{} bytes of {}",
            self.bytes.len(),
            received.len()
        );
        if is_answer {
            assert_eq!(
                is_sealed(self.bytes),
                Some(true),
                "our own message's checksum"
            );
            return;
        }
        assert_eq!(
            is_sealed(self.bytes),
            is_sealed(received),
            "a checksum stays what it was"
        );
        match pool.has_locator(Locator::of(dst)) {
            true => self.check_way(received),
            // A service's packet, on to its client as it was.
            false => assert!(self.packet.srh.is_none() && pool.vip_at(self.packet.src).is_some()),
        }
    }

    /// A client's packet on its way to servers: from us, along SIDs of servers, one hop less.
    fn check_way(&self, received: &[u8]) {
        let home = self.engine.config().locator.node();
        let is_encap = self.packet.upper == Upper::Ipv6;
        let sids: Vec<_> = match &self.packet.srh {
            None => vec![],
            Some(srh) => (0..srh.segments())
                .rev()
                .filter_map(|i| srh.segment(self.bytes, i))
                .collect(),
        };
        let sids = match is_encap {
            true => {
                assert_eq!(self.packet.src, home);
                &sids[..]
            }
            false => {
                assert_eq!(sids.first(), Some(&home));
                assert!(self.engine.pool().vip_at(sids[sids.len() - 1]).is_some());
                &sids[1..sids.len() - 1]
            }
        };
        for sid in sids.iter().chain([&self.packet.dst]) {
            let sid = Sid::parse(*sid).expect("a SID");
            assert!(
                self.engine.pool().has_locator(sid.locator),
                "{}",
                sid.locator
            );
        }
        self.check_client_packet(received);
    }

    fn check_client_packet(&self, received: &[u8]) {
        let (at, sent) = innermost(self.bytes).expect("the client's packet");
        let (from, came) = innermost(received).expect("the client's packet");
        assert_eq!(
            sent.hop_limit.checked_add(1),
            Some(came.hop_limit),
            "one hop is used up"
        );
        assert_eq!(sent.src, came.src);
        let vip = final_destination(&self.bytes[at..], &sent);
        assert!(self.engine.pool().vip_at(vip).is_some());
        let (sent, came) = (
            &self.bytes[at + sent.upper_at..],
            &received[from + came.upper_at..from + came.len],
        );
        assert_eq!(sent, came, "what is carried stays as it was");
    }
}

/// An echo request to a server, which asks whether it lives.
pub fn is_echo_request(engine: &Engine, bytes: &[u8]) {
    let sent = Sent::of(engine, bytes);
    assert_eq!(is_sealed(bytes), Some(true));
    assert_eq!(sent.packet.src, engine.config().locator.node());
    assert!(engine
        .pool()
        .servers()
        .iter()
        .any(|s| s.locator.node() == sent.packet.dst));
    assert!(matches!(sent.packet.upper, Upper::Icmp(icmp) if icmp.kind == Icmp::ECHO_REQUEST));
}
