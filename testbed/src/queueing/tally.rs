//! What is counted while a scenario runs.

use daemon::{Counts, DropReason};

use super::histogram::Histogram;
use super::result::{Mean, Sample};

/// Batches from which the confidence of a mean is estimated.
const BATCHES: u64 = 20;

/// Running counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Queries that were answered, without those of the warm-up.
    pub answered: u64,
    /// Queries that met a full accept queue.
    pub refused: u64,
    /// Response times of those answered, in microseconds.
    pub times_us: Histogram,
    /// Packets that were dropped.
    pub dropped: u64,
    /// Of these, by engines, and why.
    pub reasons: Counts<DropReason>,
    /// Packets sent, from node to node.
    pub packets: u64,
    /// Events.
    pub events: u64,
    /// Load and fairness over time.
    pub samples: Vec<Sample>,
    sum_us: f64,
    squares_us: f64,
    batches: [(u64, f64); BATCHES as usize],
}

impl Tally {
    /// Query `number` of `queries` that count was answered.
    pub fn answer(&mut self, number: u64, queries: u64, took_us: u64) {
        let took = took_us as f64;
        self.answered += 1;
        self.times_us.add(took_us);
        self.sum_us += took;
        self.squares_us += took * took;
        let batch = number.saturating_mul(BATCHES) / queries.max(1);
        let (count, sum) = &mut self.batches[batch.min(BATCHES - 1) as usize];
        *count += 1;
        *sum += took;
    }

    /// Looks at the servers: how many workers are busy on each.
    pub fn sample(&mut self, at_us: u64, busy: impl Iterator<Item = u32>) {
        let (mut n, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for busy in busy.map(f64::from) {
            n += 1.0;
            sum += busy;
            squares += busy * busy;
        }
        self.samples.push(Sample {
            at_s: at_us as f64 / 1e6,
            mean_busy: sum / n,
            // nobody busy is as fair as can be
            fairness: match squares > 0.0 {
                true => sum * sum / (n * squares),
                false => 1.0,
            },
        });
    }

    /// The mean response time, with its confidence interval by the method of batch means.
    pub fn mean(&self) -> Mean {
        let n = self.answered.max(1) as f64;
        let mean_us = self.sum_us / n;
        let variance = (self.squares_us / n - mean_us * mean_us).max(0.0);
        let filled = self.batches.iter().filter(|(count, _)| *count > 0);
        let means: Vec<f64> = filled.map(|(count, sum)| sum / *count as f64).collect();
        Mean {
            mean_s: mean_us / 1e6,
            deviation_s: variance.sqrt() / 1e6,
            half_width_s: half_width(&means) / 1e6,
        }
    }
}

/// Half of the 95% confidence interval of the mean of what these are samples of.
fn half_width(means: &[f64]) -> f64 {
    /// Student's t for 19 degrees of freedom: all batches are filled, or it is not worth asking.
    const T: f64 = 2.093;
    let n = means.len() as f64;
    if means.len() < 2 {
        return f64::INFINITY;
    }
    let mean = means.iter().sum::<f64>() / n;
    let squares: f64 = means.iter().map(|m| (m - mean).powi(2)).sum();
    T * (squares / (n - 1.0) / n).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn the_interval_holds_the_mean_in_19_of_20_cases() {
        let mut holds = 0;
        for seed in 0..400 {
            let mut rng = Rng::new(seed, 3);
            let mut tally = Tally::default();
            (0..2_000).for_each(|n| tally.answer(n, 2_000, rng.exponential(1e6) as u64));
            let mean = tally.mean();
            holds += usize::from((mean.mean_s - 1.0).abs() < mean.half_width_s);
            assert!((mean.deviation_s - 1.0).abs() < 0.2);
        }
        assert!((360..=396).contains(&holds), "{holds} of 400");
    }

    #[test]
    fn fairness_of_a_moment() {
        let mut tally = Tally::default();
        for busy in [[2, 2, 2, 2], [4, 0, 0, 0], [0, 0, 0, 0]] {
            tally.sample(0, busy.into_iter());
        }
        let seen: Vec<_> = tally
            .samples
            .iter()
            .map(|s| (s.mean_busy, s.fairness))
            .collect();
        assert_eq!(seen, [(2.0, 1.0), (1.0, 0.25), (0.0, 1.0)]);
    }
}
