//! ICMPv6: what we answer, what we give to our kernel, what we pass on.

use std::net::Ipv6Addr;

use daemon::DropReason;
use packet_io::{Instant, PacketBuf};
use srh::hmac::{self, HmacError};
use srh::icmp::{self, Error};
use srh::parse::{self, next_header, Complaint, Icmp, Packet, ParseError, Upper};
use srh::{checksum, Encoding, Frame, Function};

use super::arrival::Arrival;
use super::state::{Action, State};
use super::{Done, Engine, Event, Given, Stop, Subject};

impl Engine {
    /// A message to one of our SIDs: echo requests are answered (RFC 9259 section 2.1).
    pub(super) fn icmp_for_us(
        &mut self,
        frame: &mut PacketBuf,
        packet: &Packet,
    ) -> Result<Done, Stop> {
        if srh::Sid::parse(packet.dst).is_none() {
            return Err(DropReason::UnknownSid.into());
        }
        if !checksum::is_right(frame.bytes(), packet) {
            return Err(DropReason::WrongChecksum.into());
        }
        let asks = matches!(packet.upper, Upper::Icmp(icmp) if icmp.kind == Icmp::ECHO_REQUEST);
        let is_told = icmp::may_report(packet) && !self.would_come_back(packet.src);
        if !asks || packet.is_fragment() || !is_told {
            return Err(DropReason::IcmpIgnored.into());
        }
        icmp::echo_reply(frame, packet);
        self.events.add(Event::EchoAnswered);
        Ok(Done::Transmit)
    }

    /// Would an answer to this address stay on this host? Nobody of ours sends us anything from there.
    fn would_come_back(&self, addr: Ipv6Addr) -> bool {
        self.config.locator.contains(addr) || self.config.is_vip(addr)
    }

    /// An error for a VIP goes the way of the flow that it is about, and is delivered by that
    /// flow's owner. It changes no state.
    pub(super) fn error_for_vip(
        &mut self,
        frame: &mut PacketBuf,
        arrival: &Arrival,
        given: &mut Given,
    ) -> Result<Done, Stop> {
        if !arrival.checksum_is_right(frame.bytes()) {
            return Err(DropReason::WrongChecksum.into());
        }
        let message = &frame.bytes()[arrival.client_at..];
        let flow = icmp::quoted_flow(message, &arrival.client)
            .and_then(|quoted| quoted.flow_sent_by_vip())
            .filter(|flow| flow.vip == arrival.vip)
            .ok_or(DropReason::IcmpUnmatched)?;
        let subject = self.subject(flow, given.now);
        let is_mine = match flow.protocol {
            next_header::UDP => self.udp_subject(flow, given).entry.is_some(),
            _ => self.owns(&subject, given)?,
        };
        let action = match (arrival.function, is_mine) {
            (
                Function::AckStickiness | Function::RecoverStickiness | Function::RecoverFinal,
                true,
            ) => Action::Deliver,
            (Function::AckStickiness, false) => Action::ReturnFlow,
            (Function::RecoverStickiness, false) if arrival.has_next => Action::PassOn,
            (Function::RecoverStickiness, false) => Action::RecoverNext,
            (Function::RecoverFinal, false) => Action::Drop(DropReason::IcmpUnmatched),
            _ => Action::Drop(DropReason::NotASyn),
        };
        let done = self.act(frame, arrival, subject.hash.flow_label(), action, given)?;
        if is_mine {
            self.events.add(Event::ErrorsDelivered);
        }
        Ok(done)
    }

    /// Is a flow ours, as far as a packet says that has no numbers of its own? Our kernel checks
    /// those that the error quotes.
    fn owns(&mut self, subject: &Subject, given: &Given) -> Result<bool, Stop> {
        match subject.state {
            State::Wait | State::Direct => Ok(true),
            State::Loser => Ok(false),
            State::None | State::Hunted | State::Closing => {
                Ok(self.ask(subject, given)?.is_a_connection())
            }
        }
    }

    /// A client's packet has no hop left for the way on (RFC 4443 section 3.3).
    pub(super) fn time_exceeded(
        &mut self,
        frame: &mut PacketBuf,
        arrival: &Arrival,
        now: Instant,
    ) -> Result<Done, Stop> {
        let is_outer = arrival.lb.encoding == Encoding::Encap && arrival.has_next;
        // An outer header has hops enough unless there is a loop; nobody needs to hear of that often.
        if is_outer || !icmp::may_report(&arrival.client) || !self.icmp.allow(now) {
            return Err(DropReason::HopLimit.into());
        }
        let error = Error {
            src: arrival.vip,
            dst: arrival.client.src,
            kind: Icmp::TIME_EXCEEDED,
            code: 0,
            value: 0,
        };
        self.report(frame, &error, DropReason::HopLimit, Event::TimeExceededSent)
    }

    /// A packet that could not be parsed. About an SRH with impossible Segments Left or Last
    /// Entry that names us the sender is told (RFC 8754 section 4.3.1.1).
    pub(super) fn report_bad_header(
        &mut self,
        frame: &mut PacketBuf,
        error: ParseError,
        now: Instant,
    ) -> Result<Done, Stop> {
        let complaint = parse::segments_left_complaint(frame.bytes(), error)
            .filter(|c| self.config.locator.contains(c.dst));
        self.complain(frame, complaint, error.into(), now)
    }

    /// A packet for a SID of ours that proves nothing.
    pub(super) fn report_bad_hmac(
        &mut self,
        frame: &mut PacketBuf,
        packet: &Packet,
        error: HmacError,
        now: Instant,
    ) -> Result<Done, Stop> {
        self.complain(frame, hmac::complaint(packet), error.into(), now)
    }

    /// Drops a packet for `reason`, and tells its sender if there is a complaint to make.
    fn complain(
        &mut self,
        frame: &mut PacketBuf,
        complaint: Option<Complaint>,
        reason: DropReason,
        now: Instant,
    ) -> Result<Done, Stop> {
        let Some(complaint) = complaint
            .filter(|c| !self.would_come_back(c.src))
            .filter(|_| self.icmp.allow(now))
        else {
            return Err(reason.into());
        };
        frame.truncate(complaint.len);
        let problem = Error {
            src: self.config.locator.node(),
            dst: complaint.src,
            kind: Icmp::PARAMETER_PROBLEM,
            code: 0,
            value: complaint.pointer,
        };
        self.report(frame, &problem, reason, Event::ParameterProblemSent)
    }

    /// Answers a packet with an error; the packet is dropped all the same, and counted as that.
    fn report(
        &mut self,
        frame: &mut PacketBuf,
        error: &Error,
        reason: DropReason,
        counter: Event,
    ) -> Result<Done, Stop> {
        icmp::error(frame, error).map_err(|_| DropReason::NoHeadroom)?;
        self.drops.add(reason);
        self.events.add(counter);
        Ok(Done::Transmit)
    }
}
