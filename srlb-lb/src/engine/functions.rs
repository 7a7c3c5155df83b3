//! Packets for our locator: the functions of servers, echo requests, errors about what we sent.

use daemon::DropReason;
use flow_table::FlowHash;
use packet_io::{Instant, PacketBuf};
use srh::parse::{Icmp, Packet, Tcp, Upper};
use srh::{checksum, Encoding, Frame, Function, Sid};

use super::client::Visit;
use super::state::{self, Action};
use super::wire::{self, Arrived};
use super::{client_event, Done, Engine, Event, MadeBy, Outcome, ShortNumber, Subject};

impl Engine {
    pub(super) fn for_our_locator(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        packet: &Packet,
        hash: Option<FlowHash>,
    ) -> Outcome {
        let sid = Sid::parse(packet.dst)
            .filter(|sid| sid.arg == 0 || sid.function == Function::RecoverNext)
            .ok_or(DropReason::UnknownSid)?;
        // Nobody of ours sends fragments, and their checksums can't be looked at.
        if packet.is_fragment() {
            return Err(DropReason::Fragment);
        }
        // With segments left it is a function's packet, even if that is ICMPv6.
        let ends_here = packet.srh.is_none_or(|srh| srh.segments_left == 0);
        if let (Upper::Icmp(icmp), true) = (packet.upper, ends_here) {
            return self.icmp_for_us(now, frame, packet, icmp, sid.function);
        }
        match sid.function {
            Function::CreateStickiness | Function::RemoveStickiness => {
                self.server_packet(now, frame, packet, sid.function, hash)
            }
            Function::ReturnFlow | Function::RecoverNext => {
                self.back_from_server(now, frame, packet, sid, hash)
            }
            _ => Err(DropReason::NotOurFunction),
        }
    }

    fn icmp_for_us(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        packet: &Packet,
        icmp: Icmp,
        function: Function,
    ) -> Outcome {
        match icmp.kind {
            // SIDs answer echo (RFC 9259 section 2.1)
            Icmp::ECHO_REQUEST => self.echo(frame, packet),
            Icmp::ECHO_REPLY if function == Function::Node => self.echo_reply(now, frame, packet),
            _ if icmp.is_error() && function == Function::Node => {
                self.error_about_ours(now, frame, packet, icmp)
            }
            _ => Err(DropReason::IcmpIgnored),
        }
    }

    /// createStickiness and removeStickiness: a server's packet on its way to the client.
    fn server_packet(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        packet: &Packet,
        function: Function,
        hash: Option<FlowHash>,
    ) -> Outcome {
        let arrived = wire::take_off(frame, packet)?;
        let inner = &arrived.packet;
        let vip = self.pool.vip_at(inner.src).ok_or(DropReason::InnerSource)?;
        let server = self.member(&arrived, vip)?;
        if !self.may_be_client(inner.dst) {
            return Err(DropReason::InnerDestination);
        }
        if inner.is_fragment() {
            return Err(DropReason::Fragment);
        }
        let flow = inner
            .flow_from_server(inner.dst)
            .filter(|_| carries(function, inner))
            .ok_or(DropReason::UnsupportedProtocol)?;
        if !checksum::is_right(frame.bytes(), inner) {
            return Err(DropReason::WrongChecksum);
        }
        self.server_is_alive(server, now);
        let subject = self.subject(flow, vip, hash, now);
        match inner.tcp() {
            Some(tcp) => self.server_says(now, &subject, function, tcp, server, arrived.encoding),
            None => self.server_takes(now, &subject, server, arrived.encoding),
        }
    }

    /// The rows createStickiness and removeStickiness of the state table.
    fn server_says(
        &mut self,
        now: Instant,
        subject: &Subject,
        function: Function,
        tcp: &Tcp,
        server: u16,
        encoding: Encoding,
    ) -> Outcome {
        let sender = subject.sender(server);
        let event = if function == Function::RemoveStickiness {
            state::Event::Remove(sender)
        } else if tcp.is_syn_ack() {
            let same_number = subject
                .pin
                .is_some_and(|pin| pin.number() == ShortNumber::of(tcp.ack));
            state::Event::CreateOnSynAck {
                sender,
                same_number,
            }
        } else {
            state::Event::CreateOnOther(sender)
        };
        let (action, next) = self.contract.table.get(subject.state(), event);
        self.take_note(subject, event, (action, next), Some(server));
        if action == Action::DropLoser {
            return Err(DropReason::LosersSynAck);
        }
        self.sketch.answered(subject.hash.tag());
        if subject.pin.is_none() && matches!(event, state::Event::CreateOnOther(_)) {
            self.unpinned.recovered();
        }
        let by = MadeBy {
            server,
            number: match tcp.is_syn_ack() {
                true => ShortNumber::of(tcp.ack),
                false => ShortNumber::NONE,
            },
            encoding,
        };
        self.write(subject, next, Some(by), now);
        if next == state::Next::Closing {
            self.events.add(Event::Closed);
            self.selector.closed(server);
        }
        Ok(Done::Forwarded)
    }

    /// returnFlow and recoverNext: a client's packet that the server does not own.
    fn back_from_server(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        packet: &Packet,
        sid: Sid,
        hash: Option<FlowHash>,
    ) -> Outcome {
        let arrived = wire::take_off(frame, packet)?;
        let inner = arrived.packet;
        let vip = self
            .pool
            .vip_at(inner.dst)
            .ok_or(DropReason::InnerDestination)?;
        let server = self.member(&arrived, vip)?;
        self.check_client(&inner)?;
        if inner.is_fragment() {
            return Err(DropReason::Fragment);
        }
        if !checksum::is_right(frame.bytes(), &inner) {
            return Err(DropReason::WrongChecksum);
        }
        self.server_is_alive(server, now);
        self.events.add(Event::Returned);
        let visit = Visit {
            back_from: Some(server),
            asked: (sid.function == Function::RecoverNext).then_some(sid.arg),
        };
        if matches!(inner.upper, Upper::Icmp(icmp) if icmp.is_error()) {
            return self.error_for_vip(now, frame, &inner, vip, visit);
        }
        if let Upper::Udp { .. } = inner.upper {
            return self.datagram_back(now, frame, &inner, vip, (visit, hash));
        }
        let subject = self.tcp_subject(&inner, vip, hash, now)?;
        let sender = subject.sender(server);
        let is_syn = client_event(&inner) == Some(state::Event::ClientSyn);
        let event = match (sid.function, is_syn) {
            (Function::RecoverNext, _) => state::Event::RecoverNext(sender),
            (_, true) => state::Event::ReturnSyn(sender),
            (_, false) => state::Event::ReturnOther(sender),
        };
        self.obey(now, frame, &inner, &subject, event, visit)
    }

    /// The number of a function's sender, if it is a member of that VIP's pool.
    fn member(&self, arrived: &Arrived, vip: usize) -> Result<u16, DropReason> {
        self.pool
            .server_at(arrived.sender)
            .filter(|&server| self.pool.vips()[vip].tables.is_member(server))
            .ok_or(DropReason::UnknownSender)
    }

    pub(super) fn server_is_alive(&mut self, server: u16, now: Instant) {
        if self.health.heard(server, now) {
            self.events.add(Event::Revived);
        }
    }
}

/// May this function ride on that packet? Nothing ends a UDP flow.
fn carries(function: Function, packet: &Packet) -> bool {
    match packet.upper {
        Upper::Tcp(_) => true,
        Upper::Udp { .. } => function == Function::CreateStickiness,
        _ => false,
    }
}
