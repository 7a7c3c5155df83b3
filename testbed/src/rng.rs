//! Randomness that a seed fixes for ever: SplitMix64, and what the load needs on top.

/// SplitMix64's step between two states.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64's way from a state to a number.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The number at a place of a seed's sequence, without those before it.
pub fn number_at(seed: u64, place: u64) -> u64 {
    mix(seed.wrapping_add(place.wrapping_add(1).wrapping_mul(STEP)))
}

/// A small generator; the same seed gives the same numbers on every machine.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator for one purpose. Streams of the same seed do not touch each other.
    pub fn new(seed: u64, stream: u64) -> Rng {
        let mut rng = Rng(seed ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03));
        rng.next_u64();
        rng
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// Uniform in 0..1, 1 excluded.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Exponentially distributed.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.uniform()).ln()
    }

    /// Normally distributed, with mean 0 and deviation 1 (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Uniform in 0..`n`; 0 if `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        // The high half of a product: no division, and a bias of n in 2^64.
        ((u128::from(self.next_u64()) * u128::from(n)) >> 64) as u64
    }

    /// Uniform in `low..=high`; `low` if that is empty.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// In `low..=high`, every doubling as likely as every other: 1 to 2 as often as 512 to 1,024.
    pub fn doubling(&mut self, low: u64, high: u64) -> u64 {
        let low = low.max(1);
        let doublings = (high / low).checked_ilog2().unwrap_or(0);
        let from = low << self.below(u64::from(doublings) + 1);
        self.between(from, high.min(from.saturating_mul(2)))
    }

    /// True in `percent` of 100 cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of them, each as likely as every other.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }

    /// Puts them into a random order.
    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            all.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_numbers_come_out() {
        // SplitMix64's published sequence for the state 1234567.
        let mut rng = Rng(1234567);
        assert_eq!(rng.next_u64(), 6457827717110365317);
        assert_eq!(rng.next_u64(), 3203168211198807973);
        assert_eq!(number_at(1234567, 0), 6457827717110365317);
        assert_eq!(number_at(1234567, 1), 3203168211198807973);
    }

    #[test]
    fn the_exponential_has_its_mean_and_spread() {
        let mut rng = Rng::new(7, 1);
        let n = 200_000;
        let samples: Vec<f64> = (0..n).map(|_| rng.exponential(50.0)).collect();
        let mean = samples.iter().sum::<f64>() / n as f64;
        let var = samples.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
        assert!((mean - 50.0).abs() < 0.5, "{mean}");
        assert!((var.sqrt() - 50.0).abs() < 1.0, "{}", var.sqrt());
        assert!(samples.iter().all(|x| *x >= 0.0));
    }

    #[test]
    fn whole_numbers_keep_their_bounds_and_reach_them() {
        let mut rng = Rng::new(3, 3);
        let drawn: Vec<u64> = (0..2_000).map(|_| rng.between(5, 9)).collect();
        assert!((5..=9).all(|n| drawn.contains(&n)));
        assert!(drawn.iter().all(|n| (5..=9).contains(n)));
        let drawn: Vec<u64> = (0..20_000).map(|_| rng.doubling(3, 1_000)).collect();
        assert!(drawn.iter().all(|n| (3..=1_000).contains(n)));
        let small = drawn.iter().filter(|&&n| n < 48).count();
        assert!((6_000..14_000).contains(&small), "{small} of 20,000");
        assert_eq!(
            (rng.below(0), rng.between(4, 4), rng.between(4, 1)),
            (0, 4, 4)
        );
        assert_eq!((rng.doubling(7, 7), rng.doubling(0, 0)), (7, 1));
    }

    #[test]
    fn a_shuffle_keeps_everybody() {
        let mut rng = Rng::new(3, 4);
        let mut all: Vec<u32> = (0..50).collect();
        rng.shuffle(&mut all);
        assert_ne!(all, (0..50).collect::<Vec<_>>());
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn streams_differ_and_seeds_repeat() {
        let first = |seed, stream| Rng::new(seed, stream).next_u64();
        assert_eq!(first(1, 1), first(1, 1));
        assert_ne!(first(1, 1), first(1, 2));
        assert_ne!(first(1, 1), first(2, 1));
    }
}
