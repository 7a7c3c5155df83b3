//! What depends on a packet's bytes, the addresses of the pool and the table's key alone: done for a whole batch before
//! anything is decided, so that flows are hashed several at a time, and the lines of the table are there when they are needed.
//!
//! Nothing in here looks at entries. So packets of a batch see what those before them have written, and a batch does
//! what its packets would do one by one.

use std::mem::discriminant;

use flow_table::{FlowHash, Hint, Hints, Together, Unhashed, TOGETHER};
use packet_io::{prefetch, Instant, PacketBuf};
use srh::parse::{self, Packet, ParseError, PlainTcp, Tcp, Upper};
use srh::{Flow, Frame};

use super::created::Created;
use super::newflow::NewFlow;
use super::plain::{flow_of, Moment, Near, Plain};
use super::{bucket_of, Engine, Event, Verdict};

/// Packets that are looked at before the first of those before them is worked on.
pub(super) const BATCH: usize = TOGETHER;
/// How many packets ahead the next one's bytes are asked for.
const FRAMES_AHEAD: usize = 8;

/// A segment with one of these has a row of its own in the state table, or is no client's.
const SPECIAL: u8 = Tcp::SYN | Tcp::RST;

/// Whose a packet is.
#[derive(Clone, Copy)]
pub(super) enum Whose {
    /// It is for a SID of ours.
    Ours,
    /// For the VIP with this number.
    Vip(usize),
    /// For nobody here.
    Nobody,
}

/// What is known of a packet before anything is decided.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    pub packet: Result<Packet, ParseError>,
    pub whose: Whose,
    /// The hash of the flow whose entry it will meet, if that is plain to see. Who finds another flow later must not use it.
    pub hash: Option<FlowHash>,
    /// The bucket of a client's packet that will most likely be offered to its candidates, or go along its recovery list.
    pub bucket: Option<u32>,
}

/// A packet of a batch. Its flow's hash has the packet's number.
#[derive(Clone, Copy)]
pub(super) enum Look {
    Plain(Plain),
    New(NewFlow),
    Created(Created),
    /// The next one of those that were parsed.
    Parsed,
}

impl Look {
    fn is_plain(&self) -> bool {
        matches!(self, Look::Plain(_))
    }
}

/// What is known of a batch's packets, by their numbers.
pub(super) struct Looks {
    pub all: [Look; BATCH],
    parsed: Vec<Ahead>,
    /// How many of them are not [`Look::Plain`].
    unsettled: usize,
    /// How many are [`Look::New`].
    pub new: u32,
    /// Their flows. That of a packet without one is what was there before.
    pub flows: Together,
    /// Where those of plain packets are.
    pub hints: Hints,
    /// The buckets of plain packets whose flows have no entry; of others, what was there before.
    buckets: [Option<u32>; BATCH],
}

impl Default for Looks {
    fn default() -> Self {
        Looks {
            all: [Look::Parsed; BATCH],
            parsed: Vec::with_capacity(BATCH),
            unsettled: 0,
            new: 0,
            flows: Together::default(),
            hints: Hints::default(),
            buckets: [None; BATCH],
        }
    }
}

impl Engine {
    /// Looks at one packet.
    pub(super) fn look_ahead(&self, bytes: &[u8]) -> Ahead {
        let (mut ahead, flow) = self.parse(bytes);
        ahead.hash = flow.map(|flow| self.flows.hasher().finish(flow));
        ahead
    }

    /// Parses a packet; the hash of its flow is still to come.
    #[inline]
    fn parse(&self, bytes: &[u8]) -> (Ahead, Option<Unhashed>) {
        let packet = parse::packet(bytes);
        let mut whose = Whose::Nobody;
        let (mut unhashed, mut bucket) = (None, None);
        if let Ok(packet) = &packet {
            if self.config.locator.contains(packet.dst) {
                whose = Whose::Ours;
                unhashed = self.flow_inside(bytes, packet);
            } else if let Some(vip) = self.pool.vip_at(packet.dst) {
                whose = Whose::Vip(vip);
                let flow = packet.flow_from_client(packet.dst);
                let flow = flow.filter(|_| !packet.is_fragment());
                unhashed = flow.map(|flow| self.unhashed(vip, &flow));
                if packet.tcp().is_some_and(|tcp| tcp.is_syn()) {
                    bucket = flow.map(|flow| self.bucket_soon(vip, &flow));
                }
            }
        }
        let hash = None;
        let ahead = Ahead {
            packet,
            whose,
            hash,
            bucket,
        };
        (ahead, unhashed)
    }

    /// The bucket of a flow, whose candidates are asked for: the table is larger than what caches hold beside packets.
    #[inline(always)]
    pub(super) fn bucket_soon(&self, vip: usize, flow: &Flow) -> u32 {
        let tables = &self.pool.vips()[vip].tables;
        let bucket = bucket_of(tables, flow);
        tables
            .candidates(bucket)
            .first()
            .into_iter()
            .for_each(prefetch);
        bucket
    }

    fn unhashed(&self, vip: usize, flow: &Flow) -> Unhashed {
        Unhashed::new(self.vip_states[vip], flow)
    }

    /// The flow of a server's packet that came in an outer one (or with an SRH, which keeps its ports).
    fn flow_inside(&self, bytes: &[u8], packet: &Packet) -> Option<Unhashed> {
        let inner;
        let (carried, last) = match (packet.upper, &packet.srh) {
            (Upper::Ipv6, _) => {
                inner = parse::packet(&bytes[packet.upper_at..packet.len]).ok()?;
                (&inner, inner.dst)
            }
            (_, Some(srh)) => (packet, srh.final_destination(bytes)?),
            _ => return None,
        };
        let has_srh = carried.srh.is_some() && matches!(packet.upper, Upper::Ipv6);
        if carried.is_fragment() || has_srh {
            return None;
        }
        let (vip, flow) = match self.pool.vip_at(carried.src) {
            Some(vip) => (vip, carried.flow_from_server(last)?),
            None => (self.pool.vip_at(last)?, carried.flow_from_client(last)?),
        };
        Some(self.unhashed(vip, &flow))
    }

    /// Looks at the packets of a batch, and asks for the lines of the table in which their flows lie first.
    fn look_at_all(&self, moment: &Moment, frames: &[PacketBuf], looks: &mut Looks) {
        looks.parsed.clear();
        looks.new = 0;
        looks.unsettled = 0;
        let mut near = self.near(0);
        let room = self.config.encoding.overhead_bytes(1, false);
        let count = frames.len().min(BATCH);
        for number in 0..count {
            let frame = &frames[number];
            if let Some(soon) = frames.get(number + FRAMES_AHEAD) {
                soon.prefetch(room);
            }
            let is_looked_at = match parse::plain_tcp(frame.bytes()) {
                Some(tcp) if tcp.flags() & SPECIAL == 0 && moment.may_be_plain => {
                    match self.look_plain(tcp, &mut near) {
                        Some((plain, flow)) => {
                            looks.all[number] = Look::Plain(plain);
                            looks.flows.put(number, flow);
                            continue;
                        }
                        None => false,
                    }
                }
                Some(tcp) if tcp.flags() & SPECIAL == Tcp::SYN && moment.may_be_new => {
                    self.look_syn(number, tcp, frame.bytes(), &mut near, looks)
                }
                _ => false,
            };
            looks.unsettled += 1;
            if !is_looked_at {
                self.look_otherwise(moment, number, frame.bytes(), &mut near, looks);
            }
        }
        self.flows.hasher().hash_all(&mut looks.flows, count);
        let view = self.flows.view();
        view.prefetch(&looks.flows, count);
        if looks.unsettled > 0 {
            // Most of these have no entry, which takes both lines to see; and they may be in the sketch.
            let all = looks.all.iter().take(count).enumerate();
            for (number, _) in all.filter(|(_, look)| !look.is_plain()) {
                let hash = looks.flows.hash(number);
                view.prefetch_other(hash);
                self.sketch.prefetch(hash.tag());
            }
        }
    }

    /// Looks at a SYN; false if it is not one of a new flow. By itself, so that what is done for each plain packet finds its place in registers.
    #[inline(never)]
    fn look_syn(
        &self,
        number: usize,
        tcp: PlainTcp<'_>,
        bytes: &[u8],
        near: &mut Option<Near>,
        looks: &mut Looks,
    ) -> bool {
        let Some((mut new, flow)) = self.look_new(tcp, bytes, near) else {
            return false;
        };
        new.nth = looks.new as u8;
        looks.all[number] = Look::New(new);
        looks.new += 1;
        looks.flows.put(number, flow);
        true
    }

    /// Looks at any other packet.
    #[inline(never)]
    fn look_otherwise(
        &self,
        moment: &Moment,
        number: usize,
        bytes: &[u8],
        near: &mut Option<Near>,
        looks: &mut Looks,
    ) {
        let created = match moment.may_be_created {
            true => self.look_created(bytes, near),
            false => None,
        };
        if let Some((created, flow)) = created {
            looks.all[number] = Look::Created(created);
            looks.flows.put(number, flow);
            return;
        }
        looks.all[number] = Look::Parsed;
        let (mut ahead, flow) = self.parse(bytes);
        if let Some(flow) = flow {
            looks.flows.put(number, flow);
            // It is not known yet, but it will be.
            ahead.hash = Some(FlowHash::default());
        }
        looks.parsed.push(ahead);
    }

    /// [`Engine::process`] for a batch; `verdicts` is filled with one for each packet, in order.
    ///
    /// While the lines of some packets' flows are on their way, those before them are worked on.
    pub fn process_batch(
        &mut self,
        now: Instant,
        frames: &mut [PacketBuf],
        verdicts: &mut Vec<Verdict>,
    ) {
        verdicts.clear();
        verdicts.resize(frames.len(), Verdict::Transmit);
        let mut looks = self.looks.take().unwrap_or_default();
        let [mut here, mut next] = looks.each_mut();
        let moment = self.moment(now);
        let (mut frames, mut rest) = frames.split_at_mut(BATCH.min(frames.len()));
        self.look_at_all(&moment, frames, here);
        let mut is_found = false;
        for verdicts in verdicts.chunks_mut(BATCH) {
            let (behind, last) = rest.split_at_mut(BATCH.min(rest.len()));
            // The lines of the first ones have only just been asked for.
            if is_found {
                self.find_first(frames.len(), here);
            }
            self.look_at_all(&moment, behind, next);
            if !is_found {
                self.find_first(frames.len(), here);
            }
            is_found = true;
            self.flows.view().find_rest(&here.flows, &mut here.hints);
            self.ask_for_owners(frames, here);
            match self.maglev.is_on() {
                false => self.work_on_all::<false>(&moment, frames, here, verdicts),
                true => self.work_on_all::<true>(&moment, frames, here, verdicts),
            }
            std::mem::swap(&mut here, &mut next);
            (frames, rest) = (behind, last);
        }
        self.looks = Some(looks);
    }

    /// Finds the flows of plain packets. Others are looked for when they are worked on.
    fn find_first(&self, count: usize, looks: &mut Looks) {
        let (view, numbers) = (self.flows.view(), 0..count.min(BATCH));
        let Looks {
            all, flows, hints, ..
        } = looks;
        match looks.unsettled {
            0 => view.find_first(flows, numbers, hints),
            others if others == count => hints.clear(),
            _ => view.find_first(
                flows,
                numbers.filter(|&number| all[number].is_plain()),
                hints,
            ),
        }
    }

    /// Asks for the recovery lists of plain packets whose flows have no entry: the lists are larger than what caches hold beside packets, and when
    /// an LB goes, all of its flows need them at once.
    fn ask_for_owners(&self, frames: &[PacketBuf], looks: &mut Looks) {
        if self.maglev.is_on() || looks.unsettled == frames.len() {
            return;
        }
        let tables = |plain: Plain| &self.pool.vips()[usize::from(plain.vip)].tables;
        let plain = |number: usize| match looks.all[number] {
            Look::Plain(plain) => Some((number, tables(plain))),
            _ => None,
        };
        for (number, tables) in looks.hints.absent().filter_map(plain) {
            let tcp = parse::plain_tcp(frames[number].bytes());
            looks.buckets[number] = tcp.map(|tcp| bucket_of(tables, &flow_of(tcp)));
            let bucket = looks.buckets[number].into_iter();
            bucket.for_each(|bucket| prefetch(tables.recovery_bounds(bucket)));
        }
        // By now where the first of them begin is there.
        for (number, tables) in looks.hints.absent().filter_map(plain) {
            let list = looks.buckets[number].map(|bucket| tables.recovery(bucket));
            list.into_iter().for_each(prefetch);
        }
    }

    /// [`Engine::process`] for a packet whose flow's hash is known, and its bucket perhaps.
    fn process_known(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        hash: FlowHash,
        bucket: Option<u32>,
    ) -> Verdict {
        let (mut ahead, flow) = self.parse(frame.bytes());
        ahead.hash = flow.map(|_| hash);
        ahead.bucket = ahead.bucket.or(bucket);
        self.work(now, frame, &ahead)
    }

    /// Works on the packets of a batch. Of each that is not transmitted `verdicts` is told so.
    fn work_on_all<const GRE: bool>(
        &mut self,
        moment: &Moment,
        frames: &mut [PacketBuf],
        looks: &mut Looks,
        verdicts: &mut [Verdict],
    ) {
        let count = frames.len();
        let (mut number, mut parsed) = (0, 0);
        let (mut done, mut steered, mut offered) = (0, 0, 0);
        while number < count {
            let (from, first) = (number, &looks.all[number]);
            let mut refused = None;
            match first {
                Look::Plain(_) => {
                    number = self.steer_some::<GRE>(moment, frames, looks, from..count);
                    steered += number - from;
                }
                Look::New(_) => {
                    (number, refused) = self.offer_some(moment, frames, looks, from..count);
                    offered += number - from;
                }
                Look::Created(_) => number = self.pin_some(moment, frames, looks, from..count),
                Look::Parsed => {}
            }
            done += number - from;
            let Some(frame) = frames.get_mut(number) else {
                break;
            };
            // One of another kind may have a short way of its own.
            if discriminant(&looks.all[number]) != discriminant(first) {
                continue;
            }
            verdicts[number] = match refused {
                Some(reason) => {
                    self.events.add(Event::Received);
                    self.drops.add(reason);
                    Verdict::Drop(reason)
                }
                None => self.work_alone::<GRE>(moment, frame, looks, number, &mut parsed),
            };
            number += 1;
        }
        let unneeded = std::mem::take(&mut self.hunts);
        self.unpinned.give_back(unneeded, false);
        self.events.add_n(Event::Steered, steered as u64);
        self.events.add_n(Event::Hunted, offered as u64);
        for event in [Event::Received, Event::Transmitted] {
            self.events.add_n(event, done as u64);
        }
    }

    /// The long way of one of a batch's packets; so many have been `parsed` before it.
    fn work_alone<const GRE: bool>(
        &mut self,
        moment: &Moment,
        frame: &mut PacketBuf,
        looks: &mut Looks,
        number: usize,
        parsed: &mut usize,
    ) -> Verdict {
        let hash = looks.flows.hash(number);
        match looks.all[number] {
            Look::Parsed => match looks.parsed.get_mut(*parsed) {
                Some(ahead) => {
                    *parsed += 1;
                    ahead.hash = ahead.hash.map(|_| hash);
                    self.work(moment.now, frame, ahead)
                }
                None => self.process(moment.now, frame),
            },
            Look::Plain(_) => {
                let is_lost = !GRE && looks.hints.of(number) == Hint::default();
                let bucket = looks.buckets[number].filter(|_| is_lost);
                self.process_known(moment.now, frame, hash, bucket)
            }
            Look::New(_) | Look::Created(_) => self.process_known(moment.now, frame, hash, None),
        }
    }
}
