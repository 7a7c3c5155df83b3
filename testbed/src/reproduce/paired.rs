//! Many runs that differ in one thing at a time: each seed has the same queries for all, so that differences are not chance.

use anyhow::Result;

use super::{farm, Workshop};
use crate::queueing::{Outcome, Scenario};

/// What one run showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// Mean response time.
    pub mean_s: f64,
    /// 99th percentile of the response time.
    pub p99_s: f64,
    /// Share of the queries that were reset.
    pub refused: f64,
    /// Packets from node to node, a query.
    pub packets: f64,
    /// Share of the flows that were passed on by all who might have refused them.
    pub passed_on: f64,
}

impl Seen {
    fn of(outcome: &Outcome) -> Seen {
        let counted = (outcome.answered + outcome.refused).max(1) as f64;
        Seen {
            mean_s: outcome.response.mean_s,
            p99_s: outcome.percentile_s(99.0),
            refused: outcome.refused as f64 / counted,
            packets: outcome.packets as f64 / outcome.queries.max(1) as f64,
            passed_on: outcome.passed_on(),
        }
    }
}

/// The same scenario with several seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Runs(Vec<Seen>);

impl Runs {
    /// The mean over seeds.
    pub fn mean(&self, of: impl Fn(&Seen) -> f64) -> f64 {
        self.0.iter().map(of).sum::<f64>() / self.0.len() as f64
    }

    /// The mean of mean response times.
    pub fn mean_s(&self) -> f64 {
        self.mean(|seen| seen.mean_s)
    }

    /// How much longer mean response times are than others' with the same queries, in percent.
    pub fn slower_than(&self, others: &Runs) -> Spread {
        let pairs = self.0.iter().zip(&others.0);
        let percent: Vec<f64> = pairs
            .map(|(a, b)| 100.0 * (a.mean_s / b.mean_s - 1.0))
            .collect();
        Spread {
            // of the means, not the mean of ratios: what a user waits for over all seeds
            mean: 100.0 * (self.mean_s() / others.mean_s() - 1.0),
            least: percent.iter().copied().fold(f64::INFINITY, f64::min),
            most: percent.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

/// A figure and where it lay with single seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Over all seeds.
    pub mean: f64,
    /// With the seed that gave least.
    pub least: f64,
    /// With the seed that gave most.
    pub most: f64,
}

/// Runs `scenario(row, column)` for all rows and columns with so many seeds; whatever seed it has is replaced.
pub fn grid(
    workshop: &Workshop,
    seeds: usize,
    (rows, columns): (usize, usize),
    scenario: impl Fn(usize, usize, u64) -> Scenario + Sync,
) -> Result<Vec<Vec<Runs>>> {
    let seen = workshop.each(rows * columns * seeds, |n| {
        let (cell, seed) = (n / seeds, workshop.seed + (n % seeds) as u64);
        let mut scenario = scenario(cell / columns, cell % columns, seed);
        scenario.seed = seed;
        Ok(Seen::of(&farm::simulate(workshop, &scenario)?))
    })?;
    let cells: Vec<Runs> = seen.chunks(seeds).map(|of| Runs(of.to_vec())).collect();
    Ok(cells.chunks(columns).map(<[Runs]>::to_vec).collect())
}

/// Points of a row of a grid.
pub fn points(xs: &[f64], row: &[Runs], of: impl Fn(&Seen) -> f64) -> Vec<(f64, f64)> {
    let values = row.iter().map(|runs| runs.mean(&of));
    xs.iter().copied().zip(values).collect()
}

/// For each column, the row whose mean response time is the shortest.
pub fn best_rows(rows: &[Vec<Runs>]) -> Vec<usize> {
    let columns = rows.first().map_or(0, Vec::len);
    let best = |column: usize| {
        let mean = |row: &usize| rows[*row][column].mean_s();
        (0..rows.len()).min_by(|a, b| mean(a).total_cmp(&mean(b)))
    };
    (0..columns).filter_map(best).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(means_s: &[f64]) -> Runs {
        let seen = |&mean_s: &f64| Seen {
            mean_s,
            p99_s: 0.0,
            refused: 0.0,
            packets: 0.0,
            passed_on: 0.0,
        };
        Runs(means_s.iter().map(seen).collect())
    }

    #[test]
    fn a_distance_has_a_spread() {
        let distance = runs(&[1.2, 1.0]).slower_than(&runs(&[1.0, 1.0]));
        assert!((distance.mean - 10.0).abs() < 1e-9);
        assert!((distance.most - 20.0).abs() < 1e-9 && distance.least.abs() < 1e-9);
    }

    #[test]
    fn the_best_row_of_each_column() {
        let rows = [
            vec![runs(&[1.0]), runs(&[3.0])],
            vec![runs(&[2.0]), runs(&[1.0])],
        ];
        assert_eq!(best_rows(&rows), [0, 1]);
    }
}
