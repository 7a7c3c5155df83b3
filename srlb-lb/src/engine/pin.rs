//! What the flow table keeps for a flow: 12 bytes.

use std::time::Duration;

use flow_table::Value;
use packet_io::Instant;
use srh::Encoding;

use super::state::State;

const STEER: u16 = 1;
const CLOSED: u16 = 2;
const CONFIRMED: u16 = 4;
const INSERT: u16 = 8;
const UDP: u16 = 16;

/// One pinned flow.
///
/// | bytes | what |
/// | --- | --- |
/// | 0..4 | the acknowledgement number of the SYN-ACK that made it |
/// | 4..8 | when it ends, in milliseconds of the engine's clock, modulo 2^32 |
/// | 8..10 | the server's number |
/// | 10..12 | flags: 1 STEER, 2 CLOSING, 4 confirmed, 8 encoding is insert, 16 UDP |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Pin {
    number: u32,
    ends_ms: u32,
    server: u16,
    flags: u16,
}

fn end_ms(now: Instant, lives: Duration) -> u32 {
    (now + lives).millis() as u32
}

impl Pin {
    /// An entry that a SYN-ACK has made: it lives `life` unless the client confirms it.
    pub fn unconfirmed(
        server: u16,
        number: u32,
        encoding: Encoding,
        life: Duration,
        now: Instant,
    ) -> Self {
        Pin {
            number,
            ends_ms: end_ms(now, life),
            server,
            flags: STEER | encoding_flag(encoding),
        }
    }

    /// An entry that the owner of an established connection has made: it lives `idle`.
    pub fn confirmed(
        server: u16,
        number: u32,
        encoding: Encoding,
        idle: Duration,
        now: Instant,
    ) -> Self {
        let mut pin = Self::unconfirmed(server, number, encoding, idle, now);
        pin.confirm(idle, now);
        pin
    }

    /// The same for a UDP flow.
    pub fn of_udp(mut self) -> Self {
        self.flags |= UDP;
        self
    }

    /// Is it a UDP flow's?
    pub fn is_udp(&self) -> bool {
        self.flags & UDP != 0
    }

    /// A client packet has come: the entry lives `idle` from now.
    pub fn confirm(&mut self, idle: Duration, now: Instant) {
        self.flags |= CONFIRMED;
        self.ends_ms = end_ms(now, idle);
    }

    /// The client has sent a RST, or somebody in its name: the entry lives `life` from now.
    pub fn reset_seen(&mut self, life: Duration, now: Instant) {
        // Never longer than before: a RST prolongs nothing.
        if self.left_ms(now) > life.as_millis() as i32 {
            self.ends_ms = end_ms(now, life);
        }
    }

    /// The application has ended the flow, or the client still speaks after that: the entry lives
    /// `life` from now.
    pub fn close(&mut self, life: Duration, now: Instant) {
        self.flags = (self.flags & !STEER) | CLOSED;
        self.ends_ms = end_ms(now, life);
    }

    /// The server's number.
    pub fn server(&self) -> u16 {
        self.server
    }

    /// The acknowledgement number of the SYN-ACK that made the entry; 0 if another packet did.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The encoding in which the server speaks of this flow.
    pub fn encoding(&self) -> Encoding {
        if self.flags & INSERT != 0 {
            Encoding::Insert
        } else {
            Encoding::Encap
        }
    }

    /// The entry's state.
    pub fn state(&self) -> State {
        if self.flags & CLOSED != 0 {
            State::Closing
        } else {
            State::Steer {
                confirmed: self.flags & CONFIRMED != 0,
            }
        }
    }

    /// How long it has to live, in milliseconds.
    pub fn left_ms(&self, now: Instant) -> i32 {
        self.ends_ms.wrapping_sub(now.millis() as u32) as i32
    }
}

fn encoding_flag(encoding: Encoding) -> u16 {
    match encoding {
        Encoding::Insert => INSERT,
        Encoding::Encap => 0,
    }
}

impl Value for Pin {
    fn expired(&self, now: Instant) -> bool {
        self.left_ms(now) <= 0
    }

    /// What no client packet has confirmed goes first, then what would end first: among
    /// confirmed entries that is the one that was used longest ago. UDP goes before TCP: nobody needs to
    /// have received an answer to confirm an entry with a second datagram.
    fn keep_rank(&self, now: Instant) -> u64 {
        let class = match (self.flags & CONFIRMED != 0, self.is_udp()) {
            (false, _) => 0,
            (true, true) => 1,
            (true, false) => 2,
        };
        class << 32 | self.left_ms(now).max(0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_secs(1_000);
    const UNCONFIRMED: Duration = Duration::from_secs(75);
    const CLOSING: Duration = Duration::from_secs(10);

    fn pin() -> Pin {
        Pin::unconfirmed(7, 99, Encoding::Insert, UNCONFIRMED, NOW)
    }

    #[test]
    fn it_is_twelve_bytes_so_that_three_slots_fill_a_cache_line() {
        assert_eq!(std::mem::size_of::<Pin>(), 12);
        assert_eq!(std::mem::align_of::<Pin>(), 4);
    }

    #[test]
    fn lifetimes() {
        let idle = Duration::from_secs(3_600);
        let mut pin = pin();
        assert!(!pin.expired(NOW + Duration::from_millis(74_999)));
        assert!(pin.expired(NOW + UNCONFIRMED));
        pin.confirm(idle, NOW);
        assert!(!pin.expired(NOW + Duration::from_secs(3_599)));
        pin.reset_seen(CLOSING, NOW);
        assert!(pin.expired(NOW + CLOSING));
        pin.confirm(idle, NOW + Duration::from_secs(9));
        assert!(!pin.expired(NOW + Duration::from_secs(60)));
        pin.close(CLOSING, NOW);
        assert_eq!(pin.state(), State::Closing);
        assert!(pin.expired(NOW + CLOSING));
    }

    #[test]
    fn a_reset_prolongs_nothing() {
        let mut pin = pin();
        pin.close(CLOSING, NOW);
        let late = NOW + Duration::from_secs(8);
        pin.reset_seen(CLOSING, late);
        assert!(pin.expired(NOW + CLOSING));
    }

    #[test]
    fn the_clock_may_wrap() {
        let late = Instant::from_millis(u64::from(u32::MAX) - 5);
        let pin = Pin::unconfirmed(1, 1, Encoding::Encap, UNCONFIRMED, late);
        assert!(!pin.expired(late + Duration::from_secs(70)));
        assert!(pin.expired(late + Duration::from_secs(76)));
    }

    #[test]
    fn who_goes_first() {
        let idle = Duration::from_secs(3_600);
        let fresh = pin();
        let old = Pin::confirmed(1, 0, Encoding::Encap, idle, NOW - Duration::from_secs(500));
        let new = Pin::confirmed(2, 0, Encoding::Encap, idle, NOW);
        let udp = Pin::confirmed(3, 0, Encoding::Encap, idle, NOW).of_udp();
        assert!(fresh.keep_rank(NOW) < udp.keep_rank(NOW));
        assert!(udp.keep_rank(NOW) < old.keep_rank(NOW));
        assert!(old.keep_rank(NOW) < new.keep_rank(NOW));
    }
}
