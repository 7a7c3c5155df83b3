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

    /// The buckets, in this order.
    pub(crate) fn walk(self) -> Walk {
        Walk {
            next: self.offset,
            skip: self.skip,
            buckets: self.buckets,
            left: self.buckets,
        }
    }
}

/// A walk along a [`Permutation`].
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    next: u32,
    skip: u32,
    buckets: u32,
    left: u32,
}

impl Iterator for Walk {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let bucket = self.next;
        // A conditional subtraction instead of a division: this is the builder's innermost step.
        let sum = bucket + self.skip;
        self.next = if sum >= self.buckets {
            sum - self.buckets
        } else {
            sum
        };
        Some(bucket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_is_visited_once() {
        for buckets in [1, 2, 3, 4, 5, 7, 8, 64, 251, 1024] {
            for server in 0..50u32 {
                let key = ClusterKey::from([3; 16]);
                let walk = Permutation::of(&key, &server.to_be_bytes(), buckets).walk();
                let mut visited: Vec<u32> = walk.collect();
                visited.sort_unstable();
                assert_eq!(visited, (0..buckets).collect::<Vec<_>>());
            }
        }
    }
}
