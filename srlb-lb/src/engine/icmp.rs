//! ICMPv6: what we answer, what we send on to a flow's owner, what we learn from.

use std::net::Ipv6Addr;

use daemon::DropReason;
use packet_io::{Instant, PacketBuf};
use srh::carry::node_of;
use srh::hmac::{self, HmacError};
use srh::icmp::{self, Error};
use srh::parse::{self, Complaint, Icmp, Packet, ParseError};
use srh::{checksum, Frame};

use super::client::Visit;
use super::state::Action;
use super::{Done, Engine, Event, Outcome};

/// Identifier of our echo requests.
const ECHO_IDENTIFIER: u16 = 0x5352;

impl Engine {
    /// Answers an echo request to a VIP or to one of our SIDs.
    pub(super) fn echo(&mut self, frame: &mut PacketBuf, packet: &Packet) -> Outcome {
        if !checksum::is_right(frame.bytes(), packet) {
            return Err(DropReason::WrongChecksum);
        }
        if !icmp::may_report(packet) || packet.is_fragment() || self.would_come_back(packet.src) {
            return Err(DropReason::IcmpIgnored);
        }
        icmp::echo_reply(frame, packet);
        self.events.add(Event::EchoAnswered);
        Ok(Done::Answered)
    }

    /// Would an answer to this address be routed back to us? A VIP is the source of what a server inserts an
    /// SRH into, and of whatever somebody forges.
    fn would_come_back(&self, addr: Ipv6Addr) -> bool {
        self.config.locator.contains(addr) || self.pool.vip_at(addr).is_some()
    }

    /// A suspect server has answered our echo request. There is nothing to send on.
    pub(super) fn echo_reply(
        &mut self,
        now: Instant,
        frame: &PacketBuf,
        packet: &Packet,
    ) -> Outcome {
        if !checksum::is_right(frame.bytes(), packet) {
            return Err(DropReason::WrongChecksum);
        }
        if let Some(server) = node_of(packet.src).and_then(|l| self.pool.server_at(l)) {
            self.server_is_alive(server, now);
        }
        Err(DropReason::IcmpIgnored)
    }

    /// Echo requests to suspect servers.
    pub(super) fn probe_suspects(&mut self, now: Instant, out: &mut Vec<PacketBuf>) {
        let (pool, events, number) = (&self.pool, &mut self.events, &mut self.echo_number);
        let src = self.config.locator.node();
        self.health.ask_suspects(now, |server| {
            // Another engine may have a newer pool: who is new in it is asked as soon as this one has it, too.
            let Some(server) = pool.servers().get(usize::from(server)) else {
                return;
            };
            let dst = server.locator.node();
            *number = number.wrapping_add(1);
            let request = icmp::echo_request(src, dst, ECHO_IDENTIFIER, *number);
            out.push(PacketBuf::from_slice(&request));
            events.add(Event::ProbesSent);
        });
    }

    /// An error for a VIP goes the way of the flow that it is about, and is delivered by that
    /// flow's owner. It changes no state.
    pub(super) fn error_for_vip(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        packet: &Packet,
        vip: usize,
        visit: Visit,
    ) -> Outcome {
        if !checksum::is_right(frame.bytes(), packet) {
            return Err(DropReason::WrongChecksum);
        }
        let address = self.pool.vips()[vip].address;
        let flow = icmp::quoted_flow(frame.bytes(), packet)
            .and_then(|quoted| quoted.flow_sent_by_vip())
            .filter(|flow| flow.vip == address)
            .ok_or(DropReason::IcmpUnmatched)?;
        let subject = self.subject(flow, vip, None, now);
        let sent_back_by_owner =
            visit.back_from.is_some() && subject.pin.map(|pin| pin.server()) == visit.back_from;
        let action = match (subject.pin, visit.asked) {
            (Some(_), _) if !sent_back_by_owner => Action::ToPinned,
            (_, Some(_)) => Action::RecoverNext,
            (_, None) => Action::RecoverElsewhere,
        };
        let done = self.send(now, frame, packet, &subject, action, visit)?;
        self.events.add(Event::ErrorsForwarded);
        Ok(done)
    }

    /// An error about a packet whose outer header was ours.
    pub(super) fn error_about_ours(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        packet: &Packet,
        message: Icmp,
    ) -> Outcome {
        if !checksum::is_right(frame.bytes(), packet) {
            return Err(DropReason::WrongChecksum);
        }
        let quoted = icmp::quoted_flow(frame.bytes(), packet)
            .filter(|q| q.is_encapsulated() && q.outer.src == self.config.locator.node())
            .ok_or(DropReason::IcmpUnmatched)?;
        match message.kind {
            Icmp::PACKET_TOO_BIG => {
                let client = quoted.inner.src;
                if !icmp::may_report(&quoted.inner) {
                    return Err(DropReason::IcmpIgnored);
                }
                if self.pool.vip_at(quoted.final_dst).is_none() || !self.may_be_client(client) {
                    return Err(DropReason::IcmpUnmatched);
                }
                let overhead = (quoted.inner_at - quoted.outer_at) as u32;
                let mtu = message.value.saturating_sub(overhead);
                frame.pull_front(quoted.inner_at);
                self.say_too_big(now, frame, quoted.final_dst, client, mtu)
            }
            Icmp::UNREACHABLE => {
                let locator = srh::Locator::of(quoted.outer.dst);
                let known = self.pool.server_at(locator);
                if let Some(server) = known.filter(|&s| self.pool.is_member(s)) {
                    self.health.suspect(server, now);
                }
                Err(DropReason::IcmpIgnored)
            }
            _ => Err(DropReason::IcmpIgnored),
        }
    }

    /// The packet would not fit the fabric with our header added. What we tell the client leaves
    /// room for the longest header, so that its next packets fit whatever way they go.
    pub(super) fn packet_too_big(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        packet: &Packet,
    ) -> Outcome {
        if !self.config.packet_too_big || !icmp::may_report(packet) {
            return Err(DropReason::TooBig);
        }
        let mtu = self.config.client_mtu_bytes() as u32;
        self.say_too_big(now, frame, packet.dst, packet.src, mtu)
    }

    fn say_too_big(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        vip: Ipv6Addr,
        client: Ipv6Addr,
        mtu: u32,
    ) -> Outcome {
        // No IPv6 link has a smaller one (RFC 8200 section 5).
        let value = mtu.max(icmp::MIN_MTU_BYTES as u32);
        let error = Error {
            src: vip,
            dst: client,
            kind: Icmp::PACKET_TOO_BIG,
            code: 0,
            value,
        };
        self.answer(now, frame, &error, Event::TooBigSent)
    }

    /// The client's packet has no hop left for the way through us (RFC 4443 section 3.3).
    pub(super) fn time_exceeded(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        packet: &Packet,
    ) -> Outcome {
        if !icmp::may_report(packet) {
            return Err(DropReason::HopLimit);
        }
        let error = Error {
            src: packet.dst,
            dst: packet.src,
            kind: Icmp::TIME_EXCEEDED,
            code: 0,
            value: 0,
        };
        self.answer(now, frame, &error, Event::TimeExceededSent)
    }

    /// A packet that could not be parsed. About an SRH with impossible Segments Left or Last
    /// Entry that names us the sender is told (RFC 8754 section 4.3.1.1).
    pub(super) fn report_bad_header(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        error: ParseError,
    ) -> Outcome {
        let complaint = parse::segments_left_complaint(frame.bytes(), error)
            .filter(|c| self.config.locator.contains(c.dst));
        self.complain(now, frame, complaint, error.into())
    }

    /// A packet for a SID of ours that proves nothing.
    pub(super) fn report_bad_hmac(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        packet: &Packet,
        error: HmacError,
    ) -> Outcome {
        self.complain(now, frame, hmac::complaint(packet), error.into())
    }

    /// Drops a packet for `reason`, and tells its sender if there is a complaint to make.
    fn complain(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        complaint: Option<Complaint>,
        reason: DropReason,
    ) -> Outcome {
        let Some(complaint) = complaint
            .filter(|c| !self.would_come_back(c.src))
            .filter(|_| self.icmp.allow(now))
        else {
            return Err(reason);
        };
        frame.truncate(complaint.len);
        let problem = Error {
            src: self.config.locator.node(),
            dst: complaint.src,
            kind: Icmp::PARAMETER_PROBLEM,
            code: 0,
            value: complaint.pointer,
        };
        // The packet is dropped all the same, and counted as what it was.
        self.drops.add(reason);
        icmp::error(frame, &problem).map_err(|_| DropReason::NoHeadroom)?;
        self.events.add(Event::ParameterProblemSent);
        Ok(Done::Answered)
    }

    fn answer(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        error: &Error,
        counter: Event,
    ) -> Outcome {
        if !self.icmp.allow(now) {
            return Err(DropReason::IcmpRate);
        }
        icmp::error(frame, error).map_err(|_| DropReason::NoHeadroom)?;
        self.events.add(counter);
        Ok(Done::Answered)
    }
}
