//! One to four candidates.

use anyhow::Result;
use srlb_server::policy::Accept;

use super::paired::{grid, points};
use super::{farm, Axis, Claim, Curve, Experiment, Figure, Needs, Panel, Workshop};
use crate::queueing::{Balancing, Hunt};

const LOADS: [f64; 5] = [0.6, 0.7, 0.8, 0.9, 0.95];
const SEEDS: usize = 2;
/// A table for any number of candidates has a prime number of buckets.
const BUCKETS: u32 = 65_537;

/// The experiment.
pub fn experiment() -> Experiment {
    Experiment {
        name: "choices",
        title: "One to four candidates",
        paper: "Two are enough to greatly improve fairness, with a decreasing marginal benefit when using more (section II-A).",
        needs: Needs::Nothing,
        make,
    }
}

fn policies() -> Vec<(String, Balancing)> {
    let mut all = vec![("SC".to_owned(), Balancing::SINGLE_CHOICE)];
    let median = Accept::Median {
        window: 50,
        least: 2,
    };
    let dynamic = Accept::Dynamic {
        window: 50,
        epsilon: 0.1,
    };
    for (name, accept) in [
        ("SR4", Accept::Static { c: 4 }),
        ("SRdyn", dynamic),
        ("median", median),
    ] {
        for choices in 2..=4 {
            let hunt = Hunt {
                choices,
                accept,
                pending: false,
            };
            all.push((format!("{name}, C = {choices}"), Balancing::Hunt(hunt)));
        }
    }
    all
}

fn make(workshop: &Workshop) -> Result<Figure> {
    let most_qps = farm::sustainable_qps(workshop)?;
    let policies = policies();
    let rows = grid(
        workshop,
        SEEDS,
        (policies.len(), LOADS.len()),
        |row, column, _| {
            let mut scenario = farm::scenario(workshop, policies[row].1, LOADS[column] * most_qps);
            scenario.buckets = BUCKETS;
            scenario
        },
    )?;
    let curves = |of: fn(&super::paired::Seen) -> f64| -> Vec<Curve> {
        let named = policies.iter().zip(&rows);
        named
            .map(|((name, _), row)| Curve::new(name.clone(), points(&LOADS, row, of)))
            .collect()
    };
    let last = LOADS.len() - 2;
    let gain = |row: usize, than: usize| -> String {
        let spread = rows[row][last].slower_than(&rows[than][last]);
        let packets = rows[row][last].mean(|s| s.packets) - rows[than][last].mean(|s| s.packets);
        format!(
            "{:+.1}% ({:+.1} to {:+.1}), {packets:+.2} packets a query",
            spread.mean, spread.least, spread.most
        )
    };
    // rows 1, 4 and 7 have two candidates
    let mut claims = Vec::new();
    for (name, two) in [("SR4", 1), ("SRdyn", 4), ("median", 7)] {
        let what = format!("{name} at rho = 0.9: mean response time with 2 candidates against 1");
        claims.push(Claim::finding(&what, gain(two, 0)));
        for more in 1..=2 {
            let what = format!(
                "{name} at rho = 0.9: {} candidates against {}",
                2 + more,
                1 + more
            );
            claims.push(Claim::finding(&what, gain(two + more, two + more - 1)));
        }
    }
    let rho = Axis::between("normalized request rate, rho", 0.6, 0.95);
    Ok(Figure {
        panels: vec![
            Panel::new(rho.clone(), Axis::new("mean response time (s)", 1.0), curves(|s| s.mean_s)).titled("Mean"),
            Panel::new(rho.clone(), Axis::new("99th percentile (s)", 5.0), curves(|s| s.p99_s)).titled("99th percentile"),
            Panel::new(rho, Axis::between("packets between nodes, a query", 7.0, 12.0), curves(|s| s.packets)).titled("The price"),
        ],
        claims,
        note: format!(
            "The paper's farm, {SEEDS} seeds with the same queries for all. Of more than two candidates all but the last may refuse. \
             Of a query SYN, SYN-ACK, the client's ACK and the FIN count."
        ),
    })
}
