//! What must be true of a server router after any packet.

use std::net::Ipv6Addr;

use daemon::{Counts, DropReason};
use packet_io::{Instant, PacketBuf};
use srh::parse::{self, Packet, Upper};
use srh::{Encoding, Flow, Frame};
use srlb_server::engine::entry::Peer;
use srlb_server::engine::state::State;
use srlb_server::engine::udp;
use srlb_server::engine::{Event, Verdict};
use srlb_server::Engine;

use crate::script::{flow_of, innermost, is_sealed, Witness};

/// The engine before a packet.
pub struct Before<'a> {
    received: &'a [u8],
    now: Instant,
    table: Table,
    drops: Counts<DropReason>,
    events: Counts<Event>,
    /// Has the kernel been asked already?
    resumed: bool,
}

/// All that can be seen of the flow tables.
#[derive(PartialEq, Debug)]
struct Table {
    by_state: [usize; State::ALL.len()],
    size: (usize, usize),
    udp_by_state: [usize; 4],
    udp_size: (usize, usize),
    flow: Option<Flow>,
    tcp: Option<(State, Option<Peer>)>,
    udp: Option<(udp::State, Option<Peer>)>,
}

impl Table {
    fn of(engine: &Engine, flow: Option<Flow>, now: Instant) -> Self {
        Table {
            by_state: engine.flows_by_state(now),
            size: engine.table_size(),
            udp_by_state: engine.udp_flows_by_state(now),
            udp_size: engine.udp_table_size(),
            tcp: flow.map(|flow| engine.flow_state(now, &flow)),
            udp: flow.map(|flow| engine.udp_flow_state(now, &flow)),
            flow,
        }
    }

    /// Tables keep their memory, and hold no more than they have room for.
    fn grew_from(&self, before: &Table) -> bool {
        let fits = self.by_state.iter().sum::<usize>() <= self.size.0
            && self.udp_by_state.iter().sum::<usize>() <= self.udp_size.0;
        !fits || (self.size, self.udp_size) != (before.size, before.udp_size)
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
                flow_of(received, |a| engine.config().is_vip(a)),
                now,
            ),
            drops: engine.drops().clone(),
            events: engine.events().clone(),
            resumed: false,
        }
    }

    /// The same before the kernel's answer about `received` is handed in.
    pub fn of_resumed(engine: &Engine, received: &'a [u8], now: Instant) -> Self {
        Before {
            resumed: true,
            ..Self::of(engine, received, now)
        }
    }

    /// Holds the engine's verdict, and what it made of the packet, against what may be.
    pub fn check(&self, engine: &Engine, verdict: Verdict, sent: &[u8], extra: &[PacketBuf]) {
        let _witness = Witness {
            received: self.received,
            sent,
        };
        let more = |event| engine.events().get(event) - self.events.get(event);
        let dropped = engine.drops().total() - self.drops.total();
        let answers = more(Event::ParameterProblemSent) + more(Event::TimeExceededSent);
        let done = more(Event::Transmitted) + more(Event::Delivered) + more(Event::LookUps);
        assert_eq!(more(Event::Received), u64::from(!self.resumed));
        assert_eq!(
            done + dropped,
            1 + answers,
            "a packet goes one way, or is counted in one drop"
        );
        let after = Table::of(engine, self.table.flow, self.now);
        assert!(!after.grew_from(&self.table), "the tables' memory");
        assert!(extra.len() <= 1, "one packet makes no more than two");
        for packet in extra {
            whole(packet.bytes());
        }
        match verdict {
            Verdict::Drop(reason) => {
                assert_eq!(engine.drops().get(reason), self.drops.get(reason) + 1);
                assert_eq!(
                    after, self.table,
                    "{reason}: a dropped packet writes nothing"
                );
                assert!(extra.is_empty());
            }
            Verdict::LookUp(query) => {
                assert!(!self.resumed, "asked twice");
                assert_eq!(after, self.table, "a question writes nothing");
                assert_eq!(Some(query.flow), self.flow_asked());
                assert!(
                    self.received.starts_with(sent),
                    "a question leaves the packet as it was"
                );
            }
            Verdict::Deliver { .. } => self.delivered(engine, sent),
            Verdict::Transmit => {
                self.transmitted(engine, sent, answers + more(Event::EchoAnswered) > 0)
            }
        }
    }

    /// Where the packet was to go when it came.
    fn dst(&self) -> Ipv6Addr {
        parse::packet(self.received).map_or(Ipv6Addr::UNSPECIFIED, |packet| packet.dst)
    }

    /// The flow that a look-up must be about: of an ICMPv6 error the one that it quotes.
    fn flow_asked(&self) -> Option<Flow> {
        let (at, packet) = innermost(self.received)?;
        match packet.upper {
            Upper::Icmp(_) => {
                srh::icmp::quoted_flow(&self.received[at..], &packet)?.flow_sent_by_vip()
            }
            _ => self.table.flow,
        }
    }

    /// The application's kernel gets the client's packet, for a VIP, as the client sent it but for hops.
    fn delivered(&self, engine: &Engine, sent: &[u8]) {
        let packet = whole(sent);
        assert!(engine.config().is_vip(packet.dst) && packet.srh.is_none());
        assert!(engine.config().may_be_client(packet.src));
        assert_eq!(sent, uncovered(self.received));
    }

    fn transmitted(&self, engine: &Engine, sent: &[u8], is_answer: bool) {
        let packet = whole(sent);
        // An LB that has no key yet sends what is longer by the signature when it goes back.
        let signature = match &engine.config().hmac {
            Some(_) => {
                Encoding::Encap.overhead_bytes(1, true) - Encoding::Encap.overhead_bytes(1, false)
            }
            None => 0,
        };
        let longest = engine.config().fabric_mtu_bytes.max(self.received.len()) + signature;
        assert!(
            sent.len() <= longest,
            "{} bytes of {}",
            sent.len(),
            self.received.len()
        );
        // What an application sends to a VIP is for the kernel to route.
        let is_ours = !engine.config().is_vip(packet.src) || is_answer;
        let comes_back = engine.config().is_vip(packet.dst) || packet.dst == self.dst();
        assert!(!(is_ours && comes_back), "to where it came to");
        match is_answer {
            true => assert_eq!(is_sealed(sent), Some(true), "our own message's checksum"),
            false => assert_eq!(
                is_sealed(sent),
                is_sealed(self.received),
                "a checksum stays what it was"
            ),
        }
    }
}

/// A packet that parses and ends where it says.
fn whole(bytes: &[u8]) -> Packet {
    let packet = parse::packet(bytes).expect("what leaves parses");
    assert_eq!(packet.len, bytes.len(), "and ends where it says");
    packet
}

/// What a function was put on, the slow way.
fn uncovered(received: &[u8]) -> Vec<u8> {
    let outer = parse::packet(received).expect("what was taken in parses");
    if outer.upper == Upper::Ipv6 {
        let inner = &received[outer.upper_at..outer.len];
        let len = parse::packet(inner).expect("what was inside parses").len;
        return inner[..len].to_vec();
    }
    let srh = outer.srh.expect("a function is on it");
    let vip = srh
        .final_destination(received)
        .expect("the last segment")
        .octets();
    let mut bytes = [&received[..srh.at], &received[srh.at + srh.len..outer.len]].concat();
    bytes[srh.announced_at] = srh.next_header;
    let payload = (bytes.len() - 40) as u16;
    bytes[4..6].copy_from_slice(&payload.to_be_bytes());
    bytes[24..40].copy_from_slice(&vip);
    bytes
}
