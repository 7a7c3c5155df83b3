//! UDP: the rows of [`udp`] at work.

use std::time::Duration;

use daemon::DropReason;
use flow_table::{FlowHash, Inserted};
use packet_io::PacketBuf;
use srh::parse::Packet;
use srh::{carry, Flow, Frame, Function, Segments};

use super::arrival::Arrival;
use super::client::Offered;
use super::state::Action;
use super::udp::{Event as Said, State};
use super::udp_entry::UdpEntry;
use super::{Done, Engine, Event, Given, Note, SocketAnswer, Stop};

/// A UDP flow that a datagram belongs to, with what is known about it.
#[derive(Clone, Copy)]
pub(super) struct UdpSubject {
    pub flow: Flow,
    pub hash: FlowHash,
    pub entry: Option<UdpEntry>,
}

impl UdpSubject {
    fn state(&self) -> State {
        self.entry.map_or(State::None, |entry| entry.state())
    }
}

impl Engine {
    /// A client's datagram, as an LB has sent it here.
    pub(super) fn client_datagram(
        &mut self,
        frame: &mut PacketBuf,
        arrival: &Arrival,
        given: &mut Given,
    ) -> Result<Done, Stop> {
        let flow = arrival.client.flow_from_client(arrival.vip);
        let subject = self.udp_subject(flow.ok_or(DropReason::UnsupportedProtocol)?, given);
        // A wrong one is seen by the kernel as well: it matters where more than an age would change.
        let is_settled =
            subject.state() == State::Direct && arrival.function == Function::AckStickiness;
        if !is_settled && !arrival.checksum_is_right(frame.bytes()) {
            return Err(DropReason::WrongChecksum.into());
        }
        let said = self.say(arrival, &subject, given)?;
        let (action, state) = self.consult_udp(&subject, said, arrival);
        let done = match self.act(frame, arrival, subject.hash.flow_label(), action, given) {
            Err(Stop::Drop(DropReason::HopLimit)) => {
                return self.time_exceeded(frame, arrival, given.now)
            }
            other => other?,
        };
        self.count_datagram(said, subject.state(), given);
        if state != State::None {
            let mut entry = subject.entry.unwrap_or_default();
            let (life, limits) = (self.udp_life(state), &self.contract.limits);
            entry.client_packet(given.now, state, arrival.lb, life, limits);
            self.keep_udp(&subject, entry, given);
        }
        Ok(done)
    }

    pub(super) fn udp_subject(&self, flow: Flow, given: &Given) -> UdpSubject {
        let hash = self.udp_flows.hash(&flow);
        UdpSubject {
            flow,
            hash,
            entry: self.udp_flows.get(hash, given.now).copied(),
        }
    }

    /// How long an entry lives after a datagram of the client: twice as long as an LB's, which must never
    /// point to a server that has forgotten the flow.
    pub(super) fn udp_life(&self, state: State) -> Duration {
        let idle = self.config.udp_idle_timeout;
        2 * match state {
            State::Taken => idle.min(self.contract.limits.udp_unconfirmed_life),
            State::None | State::Wait | State::Direct => idle,
        }
    }

    pub(super) fn keep_udp(&mut self, subject: &UdpSubject, entry: UdpEntry, given: &Given) {
        if let Inserted::Evicted(_) = self.udp_flows.insert(subject.hash, entry, given.now) {
            self.events.add(Event::UdpEvicted);
        }
    }

    /// What a function with a datagram is in the table's words.
    fn say(
        &mut self,
        arrival: &Arrival,
        subject: &UdpSubject,
        given: &Given,
    ) -> Result<Said, Stop> {
        Ok(match arrival.function {
            Function::AckStickiness => Said::Ack,
            Function::RecoverStickiness if arrival.has_next => Said::Recover,
            Function::RecoverStickiness => Said::RecoverLast,
            Function::RecoverFinal => Said::RecoverFinal,
            // whatever is decided about new flows, this one is here
            _ if subject.entry.is_some() => Said::ConnectTaken,
            _ => self.connect_udp(arrival, subject, given)?,
        })
    }

    /// A new flow is offered.
    fn connect_udp(
        &mut self,
        arrival: &Arrival,
        subject: &UdpSubject,
        given: &Given,
    ) -> Result<Said, Stop> {
        let listens = self.ask_udp(subject, given)? != SocketAnswer::NobodyListens;
        Ok(match self.offered(arrival, listens, given) {
            Offered::Taken => Said::ConnectTaken,
            Offered::Refused => Said::ConnectRefused,
            Offered::Returned => Said::ConnectForceDown,
            Offered::NobodyCan => Said::ConnectFinalDown,
        })
    }

    /// Does anybody listen? Look-ups for UDP have a bound of their own: anybody can cause them.
    fn ask_udp(&mut self, subject: &UdpSubject, given: &Given) -> Result<SocketAnswer, Stop> {
        if let Some(answer) = given.socket {
            return Ok(answer);
        }
        if !self.udp_lookups.allow(given.now) {
            return Err(DropReason::LookupRate.into());
        }
        Err(Stop::LookUp(super::Query { flow: subject.flow }))
    }

    fn consult_udp(
        &mut self,
        subject: &UdpSubject,
        event: Said,
        arrival: &Arrival,
    ) -> (Action, State) {
        let said = self.contract.udp.get(subject.state(), event);
        self.note_udp(subject, event, said, Some(arrival.lb));
        said
    }

    fn note_udp(
        &mut self,
        subject: &UdpSubject,
        event: Said,
        said: (Action, State),
        lb: Option<super::entry::Peer>,
    ) {
        if self.tracing {
            self.note = Note {
                flow: Some(subject.flow),
                udp: Some((subject.state(), event, said.0, said.1)),
                lb,
                ..Note::default()
            };
        }
    }

    fn count_datagram(&mut self, said: Said, before: State, given: &Given) {
        let is_here = before != State::None;
        let counter = match said {
            Said::Ack if is_here => return,
            _ if is_here => Event::UdpFound,
            Said::Recover => Event::RecoveryPassedOn,
            Said::RecoverLast => Event::RecoverNextSent,
            Said::ConnectTaken => Event::UdpTaken,
            Said::ConnectRefused => {
                let nobody = given.socket == Some(SocketAnswer::NobodyListens);
                if nobody || !given.app.is_up() {
                    self.events.add(Event::PassedOnDown);
                }
                Event::PassedOn
            }
            Said::Ack | Said::ConnectForceDown => Event::Returned,
            Said::ConnectFinalDown => Event::UdpRefused,
            Said::RecoverFinal | Said::Reply => return,
        };
        self.events.add(counter);
    }

    /// A datagram of the application, on its way to the client. One that is too long for the header goes
    /// straight: nothing else could carry the function to the LB, and a shorter one will.
    pub(super) fn reply(
        &mut self,
        frame: &mut PacketBuf,
        packet: &Packet,
        given: &mut Given,
    ) -> Result<Done, Stop> {
        let flow = packet.flow_from_server(packet.dst);
        let subject = self.udp_subject(flow.ok_or(DropReason::UnsupportedProtocol)?, given);
        let lb = subject.entry.and_then(|entry| entry.peer());
        let said = self.contract.udp.get(subject.state(), Said::Reply);
        self.note_udp(&subject, Said::Reply, said, lb);
        let (Action::Create, Some(lb), Some(mut entry)) = (said.0, lb, subject.entry) else {
            return Ok(self.straight());
        };
        if !entry.may_steer(given.now) {
            self.events.add(Event::BudgetSpent);
            return Ok(self.straight());
        }
        let signed = self.config.hmac.is_some();
        if packet.len + lb.encoding.overhead_bytes(1, signed) > self.config.fabric_mtu_bytes {
            self.events.add(Event::UdpTooLong);
            return Ok(self.straight());
        }
        let to = Segments::one(lb.locator.sid(Function::CreateStickiness));
        let label = subject.hash.flow_label();
        carry::put_on(frame, packet, self.as_sender(), lb.encoding, &to, label)?;
        self.events.add(Event::Created);
        entry.steered();
        self.keep_udp(&subject, entry, given);
        Ok(Done::Transmit)
    }
}
