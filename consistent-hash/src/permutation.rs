//! A server's own order of all buckets (the paper's `p[i]`).

use crate::key::{ClusterKey, Purpose};

/// The arithmetic progression `offset, offset + skip, ...` modulo the number of buckets.
///
/// It visits every bucket once because skip and the number of buckets have no common divisor: any skip will do
/// for a prime, any odd one for a power of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Permutation {
    offset: u32,
    skip: u32,
    buckets: u32,
}

impl Permutation {
    /// The permutation of the server called `identity`: of nothing else, so that it survives every change to the pool.
    pub(crate) fn of(key: &ClusterKey, identity: &[u8], buckets: u32) -> Self {
        let remainder = |purpose, divisor: u32| {
            let hash = key.identity_hash(purpose, identity);
            u32::try_from(hash % u64::from(divisor))
                .expect("a remainder is smaller than its 32-bit divisor")
        };
        let skip = if buckets.is_power_of_two() {
            remainder(Purpose::Skip, buckets) | 1
        } else {
            1 + remainder(Purpose::Skip, buckets - 1)
        };
        Permutation {
            offset: remainder(Purpose::Offset, buckets),
            skip,
            buckets,
        }
    }

    /// Where it begins.
    pub(crate) fn offset(self) -> u32 {
        self.offset
    }

    /// From one bucket to the next.
    pub(crate) fn skip(self) -> u32 {
        self.skip
    }

    /// How many buckets there are.
    pub(crate) fn buckets(self) -> u32 {
        self.buckets
    }
}
