//! Counting flows that no worker has picked up yet, where queries come in bursts.

use anyhow::Result;
use srlb_server::policy::Accept;

use super::paired::{grid, points};
use super::{farm, Axis, Claim, Curve, Experiment, Figure, Needs, Panel, Workshop};
use crate::queueing::bursts::Bursts;
use crate::queueing::{Arrivals, Balancing, Hunt, ServiceTime};

const SIZES: [f64; 5] = [1.0, 5.0, 20.0, 100.0, 200.0];
/// One way in the fabric.
const DELAYS_US: [u64; 2] = [100, 1_000];
const SEEDS: usize = 2;
/// Of what the farm sustains.
const RHO: f64 = 0.7;
/// Half of the queries come in bursts.
const SHARE: f64 = 0.5;

/// The experiment.
pub fn experiment() -> Experiment {
    Experiment {
        name: "pending",
        title: "Flows that no worker has picked up yet, counted or not, in bursts",
        paper: "",
        needs: Needs::Nothing,
        make,
    }
}

const POLICIES: [(&str, Accept); 2] = [
    ("SR4", Accept::Static { c: 4 }),
    (
        "median",
        Accept::Median {
            window: 50,
            least: 2,
        },
    ),
];

fn make(workshop: &Workshop) -> Result<Figure> {
    let rate_qps = RHO * farm::sustainable_qps(workshop)?;
    let mut kinds = Vec::new();
    for delay_us in DELAYS_US {
        for (name, accept) in POLICIES {
            for pending in [false, true] {
                let hunt = Hunt {
                    choices: 2,
                    accept,
                    pending,
                };
                kinds.push((name, delay_us, Balancing::Hunt(hunt), pending));
            }
        }
    }
    let rows = grid(
        workshop,
        SEEDS,
        (kinds.len(), SIZES.len()),
        |row, column, seed| {
            let (_, delay_us, balancing, _) = kinds[row];
            let bursts = Bursts {
                rate_qps,
                queries: workshop.scaled(farm::QUERIES),
                service: ServiceTime::Exponential {
                    mean_s: farm::MEAN_S,
                },
                size: SIZES[column] as u32,
                share: SHARE,
            };
            let mut scenario = farm::scenario(workshop, balancing, rate_qps);
            scenario.arrivals = Arrivals::Trace(bursts.jobs(seed));
            scenario.network.fabric_us = delay_us;
            scenario
        },
    )?;
    let curves = |of: fn(&super::paired::Seen) -> f64| -> Vec<Curve> {
        let named = kinds.iter().zip(&rows);
        let curve = |((name, delay_us, _, pending), row): (&(&str, u64, _, bool), &Vec<_>)| {
            let delay_ms = *delay_us as f64 / 1e3;
            let curve = Curve::new(format!("{name}, {delay_ms} ms"), points(&SIZES, row, of));
            if *pending {
                curve
            } else {
                curve.dashed()
            }
        };
        named.map(curve).collect()
    };
    let mut claims = Vec::new();
    for pair in kinds.iter().zip(&rows).collect::<Vec<_>>().chunks(2) {
        let [((name, delay_us, ..), without), (_, with)] = pair else {
            continue;
        };
        let at = |column: usize| {
            let spread = with[column].slower_than(&without[column]);
            format!(
                "{:+.1}% ({:+.1} to {:+.1}) in bursts of {}",
                spread.mean, spread.least, spread.most, SIZES[column]
            )
        };
        let what = format!(
            "{name}, {} ms: mean response time with pending against without",
            *delay_us as f64 / 1e3
        );
        claims.push(Claim::finding(&what, [0, 2, 3, 4].map(at).join(", ")));
    }
    let x = Axis::log("queries in a burst", 1.0, 200.0);
    Ok(Figure {
        panels: vec![
            Panel::new(x.clone(), Axis::new("mean response time (s)", 0.8), curves(|s| s.mean_s)).titled("Mean"),
            Panel::new(x.clone(), Axis::new("99th percentile (s)", 4.0), curves(|s| s.p99_s)).titled("99th percentile"),
            Panel::new(x.clone(), Axis::new("share of flows passed on", 1.0), curves(|s| s.passed_on)).titled("Refused by the first"),
            Panel::new(x, Axis::new("share of queries reset", 0.01), curves(|s| s.refused)).titled("Resets"),
        ],
        claims,
        note: format!(
            "Lines: pending flows count; dashed: they don't. rho = {RHO}; half of the queries come in bursts, all of a burst at one moment, the others \
             alone; {SEEDS} seeds with the same queries for all. The delay is one way, between any two of LBs and servers."
        ),
    })
}
