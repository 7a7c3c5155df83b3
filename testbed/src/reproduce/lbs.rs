//! More and more LBs that share nothing.

use anyhow::Result;
use srlb_server::policy::Accept;

use super::paired::{grid, points};
use super::{farm, Axis, Claim, Curve, Experiment, Figure, Needs, Panel, Workshop};
use crate::queueing::Balancing;

const LBS: [f64; 5] = [1.0, 2.0, 4.0, 8.0, 16.0];
const SEEDS: usize = 2;
const RHO: f64 = 0.85;

/// The experiment.
pub fn experiment() -> Experiment {
    Experiment {
        name: "lbs",
        title: "1 to 16 LBs behind ECMP that share nothing",
        paper: "",
        needs: Needs::Nothing,
        make,
    }
}

const POLICIES: [(&str, Balancing); 5] = [
    ("SR4", farm::sr(4)),
    (
        "median",
        farm::hunt(Accept::Median {
            window: 50,
            least: 2,
        }),
    ),
    ("least connections", Balancing::LeastConnections),
    ("round robin", Balancing::RoundRobin),
    ("weighted round robin", Balancing::WITH_FEEDBACK),
];

fn make(workshop: &Workshop) -> Result<Figure> {
    let rate_qps = RHO * farm::sustainable_qps(workshop)?;
    let rows = grid(
        workshop,
        SEEDS,
        (POLICIES.len(), LBS.len()),
        |row, column, _| {
            let mut scenario = farm::scenario(workshop, POLICIES[row].1, rate_qps);
            scenario.lbs = LBS[column] as u16;
            scenario
        },
    )?;
    let curves = |of: fn(&super::paired::Seen) -> f64| -> Vec<Curve> {
        let named = POLICIES.iter().zip(&rows);
        named
            .map(|((name, _), row)| Curve::new(*name, points(&LBS, row, of)))
            .collect()
    };
    let claims = POLICIES.iter().zip(&rows).map(|((name, _), row)| {
        let spread = row[LBS.len() - 1].slower_than(&row[0]);
        Claim::finding(
            &format!("{name}: mean response time with 16 LBs against one"),
            format!(
                "{:+.1}% ({:+.1} to {:+.1} with single seeds)",
                spread.mean, spread.least, spread.most
            ),
        )
    });
    let x = Axis::log("LBs", 1.0, 16.0);
    Ok(Figure {
        claims: claims.collect(),
        panels: vec![
            Panel::new(x.clone(), Axis::new("mean response time (s)", 0.8), curves(|s| s.mean_s)).titled("Mean"),
            Panel::new(x, Axis::new("99th percentile (s)", 4.0), curves(|s| s.p99_s)).titled("99th percentile"),
        ],
        note: format!(
            "rho = {RHO}, {SEEDS} seeds with the same queries for all. Candidates are a function of the flow, the same on every LB, and acceptance is \
             the servers' own; what an LB counts itself is about its own share of the flows only."
        ),
    })
}
