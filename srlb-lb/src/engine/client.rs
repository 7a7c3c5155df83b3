//! Packets from clients to a VIP, fresh or sent back by a server: which way they go.

use daemon::DropReason;
use flow_table::FlowHash;
use packet_io::{Instant, PacketBuf};
use srh::carry;
use srh::parse::{next_header, Icmp, Packet, Upper, IPV6_BYTES};
use srh::rewrite::RewriteError;
use srh::{checksum, Encoding, Frame, Function, Segments, Sender};

use super::order::{self, Chunk, Order};
use super::pin::Pin;
use super::sketch::Again;
use super::state::{self, Action, Next, State};
use super::{client_event, Done, Engine, Event, Opinion, Outcome, Subject};

/// Why a client packet comes by.
#[derive(Clone, Copy)]
pub(super) struct Visit {
    /// The server that sent it back, if one did.
    pub back_from: Option<u16>,
    /// The chunk of the recovery list that has been asked already: with recoverNext.
    pub asked: Option<u8>,
}

/// A SYN that is offered, as the sketch and the servers' health will know it.
pub(super) struct Offer {
    pub tag: u64,
    pub first: u16,
    pub again: Option<Again>,
    /// Seen again: who of the candidates may have kept silent.
    silent: Option<u16>,
    /// Are all candidates thought to be well?
    all_alive: bool,
    /// Is none of them?
    in_doubt: bool,
}

impl Visit {
    pub(super) const FRESH: Visit = Visit {
        back_from: None,
        asked: None,
    };

    pub(super) fn is_fresh(self) -> bool {
        self.back_from.is_none() && self.asked.is_none()
    }
}

impl Engine {
    pub(super) fn client_packet(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        packet: &Packet,
        vip: usize,
        (hash, bucket): (Option<FlowHash>, Option<u32>),
    ) -> Outcome {
        self.check_client(packet)?;
        if packet.is_fragment() {
            return self.client_fragment(now, frame, packet, vip);
        }
        match packet.upper {
            Upper::Udp { .. } => self.client_datagram(now, frame, packet, vip, hash),
            Upper::Tcp(_) => {
                let event = client_event(packet).ok_or(DropReason::UnsupportedProtocol)?;
                self.client_tcp(now, frame, packet, vip, (event, hash, bucket))
            }
            Upper::Icmp(icmp) if icmp.kind == Icmp::ECHO_REQUEST => self.echo(frame, packet),
            Upper::Icmp(icmp) if icmp.is_error() => {
                self.error_for_vip(now, frame, packet, vip, Visit::FRESH)
            }
            Upper::Icmp(_) => Err(DropReason::IcmpIgnored),
            _ => Err(DropReason::UnsupportedProtocol),
        }
    }

    /// What a client may send at all.
    pub(super) fn check_client(&self, packet: &Packet) -> Result<(), DropReason> {
        if packet.srh.is_some() {
            return Err(DropReason::RoutingTowardsVip);
        }
        if !self.may_be_client(packet.src) {
            return Err(DropReason::ClientInDomain);
        }
        Ok(())
    }

    fn client_tcp(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        packet: &Packet,
        vip: usize,
        (event, hash, bucket): (state::Event, Option<FlowHash>, Option<u32>),
    ) -> Outcome {
        if self.maglev.is_on() {
            return self.by_maglev(now, frame, packet, vip, hash);
        }
        // What every server would drop must not count as a SYN seen again, nor as a reset.
        let is_sign = matches!(event, state::Event::ClientSyn | state::Event::ClientRst);
        if is_sign && !checksum::is_right(frame.bytes(), packet) {
            return Err(DropReason::WrongChecksum);
        }
        let mut subject = self.tcp_subject(packet, vip, hash, now)?;
        subject.bucket = bucket;
        self.obey(now, frame, packet, &subject, event, Visit::FRESH)
    }

    /// The flow of a TCP packet from a client.
    pub(super) fn tcp_subject(
        &self,
        packet: &Packet,
        vip: usize,
        hash: Option<FlowHash>,
        now: Instant,
    ) -> Result<Subject, DropReason> {
        let flow = packet
            .flow_from_client(self.pool.vips()[vip].address)
            .filter(|flow| flow.protocol == next_header::TCP)
            .ok_or(DropReason::UnsupportedProtocol)?;
        Ok(self.subject(flow, vip, hash, now))
    }

    /// Does to a client packet what the state table says.
    pub(super) fn obey(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        packet: &Packet,
        subject: &Subject,
        event: state::Event,
        visit: Visit,
    ) -> Outcome {
        let (action, next) = self.contract.table.get(subject.state(), event);
        self.take_note(subject, event, (action, next), visit.back_from);
        let done = self.send(now, frame, packet, subject, action, visit)?;
        if matches!(done, Done::Forwarded) {
            let before = subject.state();
            if next == Next::Confirmed && before == (State::Steer { confirmed: false }) {
                let in_hand = std::mem::take(&mut self.hunts);
                self.unpinned.give_back(in_hand, true);
            }
            self.write(subject, next, None, now);
        }
        Ok(done)
    }

    /// Sends a client packet where `action` says.
    pub(super) fn send(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        packet: &Packet,
        subject: &Subject,
        action: Action,
        visit: Visit,
    ) -> Outcome {
        if let (Action::ToPinned, Some(pin)) = (action, subject.pin) {
            let done = self.steer(now, frame, packet, subject, &pin)?;
            if matches!(done, Done::Forwarded) {
                self.events.add(Event::Steered);
            }
            return Ok(done);
        }
        if subject.pin.is_none() && visit.is_fresh() {
            let is_in_hand = action == Action::Hunt && self.hunts.use_up();
            if !is_in_hand {
                self.unpinned.may(action, subject.hash, now)?;
            }
        }
        let fresh = self.config.encoding;
        let mut offer = None;
        let mut segments = Segments::default();
        let counter = match action {
            Action::Hunt => {
                offer = Some(self.hunt(now, subject, &mut segments)?);
                Event::Hunted
            }
            Action::HuntAgain => {
                segments = self.hunt_again(subject, visit)?;
                Event::HuntedAgain
            }
            Action::RecoverNext => {
                let asked = visit.asked.unwrap_or(0);
                let number = asked.checked_add(1).ok_or(DropReason::RecoveryEnded)?;
                self.recover(now, subject, number, None, &mut segments)?;
                Event::RecoveredNext
            }
            // what happens to servers' packets only
            Action::ToClient | Action::DropLoser => return Err(DropReason::LosersSynAck),
            Action::Recover | Action::RecoverElsewhere | Action::ToPinned => {
                self.recover(now, subject, 0, visit.back_from, &mut segments)?;
                Event::Recovered
            }
        };
        let done = self.put_on(now, frame, packet, fresh, &segments, subject)?;
        if matches!(done, Done::Forwarded) {
            self.events.add(counter);
            offer.iter().for_each(|offer| self.remember(offer, now));
        }
        Ok(done)
    }

    /// Sends a packet to the server of its entry.
    pub(super) fn steer(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        packet: &Packet,
        subject: &Subject,
        pin: &Pin,
    ) -> Outcome {
        let encoding = pin.encoding();
        let fits = packet.len + encoding.overhead_bytes(1, false) <= self.config.fabric_mtu_bytes;
        let is_simple = packet.insert_at == IPV6_BYTES && self.config.hmac.is_none();
        match self.ack_sids.get(usize::from(pin.server())) {
            Some(&sid) if fits && is_simple => {
                let label = subject.hash.flow_label();
                let put_on = self.headers.put_on(frame, [sid], encoding, label);
                self.done(now, frame, packet, put_on)
            }
            _ => {
                let segments = self.ack_segments(pin);
                self.put_on(now, frame, packet, encoding, &segments, subject)
            }
        }
    }

    /// Adds our header, or tells the client why that can't be done.
    pub(super) fn put_on(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        packet: &Packet,
        encoding: Encoding,
        segments: &Segments,
        subject: &Subject,
    ) -> Outcome {
        let keys = self.config.hmac.as_ref();
        let added = encoding.overhead_bytes(segments.as_slice().len(), keys.is_some());
        if packet.len + added > self.config.fabric_mtu_bytes {
            return self.packet_too_big(now, frame, packet);
        }
        let label = subject.hash.flow_label();
        let node = self.config.locator;
        let sender = Sender { node, keys };
        let put_on = carry::put_on(frame, packet, sender, encoding, segments, label);
        self.done(now, frame, packet, put_on)
    }

    fn done(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        packet: &Packet,
        put_on: Result<(), RewriteError>,
    ) -> Outcome {
        match put_on {
            Ok(()) => Ok(Done::Forwarded),
            Err(RewriteError::HopLimit) => self.time_exceeded(now, frame, packet),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn ack_segments(&self, pin: &Pin) -> Segments {
        let server = &self.pool.servers()[usize::from(pin.server())];
        Segments::one(server.locator.sid(Function::AckStickiness))
    }

    pub(super) fn candidates(&self, subject: &Subject) -> Result<Order, DropReason> {
        let list = self.vip(subject).tables.candidates(self.bucket(subject));
        if list.is_empty() {
            return Err(DropReason::NoCandidates);
        }
        Ok(Order::of(list))
    }

    /// The candidates of a new flow. A SYN seen again goes to another candidate first, who may not
    /// refuse it.
    fn hunt(
        &mut self,
        now: Instant,
        subject: &Subject,
        segments: &mut Segments,
    ) -> Result<Offer, DropReason> {
        let (order, offer) = self.offer(now, subject)?;
        // The silent one may be any of those behind the first.
        let must = match offer.again {
            Some(_) => 0,
            None if offer.all_alive => order.as_slice().len() - 1,
            None => order.last_sound(&self.health),
        };
        order.offer_into(segments, &self.pool, must, Function::ConnectForce);
        Ok(offer)
    }

    /// To whom a new flow is offered, in which order.
    pub(super) fn offer(
        &mut self,
        now: Instant,
        subject: &Subject,
    ) -> Result<(Order, Offer), DropReason> {
        let mut order = self.candidates(subject)?;
        let well = |server| self.health.of(server) == Opinion::Alive;
        if let Some(server) = self.selector.pick(subject.vip, well) {
            order = Order::of(&[server]);
        }
        let tag = subject.hash.tag();
        let again = self.sketch.seen_before(tag, now);
        let silent = again.and_then(|again| self.silent_one(&order, &again));
        if let Some(again) = again {
            order.rotate(again.times);
            order.by_word_after(again.at, &self.health);
        }
        let is_alive = |&server: &u16| self.health.of(server) == Opinion::Alive;
        let all_alive = order.as_slice().iter().all(is_alive);
        if !all_alive {
            order.by_health(&self.health);
        }
        let list = order.as_slice();
        let offer = Offer {
            tag,
            first: list[0],
            again,
            silent,
            all_alive,
            in_doubt: !all_alive && !list.iter().any(is_alive),
        };
        Ok((order, offer))
    }

    /// Whom a SYN seen again speaks against: who was asked first, but if that one has spoken since, it has
    /// refused, and it was the next one who kept silent.
    fn silent_one(&self, candidates: &Order, again: &Again) -> Option<u16> {
        let others = candidates.as_slice().iter().copied();
        let mut asked = std::iter::once(again.first).chain(others);
        asked.find(|&server| !self.health.spoke_after(server, again.at))
    }

    /// Writes an offer down, once its SYN is on its way.
    fn remember(&mut self, offer: &Offer, now: Instant) {
        if offer.again.is_some() {
            let silent = offer.silent.iter();
            silent.for_each(|&server| self.health.strike(server, now));
            self.events.add(Event::Reordered);
        }
        if offer.in_doubt {
            self.events.add(Event::HuntedUnhealthy);
        }
        let times = offer.again.map_or(0, |again| again.times);
        self.sketch.offered(offer.tag, offer.first, times, now);
    }

    /// The candidates of a flow that a server returned.
    fn hunt_again(&mut self, subject: &Subject, visit: Visit) -> Result<Segments, DropReason> {
        let mut order = self.candidates(subject)?;
        let returned = visit.back_from.filter(|s| order.as_slice().contains(s));
        let (Some(server), None) = (returned, subject.pin) else {
            // A stale pin has led astray: nobody was asked yet.
            order.dead_last(&self.health);
            let must = order.last_living(&self.health);
            return Ok(order.offer(&self.pool, must, Function::ConnectForce));
        };
        // Its application is down, and those before it were too busy: who of them can take the flow has to. It is
        // asked last, because a second copy of a SYN that a stale pin led astray looks the same here.
        order.move_last(server);
        order.dead_last(&self.health);
        Ok(order.offer(&self.pool, 0, Function::ConnectFinal))
    }

    /// A chunk of the recovery list, `last` at its end.
    pub(super) fn recovery(
        &self,
        now: Instant,
        subject: &Subject,
        number: u8,
        last: Option<u16>,
    ) -> Result<Segments, DropReason> {
        let mut segments = Segments::default();
        self.recover(now, subject, number, last, &mut segments)?;
        Ok(segments)
    }

    /// Appends it.
    pub(super) fn recover(
        &self,
        now: Instant,
        subject: &Subject,
        number: u8,
        last: Option<u16>,
        segments: &mut Segments,
    ) -> Result<(), DropReason> {
        let vip = self.vip(subject);
        let bucket = self.bucket(subject);
        let (list, complete) = (vip.tables.recovery(bucket), vip.tables.complete());
        let size = self.contract.limits.chunk;
        let chunk = order::recovery_chunk(list, complete, size, number, &self.health, now);
        let Some(Chunk {
            mut order,
            number,
            last_word,
        }) = chunk
        else {
            return Err(if number == 0 {
                DropReason::NoCandidates
            } else {
                DropReason::RecoveryEnded
            });
        };
        if let Some(server) = last {
            order.move_last(server);
        }
        order.dead_last(&self.health);
        // What was asked before may have been a chunk of another list, and the owner in neither.
        let under_way = self.contract.limits.under_way;
        let is_mixed = number > 0 && self.pool_changed.is_within(under_way, now);
        order.ask_into(segments, &self.pool, number, last_word && !is_mixed);
        Ok(())
    }

    pub(super) fn take_note(
        &mut self,
        subject: &Subject,
        event: state::Event,
        said: (Action, state::Next),
        sender: Option<u16>,
    ) {
        if self.tracing {
            self.note.flow = Some(subject.flow);
            self.note.event = Some(event);
            self.note.before = Some(subject.state());
            self.note.said = Some(said);
            self.note.pinned = subject.pin.map(|pin| pin.server());
            self.note.sender = sender;
            self.note.bucket = Some(self.bucket(subject));
        }
    }
}
