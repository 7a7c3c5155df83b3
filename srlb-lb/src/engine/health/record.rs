//! What is thought of one server: 64 bits that change as one.

use packet_io::Instant;

use super::super::contract::Limits;
use super::Opinion;

/// All but when it spoke.
///
/// | bits | what |
/// | --- | --- |
/// | 0..2 | the [`Opinion`] |
/// | 2 | doubted: it is asked whether it is there, and nothing is held against it until it doesn't answer |
/// | 8..16 | strikes |
/// | 16..24 | echo requests without an answer |
/// | 24..64 | when it may be asked next, in milliseconds, rounded up: 34 years |
///
/// Zero is a server that nobody has had reason to doubt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Record(pub u64);

const OPINION: u64 = 3;
const DOUBTED: u64 = 1 << 2;
const STRIKES_AT: u32 = 8;
const UNANSWERED_AT: u32 = 16;
const PROBE_AT: u32 = 24;

/// In its place, rounded up: nobody is asked sooner.
fn probe_bits(next_probe: Instant) -> u64 {
    next_probe.micros().div_ceil(1_000) << PROBE_AT
}

impl Record {
    fn of(opinion: Opinion, next_probe: Instant) -> Self {
        Record(opinion as u64 | probe_bits(next_probe))
    }

    pub fn opinion(self) -> Opinion {
        match self.0 & OPINION {
            0 => Opinion::Alive,
            1 => Opinion::Suspect,
            _ => Opinion::Dead,
        }
    }

    fn byte(self, at: u32) -> u8 {
        (self.0 >> at) as u8
    }

    fn with_byte(self, at: u32, byte: u8) -> Self {
        Record(self.0 & !(0xff << at) | u64::from(byte) << at)
    }

    fn next_probe(self) -> Instant {
        Instant::from_millis(self.0 >> PROBE_AT)
    }

    /// Is it to be asked whether it is there?
    pub fn is_asked(self) -> bool {
        self.opinion() != Opinion::Alive || self.0 & DOUBTED != 0
    }

    /// Is there nothing that a word from it would take back?
    pub fn is_calm(self) -> bool {
        self.0 & ((1 << PROBE_AT) - 1) == 0
    }

    /// It has spoken. It is not asked any sooner by that.
    pub fn heard(self) -> Self {
        Record(self.0 >> PROBE_AT << PROBE_AT)
    }

    /// There is a sign that it is out of reach.
    pub fn suspected(self, now: Instant) -> Self {
        match self.opinion() {
            Opinion::Alive => Record::of(Opinion::Suspect, now),
            Opinion::Suspect | Opinion::Dead => self,
        }
    }

    /// Something that went to it has not been answered.
    pub fn struck(self, limits: &Limits, now: Instant) -> Self {
        let strikes = self.byte(STRIKES_AT).saturating_add(1);
        let struck = self.with_byte(STRIKES_AT, strikes);
        match strikes >= limits.signs_until_suspect {
            true => struck.suspected(now),
            false => struck,
        }
    }

    /// It is to be asked, without anything being held against it.
    pub fn doubted(self, now: Instant) -> Self {
        if self.is_asked() {
            return self;
        }
        let next_probe = self.next_probe().max(now);
        let rest = self.0 & ((1 << PROBE_AT) - 1);
        Record(rest | DOUBTED | probe_bits(next_probe))
    }

    /// It is asked now; none if it need not be, or not yet. Once too often without an answer, and it counts as dead.
    pub fn probed(self, limits: &Limits, now: Instant) -> Option<Self> {
        if !self.is_asked() || self.next_probe() > now {
            return None;
        }
        let unanswered = self.byte(UNANSWERED_AT);
        let opinion = match unanswered >= limits.probes_until_dead {
            true => Opinion::Dead,
            false => self.opinion(),
        };
        let rest = self.0 & (DOUBTED | 0xff << STRIKES_AT);
        let next = Record::of(opinion, now + limits.probe_interval);
        Some(Record(next.0 | rest).with_byte(UNANSWERED_AT, unanswered.saturating_add(1)))
    }
}
