//! What the flow table keeps for a flow: 64 bits.

use std::num::NonZeroU64;
use std::time::Duration;

use flow_table::{Packed, Value};
use packet_io::Instant;
use srh::Encoding;

use super::state::State;

/// One pinned flow, as it stands in the table.
///
/// | bits | what |
/// | --- | --- |
/// | 0..23 | [`ShortNumber`] of the SYN-ACK that made it; never 0 |
/// | 23..44 | when it ends, in [`TICK_MS`] of the engine's clock, rounded up, modulo 2^21 |
/// | 44 | CLOSING; else STEER |
/// | 45 | a client packet has confirmed it |
/// | 46 | the encoding is insert |
/// | 47 | UDP |
/// | 48..64 | the server's number |
///
/// So an entry lives up to [`TICK_MS`] longer than it should. A life may be 2^20 ticks at most, which is 36
/// hours; an entry that has expired has to be swept within as much again, or it seems to live.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pin(u64);

/// What time is counted in.
pub const TICK_MS: u64 = 125;

const TICK_BITS: u32 = 21;
const TICKS_AT: u32 = ShortNumber::BITS;
const TICKS_MASK: u64 = ((1 << TICK_BITS) - 1) << TICKS_AT;
const CLOSED: u64 = 1 << 44;
const CONFIRMED: u64 = 1 << 45;
const INSERT: u64 = 1 << 46;
const UDP: u64 = 1 << 47;
const SERVER_AT: u32 = 48;

/// The acknowledgement number of a SYN-ACK in 23 bits: by multiplication every one of its bits counts, so that numbers that
/// a client's kernel makes in steps differ here, too.
///
/// Two numbers have the same one with probability 2^-23 (1 in 8.4 million). Then, if a client gives up a connection before
/// it is confirmed, opens it again from the same port within 75 s, and another server takes it, that server's
/// SYN-ACK is dropped as a race's loser until the first entry ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortNumber(u32);

impl ShortNumber {
    const BITS: u32 = 23;
    /// Of an entry that no SYN-ACK has made.
    pub const NONE: Self = ShortNumber(1);

    /// That of a SYN-ACK's acknowledgement number.
    pub const fn of(ack: u32) -> Self {
        // An odd factor loses nothing; 0 and 1 mean something else.
        let mixed = ack.wrapping_mul(0x9e37_79b1) >> (32 - Self::BITS);
        ShortNumber(if mixed < 2 { mixed + 2 } else { mixed })
    }
}

/// When an entry ends, in ticks; rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End(u64);

impl End {
    /// `life` from now.
    pub fn after(life: Duration, now: Instant) -> Self {
        let ticks = (now + life).millis().div_ceil(TICK_MS);
        End(ticks << TICKS_AT & TICKS_MASK)
    }

    /// Is it behind that tick?
    pub fn is_after(self, tick: Tick) -> bool {
        !Pin(self.0).expired_at(tick)
    }
}

/// The tick that has begun last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick(u64);

impl Tick {
    /// That of `now`.
    pub fn of(now: Instant) -> Self {
        Tick(now.millis() / TICK_MS)
    }
}

impl Pin {
    /// An entry that a SYN-ACK has made: it lives `life` unless the client confirms it.
    pub fn unconfirmed(
        server: u16,
        number: ShortNumber,
        encoding: Encoding,
        life: Duration,
        now: Instant,
    ) -> Self {
        let encoding = match encoding {
            Encoding::Insert => INSERT,
            Encoding::Encap => 0,
        };
        Pin(u64::from(server) << SERVER_AT
            | encoding
            | End::after(life, now).0
            | u64::from(number.0))
    }

    /// An entry that the owner of an established connection has made: it lives `idle`.
    pub fn confirmed(
        server: u16,
        number: ShortNumber,
        encoding: Encoding,
        idle: Duration,
        now: Instant,
    ) -> Self {
        let mut pin = Self::unconfirmed(server, number, encoding, idle, now);
        pin.confirm(idle, now);
        pin
    }

    /// [`Value::expired`], for who asks often in one tick.
    #[inline]
    pub fn expired_at(&self, tick: Tick) -> bool {
        self.left_from(tick) <= 0
    }

    /// Does it steer, confirmed, in this tick?
    #[inline]
    pub fn is_confirmed_at(&self, tick: Tick) -> bool {
        self.0 & (CLOSED | CONFIRMED) == CONFIRMED && !self.expired_at(tick)
    }

    /// Is it as a packet leaves it that lets it live until then: steering, confirmed, and with that end?
    #[inline]
    pub fn is_confirmed_until(self, end: End) -> bool {
        self.0 & (TICKS_MASK | CLOSED | CONFIRMED) == CONFIRMED | end.0
    }

    /// The same for a UDP flow.
    pub fn of_udp(self) -> Self {
        Pin(self.0 | UDP)
    }

    /// Is it a UDP flow's?
    pub fn is_udp(&self) -> bool {
        self.0 & UDP != 0
    }

    fn is_confirmed(&self) -> bool {
        self.0 & CONFIRMED != 0
    }

    fn end_after(&mut self, life: Duration, now: Instant) {
        self.0 = self.0 & !TICKS_MASK | End::after(life, now).0;
    }

    /// A client packet has come: the entry lives `idle` from now.
    pub fn confirm(&mut self, idle: Duration, now: Instant) {
        *self = self.confirmed_until(End::after(idle, now));
    }

    /// The entry after a client packet that lets it live that long. An end that another worker has seen meanwhile stays.
    #[inline]
    pub fn confirmed_until(self, end: End) -> Self {
        if self.0 & CLOSED != 0 {
            return self;
        }
        Pin(self.0 & !TICKS_MASK | CONFIRMED | end.0)
    }

    /// The client has sent a RST, or somebody in its name: the entry lives `life` from now.
    pub fn reset_seen(&mut self, life: Duration, now: Instant) {
        // Never longer than before: a RST prolongs nothing.
        if self.left_ms(now) > life.as_millis() as i32 {
            self.end_after(life, now);
        }
    }

    /// The application has ended the flow, or the client still speaks after that: the entry lives
    /// `life` from now.
    pub fn close(&mut self, life: Duration, now: Instant) {
        self.0 |= CLOSED;
        self.end_after(life, now);
    }

    /// The server's number.
    #[inline]
    pub fn server(&self) -> u16 {
        (self.0 >> SERVER_AT) as u16
    }

    /// Of the SYN-ACK that made the entry; [`ShortNumber::NONE`] if another packet did.
    pub fn number(&self) -> ShortNumber {
        ShortNumber(self.0 as u32 & ((1 << ShortNumber::BITS) - 1))
    }

    /// The encoding in which the server speaks of this flow.
    #[inline]
    pub fn encoding(&self) -> Encoding {
        match self.0 & INSERT != 0 {
            true => Encoding::Insert,
            false => Encoding::Encap,
        }
    }

    /// The entry's state.
    pub fn state(&self) -> State {
        match self.0 & CLOSED != 0 {
            true => State::Closing,
            false => State::Steer {
                confirmed: self.is_confirmed(),
            },
        }
    }

    /// How long it has to live, in milliseconds.
    pub fn left_ms(&self, now: Instant) -> i32 {
        let since_tick = now.millis() % TICK_MS;
        (self.left_ticks(now) * TICK_MS as i64 - since_tick as i64) as i32
    }

    /// Ticks from the one that has begun last.
    fn left_ticks(&self, now: Instant) -> i64 {
        self.left_from(Tick::of(now))
    }

    #[inline]
    fn left_from(&self, tick: Tick) -> i64 {
        let ends = (self.0 & TICKS_MASK) >> TICKS_AT;
        let left = ends.wrapping_sub(tick.0);
        // the sign of a number of 21 bits
        let above = u64::BITS - TICK_BITS;
        ((left << above) as i64) >> above
    }
}

impl Default for Pin {
    fn default() -> Self {
        Pin(u64::from(ShortNumber::NONE.0))
    }
}

impl std::fmt::Debug for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (state, server, number) = (self.state(), self.server(), self.number());
        write!(
            f,
            "Pin({state:?}, server {server}, {number:?}, {:#x})",
            self.0
        )
    }
}

impl Packed for Pin {
    #[inline]
    fn pack(self) -> NonZeroU64 {
        // A number is never 0.
        NonZeroU64::new(self.0).unwrap_or(NonZeroU64::MIN)
    }

    #[inline]
    fn unpack(bits: u64) -> Self {
        Pin(bits)
    }
}

impl Value for Pin {
    fn expired(&self, now: Instant) -> bool {
        self.expired_at(Tick::of(now))
    }

    /// What no client packet has confirmed goes first, then what would end first: among
    /// confirmed entries that is the one that was used longest ago. UDP goes before TCP: nobody needs to
    /// have received an answer to confirm an entry with a second datagram.
    fn keep_rank(&self, now: Instant) -> u64 {
        let class = match (self.is_confirmed(), self.is_udp()) {
            (false, _) => 0,
            (true, true) => 1,
            (true, false) => 2,
        };
        class << 32 | self.left_ticks(now).max(0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_secs(1_000);
    const UNCONFIRMED: Duration = Duration::from_secs(75);
    const CLOSING: Duration = Duration::from_secs(10);
    const NONE: ShortNumber = ShortNumber::NONE;

    fn pin() -> Pin {
        Pin::unconfirmed(7, ShortNumber::of(99), Encoding::Insert, UNCONFIRMED, NOW)
    }

    #[test]
    fn every_field_comes_back_from_the_bits() {
        for server in [0, 1, 0x8001, u16::MAX] {
            for ack in [0, 1, 0x8000_0000, u32::MAX] {
                for encoding in [Encoding::Encap, Encoding::Insert] {
                    let number = ShortNumber::of(ack);
                    let pin = Pin::unconfirmed(server, number, encoding, UNCONFIRMED, NOW);
                    let pin = Pin::unpack(pin.pack().get());
                    assert_eq!((pin.server(), pin.number()), (server, number));
                    assert_eq!((pin.encoding(), pin.left_ms(NOW)), (encoding, 75_000));
                    assert_eq!(pin.state(), State::Steer { confirmed: false });
                    assert!(!pin.is_udp() && pin.of_udp().is_udp());
                }
            }
        }
    }

    #[test]
    fn times_are_rounded_up_to_a_tick() {
        for ms in 0..250 {
            let now = NOW + Duration::from_millis(ms);
            let pin = Pin::unconfirmed(1, ShortNumber::NONE, Encoding::Encap, CLOSING, now);
            let left_ms = pin.left_ms(now);
            assert!((10_000..10_125).contains(&left_ms), "{left_ms} at {ms}");
            assert!(!pin.expired(now + Duration::from_millis(left_ms as u64 - 1)));
            assert!(pin.expired(now + Duration::from_millis(left_ms as u64)));
        }
    }

    #[test]
    fn the_longest_idle_time_fits() {
        let day = Duration::from_secs(86_400);
        let pin = Pin::confirmed(1, ShortNumber::NONE, Encoding::Encap, day, NOW);
        assert!(!pin.expired(NOW) && !pin.expired(NOW + day - Duration::from_millis(1)));
        assert!(pin.expired(NOW + day) && pin.expired(NOW + day + day / 2));
    }

    #[test]
    fn short_numbers_differ_where_numbers_come_in_steps() {
        for step in [1, 1_000, 64_000, 1 << 12, 1 << 20, 0x0100_0000] {
            let steps = 200u32;
            let numbers: std::collections::HashSet<u32> = (0..steps)
                .map(|i| ShortNumber::of(i * step + 7).0)
                .collect();
            assert_eq!(numbers.len(), steps as usize, "steps of {step}");
            assert!(numbers
                .iter()
                .all(|&n| n > ShortNumber::NONE.0 && n < 1 << 23));
        }
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
    fn a_packet_that_comes_behind_the_end_prolongs_nothing() {
        let mut pin = pin();
        pin.close(CLOSING, NOW);
        let closed = pin;
        pin.confirm(Duration::from_secs(3_600), NOW);
        assert_eq!(pin, closed);
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
        let late = Instant::from_millis((TICK_MS << TICK_BITS) - 5);
        let pin = Pin::unconfirmed(1, ShortNumber::of(1), Encoding::Encap, UNCONFIRMED, late);
        assert!(!pin.expired(late + Duration::from_secs(70)));
        assert!(pin.expired(late + Duration::from_secs(76)));
    }

    #[test]
    fn who_goes_first() {
        let idle = Duration::from_secs(3_600);
        let fresh = pin();
        let old = Pin::confirmed(
            1,
            NONE,
            Encoding::Encap,
            idle,
            NOW - Duration::from_secs(500),
        );
        let new = Pin::confirmed(2, NONE, Encoding::Encap, idle, NOW);
        let udp = Pin::confirmed(3, NONE, Encoding::Encap, idle, NOW).of_udp();
        assert!(fresh.keep_rank(NOW) < udp.keep_rank(NOW));
        assert!(udp.keep_rank(NOW) < old.keep_rank(NOW));
        assert!(old.keep_rank(NOW) < new.keep_rank(NOW));
    }
}
