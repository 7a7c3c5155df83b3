//! What depends on a packet's bytes, the addresses of the pool and the table's key alone: done for a whole batch before
//! anything is decided, so that flows are hashed several at a time, and the lines of the table are there when they are needed.
//!
//! Nothing in here looks at entries. So packets of a batch see what those before them have written, and a batch does
//! what its packets would do one by one.

use flow_table::{FlowHash, Hint, Unhashed};
use packet_io::{Instant, PacketBuf};
use srh::parse::{self, Packet, ParseError, Upper};
use srh::{Flow, Frame};

use super::pin::End;
use super::plain::{Moment, Plain};
use super::{Engine, Event, Verdict};

/// Packets that are looked at before the first of them is worked on.
pub(super) const BATCH: usize = 64;
/// How many packets ahead the next one's bytes are asked for.
const FRAMES_AHEAD: usize = 8;

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
}

/// A packet of a batch, and which of its hashes is this one's.
#[derive(Clone, Copy)]
enum Look {
    Plain(Plain, u16),
    /// The next one of those that were parsed.
    Parsed(Option<u16>),
}

/// What is known of a batch's packets; empty in between.
#[derive(Default)]
pub(super) struct Looks {
    all: Vec<Look>,
    parsed: Vec<Ahead>,
    unhashed: Vec<Unhashed>,
    hashes: Vec<FlowHash>,
    hints: Vec<Hint>,
}

impl Looks {
    fn clear(&mut self) {
        self.all.clear();
        self.parsed.clear();
        self.unhashed.clear();
    }

    /// The number of the hash of this flow.
    #[inline]
    fn hash_later(&mut self, flow: Unhashed) -> u16 {
        let number = self.unhashed.len();
        self.unhashed.push(flow);
        // A batch is short.
        number as u16
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
    fn parse(&self, bytes: &[u8]) -> (Ahead, Option<Unhashed>) {
        let packet = parse::packet(bytes);
        let mut whose = Whose::Nobody;
        let mut unhashed = None;
        if let Ok(packet) = &packet {
            if self.config.locator.contains(packet.dst) {
                whose = Whose::Ours;
                unhashed = self.flow_inside(bytes, packet);
            } else if let Some(vip) = self.pool.vip_at(packet.dst) {
                whose = Whose::Vip(vip);
                let flow = packet.flow_from_client(packet.dst);
                let flow = flow.filter(|_| !packet.is_fragment());
                unhashed = flow.map(|flow| self.unhashed(vip, &flow));
            }
        }
        let hash = None;
        let ahead = Ahead {
            packet,
            whose,
            hash,
        };
        (ahead, unhashed)
    }

    fn unhashed(&self, vip: usize, flow: &Flow) -> Unhashed {
        Unhashed::new(self.vip_states[vip], flow)
    }

    /// The flow of a server's packet that came in an outer one (or with an SRH, which keeps its ports).
    fn flow_inside(&self, bytes: &[u8], packet: &Packet) -> Option<Unhashed> {
        let (carried, last) = match (packet.upper, &packet.srh) {
            (Upper::Ipv6, _) => {
                let inner = parse::packet(&bytes[packet.upper_at..packet.len]).ok()?;
                (inner, inner.dst)
            }
            (_, Some(srh)) => (*packet, srh.final_destination(bytes)?),
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

    /// Looks at the packets of a batch, and asks for the lines of the table in which their flows may lie.
    fn look_at_all(&self, frames: &[PacketBuf], looks: &mut Looks) {
        looks.clear();
        let may_be_plain = self.may_be_plain();
        let mut near = 0;
        let soon = frames.iter().take(FRAMES_AHEAD);
        soon.for_each(PacketBuf::prefetch);
        for (i, frame) in frames.iter().enumerate() {
            let soon = frames.get(i + FRAMES_AHEAD);
            soon.into_iter().for_each(PacketBuf::prefetch);
            let plain = match may_be_plain {
                true => self.look_plain(frame.bytes(), &mut near),
                false => None,
            };
            let look = match plain {
                Some((plain, flow)) => Look::Plain(plain, looks.hash_later(flow)),
                None => {
                    let (ahead, flow) = self.parse(frame.bytes());
                    looks.parsed.push(ahead);
                    Look::Parsed(flow.map(|flow| looks.hash_later(flow)))
                }
            };
            looks.all.push(look);
        }
        let hasher = self.flows.hasher();
        hasher.hash_all(&looks.unhashed, &mut looks.hashes);
        let hashes = || looks.hashes.iter();
        hashes().for_each(|&hash| self.flows.prefetch(hash));
        looks.hints.clear();
        looks
            .hints
            .extend(hashes().map(|&hash| self.flows.prefetch_rest(hash)));
    }

    /// [`Engine::process`] for a batch; `verdicts` is filled with one for each packet, in order.
    pub fn process_batch(
        &mut self,
        now: Instant,
        frames: &mut [PacketBuf],
        verdicts: &mut Vec<Verdict>,
    ) {
        verdicts.clear();
        let mut looks = std::mem::take(&mut self.looks);
        let idle_end = End::after(self.config.idle_timeout, now);
        let moment = Moment { now, idle_end };
        for frames in frames.chunks_mut(BATCH) {
            self.look_at_all(frames, &mut looks);
            match self.maglev.is_on() {
                false => self.work_on_all::<false>(&moment, frames, &mut looks, verdicts),
                true => self.work_on_all::<true>(&moment, frames, &mut looks, verdicts),
            }
        }
        self.looks = looks;
    }

    fn work_on_all<const GRE: bool>(
        &mut self,
        moment: &Moment,
        frames: &mut [PacketBuf],
        looks: &mut Looks,
        verdicts: &mut Vec<Verdict>,
    ) {
        let mut parsed = looks.parsed.iter_mut();
        let mut steered = 0;
        for (frame, look) in frames.iter_mut().zip(&looks.all) {
            let verdict = match *look {
                Look::Plain(plain, number) => {
                    let number = usize::from(number);
                    let (hash, hint) = (looks.hashes[number], looks.hints[number]);
                    match self.steer_plain::<GRE>(moment, frame, plain, (hash, hint)) {
                        Some(Verdict::Transmit) => {
                            steered += 1;
                            Verdict::Transmit
                        }
                        Some(Verdict::Drop(reason)) => {
                            self.events.add(Event::Received);
                            self.drops.add(reason);
                            Verdict::Drop(reason)
                        }
                        None => self.process(moment.now, frame),
                    }
                }
                Look::Parsed(number) => match parsed.next() {
                    Some(ahead) => {
                        ahead.hash = number.map(|number| looks.hashes[usize::from(number)]);
                        self.work(moment.now, frame, ahead)
                    }
                    None => self.process(moment.now, frame),
                },
            };
            verdicts.push(verdict);
        }
        for event in [Event::Received, Event::Steered, Event::Transmitted] {
            self.events.add_n(event, steered);
        }
    }
}
