//! What is kept for a flow.

use flow_table::Value;
use packet_io::Instant;
use srh::{Encoding, Locator};

use super::contract::Limits;
use super::state::State;

/// Numbers of SYN-ACKs for which an entry has room.
pub const NUMBERS: usize = 2;

/// So many bytes after its start a connection has gone far: sooner than its numbers can be taken for earlier ones. TCP's largest window
/// is no larger, so that no connection goes twice as far unnoticed.
const FAR: u32 = 1 << 30;

/// An LB, and how it is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its locator.
    pub locator: Locator,
    /// The encoding in which it addressed the flow.
    pub encoding: Encoding,
}

/// The initial numbers that our kernel has used in SYN-ACKs of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    kept: [u32; NUMBERS],
    len: u8,
    /// One more came than is kept: none says anything any more.
    too_many: bool,
    /// The connection has gone far since: see [`FAR`].
    went_far: bool,
    /// The client has answered: a SYN-ACK with another number belongs to another connection.
    settled: bool,
}

impl Numbers {
    /// Takes in the sequence number of a SYN-ACK; true if there are more than `most` now.
    pub fn saw(&mut self, number: u32, most: usize) -> bool {
        if self.too_many || self.as_slice().contains(&number) {
            return false;
        }
        match self.kept.iter_mut().take(most).nth(usize::from(self.len)) {
            Some(slot) => {
                *slot = number;
                self.len += 1;
                false
            }
            None => {
                self.too_many = true;
                true
            }
        }
    }

    /// The numbers that count.
    pub fn as_slice(&self) -> &[u32] {
        if self.too_many {
            return &[];
        }
        &self.kept[..usize::from(self.len)]
    }

    /// Did a SYN-ACK pass at all?
    pub fn any_seen(&self) -> bool {
        self.len > 0
    }

    /// Can no number be relied on, because there were too many?
    pub fn is_unreliable(&self) -> bool {
        self.too_many
    }

    /// Does `ack` acknowledge exactly one of these SYN-ACKs?
    pub fn answered_by(&self, ack: u32) -> bool {
        self.as_slice().contains(&ack.wrapping_sub(1))
    }

    /// The client has answered this one: those before it are out. One that came after it may be about the next SYN of these ports.
    pub fn settle(&mut self, ack: u32) {
        let answered = ack.wrapping_sub(1);
        if self.as_slice().last() == Some(&answered) {
            *self = Numbers {
                went_far: self.went_far,
                settled: true,
                ..Numbers::default()
            };
            self.saw(answered, 1);
        }
    }

    /// Does `ack` answer a SYN-ACK that nobody has answered yet? Nobody else's client does, whatever our kernel has: it may have
    /// answered by a SYN cookie.
    pub fn awaited(&self, ack: u32) -> bool {
        !self.settled && self.answered_by(ack)
    }

    /// The client has acknowledged this one.
    fn acknowledged(&mut self, number: u32) {
        let bytes = self.initial().map(|initial| number.wrapping_sub(initial));
        self.went_far |= bytes.is_some_and(|bytes| bytes > FAR);
    }

    /// Is this less than anything that the client can have acknowledged? Of a connection that has gone far nobody can tell.
    pub fn is_before_start(&self, number: u32) -> bool {
        let initial = self.initial().filter(|_| !self.went_far);
        initial.is_some_and(|initial| !(1..=2 * FAR).contains(&number.wrapping_sub(initial)))
    }

    /// The initial number, if there is no doubt.
    pub fn initial(&self) -> Option<u32> {
        match self.as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }
}

/// An entry of the flow table.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entry {
    lb: Locator,
    until: Instant,
    expires: Instant,
    steer_until: Instant,
    /// SYN-ACKs seen.
    pub numbers: Numbers,
    fin: u32,
    near: u32,
    sent: u32,
    encoding: Option<Encoding>,
    state: State,
    fin_known: bool,
    client_ended: bool,
    near_known: Known,
    steer_left: u8,
    ends_left: u8,
    empty_acks_left: u8,
}

/// How well a number is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Known {
    /// Not at all.
    #[default]
    No,
    /// From a client's packet that was taken for ours without a proof.
    Guessed,
    /// From our kernel's own packets, or from a client's no further than a window from them.
    Sure,
}

impl Entry {
    /// The state now.
    pub fn state(&self, now: Instant) -> State {
        if self.state == State::Closing && self.until <= now {
            return State::None;
        }
        self.state
    }

    /// The LB that the flow came from last.
    pub fn peer(&self) -> Option<Peer> {
        Some(Peer {
            locator: self.lb,
            encoding: self.encoding?,
        })
    }

    /// The sequence number of the application's FIN.
    pub fn fin(&self) -> Option<u32> {
        self.fin_known.then_some(self.fin)
    }

    /// Does nothing of this entry matter any more?
    pub fn is_empty(&self) -> bool {
        self.state == State::None
            && self.encoding.is_none()
            && !self.numbers.any_seen()
            && !self.fin_known
    }

    /// A packet of the client has come from `peer` and is ours: answers may be steered again,
    /// and what ages begins anew.
    pub fn client_packet(&mut self, now: Instant, peer: Peer, limits: &Limits) {
        self.lb = peer.locator;
        self.encoding = Some(peer.encoding);
        self.steer_until = now + limits.steer_time;
        self.steer_left = limits.steer_packets;
        self.ends_left = limits.end_packets;
        self.empty_acks_left = limits.empty_acks;
    }

    /// The flow's state from now on.
    pub fn set_state(&mut self, now: Instant, state: State, limits: &Limits) {
        self.state = state;
        let life = match state {
            State::Direct => limits.direct_life,
            State::Hunted if !self.numbers.any_seen() => limits.unanswered_life,
            State::Hunted | State::Wait => limits.handshake_life,
            State::Loser => limits.loser_life,
            // Its socket goes on receiving, silent perhaps for as long as an open one.
            State::Closing | State::None if self.is_half_closed() => limits.direct_life,
            State::Closing | State::None => limits.numbers_life,
        };
        self.expires = now + life;
        self.until = now + limits.closing_life;
    }

    /// A SYN-ACK with this number comes from the application; true if it is one number more than is
    /// kept for a connection.
    pub fn saw_syn_ack(&mut self, number: u32, limits: &Limits) -> bool {
        let has_ended = self.fin_known || self.client_ended || self.numbers.settled;
        if has_ended && !self.numbers.as_slice().contains(&number) {
            // a new connection on the same ports
            self.numbers = Numbers::default();
            self.fin_known = false;
            self.client_ended = false;
        }
        self.sent_up_to(number.wrapping_add(1));
        self.numbers.saw(number, limits.syn_ack_numbers)
    }

    /// A FIN with this number comes from the application.
    pub fn saw_fin(&mut self, number: u32) {
        self.fin = number;
        self.fin_known = true;
        if self.near_known == Known::No {
            self.sent_up_to(number);
        }
    }

    /// The client has ended its side, or the whole connection.
    pub fn saw_client_end(&mut self) {
        self.client_ended = true;
    }

    /// Has the application ended its side, and the client not? Then there is a socket (FIN_WAIT2), and only its numbers tell it
    /// from a later connection of the same ports.
    pub fn is_half_closed(&self) -> bool {
        self.fin_known && !self.client_ended
    }

    /// The application has sent everything up to this number.
    pub fn sent_up_to(&mut self, number: u32) {
        self.near = number;
        self.sent = number;
        self.near_known = Known::Sure;
    }

    /// A packet of the client that acknowledges this number was ours. Many in a row may have been forged, each a window
    /// further: what is that far from our kernel's own number is a guess again, on which nobody is refused.
    pub fn acknowledged(&mut self, number: u32, limits: &Limits) {
        self.near = number;
        self.numbers.acknowledged(number);
        if self.near_known == Known::No || distance(number, self.sent) > limits.window_bytes {
            self.near_known = Known::Guessed;
        }
    }

    /// A number that the client acknowledged lately, or is about to.
    pub fn near(&self) -> Option<u32> {
        (self.near_known != Known::No).then_some(self.near)
    }

    /// The same, if it stems from packets of our kernel.
    pub fn surely_near(&self) -> Option<u32> {
        (self.near_known == Known::Sure).then_some(self.near)
    }

    /// What our kernel itself has sent, if it is known, and the client's numbers have not led away from it.
    pub fn surely_sent(&self) -> Option<u32> {
        (self.near_known == Known::Sure).then_some(self.sent)
    }

    /// May one more packet of the application go through the LB?
    pub fn may_steer(&self, now: Instant) -> bool {
        self.steer_left > 0 && now < self.steer_until
    }

    /// One did.
    pub fn steered(&mut self) {
        self.steer_left = self.steer_left.saturating_sub(1);
    }

    /// May one more end of the flow go through the LB? An LB that has died must not swallow every
    /// retransmission of a FIN.
    pub fn may_end(&self) -> bool {
        self.ends_left > 0
    }

    /// One did.
    pub fn ended(&mut self) {
        self.ends_left = self.ends_left.saturating_sub(1);
    }

    /// May one more empty ACK carry a function?
    pub fn may_send_empty_ack(&self) -> bool {
        self.empty_acks_left > 0
    }

    /// One did.
    pub fn sent_empty_ack(&mut self) {
        self.empty_acks_left = self.empty_acks_left.saturating_sub(1);
    }
}

/// How far two numbers lie from each other on the circle of sequence numbers.
pub fn distance(a: u32, b: u32) -> u32 {
    a.wrapping_sub(b).min(b.wrapping_sub(a))
}

impl Value for Entry {
    fn expired(&self, now: Instant) -> bool {
        self.expires <= now
    }

    /// First goes what is cheapest to lose: numbers of the past, losers, then hunts that no client has
    /// completed (what a flood leaves), the oldest first.
    fn keep_rank(&self, now: Instant) -> u64 {
        const AGE_BITS: u32 = 56;
        let class = match self.state(now) {
            State::None if self.is_half_closed() => State::Closing,
            state => state,
        };
        (class as u64) << AGE_BITS | self.expires.micros().min((1 << AGE_BITS) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_fits_a_cache_line_with_its_tag() {
        assert!(size_of::<Entry>() <= 64, "{}", size_of::<Entry>());
    }

    #[test]
    fn two_numbers_are_kept_and_the_third_ends_the_check() {
        let mut numbers = Numbers::default();
        assert!(!numbers.saw(u32::MAX, NUMBERS));
        assert!(!numbers.saw(7, NUMBERS));
        assert!(!numbers.saw(7, NUMBERS));
        assert!(numbers.answered_by(0) && numbers.answered_by(8) && !numbers.answered_by(9));
        assert_eq!(numbers.initial(), None);
        assert!(numbers.saw(9, NUMBERS));
        assert!(!numbers.saw(10, NUMBERS), "the third is told once");
        assert!(numbers.is_unreliable() && !numbers.answered_by(8));
    }

    #[test]
    fn an_answer_settles_which_number_it_is() {
        let mut numbers = Numbers::default();
        numbers.saw(1, NUMBERS);
        numbers.saw(7, NUMBERS);
        numbers.settle(100);
        assert_eq!(numbers.initial(), None);
        numbers.settle(2);
        assert!(numbers.awaited(8), "the older one was answered");
        numbers.settle(8);
        assert_eq!(numbers.initial(), Some(7));
        assert!(!numbers.awaited(8));
    }

    #[test]
    fn closing_ends_before_the_fin_is_forgotten() {
        let (t0, limits) = (Instant::from_secs(10), Limits::default());
        let mut entry = Entry::default();
        entry.saw_fin(5);
        entry.saw_client_end();
        entry.set_state(t0, State::Closing, &limits);
        assert_eq!(entry.state(t0 + limits.closing_life), State::None);
        assert!(!entry.expired(t0 + limits.closing_life));
        assert_eq!(entry.fin(), Some(5));
        assert!(entry.expired(t0 + limits.numbers_life));
    }

    #[test]
    fn a_half_closed_flow_keeps_its_numbers_as_long_as_an_open_one() {
        let (t0, limits) = (Instant::from_secs(10), Limits::default());
        let mut entry = Entry::default();
        entry.saw_fin(5);
        entry.set_state(t0, State::Closing, &limits);
        let late = t0 + limits.direct_life - limits.closing_life;
        assert_eq!(entry.state(late), State::None);
        assert!(!entry.expired(late));
        assert!(entry.keep_rank(late) >= (State::Closing as u64) << 56);
        entry.saw_client_end();
        entry.set_state(late, State::Closing, &limits);
        assert!(entry.expired(late + limits.numbers_life));
    }

    #[test]
    fn a_new_connection_on_the_same_ports_has_no_fin_yet() {
        let (mut entry, limits) = (Entry::default(), Limits::default());
        entry.saw_syn_ack(1, &limits);
        entry.saw_fin(500);
        entry.saw_client_end();
        assert!(!entry.saw_syn_ack(1, &limits), "a retransmission");
        assert_eq!(entry.fin(), Some(500));
        assert!(!entry.saw_syn_ack(9000, &limits));
        assert_eq!((entry.fin(), entry.numbers.initial()), (None, Some(9000)));
        entry.saw_fin(9500);
        assert!(entry.is_half_closed());
    }
}
