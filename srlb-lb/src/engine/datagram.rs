//! UDP: the rows of [`udp`] at work.

use daemon::DropReason;
use flow_table::FlowHash;
use packet_io::{Instant, PacketBuf};
use srh::parse::{next_header, Packet};
use srh::{checksum, Encoding, Frame, Function, Segments};

use super::client::{Offer, Visit};
use super::open::{open, Open};
use super::order::Order;
use super::state::Next;
use super::udp::{self, Action};
use super::{Done, Engine, Event, MadeBy, Outcome, ShortNumber, Subject};

impl Engine {
    pub(super) fn client_datagram(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        packet: &Packet,
        vip: usize,
        hash: Option<FlowHash>,
    ) -> Outcome {
        let subject = self.udp_subject(packet, vip, hash, now)?;
        // What every server would drop must not count as a datagram seen again.
        if subject.pin.is_none() && !checksum::is_right(frame.bytes(), packet) {
            return Err(DropReason::WrongChecksum);
        }
        self.obey_udp(
            now,
            frame,
            packet,
            &subject,
            udp::Event::Client,
            Visit::FRESH,
        )
    }

    /// returnFlow and recoverNext: a client's datagram whose flow the server does not know.
    pub(super) fn datagram_back(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        packet: &Packet,
        vip: usize,
        (visit, hash): (Visit, Option<FlowHash>),
    ) -> Outcome {
        let subject = self.udp_subject(packet, vip, hash, now)?;
        let sender = subject.sender(visit.back_from.unwrap_or(u16::MAX));
        let event = match visit.asked {
            Some(_) => udp::Event::RecoverNext(sender),
            None => udp::Event::Return(sender),
        };
        self.obey_udp(now, frame, packet, &subject, event, visit)
    }

    /// createStickiness: a server's datagram on its way to the client.
    pub(super) fn server_takes(
        &mut self,
        now: Instant,
        subject: &Subject,
        server: u16,
        encoding: Encoding,
    ) -> Outcome {
        let event = udp::Event::Create(subject.sender(server));
        let (_, next) = self.consult_udp(subject, event, Some(server));
        self.sketch.answered(subject.hash.tag());
        let by = MadeBy {
            server,
            number: ShortNumber::NONE,
            encoding,
        };
        self.write(subject, next, Some(by), now);
        Ok(Done::Forwarded)
    }

    fn udp_subject(
        &self,
        packet: &Packet,
        vip: usize,
        hash: Option<FlowHash>,
        now: Instant,
    ) -> Result<Subject, DropReason> {
        let flow = packet
            .flow_from_client(self.pool.vips()[vip].address)
            .filter(|flow| flow.protocol == next_header::UDP)
            .ok_or(DropReason::UnsupportedProtocol)?;
        Ok(self.subject(flow, vip, hash, now))
    }

    fn consult_udp(
        &mut self,
        subject: &Subject,
        event: udp::Event,
        sender: Option<u16>,
    ) -> (Action, Next) {
        let state = udp::State::of_entry(subject.state());
        let (action, next) = self.contract.udp.get(state, event);
        if self.tracing {
            self.note.flow = Some(subject.flow);
            self.note.before = Some(subject.state());
            self.note.udp = Some((event, action, next));
            self.note.pinned = subject.pin.map(|pin| pin.server());
            self.note.sender = sender;
            self.note.bucket = Some(self.bucket(subject));
        }
        (action, next)
    }

    /// Does to a client's datagram what the table says.
    fn obey_udp(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        packet: &Packet,
        subject: &Subject,
        event: udp::Event,
        visit: Visit,
    ) -> Outcome {
        let (action, next) = self.consult_udp(subject, event, visit.back_from);
        let done = match (action, subject.pin) {
            (Action::ToPinned, Some(pin)) => self.steer(now, frame, packet, subject, &pin)?,
            (Action::Open | Action::ToPinned, _) => {
                let (segments, offer) = self.open(now, subject)?;
                let done = self.spread(now, frame, packet, subject, &segments)?;
                if matches!(done, Done::Forwarded) {
                    offer.iter().for_each(|offer| self.opened(offer, now));
                }
                done
            }
            (Action::OpenElsewhere, _) => {
                let segments = self.open_elsewhere(now, subject, visit)?;
                self.spread(now, frame, packet, subject, &segments)?
            }
            (Action::OpenNext, _) => {
                let segments = self.open_next(now, subject, visit)?;
                self.spread(now, frame, packet, subject, &segments)?
            }
            // what happens to servers' datagrams only
            (Action::ToClient, _) => return Err(DropReason::NotForUs),
        };
        if matches!(done, Done::Forwarded) {
            self.events.add(counter(action));
            self.write(subject, next, None, now);
        }
        Ok(done)
    }

    fn spread(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        packet: &Packet,
        subject: &Subject,
        segments: &Segments,
    ) -> Outcome {
        let encoding = self.config.encoding;
        self.put_on(now, frame, packet, encoding, segments, subject)
    }

    /// The list of a datagram without an entry. One that is seen again goes another way round, as a SYN
    /// does: somebody who is asked may be out of reach.
    fn open(
        &mut self,
        now: Instant,
        subject: &Subject,
    ) -> Result<(Segments, Option<Offer>), DropReason> {
        if self.candidates(subject).is_err() {
            return Ok((self.recovery(now, subject, 0, None)?, None));
        }
        let (order, mut offer) = self.offer(now, subject)?;
        let times = offer.again.map_or(0, |again| again.times);
        let list = self.list(subject, order, 0).reorder(|ask| {
            ask.rotate(times);
            ask.by_health(&self.health);
        });
        offer.first = list.first().unwrap_or(offer.first);
        let segments = list.segments(&self.pool, &self.health, Function::ConnectForce);
        Ok((segments, Some(offer)))
    }

    /// Writes down that a datagram is on its way along its list. One that is seen again says little about
    /// servers, as some applications never answer: the first of the list is asked whether it is there.
    fn opened(&mut self, offer: &Offer, now: Instant) {
        if let Some(again) = offer.again {
            self.health.doubt(again.first, now);
            self.events.add(Event::OpenedAgain);
        }
        let times = offer.again.map_or(0, |again| again.times);
        self.sketch.offered(offer.tag, offer.first, times, now);
    }

    /// The list after a returnFlow: its sender last among those that are asked, and first among the candidates.
    fn open_elsewhere(
        &mut self,
        now: Instant,
        subject: &Subject,
        visit: Visit,
    ) -> Result<Segments, DropReason> {
        let Ok(mut order) = self.candidates(subject) else {
            return self.recovery(now, subject, 0, visit.back_from);
        };
        let sender = visit.back_from;
        sender.iter().for_each(|&server| order.move_first(server));
        order.dead_last(&self.health);
        let list = self.list(subject, order, 0);
        let list = list.reorder(|ask| sender.iter().for_each(|&server| ask.move_last(server)));
        Ok(list.segments(&self.pool, &self.health, Function::ConnectFinal))
    }

    /// The list after recoverNext. It may follow a returnFlow: so that nothing goes round for ever, the
    /// last candidate may not return the datagram.
    fn open_next(
        &mut self,
        now: Instant,
        subject: &Subject,
        visit: Visit,
    ) -> Result<Segments, DropReason> {
        let asked = visit.asked.unwrap_or(0);
        let number = asked.checked_add(1).ok_or(DropReason::RecoveryEnded)?;
        let Ok(mut order) = self.candidates(subject) else {
            return self.recovery(now, subject, number, None);
        };
        order.by_health(&self.health);
        let list = self.list(subject, order, number);
        Ok(list.segments(&self.pool, &self.health, Function::ConnectFinal))
    }

    fn list(&self, subject: &Subject, order: Order, number: u8) -> Open {
        let recovery = self.vip(subject).tables.recovery(self.bucket(subject));
        let size = self.contract.limits.chunk;
        open(recovery, order, size, number, &self.health)
    }
}

fn counter(action: Action) -> Event {
    match action {
        Action::ToPinned | Action::ToClient => Event::Steered,
        Action::Open | Action::OpenElsewhere => Event::Opened,
        Action::OpenNext => Event::OpenedNext,
    }
}
