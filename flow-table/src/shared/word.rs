//! The atomics that the table is made of: the machine's, or loom's in a test.

use std::sync::atomic::{AtomicU64, Ordering};

/// 64 bits that many threads read and write.
pub(crate) trait Word {
    /// Reads; what was written before the value that is seen is seen, too.
    fn load(&self) -> u64;
    /// Writes; who sees it sees what was written before.
    fn store(&self, value: u64);
    /// Writes `new` if `old` is there.
    fn replace(&self, old: u64, new: u64) -> bool;
    /// Adds, modulo 2^64, and returns what was there. Who adds later sees what was written before.
    fn add(&self, value: u64) -> u64;
}

impl Word for AtomicU64 {
    #[inline]
    fn load(&self) -> u64 {
        AtomicU64::load(self, Ordering::Acquire)
    }

    #[inline]
    fn store(&self, value: u64) {
        AtomicU64::store(self, value, Ordering::Release);
    }

    #[inline]
    fn replace(&self, old: u64, new: u64) -> bool {
        self.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    #[inline]
    fn add(&self, value: u64) -> u64 {
        self.fetch_add(value, Ordering::AcqRel)
    }
}

/// Words in a line.
pub(crate) const WORDS: usize = 8;

/// One cache line of a table's memory.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Line<W = AtomicU64>(pub(crate) [W; WORDS]);

impl Line {
    /// A line of zeros, which is what a table's memory consists of at first.
    pub const fn zero() -> Self {
        Line([const { AtomicU64::new(0) }; WORDS])
    }

    /// What stands in it now, word by word.
    pub fn words(&self) -> [u64; WORDS] {
        std::array::from_fn(|word| Word::load(&self.0[word]))
    }
}
