//! A connection with a socket, and what a kernel does with segments before smoltcp sees them.

use smoltcp::socket::tcp::State;
use smoltcp::time::Duration;
use smoltcp::wire::TcpControl;
use srh::parse::Tcp;

use super::endpoint::{is_before, Endpoint};
use super::player::Player;
use super::report::{Gone, Report};
use super::segment::Segment;
use crate::sim::dialogue::Side;

/// A kernel sends one challenge ACK in that time for each connection (tcp_invalid_ratelimit).
const CHALLENGE_EVERY_US: u64 = 500_000;
/// How often a window is asked for that is closed.
const PERSIST_EVERY: Duration = Duration::from_secs(1);
/// The window in which a RST is answered by a challenge ACK, and nothing else is.
const WINDOW: u32 = 64_000;

/// May a kernel answer something old or foreign now, having done so last at that time? Then this is the last time.
pub fn may_challenge(last_us: &mut Option<u64>, now_us: u64) -> bool {
    let is_due = last_us.is_none_or(|last| now_us >= last + CHALLENGE_EVERY_US);
    if is_due {
        *last_us = Some(now_us);
    }
    is_due
}

/// A connection with a socket.
pub struct Live {
    /// smoltcp's end of it.
    pub end: Endpoint,
    /// What the application does with it.
    pub player: Player,
    /// Which one, by its place in the scenario.
    pub connection: usize,
    /// Which of those that this flow has had here.
    pub serial: u64,
    /// When it began.
    pub born_us: u64,
    /// The peer's initial number.
    pub peer_first: u32,
    /// Has the application taken it?
    pub served: bool,
    /// Does it keep a worker busy?
    pub has_worker: bool,
    /// Was its handshake ever over?
    pub was_established: bool,
    /// When the last challenge ACK was sent.
    pub challenged_us: Option<u64>,
    /// When it is woken next.
    pub wake_us: Option<u64>,
    /// The timer of a FIN that smoltcp has forgotten.
    pub fin_again: FinAgain,
}

/// smoltcp stops its retransmission timer when all data is acknowledged, even if the FIN behind it is not (after a
/// fast retransmission). So there is another one.
#[derive(Clone, Copy, Debug)]
pub struct FinAgain {
    due_us: Option<u64>,
    timer_us: u64,
}

impl Default for FinAgain {
    fn default() -> Self {
        FinAgain {
            due_us: None,
            timer_us: 1_000_000,
        }
    }
}

/// What becomes of a segment for a socket.
pub enum Answer {
    /// It goes to smoltcp.
    Feed,
    /// It is answered by this.
    Send(Segment),
    /// It is answered by the SYN-ACK.
    SynAckAgain,
    /// Nothing.
    Ignore,
}

impl Live {
    /// What a kernel does with this segment.
    pub fn judge(&mut self, now_us: u64, tcp: &Tcp) -> Answer {
        let state = self.end.state();
        if state == State::SynSent {
            return Answer::Feed;
        }
        let numbers = self.end.numbers;
        if tcp.has(Tcp::RST) {
            let ahead = tcp.seq.wrapping_sub(numbers.expected);
            return match ahead {
                0 => Answer::Feed,
                1..WINDOW if state != State::SynReceived => self.challenge(now_us),
                _ => Answer::Ignore,
            };
        }
        if tcp.has(Tcp::SYN) {
            let again = tcp.is_syn() && tcp.seq == self.peer_first;
            return match state {
                State::SynReceived if again => Answer::SynAckAgain,
                // RFC 5961 section 4: whoever sent it may have lost his memory
                _ => self.challenge(now_us),
            };
        }
        let is_pure_ack = tcp.data_len == 0 && !tcp.has(Tcp::FIN);
        // Of another connection of these ports, or very old. smoltcp is silent about it if it acknowledges too little, but a
        // kernel looks at the sequence number first (RFC 9293 section 3.10.7.4).
        let ahead = tcp.seq.wrapping_sub(numbers.expected) as i32;
        if ahead.unsigned_abs() >= WINDOW {
            return match is_pure_ack {
                true => self.challenge(now_us),
                false => Answer::Send(Segment::ack(numbers.next, numbers.expected)),
            };
        }
        // smoltcp would take the window from it, however old it is (the same section: SND.WL1, SND.WL2)
        if is_pure_ack && is_before(tcp.ack, numbers.unacknowledged) {
            return Answer::Ignore;
        }
        Answer::Feed
    }

    /// Does this reset end it: is it next in line, and if it acknowledges something, something of ours?
    pub fn obeys_reset(&self, tcp: &Tcp) -> bool {
        let numbers = self.end.numbers;
        let sent = numbers.next.wrapping_sub(numbers.first);
        let acknowledges = tcp.ack.wrapping_sub(numbers.first);
        let fits = !tcp.has(Tcp::ACK) || (1..=sent).contains(&acknowledges);
        tcp.seq == numbers.expected && fits
    }

    /// When the FIN is to be sent again, if nobody else has a timer for it.
    pub fn fin_again_us(&mut self, now_us: u64) -> Option<u64> {
        let is_ending = matches!(
            self.end.state(),
            State::FinWait1 | State::Closing | State::LastAck
        );
        if !is_ending || self.end.due_us(now_us).is_some() {
            self.fin_again.due_us = None;
        } else if self.fin_again.due_us.is_none() {
            self.fin_again.due_us = Some(now_us + self.fin_again.timer_us);
        }
        self.fin_again.due_us
    }

    /// smoltcp stops its timer where it would retransmit into a closed window, and an old ACK that was overtaken may have
    /// closed it. A kernel goes on asking (RFC 9293 section 3.8.6.1), and so does smoltcp's keep-alive.
    pub fn persist(&mut self, now_us: u64) {
        let has_unacknowledged = self.end.socket().send_queue() > 0;
        if !has_unacknowledged {
            self.end.socket().set_keep_alive(None);
        } else if self.end.due_us(now_us).is_none() {
            self.end.socket().set_keep_alive(Some(PERSIST_EVERY));
        }
    }

    /// The FIN, if it is due.
    pub fn send_fin_again(&mut self, now_us: u64) -> Option<Segment> {
        self.fin_again.due_us.filter(|due_us| *due_us <= now_us)?;
        self.fin_again = FinAgain {
            due_us: None,
            timer_us: (2 * self.fin_again.timer_us).min(60_000_000),
        };
        let numbers = self.end.numbers;
        Some(Segment {
            control: TcpControl::Fin,
            ..Segment::ack(numbers.next.wrapping_sub(1), numbers.expected)
        })
    }

    fn challenge(&mut self, now_us: u64) -> Answer {
        if !may_challenge(&mut self.challenged_us, now_us) {
            return Answer::Ignore;
        }
        let numbers = self.end.numbers;
        Answer::Send(Segment::ack(numbers.next, numbers.expected))
    }

    /// How it stands.
    pub fn report(&mut self, side: Side, now_us: u64, gone: Option<Gone>) -> Report {
        let state = self.end.state();
        let unanswered = self.end.socket().send_queue() > 0;
        let ending = matches!(state, State::FinWait1 | State::Closing | State::LastAck);
        Report {
            connection: self.connection,
            side,
            server_number: match side {
                Side::Client => self.peer_first,
                Side::Server => self.end.numbers.first,
            },
            established: self.was_established,
            received: self.player.received,
            other_ended: self.player.other_ended,
            outstanding: gone.is_none()
                && (unanswered || ending || state == State::SynSent || self.player.is_sending()),
            queued: side == Side::Server && self.was_established && !self.served,
            timer_us: self.end.due_us(now_us).map(|due| due - now_us),
            done: self.player.done,
            wrong_at: self.player.wrong_at,
            gone,
        }
    }
}
