//! The numbers that every load balancer must have in common before two tables can agree.

use crate::key::ClusterKey;
use crate::permutation::Permutation;
use crate::Error;

/// The largest number of buckets, 2^22: beyond it a table outgrows what a cluster of 5,000 servers can use.
pub const MAX_BUCKETS: u32 = 1 << 22;

/// The most candidates that a bucket can have. A segment list with more would not fit any sensible packet.
pub const MAX_CHOICES: usize = 8;

/// How tables are made: cluster key, number of buckets (the paper's M) and candidates per bucket (C).
///
/// For servers to take even shares, M should be at least a hundred times the number of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipe {
    key: ClusterKey,
    buckets: u32,
    choices: usize,
}

impl Recipe {
    /// A recipe, if the numbers make one.
    ///
    /// # Errors
    ///
    /// [`Error::Buckets`] unless `buckets` is a prime or a power of two up to [`MAX_BUCKETS`]: only then does every
    /// skip lead through all buckets. [`Error::Choices`] unless `choices` is 1 to [`MAX_CHOICES`].
    pub fn new(key: ClusterKey, buckets: u32, choices: usize) -> Result<Self, Error> {
        if !fits(buckets) {
            let example = example_near(buckets);
            return Err(Error::Buckets { buckets, example });
        }
        check_choices(choices)?;
        Ok(Recipe {
            key,
            buckets,
            choices,
        })
    }

    /// The cluster key.
    #[must_use]
    pub fn key(&self) -> &ClusterKey {
        &self.key
    }

    /// Number of buckets, the paper's M.
    #[must_use]
    pub fn buckets(&self) -> u32 {
        self.buckets
    }

    /// Candidates per bucket where there are as many servers, the paper's C.
    #[must_use]
    pub fn choices(&self) -> usize {
        self.choices
    }

    /// The order in which the server called `identity` goes through the buckets.
    pub(crate) fn permutation(&self, identity: &[u8]) -> Permutation {
        Permutation::of(&self.key, identity, self.buckets)
    }
}

/// Refuses a number of candidates that no table can have.
pub(crate) fn check_choices(choices: usize) -> Result<(), Error> {
    if (1..=MAX_CHOICES).contains(&choices) {
        Ok(())
    } else {
        Err(Error::Choices(choices))
    }
}

fn fits(buckets: u32) -> bool {
    buckets <= MAX_BUCKETS && (buckets.is_power_of_two() || is_prime(buckets))
}

fn is_prime(n: u32) -> bool {
    n >= 2 && (2..).take_while(|d| d * d <= n).all(|d| n % d != 0)
}

/// The next number upwards that would do, or the largest there is.
fn example_near(buckets: u32) -> u32 {
    (buckets..=MAX_BUCKETS)
        .find(|&b| fits(b))
        .unwrap_or(MAX_BUCKETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(buckets: u32, choices: usize) -> Result<Recipe, Error> {
        Recipe::new(ClusterKey::from([0; 16]), buckets, choices)
    }

    #[test]
    fn primes_and_powers_of_two_only() {
        let sieve: Vec<u32> = (2..500u32)
            .filter(|n| (2..*n).all(|d| n % d != 0) || (1..9).any(|e| 1 << e == *n))
            .collect();
        let taken: Vec<u32> = (2..500).filter(|&b| recipe(b, 2).is_ok()).collect();
        assert_eq!(taken, sieve);
        for buckets in [1, 65_537, 65_536, MAX_BUCKETS, 4_194_301] {
            assert!(recipe(buckets, 2).is_ok(), "{buckets}");
        }
        for buckets in [0, 65_535, 4_194_303, MAX_BUCKETS + 1, 4_194_319, u32::MAX] {
            assert!(recipe(buckets, 2).is_err(), "{buckets}");
        }
    }

    #[test]
    fn the_errors_say_what_is_expected() {
        assert_eq!(
            recipe(65_535, 2).unwrap_err().to_string(),
            "buckets = 65535: expected a prime or a power of two from 1 to 4194304, for example 65536"
        );
        assert_eq!(
            recipe(1 << 23, 2).unwrap_err().to_string(),
            "buckets = 8388608: expected a prime or a power of two from 1 to 4194304, for example 4194304"
        );
        assert_eq!(recipe(7, 0), Err(Error::Choices(0)));
        assert_eq!(
            recipe(7, 9).unwrap_err().to_string(),
            "choices = 9: expected 1 to 8"
        );
    }
}
