//! A host's TCP: connections by flow, and what a kernel does with segments that no socket of smoltcp
//! handles as Linux would.
//!
//! Here is what comes of a segment; [`listen`] is for those that begin a connection, [`course`] for what follows from it, [`answers`] for who asks, [`end`] for
//! the application's end.

mod answers;
mod course;
mod end;
mod listen;

use std::collections::BTreeMap;

use packet_io::PacketBuf;
use smoltcp::socket::tcp::State;
use srh::parse::Tcp;
use srh::Flow;

use super::endpoint::{is_before, Endpoint};
use super::isn;
use super::listener::Listener;
use super::live::{may_challenge, Answer, FinAgain, Live};
use super::player::Player;
use super::port::MTU_BYTES;
use super::report::{Around, Gone, Opened};
use super::segment::Segment;
use crate::sim::dialogue::Side;

/// How long a kernel waits for the answer to its SYN-ACK (tcp_synack_retries 5).
pub const SYN_RECV_LIFE_US: u64 = 63_000_000;
/// How long it waits for the answer to its SYN (tcp_syn_retries 6).
pub const SYN_SENT_LIFE_US: u64 = 127_000_000;
/// TIME_WAIT.
pub const TIME_WAIT_US: u64 = 60_000_000;
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
