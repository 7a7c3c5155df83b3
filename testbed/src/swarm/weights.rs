//! Which features a world has, and how often each comes.

use crate::rng::Rng;

/// Some things, each with its share of the draws.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights<T> {
    shares: Vec<(T, u64)>,
}

impl<T: Copy> Weights<T> {
    /// About half of `all`, and at least one, with shares that differ much: worlds that leave features
    /// out find more than worlds that have a little of each (Groce and others, "Swarm testing", ISSTA 2012).
    pub fn some_of(rng: &mut Rng, all: &[T]) -> Self {
        let mut shares: Vec<(T, u64)> = all
            .iter()
            .map(|&one| (one, rng.percent(50), rng.doubling(1, 16)))
            .filter_map(|(one, is_in, share)| is_in.then_some((one, share)))
            .collect();
        if shares.is_empty() {
            shares.push((*rng.pick(all), 1));
        }
        Weights { shares }
    }

    /// One of them.
    pub fn draw(&self, rng: &mut Rng) -> T {
        let total = self.shares.iter().map(|(_, share)| share).sum();
        let mut at = rng.below(total);
        for &(one, share) in &self.shares {
            if at < share {
                return one;
            }
            at -= share;
        }
        self.shares[0].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subset_size_comes_and_none_is_empty() {
        let all = [1, 2, 3, 4];
        let mut sizes = [0; 5];
        for seed in 0..400 {
            let mut rng = Rng::new(seed, 0);
            let weights = Weights::some_of(&mut rng, &all);
            sizes[weights.shares.len()] += 1;
            assert!((0..20).all(|_| all.contains(&weights.draw(&mut rng))));
        }
        assert_eq!(sizes[0], 0);
        assert!(sizes[1..].iter().all(|&n| n > 0), "{sizes:?}");
    }

    #[test]
    fn shares_are_kept() {
        let weights = Weights {
            shares: vec![('a', 1), ('b', 9)],
        };
        let mut rng = Rng::new(1, 1);
        let a = (0..10_000)
            .filter(|_| weights.draw(&mut rng) == 'a')
            .count();
        assert!((800..1_200).contains(&a), "{a}");
    }
}
