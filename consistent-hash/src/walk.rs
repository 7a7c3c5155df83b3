//! The next bucket of a permutation that still wants candidates.
//!
//! Most of algorithm 3 is skipping full buckets: 65,537 buckets are filled in 65,537 turns, but in some 700,000 steps. Of these the last
//! few hundred turns make more than half. [`Progression`] saves both kinds of work, and finds what one step after the other would find:
//!
//! - while few buckets are full it takes single steps, later several at once, without a branch between them: what the next bucket holds
//!   nobody can guess, and a processor that guessed wrong loses more than a few steps too many take;
//! - when few are open it takes no step at all. The bucket `b` is `(b - here) / skip` steps away, in the arithmetic modulo the number
//!   of buckets, where division is multiplication by an inverse; the open bucket with the smallest of these is next.

use crate::permutation::Permutation;
use crate::slots::{Open, SMALL};

/// A way through all buckets that does not come back to any.
pub(crate) trait Walk {
    /// Goes on to the next bucket that is open, or stays where that is so. `None` if there is none on the rest of the way.
    ///
    /// `STEPS` is how many buckets are looked at together, 0 for as many as lie ahead; the outcome does not depend on it.
    fn approach<const STEPS: usize>(&mut self, open: Open<'_>) -> Option<u32>;

    /// Part of an [approach](Self::approach): looks at [`FAR`] buckets. True if it has come to its end.
    fn look(&mut self, open: Open<'_>) -> bool;

    /// The bucket that was approached, if it is still open.
    fn stay(&self, open: Open<'_>) -> Option<u32>;

    /// Goes past the bucket that was approached.
    fn pass(&mut self, open: Open<'_>);
}

/// Step by step: what the paper says, for permutations that are written out.
impl Walk for &[u32] {
    fn approach<const STEPS: usize>(&mut self, open: Open<'_>) -> Option<u32> {
        while let Some((&bucket, rest)) = self.split_first() {
            if open.free(bucket) > 0 {
                return Some(bucket);
            }
            *self = rest;
        }
        None
    }

    fn look(&mut self, open: Open<'_>) -> bool {
        self.approach::<FAR>(open);
        true
    }

    fn stay(&self, open: Open<'_>) -> Option<u32> {
        self.first()
            .copied()
            .filter(|bucket| open.free(*bucket) > 0)
    }

    fn pass(&mut self, _: Open<'_>) {
        *self = self.split_first().map_or(&[], |(_, rest)| rest);
    }
}

/// Buckets that are computed together.
const LANES: usize = 8;

/// How many are looked at together when the next open one is far away.
pub(crate) const FAR: usize = 2 * LANES;

/// A walk along an arithmetic progression.
#[derive(Debug, Clone)]
pub(crate) struct Progression {
    /// How far 0, 1, 2 ... steps lead: so that none has to wait for the one before it.
    steps: [u32; LANES],
    /// How far all of them together lead.
    lanes: u32,
    next: u32,
    /// Buckets that lie ahead.
    left: u32,
}

/// The sum modulo the number of buckets, of two numbers below it: for one number at a time.
#[inline(always)]
fn sum(a: u32, b: u32, buckets: u32) -> u32 {
    let sum = a + b;
    sum.min(sum.wrapping_sub(buckets))
}

/// The same for several at a time: processors can compare several signed numbers. Nothing here is above 2^23.
#[inline(always)]
fn sum_of_many(a: u32, b: u32, buckets: u32) -> u32 {
    let (sum, buckets) = ((a + b) as i32, buckets as i32);
    (if sum >= buckets { sum - buckets } else { sum }) as u32
}

/// `a - b` modulo the number of buckets, of several at a time.
#[inline(always)]
fn difference_of_many(a: u32, b: u32, buckets: u32) -> u32 {
    let (difference, buckets) = (a as i32 - b as i32, buckets as i32);
    (if difference < 0 {
        difference + buckets
    } else {
        difference
    }) as u32
}

impl Progression {
    pub(crate) fn new(offset: u32, skip: u32, buckets: u32) -> Self {
        let mut steps = [0; LANES];
        for step in 1..LANES {
            steps[step] = sum(steps[step - 1], skip % buckets, buckets);
        }
        Progression {
            steps,
            lanes: sum(steps[LANES - 1], steps[1], buckets),
            next: offset,
            left: buckets,
        }
    }

    fn skip(&self) -> u32 {
        self.steps[1]
    }

    /// Looks at `STEPS` buckets at a time, at most [`LANES`], without a branch between them.
    #[inline(always)]
    #[expect(clippy::needless_range_loop)] // with zipped iterators the compiler makes something slower by a tenth of a table
    fn stride<const STEPS: usize>(
        &mut self,
        buckets: u32,
        free: impl Fn(u32) -> u8,
    ) -> Option<u32> {
        while self.left > 0 {
            let mut ahead = [self.next; STEPS];
            if STEPS == 2 {
                ahead[1] = sum(self.next, self.skip(), buckets);
            } else {
                for step in 0..STEPS {
                    ahead[step] = sum_of_many(self.next, self.steps[step], buckets);
                }
            }
            // Their free slots, four bits each.
            let mut found = 0;
            for (step, bucket) in ahead.iter().enumerate() {
                found |= u64::from(free(*bucket)) << (4 * step);
            }
            if found != 0 {
                let steps = found.trailing_zeros() / 4;
                return self.stop_at(ahead[steps as usize % STEPS], steps);
            }
            self.next = sum(ahead[STEPS - 1], self.skip(), buckets);
            self.left = self.left.saturating_sub(STEPS as u32);
        }
        None
    }

    /// Looks at [`FAR`] buckets and goes on, without any branch. Whether it has come to one that is open, or to the end.
    #[inline(always)]
    #[expect(clippy::needless_range_loop)] // as above
    fn look_far(&mut self, buckets: u32, free: impl Fn(u32) -> u8) -> bool {
        let middle = sum(self.next, self.lanes, buckets);
        // These, and where to go on if none of them is open.
        let mut ahead = [0; FAR + 1];
        for step in 0..LANES {
            ahead[step] = sum_of_many(self.next, self.steps[step], buckets);
            ahead[LANES + step] = sum_of_many(middle, self.steps[step], buckets);
        }
        ahead[FAR] = sum(middle, self.lanes, buckets);
        // Their free slots, four bits each.
        let mut found = 0u64;
        for step in 0..FAR {
            found |= u64::from(free(ahead[step])) << (4 * step);
        }
        // All, where there are no others.
        let steps = found.trailing_zeros() / 4;
        self.next = ahead[steps as usize];
        self.left = self.left.saturating_sub(steps);
        (found != 0) | (self.left == 0)
    }

    /// Asks each open bucket how far away it is.
    fn leap(&mut self, open: Open<'_>) -> Option<u32> {
        let buckets = open.buckets();
        let inverse = Inverse::of(self.skip(), buckets);
        let steps = open.few().iter().map(|&bucket| {
            let ahead = difference_of_many(bucket, self.next, buckets);
            inverse.times(ahead, buckets)
        });
        // Signed, as processors compare several at a time; and without asking which bucket it is.
        let steps = steps.map(|steps| steps as i32).min()? as u32;
        let ahead = u64::from(steps) * u64::from(self.skip()) % u64::from(buckets);
        self.stop_at(sum(self.next, ahead as u32, buckets), steps)
    }

    /// Goes on to a bucket so many steps away, unless that is behind the end of the way: then it has been seen before.
    #[inline(always)]
    fn stop_at(&mut self, bucket: u32, steps: u32) -> Option<u32> {
        if steps >= self.left {
            self.left = 0;
            return None;
        }
        self.next = bucket;
        self.left -= steps;
        Some(bucket)
    }
}

impl Walk for Progression {
    #[inline(always)]
    fn approach<const STEPS: usize>(&mut self, open: Open<'_>) -> Option<u32> {
        let buckets = open.buckets();
        match (STEPS, open.small()) {
            (0, _) => self.leap(open),
            (FAR, _) => {
                while !self.look(open) {}
                self.stay(open)
            }
            (_, Some(free)) => {
                self.stride::<STEPS>(buckets, |bucket| free[bucket as usize % SMALL])
            }
            (_, None) => self.stride::<STEPS>(buckets, |bucket| open.free(bucket)),
        }
    }

    #[inline(always)]
    fn look(&mut self, open: Open<'_>) -> bool {
        let buckets = open.buckets();
        match open.small() {
            Some(free) => self.look_far(buckets, |bucket| free[bucket as usize % SMALL]),
            None => self.look_far(buckets, |bucket| open.free(bucket)),
        }
    }

    #[inline(always)]
    fn stay(&self, open: Open<'_>) -> Option<u32> {
        (self.left > 0 && open.free(self.next) > 0).then_some(self.next)
    }

    #[inline(always)]
    fn pass(&mut self, open: Open<'_>) {
        self.next = sum(self.next, self.skip(), open.buckets());
        self.left -= 1;
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
        // 32 bits suffice, and divisions of 64 take twice as long: signs alternate, and what is multiplied stays below the number of buckets.
        let (mut a, mut b) = (buckets, skip % buckets);
        let (mut of_a, mut of_b) = (0i32, 1i32);
        while b > 1 {
            let quotient = a / b;
            (a, b) = (b, a - quotient * b);
            (of_a, of_b) = (of_b, of_a - quotient as i32 * of_b);
        }
        let value = of_b.rem_euclid(buckets as i32) as u32;
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
        let (rest, buckets) = (rest as i32, buckets as i32);
        (if rest >= buckets {
            rest - buckets
        } else {
            rest
        }) as u32
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

    #[test]
    fn sums_are_sums() {
        for buckets in [1, 2, 3, 251, 256, 65_537, MAX_BUCKETS] {
            for a in [0, 1 % buckets, buckets / 2, buckets - 1] {
                for b in [0, 1 % buckets, buckets / 2, buckets - 1] {
                    assert_eq!(sum(a, b, buckets), (a + b) % buckets);
                    assert_eq!(sum_of_many(a, b, buckets), (a + b) % buckets);
                    assert_eq!(sum(difference_of_many(a, b, buckets), b, buckets), a);
                }
            }
        }
    }

    fn walk(server: u32, buckets: u32) -> Progression {
        let key = ClusterKey::from([3; 16]);
        Permutation::of(&key, &server.to_be_bytes(), buckets).walk()
    }

    /// Everything that is open, in the order in which the walk finds it, and what is left of the way then.
    fn all<const STEPS: usize>(mut walk: Progression, open: Open<'_>) -> (Vec<u32>, u32) {
        let mut found = Vec::new();
        while let Some(bucket) = walk.approach::<STEPS>(open) {
            assert_eq!(walk.stay(open), Some(bucket));
            found.push(bucket);
            walk.pass(open);
        }
        (found, walk.left)
    }

    /// Whichever way of walking is taken, it finds the same buckets in the same order.
    #[test]
    fn strides_and_leaps_find_what_steps_find() {
        for buckets in [1u32, 2, 3, 5, 8, 64, 67, 251, 1_024] {
            for server in 0..20u32 {
                // every (server + 1)-th bucket is open
                let slots = |bucket: u32| match bucket % (server + 1) {
                    0 => 1 + (server % 8) as u8,
                    _ => 0,
                };
                let mut free: Vec<u8> = (0..buckets).map(slots).collect();
                let few: Vec<u32> = (0..buckets).filter(|&b| slots(b) > 0).collect();
                let walk = walk(server, buckets);
                let steps = all::<1>(walk.clone(), Open::of(&free, buckets, &few));
                assert_eq!(steps.0.len(), few.len(), "each open bucket once");
                // With checks of bounds, and without.
                for length in [free.len(), SMALL] {
                    free.resize(length, 0);
                    let open = Open::of(&free, buckets, &few);
                    assert_eq!(all::<2>(walk.clone(), open), steps);
                    assert_eq!(all::<4>(walk.clone(), open), steps);
                    assert_eq!(all::<8>(walk.clone(), open), steps);
                    assert_eq!(all::<FAR>(walk.clone(), open), steps);
                    assert_eq!(all::<0>(walk.clone(), open), steps);
                }
            }
        }
    }

    #[test]
    fn every_bucket_is_visited_once() {
        for buckets in [1u32, 2, 3, 4, 5, 7, 8, 64, 251, 1024] {
            let free = vec![1; buckets as usize];
            for server in 0..50u32 {
                let (mut visited, left) =
                    all::<1>(walk(server, buckets), Open::of(&free, buckets, &[]));
                visited.sort_unstable();
                assert_eq!(visited, (0..buckets).collect::<Vec<_>>());
                assert_eq!(left, 0);
            }
        }
    }
}
