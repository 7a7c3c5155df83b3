//! The next bucket of a permutation that still wants candidates.
//!
//! Most of algorithm 3 is skipping full buckets: 65,537 buckets are filled in 65,537 turns, but in some 700,000 steps. Of these the last
//! few hundred turns make more than half. [`Progression`] saves both kinds of work, and finds what one step after the other would find:
//!
//! - while few buckets are full it takes single steps, later several at once, without a branch between them;
//! - when few are open it takes no step at all. The bucket `b` is `(b - here) / skip` steps away, in the arithmetic modulo the number
//!   of buckets, where division is multiplication by an inverse; the open bucket with the smallest of these is next.

use crate::permutation::Permutation;

/// Which buckets still want candidates.
pub(crate) struct Open {
    buckets: u32,
    /// How many do.
    count: u32,
    /// How many are few: a list is shorter than a walk where there are fewer buckets in it than steps between two of them.
    few_at: u32,
    /// One bit a bucket, set while it does: small enough for the first-level cache.
    bits: Vec<u64>,
    /// All of them, as soon as they are few; else empty.
    few: Vec<u32>,
}

impl Open {
    /// Every bucket does.
    pub(crate) fn all(buckets: u32) -> Self {
        let mut bits = vec![u64::MAX; buckets.div_ceil(64) as usize];
        if let (Some(last), used @ 1..) = (bits.last_mut(), buckets % 64) {
            *last = (1 << used) - 1;
        }
        let mut open = Open {
            buckets,
            count: buckets,
            few_at: buckets.isqrt(),
            bits,
            few: Vec::new(),
        };
        open.list_few();
        open
    }

    /// 1 if this bucket does, else 0.
    fn bit(&self, bucket: u32) -> u64 {
        self.bits[bucket as usize / 64] >> (bucket % 64) & 1
    }

    /// This bucket does no longer, if it `is_full`.
    pub(crate) fn close_if(&mut self, bucket: u32, is_full: bool) {
        // No branch: half of the second candidates' turns fill a bucket, and no processor can guess which.
        self.bits[bucket as usize / 64] &= !(u64::from(is_full) << (bucket % 64));
        self.count -= u32::from(is_full);
        if self.count <= self.few_at {
            self.keep_few(bucket, is_full);
        }
    }

    #[cold]
    fn keep_few(&mut self, bucket: u32, is_full: bool) {
        if self.few.is_empty() {
            self.list_few();
        } else if is_full {
            self.few.retain(|&open| open != bucket);
        }
    }

    fn list_few(&mut self) {
        if self.count > self.few_at {
            return;
        }
        for (word, &bits) in (0u32..).zip(&self.bits) {
            let mut left = bits;
            while left != 0 {
                self.few.push(word * 64 + left.trailing_zeros());
                left &= left - 1;
            }
        }
    }
}

/// A way through all buckets that does not come back to any.
pub(crate) trait Walk {
    /// Goes on to the next bucket that is open, and past it. `None` if there is none on the rest of the way.
    fn seek(&mut self, open: &Open) -> Option<u32>;
}

/// Step by step: what the paper says, for permutations that are written out.
impl<'a> Walk for std::iter::Copied<std::slice::Iter<'a, u32>> {
    fn seek(&mut self, open: &Open) -> Option<u32> {
        self.find(|&bucket| open.bit(bucket) == 1)
    }
}

/// A walk along an arithmetic progression.
#[derive(Debug, Clone)]
pub(crate) struct Progression {
    next: u32,
    skip: u32,
    /// Buckets that lie ahead.
    left: u32,
}

impl Progression {
    pub(crate) fn new(offset: u32, skip: u32, buckets: u32) -> Self {
        Progression {
            next: offset,
            skip,
            left: buckets,
        }
    }

    fn after(&self, bucket: u32, open: &Open) -> u32 {
        // A conditional subtraction instead of a division: this is the builder's innermost step.
        let sum = bucket + self.skip;
        sum.min(sum.wrapping_sub(open.buckets))
    }

    /// Looks at `STEPS` buckets at a time.
    fn stride<const STEPS: usize>(&mut self, open: &Open) -> Option<u32> {
        if self.left > 0 && open.bit(self.next) == 1 {
            let bucket = self.next;
            self.go_past(bucket, 0, open);
            return Some(bucket);
        }
        while self.left > 0 {
            let mut ahead = [0; STEPS];
            let (mut found, mut bucket) = (0, self.next);
            for (step, place) in ahead.iter_mut().enumerate() {
                *place = bucket;
                found |= open.bit(bucket) << step;
                bucket = self.after(bucket, open);
            }
            // Buckets behind the end of the way have been seen before.
            found &= u64::MAX >> 64u32.saturating_sub(self.left);
            if found != 0 {
                let steps = found.trailing_zeros();
                let bucket = ahead[steps as usize];
                self.go_past(bucket, steps, open);
                return Some(bucket);
            }
            self.next = bucket;
            self.left = self.left.saturating_sub(STEPS as u32);
        }
        None
    }

    /// Asks each open bucket how far away it is.
    fn leap(&mut self, open: &Open, few: &[u32]) -> Option<u32> {
        let inverse = Inverse::of(self.skip, open.buckets);
        let (mut steps, mut nearest) = (u32::MAX, 0);
        for &bucket in few {
            let ahead = bucket.wrapping_sub(self.next);
            let ahead = ahead.min(ahead.wrapping_add(open.buckets));
            let distance = inverse.times(ahead, open.buckets);
            if distance < steps {
                (steps, nearest) = (distance, bucket);
            }
        }
        if steps >= self.left {
            self.left = 0;
            return None;
        }
        self.go_past(nearest, steps, open);
        Some(nearest)
    }

    fn go_past(&mut self, bucket: u32, steps: u32, open: &Open) {
        self.next = self.after(bucket, open);
        self.left -= steps + 1;
    }
}

impl Walk for Progression {
    fn seek(&mut self, open: &Open) -> Option<u32> {
        if open.few.is_empty() {
            self.stride::<8>(open)
        } else {
            self.leap(open, &open.few)
        }
    }
}

impl Permutation {
    /// The buckets, in this order.
    pub(crate) fn walk(self) -> Progression {
        Progression::new(self.offset(), self.skip(), self.buckets())
    }
}

/// `1 / skip` modulo the number of buckets.
#[derive(Debug, Clone, Copy)]
struct Inverse {
    value: u32,
    /// `value * 2^32 / buckets`, rounded down: with it a product needs no division to be reduced (Shoup).
    scaled: u32,
}

impl Inverse {
    /// By Euclid's algorithm. `skip` and `buckets` have no common divisor.
    fn of(skip: u32, buckets: u32) -> Self {
        let (mut a, mut b) = (i64::from(buckets), i64::from(skip % buckets));
        let (mut of_a, mut of_b) = (0, 1);
        while b > 1 {
            let quotient = a / b;
            (a, b) = (b, a - quotient * b);
            (of_a, of_b) = (of_b, of_a - quotient * of_b);
        }
        let value = of_b.rem_euclid(i64::from(buckets)) as u32;
        Inverse {
            value,
            scaled: ((u64::from(value) << 32) / u64::from(buckets)) as u32,
        }
    }

    /// `factor * value` modulo `buckets`, for a factor below `buckets`, which are at most 2^22: the quotient is right or one too small,
    /// so the remainder is below `2 * buckets`.
    fn times(self, factor: u32, buckets: u32) -> u32 {
        let quotient = (u64::from(factor) * u64::from(self.scaled)) >> 32;
        let product = factor.wrapping_mul(self.value);
        let rest = product.wrapping_sub((quotient as u32).wrapping_mul(buckets));
        rest.min(rest.wrapping_sub(buckets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClusterKey, MAX_BUCKETS};

    #[test]
    fn times_the_inverse_is_a_division() {
        for buckets in [2, 3, 251, 256, 65_536, 65_537, MAX_BUCKETS, 4_194_301] {
            for n in 1..200u32 {
                let any = n.wrapping_mul(2_654_435_761);
                let skip = match buckets.is_power_of_two() {
                    true => (any % buckets) | 1,
                    false => 1 + any % (buckets - 1),
                };
                let inverse = Inverse::of(skip, buckets);
                for steps in [0, 1, n % buckets, buckets / 2, buckets - 1] {
                    let away = u64::from(steps) * u64::from(skip) % u64::from(buckets);
                    assert_eq!(
                        inverse.times(away as u32, buckets),
                        steps,
                        "{skip} mod {buckets}"
                    );
                }
            }
        }
    }

    /// Whichever way of walking is taken, it finds the same buckets in the same order.
    #[test]
    fn strides_and_leaps_find_what_steps_find() {
        for buckets in [1u32, 2, 3, 5, 8, 64, 67, 251, 1_024] {
            for server in 0..20u32 {
                let key = ClusterKey::from([3; 16]);
                let permutation = Permutation::of(&key, &server.to_be_bytes(), buckets);
                // every (server + 1)-th bucket is open
                let mut open = Open::all(buckets);
                let closed = (0..buckets).filter(|bucket| bucket % (server + 1) != 0);
                closed.for_each(|bucket| open.close_if(bucket, true));
                let few: Vec<u32> = (0..buckets).filter(|&b| open.bit(b) == 1).collect();
                let walk = permutation.walk();
                let all = |seek: &dyn Fn(&mut Progression) -> Option<u32>| {
                    let mut walk = walk.clone();
                    let found: Vec<u32> = std::iter::from_fn(|| seek(&mut walk)).collect();
                    (found, walk.left)
                };
                let steps = all(&|walk| walk.stride::<1>(&open));
                assert_eq!(steps.0.len(), few.len(), "each open bucket once");
                assert_eq!(all(&|walk| walk.stride::<8>(&open)), steps);
                assert_eq!(all(&|walk| walk.leap(&open, &few)), steps);
            }
        }
    }

    #[test]
    fn every_bucket_is_visited_once() {
        for buckets in [1, 2, 3, 4, 5, 7, 8, 64, 251, 1024] {
            let open = Open::all(buckets);
            for server in 0..50u32 {
                let key = ClusterKey::from([3; 16]);
                let mut walk = Permutation::of(&key, &server.to_be_bytes(), buckets).walk();
                let mut visited: Vec<u32> =
                    std::iter::from_fn(|| walk.stride::<1>(&open)).collect();
                visited.sort_unstable();
                assert_eq!(visited, (0..buckets).collect::<Vec<_>>());
            }
        }
    }
}
