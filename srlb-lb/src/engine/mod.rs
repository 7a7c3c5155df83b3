//! The LB's protocol engine: packets and time in, verdicts out.
//!
//! ```text
//! frame -> parse -> who is it for? -> state x event -> segment list -> rewrite -> frame
//! ```
//!
//! It reads no clock, opens no socket and draws no randomness: time, packets and the table's
//! key are handed in. [`state`] is the table of docs/protocol.md, section "LB".

mod batch;
mod change;
mod client;
mod clients;
pub mod contract;
mod created;
mod datagram;
mod events;
mod explain;
mod fragments;
mod functions;
mod health;
mod icmp;
mod maglev;
mod newflow;
mod note;
mod open;
mod order;
mod pin;
mod plain;
mod pool;
mod selection;
mod shared;
mod sketch;
pub mod state;
#[cfg(test)]
mod tests;
pub mod udp;
mod unpinned;
mod wire;

use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use consistent_hash::VipTables;
use daemon::{Counts, DropReason, SharedRateLimit, SignedCounts};
use flow_table::{FlowHash, Fragments, HashKey, Inserted, Pages, SharedTable, Value, VipState};
use ipnet::Ipv6Net;
use packet_io::{Instant, PacketBuf};
use srh::hmac::{HmacError, Keys};
use srh::parse::{next_header, Packet};
use srh::plain::PlainHeaders;
use srh::{Encoding, Flow, Frame, Locator};

pub use change::Change;
pub use contract::Contract;
pub use events::Event;
pub use explain::{Explanation, Kept};
pub use health::Opinion;
pub use note::Note;
pub use pin::{Pin, ShortNumber, TICK_MS};
use pool::Changed;
pub use pool::{Pool, Server, Vip};
pub use selection::Selection;
pub use shared::Shared;
pub use unpinned::{
    DEFAULT_HUNTS_PPS, DEFAULT_RECOVERIES_PPS, FAST_HUNTS_PPS, FAST_RECOVERIES_PPS,
};

use batch::{Ahead, Looks, Whose};
use clients::Covers;
use health::Health;
use maglev::Maglev;
use selection::Selector;
use sketch::SynSketch;
use state::{Next, State};
use unpinned::{Hunts, Unpinned};

/// The flow table, which several engines may share.
pub type Flows = SharedTable<Pin>;

/// What the engine needs to know about its node.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where our SIDs are.
    pub locator: Locator,
    /// How new flows and recoveries are addressed.
    pub encoding: Encoding,
    /// MTU between LBs and servers.
    pub fabric_mtu_bytes: usize,
    /// Prefixes in which locators lie; those of ourselves and of the pool's servers count always.
    pub domain: Vec<Ipv6Net>,
    /// How many flows the table is made for.
    pub max_flows: usize,
    /// How long a pinned TCP flow may be silent.
    pub idle_timeout: Duration,
    /// How long a pinned UDP flow may be silent.
    pub udp_idle_timeout: Duration,
    /// Is Packet Too Big sent to clients?
    pub packet_too_big: bool,
    /// ICMPv6 messages of our own a second.
    pub icmp_rate_pps: u32,
    /// SYNs without an entry that are offered to servers a second, and that their clients don't confirm.
    pub hunts_pps: u32,
    /// Other TCP packets without an entry that ask servers whose they are a second, and have no owner.
    pub recoveries_pps: u32,
    /// Keys, if functions are signed.
    pub hmac: Option<Keys>,
}

impl Config {
    /// The largest packet of a client that fits the fabric with any header of ours.
    pub fn client_mtu_bytes(&self) -> usize {
        let longest = self.encoding.longest_header_bytes(self.hmac.is_some());
        self.fabric_mtu_bytes.saturating_sub(longest)
    }
}

/// What is to be done with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send what is in the buffer now.
    Transmit,
    /// Drop it; it has been counted.
    Drop(DropReason),
}

/// How a packet leaves the engine, if it isn't dropped.
enum Done {
    /// It goes on; state may be written.
    Forwarded,
    /// The buffer holds an answer to its sender; state stays as it is.
    Answered,
}

type Outcome = Result<Done, DropReason>;

/// A flow that a packet belongs to, with what is known about it.
struct Subject {
    flow: Flow,
    hash: FlowHash,
    vip: usize,
    /// The entry; none if its server is no member any more or thought to be dead.
    pin: Option<Pin>,
    /// Its bucket, if that was needed before.
    bucket: Option<u32>,
}

impl Subject {
    fn state(&self) -> State {
        self.pin.map_or(State::None, |pin| pin.state())
    }

    fn sender(&self, server: u16) -> state::Sender {
        match self.pin {
            Some(pin) if pin.server() == server => state::Sender::Pinned,
            _ => state::Sender::Other,
        }
    }
}

/// The engine.
pub struct Engine {
    contract: Contract,
    config: Config,
    pool: Arc<Pool>,
    pool_changed: Arc<Changed>,
    flows: Arc<Flows>,
    /// How many engines sweep them.
    sweepers: usize,
    fragments: Arc<Fragments>,
    sketch: Arc<SynSketch>,
    health: Arc<Health>,
    selector: Selector,
    icmp: Arc<SharedRateLimit>,
    unpinned: Arc<Unpinned>,
    /// Of the batch that is worked on; none between two of them.
    hunts: Hunts,
    drops: Counts<DropReason>,
    events: Counts<Event>,
    signed: SignedCounts,
    echo_number: u16,
    tracing: bool,
    note: Note,
    looks: Option<Box<[Looks; 2]>>,
    /// What goes in front of plain packets.
    headers: PlainHeaders,
    maglev: Maglev,
    /// Where a server takes packets of its flows, by its number.
    ack_sids: Vec<Ipv6Addr>,
    /// What the hashes of a VIP's flows have in common, by the VIP's number.
    vip_states: Vec<VipState>,
    covers: Covers,
}

impl Engine {
    /// An engine without entries. `key` is the flow table's, random and not shared.
    pub fn new(config: Config, pool: Pool, key: HashKey) -> Self {
        Self::with_contract(Contract::default(), config, pool, key)
    }

    /// The same with another state table or other limits: for mutation tests alone.
    pub fn with_contract(contract: Contract, config: Config, pool: Pool, key: HashKey) -> Self {
        let shared = Shared::new(&contract, &config, key, 1);
        Self::sharing(&shared, contract, config, pool)
    }

    /// One of the engines of an LB.
    pub fn sharing(
        shared: &Shared,
        contract: Contract,
        config: Config,
        pool: impl Into<Arc<Pool>>,
    ) -> Self {
        let shared = shared.clone();
        let pool = pool.into();
        shared.health.make_room(pool.servers().len());
        let mut engine = Engine {
            fragments: shared.fragments,
            flows: shared.flows,
            sweepers: shared.sweepers,
            icmp: shared.icmp,
            unpinned: shared.unpinned,
            hunts: Hunts::default(),
            signed: SignedCounts::new(config.hmac.as_ref()),
            headers: PlainHeaders::new(config.locator),
            maglev: Maglev::default(),
            config,
            pool,
            pool_changed: shared.pool_changed,
            sketch: shared.sketch,
            health: shared.health,
            selector: Selector::default(),
            contract,
            drops: Counts::new(),
            events: Counts::new(),
            echo_number: 0,
            tracing: false,
            note: Note::default(),
            looks: Some(Box::default()),
            ack_sids: Vec::new(),
            vip_states: Vec::new(),
            covers: Covers::default(),
        };
        engine.prebuild();
        engine
    }

    /// Works on one packet in place and says what is to be done with it.
    pub fn process(&mut self, now: Instant, frame: &mut PacketBuf) -> Verdict {
        let ahead = self.look_ahead(frame.bytes());
        self.work(now, frame, &ahead)
    }

    fn work(&mut self, now: Instant, frame: &mut PacketBuf, ahead: &Ahead) -> Verdict {
        self.events.add(Event::Received);
        if self.tracing {
            self.note = Note::default();
        }
        match self.route(now, frame, ahead) {
            Ok(_) => {
                self.events.add(Event::Transmitted);
                Verdict::Transmit
            }
            Err(reason) => {
                self.drops.add(reason);
                Verdict::Drop(reason)
            }
        }
    }

    fn route(&mut self, now: Instant, frame: &mut PacketBuf, ahead: &Ahead) -> Outcome {
        let packet = match &ahead.packet {
            Ok(packet) => packet,
            Err(error) => return self.report_bad_header(now, frame, *error),
        };
        frame.truncate(packet.len);
        match ahead.whose {
            Whose::Ours => {
                if let Err(error) = self.check_hmac(frame, packet) {
                    return self.report_bad_hmac(now, frame, packet, error);
                }
                self.for_our_locator(now, frame, packet, ahead.hash)
            }
            Whose::Vip(vip) => {
                self.client_packet(now, frame, packet, vip, (ahead.hash, ahead.bucket))
            }
            Whose::Nobody => Err(DropReason::NotForUs),
        }
    }

    /// Who may speak to our SIDs shows that by an HMAC, if there are keys.
    fn check_hmac(&mut self, frame: &PacketBuf, packet: &Packet) -> Result<(), HmacError> {
        if let Some(keys) = &self.config.hmac {
            self.signed.add(keys.check(frame.bytes(), packet)?);
        }
        Ok(())
    }

    /// Time passes: expired entries are taken out, a bounded number at a time, and suspect
    /// servers are asked. Packets to be sent are appended to `out`. To be called about every
    /// 100 ms.
    pub fn poll(&mut self, now: Instant, out: &mut Vec<PacketBuf>) {
        self.sweep(now);
        self.fragments.sweep(now);
        self.pool_changed.poll(now);
        self.probe_suspects(now, out);
        if self.selector.counts_flows() {
            let living = self.flows.iter().filter(|pin| !pin.expired(now));
            let open = living.filter(|pin| pin.state() != State::Closing);
            let of_members = open.filter(|pin| self.pool.is_member(pin.server()));
            self.selector.recount(of_members.map(|pin| pin.server()));
        }
    }

    /// Takes the next entries out that have ended, or whose server is no member any more: those count as none, and only take room.
    fn sweep(&self, now: Instant) {
        let limits = &self.contract.limits;
        let sets = self
            .flows
            .sets()
            .div_ceil(limits.sweep_polls * self.sweepers);
        // Another engine may know a newer pool, and what it has pinned by that is not to be taken out by ours.
        let is_settled = !self.pool_changed.is_within(limits.under_way, now);
        let is_in_vain = |pin: &Pin| is_settled && !self.pool.is_member(pin.server());
        self.flows
            .sweep_out(sets, |pin| pin.expired(now) || is_in_vain(pin));
    }

    /// How new flows find their servers, from now on: for measurements, see [`Selection`].
    pub fn set_selection(&mut self, selection: Selection) {
        self.selector = Selector::new(selection, &self.pool);
    }

    /// A server was heard to have `busy` of its `workers` busy; only [`Selection::WeightedRoundRobin`] cares.
    pub fn feedback(&mut self, server: u16, busy: u32, workers: u32) {
        self.selector.feedback(server, busy, workers);
    }

    /// The settings in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The pool in force.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Packets dropped so far, by reason.
    pub fn drops(&self) -> &Counts<DropReason> {
        &self.drops
    }

    /// What else has happened so far.
    pub fn events(&self) -> &Counts<Event> {
        &self.events
    }

    /// How many recoveries all engines together have refused so far, because most of them find nobody.
    pub fn recoveries_refused(&self) -> u64 {
        self.unpinned.recoveries_refused()
    }

    /// How the functions that were listened to were signed.
    pub fn signed(&self) -> &SignedCounts {
        &self.signed
    }

    /// Entries: steering and not confirmed, steering and confirmed, closing.
    pub fn flows_by_state(&self, now: Instant) -> [usize; 3] {
        let mut counts = [0; 3];
        for pin in self.living(now) {
            counts[match pin.state() {
                State::Steer { confirmed: true } => 1,
                State::Closing => 2,
                _ => 0,
            }] += 1;
        }
        counts
    }

    /// The entries that count.
    fn living(&self, now: Instant) -> impl Iterator<Item = Pin> + '_ {
        let counts = move |pin: &Pin| !pin.expired(now) && self.pool.is_member(pin.server());
        self.flows.iter().filter(counts)
    }

    /// How many entries there are, also counting those that have expired, or whose server is no member any more, and not been swept.
    pub fn entries(&self) -> usize {
        self.flows.len()
    }

    /// How many of the entries are of UDP flows.
    pub fn udp_flows(&self, now: Instant) -> usize {
        self.living(now).filter(Pin::is_udp).count()
    }

    /// What it shares with the others, for one more.
    pub fn shared(&self) -> Shared {
        Shared {
            flows: Arc::clone(&self.flows),
            fragments: Arc::clone(&self.fragments),
            health: Arc::clone(&self.health),
            sketch: Arc::clone(&self.sketch),
            unpinned: Arc::clone(&self.unpinned),
            icmp: Arc::clone(&self.icmp),
            pool_changed: Arc::clone(&self.pool_changed),
            sweepers: self.sweepers,
        }
    }

    /// The flow table.
    pub fn flows(&self) -> &Arc<Flows> {
        &self.flows
    }

    /// On which pages the flow table lies.
    pub fn table_pages(&self) -> Pages {
        self.flows.pages()
    }

    /// Slots of the flow table, and bytes that it takes.
    pub fn table_size(&self) -> (usize, usize) {
        (self.flows.capacity(), self.flows.memory_bytes())
    }

    /// This LB's opinion of a server.
    pub fn opinion(&self, server: u16) -> Opinion {
        self.health.of(server)
    }

    /// Switches notes on packets on or off.
    pub fn set_tracing(&mut self, on: bool) {
        self.tracing = on;
    }

    /// What happened to the last packet; only while tracing is on.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Looks a flow up, whose hash may be known.
    fn subject(&self, flow: Flow, vip: usize, hash: Option<FlowHash>, now: Instant) -> Subject {
        debug_assert!(hash.is_none_or(|hash| hash == self.flows.hash(&flow)));
        let hash = hash.unwrap_or_else(|| self.flows.hash(&flow));
        let is_good = |pin: &Pin| {
            self.pool.vips()[vip].tables.is_member(pin.server())
                && self.health.of(pin.server()) != Opinion::Dead
        };
        Subject {
            flow,
            hash,
            vip,
            pin: self.flows.get(hash, now).filter(is_good),
            bucket: None,
        }
    }

    fn vip(&self, subject: &Subject) -> &Vip {
        &self.pool.vips()[subject.vip]
    }

    fn bucket(&self, subject: &Subject) -> u32 {
        let key = || bucket_of(&self.vip(subject).tables, &subject.flow);
        debug_assert!(subject.bucket.is_none_or(|bucket| bucket == key()));
        subject.bucket.unwrap_or_else(key)
    }

    /// Writes what the state table said. `made_by` is the packet that makes an entry.
    fn write(&mut self, subject: &Subject, next: Next, made_by: Option<MadeBy>, now: Instant) {
        let limits = &self.contract.limits;
        let is_udp = subject.flow.protocol == next_header::UDP;
        let (idle, unconfirmed) = match is_udp {
            true => {
                let idle = self.config.udp_idle_timeout;
                (idle, limits.unconfirmed_life.min(idle))
            }
            false => (self.config.idle_timeout, limits.unconfirmed_life),
        };
        match (next, made_by) {
            (Next::Unchanged, _) => {}
            (Next::Gone, _) => {
                self.flows.remove(subject.hash);
            }
            (Next::PinUnconfirmed, Some(by)) => {
                let pin = Pin::unconfirmed(by.server, by.number, by.encoding, unconfirmed, now);
                self.pin(subject, if is_udp { pin.of_udp() } else { pin }, now);
            }
            (Next::PinConfirmed, Some(by)) => {
                let number = subject.pin.map_or(by.number, |pin| pin.number());
                let pin = Pin::confirmed(by.server, number, by.encoding, idle, now);
                self.pin(subject, pin, now);
            }
            // only createStickiness makes entries
            (Next::PinUnconfirmed | Next::PinConfirmed, None) => {}
            (change, _) => {
                // Written only if that makes a difference: the end moves once in a tick.
                self.flows.update(subject.hash, now, |mut pin| {
                    match change {
                        Next::Confirmed => pin.confirm(idle, now),
                        Next::ResetSeen => pin.reset_seen(limits.reset_life, now),
                        _ => pin.close(limits.closing_life, now),
                    }
                    pin
                });
            }
        }
    }

    fn pin(&mut self, subject: &Subject, pin: Pin, now: Instant) {
        self.selector.opened(pin.server());
        let inserted = self.flows.insert(subject.hash, pin, now);
        self.count_pinned(inserted);
    }

    fn count_pinned(&mut self, inserted: Option<Inserted<Pin>>) {
        self.events.add(Event::Pinned);
        if let Some(Inserted::Evicted(_)) = inserted {
            self.events.add(Event::Evicted);
        }
    }
}

/// The bucket of a flow: of its [`Flow::key`], whose hash all LBs agree on.
#[inline(always)]
fn bucket_of(tables: &VipTables, flow: &Flow) -> u32 {
    tables.bucket_of_words::<{ Flow::KEY_BYTES }, _>(flow.key_words())
}

/// The packet that makes an entry.
#[derive(Clone, Copy)]
struct MadeBy {
    server: u16,
    number: ShortNumber,
    encoding: Encoding,
}

/// What kind of client packet this is, in the state table's words.
fn client_event(packet: &Packet) -> Option<state::Event> {
    let tcp = packet.tcp()?;
    Some(if tcp.is_syn() {
        state::Event::ClientSyn
    } else if tcp.has(srh::parse::Tcp::RST) {
        state::Event::ClientRst
    } else {
        state::Event::ClientOther
    })
}
