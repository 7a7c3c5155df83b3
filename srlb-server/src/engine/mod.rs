//! The server router's protocol engine: packets, time and the application's state in,
//! verdicts out.
//!
//! ```text
//! frame -> parse -> from whom? -> whose flow? -> state x event -> rewrite -> frame
//! ```
//!
//! It reads no clock, opens no socket and draws no randomness: time, packets, what the kernel's
//! sockets say and the table's key are handed in. [`state`] is the table of docs/protocol.md,
//! section "Server router"; [`mine`] says which packets are ours.

mod application;
mod arrival;
mod client;
mod config;
pub mod contract;
mod counters;
mod datagram;
pub mod entry;
mod fragments;
mod guess;
mod icmp;
pub mod mine;
mod note;
pub mod state;
mod status;
#[cfg(test)]
mod tests;
pub mod udp;
mod udp_entry;
mod verdict;
mod write;

use daemon::{Counts, DropReason, RateLimit, SignedCounts};
use flow_table::{FlowHash, FlowTable, Fragments, HashKey};
use packet_io::{Instant, PacketBuf};
use srh::hmac::HmacError;
use srh::parse::{self, Packet, Upper};
use srh::{tcp, Flow, Frame, Sender};

use crate::policy::Policy;
use arrival::Arrival;
use entry::Entry;
use guess::Guesses;
use state::State;
use udp_entry::UdpEntry;

pub use config::{
    EngineConfig, DEFAULT_ICMP_RATE_PPS, DEFAULT_LOOKUPS_PPS, DEFAULT_MAX_FLOWS,
    DEFAULT_MAX_UDP_FLOWS,
};
pub use contract::Contract;
pub use counters::Event;
pub use note::Note;
pub use verdict::{Application, Query, SocketAnswer, Verdict};

/// Entries in one set of the flow table.
const SLOTS: usize = 3;

/// Why the work on a packet ends before its end.
enum Stop {
    Drop(DropReason),
    LookUp(Query),
}

impl<E: Into<DropReason>> From<E> for Stop {
    fn from(reason: E) -> Self {
        Stop::Drop(reason.into())
    }
}

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Transmit,
    Deliver { steer: bool },
}

/// What is handed in with a packet.
struct Given<'a> {
    now: Instant,
    app: &'a dyn Application,
    /// The kernel's answer, once it was asked.
    socket: Option<SocketAnswer>,
    /// Further packets for the network.
    extra: &'a mut Vec<PacketBuf>,
}

/// A flow that a packet belongs to, with what is known about it.
#[derive(Clone, Copy)]
struct Subject {
    flow: Flow,
    hash: FlowHash,
    entry: Option<Entry>,
    state: State,
}

/// The engine.
pub struct Engine {
    contract: Contract,
    config: EngineConfig,
    policy: Policy,
    flows: FlowTable<Entry, SLOTS>,
    udp_flows: FlowTable<UdpEntry, SLOTS>,
    fragments: Fragments,
    guesses: Guesses,
    lookups: RateLimit,
    udp_lookups: RateLimit,
    icmp: RateLimit,
    drops: Counts<DropReason>,
    events: Counts<Event>,
    signed: SignedCounts,
    tracing: bool,
    note: Note,
}

impl Engine {
    /// An engine without entries. `key` is the flow table's, random and not shared.
    pub fn new(config: EngineConfig, key: HashKey) -> Self {
        Self::with_contract(Contract::default(), config, key)
    }

    /// The same with another state table or other limits: for mutation tests alone.
    pub fn with_contract(contract: Contract, config: EngineConfig, key: HashKey) -> Self {
        Engine {
            policy: Policy::new(config.accept, config.pending),
            udp_flows: FlowTable::new(config.max_udp_flows, key.clone()),
            fragments: contract.limits.fragments(key.clone()),
            flows: FlowTable::new(config.max_flows, key),
            guesses: Guesses::default(),
            lookups: RateLimit::new(config.lookups_pps),
            udp_lookups: RateLimit::new(config.lookups_pps),
            contract,
            icmp: RateLimit::new(config.icmp_rate_pps),
            signed: SignedCounts::new(config.hmac.as_ref()),
            config,
            drops: Counts::new(),
            events: Counts::new(),
            tracing: false,
            note: Note::default(),
        }
    }

    /// Works on one packet in place and says what is to be done with it. Further packets for
    /// the network are appended to `extra`.
    pub fn process(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        app: &dyn Application,
        extra: &mut Vec<PacketBuf>,
    ) -> Verdict {
        self.events.add(Event::Received);
        let socket = None;
        self.work(
            frame,
            &mut Given {
                now,
                app,
                socket,
                extra,
            },
        )
    }

    /// Goes on with a packet for which [`Engine::process`] has asked the kernel's sockets.
    pub fn resume(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        answer: SocketAnswer,
        app: &dyn Application,
        extra: &mut Vec<PacketBuf>,
    ) -> Verdict {
        let socket = Some(answer);
        self.work(
            frame,
            &mut Given {
                now,
                app,
                socket,
                extra,
            },
        )
    }

    /// [`Engine::process`] for a batch; `verdicts` is filled with one for each packet, in order.
    pub fn process_batch(
        &mut self,
        now: Instant,
        frames: &mut [PacketBuf],
        app: &dyn Application,
        extra: &mut Vec<PacketBuf>,
        verdicts: &mut Vec<Verdict>,
    ) {
        verdicts.clear();
        let each = frames.iter_mut();
        verdicts.extend(each.map(|frame| self.process(now, frame, app, extra)));
    }

    /// Time passes: expired entries are taken out, a bounded number at a time. To be called about
    /// every 100 ms; the whole table comes round in about a minute.
    pub fn poll(&mut self, now: Instant) {
        let sets = self.flows.sets().div_ceil(self.contract.limits.sweep_polls);
        self.flows.sweep(sets, now);
        let sets = self
            .udp_flows
            .sets()
            .div_ceil(self.contract.limits.sweep_polls);
        self.udp_flows.sweep(sets, now);
        self.fragments.sweep(now);
    }

    /// A handshake that is there at the start. Nothing of its client may pass before the number of its SYN-ACK is known; so that
    /// this needn't wait for the SYN-ACK to be repeated, the kernel is asked: the packet that is returned is to be delivered
    /// with its answer steered.
    pub fn seed_handshake(&mut self, now: Instant, flow: &Flow) -> PacketBuf {
        let mut entry = Entry::default();
        entry.set_state(now, State::None, &self.contract.limits);
        let hash = self.flows.hash(flow);
        self.flows.insert(hash, entry, now);
        PacketBuf::from_slice(&tcp::question(flow))
    }

    /// A connection that is there at the start: ours, and which LB it comes from isn't known.
    pub fn seed_socket(&mut self, now: Instant, flow: &Flow) {
        let mut entry = Entry::default();
        entry.set_state(now, State::Direct, &self.contract.limits);
        let hash = self.flows.hash(flow);
        self.flows.insert(hash, entry, now);
    }

    /// Takes new settings. The flow table keeps its size and its entries, a dynamic policy what
    /// it has learned.
    pub fn set_config(&mut self, config: EngineConfig) {
        self.policy.replace(config.accept, config.pending);
        self.lookups = RateLimit::new(config.lookups_pps);
        self.udp_lookups = RateLimit::new(config.lookups_pps);
        self.icmp = RateLimit::new(config.icmp_rate_pps);
        self.signed.set_keys(config.hmac.as_ref());
        self.config = config;
    }

    fn work(&mut self, frame: &mut PacketBuf, given: &mut Given) -> Verdict {
        if self.tracing {
            self.note = Note::default();
        }
        match self.route(frame, given) {
            Ok(Done::Transmit) => {
                self.events.add(Event::Transmitted);
                Verdict::Transmit
            }
            Ok(Done::Deliver { steer }) => {
                self.events.add(Event::Delivered);
                Verdict::Deliver { steer }
            }
            Err(Stop::LookUp(query)) => {
                self.events.add(Event::LookUps);
                Verdict::LookUp(query)
            }
            Err(Stop::Drop(reason)) => {
                self.drops.add(reason);
                Verdict::Drop(reason)
            }
        }
    }

    fn route(&mut self, frame: &mut PacketBuf, given: &mut Given) -> Result<Done, Stop> {
        let packet = match parse::packet(frame.bytes()) {
            Ok(packet) => packet,
            Err(error) => return self.report_bad_header(frame, error, given.now),
        };
        frame.truncate(packet.len);
        if !self.config.locator.contains(packet.dst) {
            return match self.config.is_vip(packet.src) {
                true => self.application_packet(frame, &packet, given),
                false => Err(DropReason::NotForUs.into()),
            };
        }
        if let Err(error) = self.check_hmac(frame, &packet, given) {
            return self.report_bad_hmac(frame, &packet, error, given.now);
        }
        if matches!(packet.upper, Upper::Icmp(_)) && packet.srh.is_none_or(|s| s.segments_left == 0)
        {
            return self.icmp_for_us(frame, &packet);
        }
        let arrival = Arrival::read(&self.config, frame.bytes(), packet)?;
        if arrival.client.is_fragment() {
            return self.client_fragment(frame, &arrival, given);
        }
        match arrival.client.upper {
            Upper::Tcp(tcp) => self.client_packet(frame, &arrival, &tcp, given),
            Upper::Icmp(icmp) if icmp.is_error() => self.error_for_vip(frame, &arrival, given),
            Upper::Udp { .. } => self.client_datagram(frame, &arrival, given),
            _ => Err(DropReason::UnsupportedProtocol.into()),
        }
    }

    /// Who may speak to our SIDs shows that by an HMAC, if there are keys.
    fn check_hmac(
        &mut self,
        frame: &PacketBuf,
        packet: &Packet,
        given: &Given,
    ) -> Result<(), HmacError> {
        // A packet that comes back with the kernel's answer has been checked.
        if let (Some(keys), None) = (&self.config.hmac, given.socket) {
            self.signed.add(keys.check(frame.bytes(), packet)?);
        }
        Ok(())
    }

    /// Who we are to those to whom we send functions.
    fn as_sender(&self) -> Sender<'_> {
        Sender {
            node: self.config.locator,
            keys: self.config.hmac.as_ref(),
        }
    }

    /// Looks a flow up in the table.
    fn subject(&self, flow: Flow, now: Instant) -> Subject {
        let hash = self.flows.hash(&flow);
        let entry = self.flows.get(hash, now).copied();
        Subject {
            flow,
            hash,
            entry,
            state: entry.map_or(State::None, |entry| entry.state(now)),
        }
    }

    /// What the kernel's sockets say; asks them if they haven't been asked.
    fn ask(&mut self, subject: &Subject, given: &Given) -> Result<SocketAnswer, Stop> {
        if let Some(answer) = given.socket {
            return Ok(answer);
        }
        if !self.lookups.allow(given.now) {
            return Err(DropReason::LookupRate.into());
        }
        Err(Stop::LookUp(Query { flow: subject.flow }))
    }
}
