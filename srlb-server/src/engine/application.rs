//! Packets of the application, on their way to clients.

use daemon::DropReason;
use packet_io::{Instant, PacketBuf};
use srh::parse::{Packet, Tcp, Upper};
use srh::{carry, tcp as segment, Frame, Function, Segments};

use super::contract::Limits;
use super::entry::{distance, Entry, Peer};
use super::state::{Action, Event as Said, State};
use super::{Done, Engine, Event, Given, Stop, Subject};

/// Room for an ACK without data: IPv6 header and the longest TCP header.
const EMPTY_ACK_BYTES: usize = 40 + 60;

impl Engine {
    pub(super) fn application_packet(
        &mut self,
        frame: &mut PacketBuf,
        packet: &Packet,
        given: &mut Given,
    ) -> Result<Done, Stop> {
        if matches!(packet.upper, Upper::Udp { .. })
            && !packet.is_fragment()
            && packet.srh.is_none()
        {
            return self.reply(frame, packet, given);
        }
        let flow = packet.flow_from_server(packet.dst);
        let (Some(tcp), Some(flow)) = (packet.tcp().copied(), flow) else {
            return Ok(self.straight());
        };
        if packet.is_fragment() || packet.srh.is_some() {
            return Ok(self.straight());
        }
        let mut subject = self.subject(flow, given.now);
        let mut entry = subject.entry.unwrap_or_default();
        if tells_its_number(&subject, &tcp) {
            // The client must not see it: it would echo a timestamp that was none of the SYN-ACK's, and Linux then takes nothing
            // from it until the SYN-ACK is repeated.
            entry.saw_syn_ack(tcp.seq.wrapping_sub(1), &self.contract.limits);
            self.keep(&subject, entry, given.now);
            return Err(DropReason::AnswerToUs.into());
        }
        if may_refute(&entry, &tcp) {
            if let Some(state) = self.refute_guess(&subject, &entry, &tcp, given) {
                entry.set_state(given.now, state, &self.contract.limits);
                subject.state = state;
            }
        }
        let said = take_in(&mut entry, &tcp, &self.contract.limits);
        let (action, state) = self.consult(&subject, said, entry.peer());
        if let Action::Drop(reason) = action {
            return Err(reason.into());
        }
        if tcp.is_syn_ack() && segment::clamp_mss(frame, packet, self.config.mss_bytes()) {
            self.events.add(Event::MssClamped);
        }
        match (action, entry.peer()) {
            (Action::Create | Action::Remove, Some(lb)) => {
                let tell = Tell::new(action, packet, &subject, lb);
                self.tell(frame, &tell, &mut entry, given)?;
            }
            _ => {
                self.straight();
            }
        }
        self.write_application(&subject, entry, said, state, &tcp, given);
        Ok(Done::Transmit)
    }

    pub(super) fn straight(&mut self) -> Done {
        self.events.add(Event::Straight);
        Done::Transmit
    }

    /// Sends the packet through the LB with a function on it, as long as that doesn't keep the client
    /// from getting its packets: the LB may be dead. One that is too long for the header goes straight,
    /// and an empty ACK carries the function.
    fn tell(
        &mut self,
        frame: &mut PacketBuf,
        tell: &Tell,
        entry: &mut Entry,
        given: &mut Given,
    ) -> Result<(), Stop> {
        if !tell.is_due(entry, given.now) {
            self.events.add(Event::BudgetSpent);
            self.straight();
            return Ok(());
        }
        let len = tell.packet.len
            + tell
                .lb
                .encoding
                .overhead_bytes(1, self.config.hmac.is_some());
        if len <= self.config.fabric_mtu_bytes {
            self.put_on(frame, tell.packet, tell)?;
        } else {
            if entry.may_send_empty_ack() {
                given.extra.push(self.empty_ack(frame, tell)?);
                entry.sent_empty_ack();
            }
            self.straight();
        }
        tell.done(entry);
        Ok(())
    }

    /// An ACK without data that carries the function.
    fn empty_ack(&mut self, frame: &PacketBuf, tell: &Tell) -> Result<PacketBuf, Stop> {
        let mut ack = PacketBuf::with_capacity(EMPTY_ACK_BYTES);
        ack.fill(|room| segment::empty_ack(frame.bytes(), tell.packet, room).unwrap_or(0));
        let head = srh::parse::packet(ack.bytes())?;
        self.put_on(&mut ack, &head, tell)?;
        self.events.add(Event::EmptyAcks);
        Ok(ack)
    }

    fn put_on(&mut self, frame: &mut PacketBuf, packet: &Packet, tell: &Tell) -> Result<(), Stop> {
        let to = Segments::one(tell.lb.locator.sid(tell.function));
        let encoding = tell.lb.encoding;
        carry::put_on(
            frame,
            packet,
            self.as_sender(),
            encoding,
            &to,
            tell.flow_label,
        )?;
        self.events.add(match tell.function {
            Function::CreateStickiness => Event::Created,
            _ => Event::Removed,
        });
        Ok(())
    }

    fn write_application(
        &mut self,
        subject: &Subject,
        mut entry: Entry,
        said: Said,
        state: State,
        tcp: &Tcp,
        given: &Given,
    ) {
        let limits = &self.contract.limits;
        match said {
            // An RST about no flow of ours, such as our kernel's for a packet that nobody owns.
            Said::AppEnd if entry.peer().is_none() && tcp.has(Tcp::RST) => return,
            // Its end is repeated; CLOSING is counted from the client's packets.
            Said::AppEnd if subject.state == State::Closing => {}
            Said::AppEnd => entry.set_state(given.now, state, limits),
            // As long as the kernel repeats its SYN-ACK the number is of use.
            Said::AppSynAck | Said::AppSynAckThird => {
                if matches!(state, State::None | State::Hunted | State::Wait) {
                    entry.set_state(given.now, state, limits);
                }
            }
            _ if subject.entry.is_none() => return,
            _ => {}
        }
        self.keep(subject, entry, given.now);
    }
}

/// What an LB is told with a packet of the application.
struct Tell<'a> {
    function: Function,
    packet: &'a Packet,
    lb: Peer,
    flow_label: u32,
}

impl<'a> Tell<'a> {
    fn new(action: Action, packet: &'a Packet, subject: &Subject, lb: Peer) -> Self {
        Tell {
            function: match action {
                Action::Remove => Function::RemoveStickiness,
                _ => Function::CreateStickiness,
            },
            packet,
            lb,
            flow_label: subject.hash.flow_label(),
        }
    }

    fn is_due(&self, entry: &Entry, now: Instant) -> bool {
        match self.function {
            Function::CreateStickiness => entry.may_steer(now),
            _ => entry.may_end(),
        }
    }

    fn done(&self, entry: &mut Entry) {
        match self.function {
            Function::CreateStickiness => entry.steered(),
            _ => entry.ended(),
        }
    }
}

/// Is this the answer to the question that we asked at our start? Nobody else keeps an entry with nothing in it.
fn tells_its_number(subject: &Subject, tcp: &Tcp) -> bool {
    let asked = subject.entry.is_some_and(|entry| entry.is_empty());
    let is_ack = tcp.flags & (Tcp::SYN | Tcp::FIN | Tcp::RST | Tcp::ACK) == Tcp::ACK;
    asked && is_ack && tcp.data_len == 0
}

/// Can it refute a guess? Only where no number was known; and a new connection's SYN-ACK says nothing, nor does a RST, whose number the client has chosen.
fn may_refute(entry: &Entry, tcp: &Tcp) -> bool {
    entry.surely_sent().is_none() && !tcp.has(Tcp::SYN) && !tcp.has(Tcp::RST)
}

/// Notes the numbers of a packet of the application, and says what kind of packet it is.
fn take_in(entry: &mut Entry, tcp: &Tcp, limits: &Limits) -> Said {
    if tcp.has(Tcp::RST) {
        return match entry.surely_near() {
            Some(near) if distance(tcp.seq, near) > limits.window_bytes => Said::AppStrayRst,
            _ => Said::AppEnd,
        };
    }
    if tcp.is_syn_ack() {
        return match entry.saw_syn_ack(tcp.seq, limits) {
            true => Said::AppSynAckThird,
            false => Said::AppSynAck,
        };
    }
    let end = tcp.seq.wrapping_add(tcp.data_len as u32);
    if tcp.has(Tcp::FIN) {
        entry.saw_fin(end);
        return Said::AppEnd;
    }
    entry.sent_up_to(end);
    Said::AppOther
}
