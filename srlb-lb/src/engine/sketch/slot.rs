//! One place of the sketch.

use packet_io::Instant;

use crate::sync::{AtomicU64, Ordering};

/// What a slot holds; free where the tag is 0, which no flow has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub tag: u64,
    pub at: Instant,
    pub first: u16,
    pub times: u8,
}

/// A slot that threads read and write without waiting for each other: time, server and times, and the tag exclusive-ored with these. So
/// one that is half one flow's and half another's has a tag that is neither's.
#[derive(Default)]
pub struct Slot {
    mixed_tag: AtomicU64,
    at: AtomicU64,
    what: AtomicU64,
}

impl Slot {
    /// One that is younger than all others, for ever, and so never taken.
    pub fn closed() -> Self {
        let slot = Slot::default();
        slot.set(Seen {
            tag: u64::MAX,
            at: Instant::from_micros(u64::MAX),
            ..Seen::default()
        });
        slot
    }

    #[inline]
    pub fn get(&self) -> Seen {
        let (at, what) = (
            self.at.load(Ordering::Relaxed),
            self.what.load(Ordering::Relaxed),
        );
        Seen {
            tag: self.mixed_tag.load(Ordering::Relaxed) ^ at ^ what,
            at: Instant::from_micros(at),
            first: what as u16,
            times: (what >> 16) as u8,
        }
    }

    #[inline]
    pub fn set(&self, seen: Seen) {
        let at = seen.at.micros();
        let what = u64::from(seen.times) << 16 | u64::from(seen.first);
        self.mixed_tag
            .store(seen.tag ^ at ^ what, Ordering::Relaxed);
        self.at.store(at, Ordering::Relaxed);
        self.what.store(what, Ordering::Relaxed);
    }
}
