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
    /// The time in microseconds, and one: 0 if the slot is free.
    since: AtomicU64,
    what: AtomicU64,
}

impl Slot {
    /// The tag, and a number that is the smaller the older the slot is; of a free one it is 0.
    #[inline]
    pub fn tag_and_age(&self) -> (u64, u64) {
        let (tag, since, _) = self.words();
        (tag, since)
    }

    #[inline]
    pub fn get(&self) -> Seen {
        let (tag, since, what) = self.words();
        Seen {
            tag,
            at: Instant::from_micros(since.saturating_sub(1)),
            first: what as u16,
            times: (what >> 16) as u8,
        }
    }

    #[inline]
    fn words(&self) -> (u64, u64, u64) {
        let (since, what) = (
            self.since.load(Ordering::Relaxed),
            self.what.load(Ordering::Relaxed),
        );
        let tag = self.mixed_tag.load(Ordering::Relaxed) ^ since ^ what;
        (tag, since, what)
    }

    #[inline]
    pub fn set(&self, seen: Seen) {
        let since = seen.at.micros().saturating_add(1);
        let what = u64::from(seen.times) << 16 | u64::from(seen.first);
        self.write(seen.tag ^ since ^ what, since, what);
    }

    /// Nobody's any more.
    pub fn free(&self) {
        self.write(0, 0, 0);
    }

    #[inline]
    fn write(&self, mixed_tag: u64, since: u64, what: u64) {
        self.mixed_tag.store(mixed_tag, Ordering::Relaxed);
        self.since.store(since, Ordering::Relaxed);
        self.what.store(what, Ordering::Relaxed);
    }
}
