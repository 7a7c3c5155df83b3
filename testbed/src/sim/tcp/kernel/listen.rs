//! What a listener does with a SYN, and SYN cookies.

use packet_io::PacketBuf;
use smoltcp::socket::tcp::State;
use smoltcp::wire::TcpControl;
use srh::parse::Tcp;
use srh::Flow;

use super::{Kernel, Slot, MSS_BYTES};
use crate::sim::dialogue::Side;
use crate::sim::outcome::Cause;
use crate::sim::tcp::isn;
use crate::sim::tcp::live::Live;
use crate::sim::tcp::report::{Around, Opened};
use crate::sim::tcp::segment::Segment;

/// How long after the last SYN cookie one is still taken.
const COOKIE_LIFE_US: u64 = 60_000_000;

impl Kernel {
    pub(super) fn new_flow(
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

    pub(super) fn is_listening(&self) -> bool {
        self.listener.as_ref().is_some_and(|l| l.is_open)
    }

    pub(super) fn is_cookie(&self, flow: &Flow, tcp: &Tcp, now_us: u64) -> bool {
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

    /// Would this packet complete a handshake that a SYN cookie has begun?
    pub fn takes_cookie(&self, flow: &Flow, tcp: &Tcp, now_us: u64) -> bool {
        !self.slots.contains_key(flow) && self.is_cookie(flow, tcp, now_us)
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
    pub(super) fn take_cookie(
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
}
