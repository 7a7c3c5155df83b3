//! A host's TCP: connections by flow, and what a kernel does with segments that no socket of smoltcp
//! handles as Linux would.

use std::collections::BTreeMap;

use packet_io::PacketBuf;
use smoltcp::socket::tcp::State;
use smoltcp::wire::TcpControl;
use srh::parse::Tcp;
use srh::Flow;
use srlb_server::engine::SocketAnswer;

use super::endpoint::{is_before, Endpoint};
use super::isn;
use super::listener::Listener;
use super::live::{may_challenge, Answer, FinAgain, Live};
use super::player::Player;
use super::port::MTU_BYTES;
use super::report::{Around, Gone, Opened, Wake};
use super::segment::Segment;
use crate::sim::dialogue::Side;
use crate::sim::outcome::Cause;

/// How long a kernel waits for the answer to its SYN-ACK (tcp_synack_retries 5).
pub const SYN_RECV_LIFE_US: u64 = 63_000_000;
/// How long it waits for the answer to its SYN (tcp_syn_retries 6).
pub const SYN_SENT_LIFE_US: u64 = 127_000_000;
/// TIME_WAIT.
pub const TIME_WAIT_US: u64 = 60_000_000;
/// How long after the last SYN cookie one is still taken.
const COOKIE_LIFE_US: u64 = 60_000_000;
/// The smallest and the largest buffer of a socket.
const BUFFER_BYTES: (u64, u64) = (2_048, 32_768);
/// What a kernel without timestamps tells as its MSS.
const MSS_BYTES: u16 = (MTU_BYTES - 60) as u16;

/// What is left of a connection that this host has ended first.
#[derive(Clone, Copy, Debug)]
struct TimeWait {
    connection: usize,
    /// This side's initial number.
    first: u32,
    until_us: u64,
    next: u32,
    expected: u32,
    /// When an ACK was sent last to what is old or foreign.
    challenged_us: Option<u64>,
}

enum Slot {
    Live(Box<Live>),
    TimeWait(TimeWait),
}

/// A host's TCP.
pub struct Kernel {
    side: Side,
    secret: u64,
    slots: BTreeMap<Flow, Slot>,
    serial: u64,
    /// The application; a client has none.
    pub listener: Option<Listener>,
    /// The MTU of the path to the service, as far as it was told.
    pub path_mtu_bytes: usize,
}

impl Kernel {
    /// A client's kernel, or a server's with its application.
    pub fn new(secret: u64, listener: Option<Listener>) -> Self {
        Kernel {
            side: match listener {
                Some(_) => Side::Server,
                None => Side::Client,
            },
            secret,
            slots: BTreeMap::new(),
            serial: 0,
            listener,
            path_mtu_bytes: MTU_BYTES,
        }
    }

    /// May a client open a connection of this flow now?
    pub fn is_free(&self, flow: &Flow, now_us: u64) -> bool {
        match self.slots.get(flow) {
            None => true,
            Some(Slot::TimeWait(wait)) => wait.until_us <= now_us,
            Some(Slot::Live(_)) => false,
        }
    }

    /// Opens a connection; returns the number of its SYN.
    pub fn open(&mut self, flow: Flow, connection: usize, around: &mut Around) -> u32 {
        let number = isn::number(self.secret, &flow, around.now_us);
        let mut live = self.socket(&flow, connection, number, around);
        live.end.connect(&flow);
        self.keep(flow, live, None, around);
        number
    }

    fn socket(
        &mut self,
        flow: &Flow,
        connection: usize,
        number: u32,
        around: &Around,
    ) -> Box<Live> {
        let spec = &around.specs[connection];
        let (least, most) = BUFFER_BYTES;
        let room = |side| spec.bytes_of(side).clamp(least, most) as usize;
        let address = match self.side {
            Side::Client => flow.client,
            Side::Server => flow.vip,
        };
        let (receives, sends) = (room(self.side.other()), room(self.side));
        self.serial += 1;
        Box::new(Live {
            end: Endpoint::new(address, around.now_us, number, receives, sends),
            player: Player::new(connection, self.side),
            connection,
            serial: self.serial,
            born_us: around.now_us,
            peer_first: 0,
            served: self.side == Side::Client,
            has_worker: false,
            was_established: false,
            challenged_us: None,
            wake_us: None,
            fin_again: FinAgain::default(),
        })
    }

    /// A segment for a flow of this host comes in.
    pub fn receive(
        &mut self,
        flow: Flow,
        tcp: &Tcp,
        frame: PacketBuf,
        opened: &Opened,
        around: &mut Around,
    ) {
        match self.slots.remove(&flow) {
            Some(Slot::Live(live)) => self.at_socket(flow, live, tcp, frame, around),
            Some(Slot::TimeWait(wait)) if around.now_us < wait.until_us => {
                self.at_time_wait(flow, wait, tcp, frame, opened, around);
            }
            _ => self.without_socket(flow, tcp, frame, opened, around),
        }
    }

    fn at_socket(
        &mut self,
        flow: Flow,
        mut live: Box<Live>,
        tcp: &Tcp,
        frame: PacketBuf,
        around: &mut Around,
    ) {
        let mut reset = None;
        let answer = live.judge(around.now_us, tcp);
        around.syn_in_vain = tcp.is_syn() && !matches!(answer, Answer::SynAckAgain);
        match answer {
            Answer::Feed => {
                let before = live.end.state();
                live.end.feed(around.now_us, frame, tcp, &mut around.out);
                let after = live.end.state();
                if before == State::SynSent && after == State::Established {
                    live.peer_first = tcp.seq;
                }
                if before != State::TimeWait && after == State::TimeWait {
                    // smoltcp may delay this ACK, and TIME_WAIT is ours from here on
                    let end = live.end.acknowledge(tcp);
                    around
                        .out
                        .extend(end.map(|ack| ack.packet(&flow, self.side)));
                }
                if tcp.has(Tcp::RST) && matches!(after, State::Closed | State::Listen) {
                    reset = Some(match before {
                        State::SynSent => Gone::Refused,
                        State::SynReceived => Gone::HalfOpen,
                        _ => Gone::Reset,
                    });
                }
            }
            Answer::Send(segment) => around.out.push(segment.packet(&flow, self.side)),
            Answer::SynAckAgain => around.out.extend(live.end.syn_ack.clone()),
            Answer::Ignore => {}
        }
        self.keep(flow, live, reset, around);
    }

    /// RFC 9293 section 3.10.7.4, and as Linux does it: a SYN beyond the window begins a new connection if
    /// somebody listens, what is old is answered with an ACK, and the ACK that was awaited is not answered.
    fn at_time_wait(
        &mut self,
        flow: Flow,
        mut wait: TimeWait,
        tcp: &Tcp,
        frame: PacketBuf,
        opened: &Opened,
        around: &mut Around,
    ) {
        let is_listening = self.is_listening();
        if tcp.is_syn() && is_before(wait.expected, tcp.seq) && is_listening {
            return self.without_socket(flow, tcp, frame, opened, around);
        }
        around.syn_in_vain = tcp.is_syn();
        if tcp.has(Tcp::RST) {
            if tcp.seq != wait.expected {
                self.slots.insert(flow, Slot::TimeWait(wait));
            }
            return;
        }
        let is_awaited =
            tcp.seq == wait.expected && tcp.data_len == 0 && tcp.flags & (Tcp::SYN | Tcp::FIN) == 0;
        if !tcp.has(Tcp::SYN) {
            wait.until_us = around.now_us + TIME_WAIT_US;
        }
        // Two ends of different connections would answer each other for ever. What carries data or a FIN can't be part of
        // such a loop.
        let may_loop = tcp.data_len == 0 && !tcp.has(Tcp::FIN);
        if !is_awaited && (!may_loop || may_challenge(&mut wait.challenged_us, around.now_us)) {
            let ack = Segment::ack(wait.next, wait.expected);
            around.out.push(ack.packet(&flow, self.side));
        }
        self.slots.insert(flow, Slot::TimeWait(wait));
    }

    fn without_socket(
        &mut self,
        flow: Flow,
        tcp: &Tcp,
        frame: PacketBuf,
        opened: &Opened,
        around: &mut Around,
    ) {
        let is_listening = self.is_listening();
        if is_listening && tcp.is_syn() {
            return self.new_flow(flow, tcp, frame, opened, around);
        }
        if is_listening && self.is_cookie(&flow, tcp, around.now_us) {
            return self.take_cookie(flow, tcp, frame, opened, around);
        }
        let refusal = Segment::refusal(tcp);
        let refusal = refusal.map(|segment| segment.packet(&flow, self.side));
        around.out.extend(refusal);
    }

    fn new_flow(
        &mut self,
        flow: Flow,
        tcp: &Tcp,
        frame: PacketBuf,
        opened: &Opened,
        around: &mut Around,
    ) {
        let half_open = self.half_open();
        let now_us = around.now_us;
        let Some(listener) = &mut self.listener else {
            return;
        };
        if listener.waiting.len() >= listener.backlog {
            around.dropped = true;
            return;
        }
        let cookies = half_open >= listener.syn_backlog;
        if cookies {
            listener.cookie_us = Some(now_us);
            let syn_ack = Segment {
                control: TcpControl::Syn,
                seq: isn::cookie(self.secret, &flow, tcp.seq, now_us),
                ack: Some(tcp.seq.wrapping_add(1)),
                mss: Some(MSS_BYTES),
            };
            around.out.push(syn_ack.packet(&flow, self.side));
            return;
        }
        // A SYN of nobody we know has nobody to answer.
        if let Some(&connection) = opened.get(&(flow, tcp.seq)) {
            let number = isn::number(self.secret, &flow, now_us);
            let live = self.listening(flow, tcp, (connection, number), frame, around);
            self.keep(flow, live, None, around);
        }
    }

    /// A socket of a connection that has got this SYN, and will answer with this number.
    fn listening(
        &mut self,
        flow: Flow,
        tcp: &Tcp,
        (connection, number): (usize, u32),
        syn: PacketBuf,
        around: &mut Around,
    ) -> Box<Live> {
        let mut live = self.socket(&flow, connection, number, around);
        live.peer_first = tcp.seq;
        live.end.listen(&flow);
        live.end.feed(around.now_us, syn, tcp, &mut around.out);
        live
    }

    fn half_open(&self) -> usize {
        let live = self.slots.values().filter(|slot| match slot {
            Slot::Live(live) => live.end.state() == State::SynReceived,
            Slot::TimeWait(_) => false,
        });
        live.count()
    }

    fn is_cookie(&self, flow: &Flow, tcp: &Tcp, now_us: u64) -> bool {
        let cookie = |at| isn::cookie(self.secret, flow, tcp.seq.wrapping_sub(1), at);
        let given = tcp.ack.wrapping_sub(1);
        let minute_ago = now_us.saturating_sub(60_000_000);
        self.may_be_cookie(tcp, now_us) && (cookie(now_us) == given || cookie(minute_ago) == given)
    }

    fn may_be_cookie(&self, tcp: &Tcp, now_us: u64) -> bool {
        let last_us = self.listener.as_ref().and_then(|l| l.cookie_us);
        let is_recent = last_us.is_some_and(|last_us| now_us < last_us + COOKIE_LIFE_US);
        is_recent && tcp.has(Tcp::ACK) && tcp.flags & (Tcp::SYN | Tcp::RST) == 0
    }

    /// Is there a socket of the flow that belongs to an earlier connection than this one?
    pub fn has_older_socket(&self, flow: &Flow, connection: usize) -> bool {
        match self.slots.get(flow) {
            Some(Slot::Live(live)) => live.connection != connection,
            Some(Slot::TimeWait(_)) | None => false,
        }
    }

    /// Is there nothing of the flow but a TIME_WAIT?
    pub fn is_in_time_wait(&self, flow: &Flow) -> bool {
        matches!(self.slots.get(flow), Some(Slot::TimeWait(_)))
    }

    /// Would this packet complete a handshake that a SYN cookie has begun?
    pub fn takes_cookie(&self, flow: &Flow, tcp: &Tcp, now_us: u64) -> bool {
        !self.slots.contains_key(flow) && self.is_cookie(flow, tcp, now_us)
    }

    fn is_listening(&self) -> bool {
        self.listener.as_ref().is_some_and(|l| l.is_open)
    }

    /// Why this answer to a SYN cookie would be refused: nobody listens any more, or another packet had to come first, as a cookie
    /// holds for the packet that follows the SYN alone.
    pub fn loses_cookie(&self, flow: &Flow, tcp: &Tcp, now_us: u64) -> Option<Cause> {
        if self.slots.contains_key(flow) || !self.may_be_cookie(tcp, now_us) {
            return None;
        }
        match self.is_cookie(flow, tcp, now_us) {
            true => (!self.is_listening()).then_some(Cause::ListenerClosed),
            false => Some(Cause::CookieRefused),
        }
    }

    /// The SYN that the cookie stands for is played again, and its SYN-ACK kept back.
    fn take_cookie(
        &mut self,
        flow: Flow,
        tcp: &Tcp,
        frame: PacketBuf,
        opened: &Opened,
        around: &mut Around,
    ) {
        let syn = Segment {
            control: TcpControl::Syn,
            seq: tcp.seq.wrapping_sub(1),
            ack: None,
            mss: Some(MSS_BYTES),
        };
        let as_sent = Tcp {
            seq: syn.seq,
            flags: Tcp::SYN,
            data_len: 0,
            ..*tcp
        };
        let number = tcp.ack.wrapping_sub(1);
        let syn = syn.packet(&flow, Side::Client);
        let Some(&connection) = opened.get(&(flow, as_sent.seq)) else {
            return;
        };
        let mut live = self.listening(flow, &as_sent, (connection, number), syn, around);
        // its SYN-ACK has been sent already
        live.end.poll(around.now_us, &mut Vec::new());
        self.at_socket(flow, live, tcp, frame, around);
    }

    /// Goes on with a connection that something has happened to, and puts it where it belongs now.
    fn keep(&mut self, flow: Flow, mut live: Box<Live>, gone: Option<Gone>, around: &mut Around) {
        let now_us = around.now_us;
        if !live.was_established && has_shaken_hands(live.end.state()) {
            live.was_established = true;
            self.enqueue(flow, &mut live);
        }
        if live.served && live.was_established {
            let spec = &around.specs[live.connection];
            live.player.play(now_us, spec, live.end.socket());
        }
        // In TIME_WAIT everything is acknowledged already, and a second ACK would be answered by RST.
        if live.end.state() != State::TimeWait {
            live.end.poll(now_us, &mut around.out);
        }
        let gone = gone.or_else(|| match live.end.state() {
            State::Closed if live.player.aborted => Some(Gone::Aborted),
            State::Closed | State::TimeWait => Some(Gone::Closed),
            _ => None,
        });
        around.reports.push(live.report(self.side, now_us, gone));
        if live.player.done || gone.is_some() {
            self.release(&mut live);
        }
        if gone.is_none() {
            self.schedule(flow, &mut live, around);
            self.slots.insert(flow, Slot::Live(live));
        } else if live.end.state() == State::TimeWait {
            let wait = TimeWait {
                connection: live.connection,
                first: live.end.numbers.first,
                until_us: now_us + TIME_WAIT_US,
                next: live.end.numbers.next,
                expected: live.end.numbers.expected,
                challenged_us: None,
            };
            self.slots.insert(flow, Slot::TimeWait(wait));
        }
        self.serve(around);
    }

    /// A connection whose handshake is over gets a worker, or waits for one.
    fn enqueue(&mut self, flow: Flow, live: &mut Live) {
        let Some(listener) = &mut self.listener else {
            return;
        };
        if listener.has_room() && listener.waiting.is_empty() {
            listener.busy += 1;
            (live.served, live.has_worker) = (true, true);
        } else {
            listener.waiting.push_back(flow);
        }
    }

    fn release(&mut self, live: &mut Live) {
        if let (Some(listener), true) = (&mut self.listener, live.has_worker) {
            listener.busy -= 1;
            live.has_worker = false;
        }
    }

    /// Workers that are free pick up what waits.
    fn serve(&mut self, around: &mut Around) {
        while let Some(listener) = self.listener.as_mut().filter(|l| l.has_room()) {
            let Some(flow) = listener.waiting.pop_front() else {
                return;
            };
            match self.slots.remove(&flow) {
                Some(Slot::Live(mut live)) if !live.served && live.was_established => {
                    listener.busy += 1;
                    (live.served, live.has_worker) = (true, true);
                    self.keep(flow, live, None, around);
                }
                Some(other) => _ = self.slots.insert(flow, other),
                None => {}
            }
        }
    }

    fn schedule(&mut self, flow: Flow, live: &mut Live, around: &mut Around) {
        let gives_up = match live.end.state() {
            State::SynReceived => Some(live.born_us + SYN_RECV_LIFE_US),
            State::SynSent => Some(live.born_us + patience_us(live, around)),
            _ => None,
        };
        live.persist(around.now_us);
        let timer = live.end.due_us(around.now_us);
        let fin = live.fin_again_us(around.now_us);
        let wishes = [gives_up, timer, fin, live.player.wakes_us()];
        let Some(at_us) = wishes.into_iter().flatten().min() else {
            return;
        };
        if live.wake_us.is_none_or(|wake| at_us < wake) {
            live.wake_us = Some(at_us);
            around.wakes.push(Wake {
                flow,
                serial: live.serial,
                at_us,
            });
        }
    }

    /// The time has come that a connection wished to be woken at.
    pub fn wake(&mut self, wake: &Wake, around: &mut Around) {
        match self.slots.remove(&wake.flow) {
            Some(Slot::Live(mut live)) if live.serial == wake.serial => {
                live.wake_us = None;
                let fin = live.send_fin_again(around.now_us);
                around
                    .out
                    .extend(fin.map(|fin| fin.packet(&wake.flow, self.side)));
                let age_us = around.now_us - live.born_us;
                let gone = match live.end.state() {
                    State::SynReceived if age_us >= SYN_RECV_LIFE_US => Some(Gone::HalfOpen),
                    State::SynSent if age_us >= SYN_SENT_LIFE_US => Some(Gone::TimedOut),
                    State::SynSent if age_us >= patience_us(&live, around) => Some(Gone::Aborted),
                    _ => None,
                };
                self.keep(wake.flow, live, gone, around);
            }
            Some(other) => _ = self.slots.insert(wake.flow, other),
            None => {}
        }
    }

    /// What a look-up of the sockets says.
    pub fn look_up(&self, flow: &Flow, now_us: u64) -> SocketAnswer {
        let nobody = match &self.listener {
            Some(listener) if listener.is_open => SocketAnswer::None,
            _ => SocketAnswer::NobodyListens,
        };
        match self.slots.get(flow) {
            Some(Slot::Live(live)) => match live.end.state() {
                State::SynReceived => SocketAnswer::SynReceived,
                State::Established | State::CloseWait => SocketAnswer::Open {
                    acked: Some(live.end.numbers.acked_bytes()),
                    sent: Some(live.end.numbers.sent_bytes()),
                },
                State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck => {
                    SocketAnswer::Ended {
                        sent: Some(live.end.numbers.sent_bytes()),
                    }
                }
                State::TimeWait => SocketAnswer::TimeWait,
                State::Closed | State::Listen | State::SynSent => nobody,
            },
            Some(Slot::TimeWait(wait)) if now_us < wait.until_us => SocketAnswer::TimeWait,
            _ => nobody,
        }
    }

    /// Would a socket of ours be ended by this reset?
    pub fn obeys_reset(&self, flow: &Flow, tcp: &Tcp) -> bool {
        match self.slots.get(flow) {
            Some(Slot::Live(live)) if tcp.has(Tcp::RST) => live.obeys_reset(tcp),
            _ => false,
        }
    }

    /// Flows with a connection, handshakes and TIME_WAIT left out: what a router reads when it starts.
    pub fn connections(&self) -> Vec<Flow> {
        let live = self.slots.iter().filter(|(_, slot)| match slot {
            Slot::Live(live) => has_shaken_hands(live.end.state()),
            Slot::TimeWait(_) => false,
        });
        live.map(|(flow, _)| *flow).collect()
    }

    /// Every connection of which there is something here, a TIME_WAIT at least: which one, and the server's initial number.
    pub fn owned(&self) -> Vec<(usize, u32)> {
        let waiting = self.slots.values().filter_map(|slot| match slot {
            Slot::TimeWait(wait) => Some((wait.connection, wait.first)),
            Slot::Live(_) => None,
        });
        self.those(|_| true).into_iter().chain(waiting).collect()
    }

    /// Those of them that the application has not closed itself.
    pub fn unfinished(&self) -> Vec<(usize, u32)> {
        self.those(|live| !live.player.done)
    }

    /// Those of them that the application has not taken yet.
    pub fn not_taken(&self) -> Vec<(usize, u32)> {
        self.those(|live| !live.served)
    }

    fn those(&self, which: impl Fn(&Live) -> bool) -> Vec<(usize, u32)> {
        let live = self.slots.values().filter_map(|slot| match slot {
            Slot::Live(live) if which(live) => Some((live.connection, live.end.numbers.first)),
            _ => None,
        });
        live.collect()
    }

    /// The listener closes: what it has not handed to the application goes with it.
    pub fn close_listener(&mut self, around: &mut Around) {
        if let Some(listener) = &mut self.listener {
            listener.is_open = false;
            listener.waiting.clear();
        }
        self.kill(around, |live| !live.served);
    }

    /// The application is killed: the kernel resets what it has not closed itself.
    pub fn kill_application(&mut self, around: &mut Around) {
        if let Some(listener) = &mut self.listener {
            listener.is_open = false;
            listener.waiting.clear();
        }
        self.kill(around, |live| !live.player.done);
    }

    fn kill(&mut self, around: &mut Around, whom: impl Fn(&Live) -> bool) {
        let flows: Vec<Flow> = self.slots.keys().copied().collect();
        for flow in flows {
            match self.slots.remove(&flow) {
                Some(Slot::Live(mut live)) if whom(&live) => {
                    // A half-open connection is forgotten; its client learns of it when it answers.
                    if live.was_established {
                        live.end.socket().abort();
                        live.end.poll(around.now_us, &mut around.out);
                    }
                    self.release(&mut live);
                    let report = live.report(self.side, around.now_us, Some(Gone::Killed));
                    around.reports.push(report);
                }
                Some(other) => _ = self.slots.insert(flow, other),
                None => {}
            }
        }
    }
}

/// How long a client waits for the answer to its SYN.
fn patience_us(live: &Live, around: &Around) -> u64 {
    let patience_ms = around.specs[live.connection].patience_ms;
    let patience_us = patience_ms.map(|ms| u64::from(ms) * 1_000);
    patience_us.unwrap_or(u64::MAX).min(SYN_SENT_LIFE_US)
}

fn has_shaken_hands(state: State) -> bool {
    matches!(
        state,
        State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait
    )
}
