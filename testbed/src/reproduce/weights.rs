//! Servers that are not alike.

use anyhow::Result;
use srlb_server::policy::Accept;

use super::paired::{grid, points, Runs};
use super::{farm, Axis, Claim, Curve, Experiment, Figure, Needs, Panel, Workshop};
use crate::queueing::{Balancing, ServerSpec};

const LOADS: [f64; 4] = [0.6, 0.7, 0.8, 0.9];
const SEEDS: usize = 2;
/// Cores of the smaller half, and of the larger.
const CORES: [u32; 2] = [2, 6];

/// The experiment.
pub fn experiment() -> Experiment {
    Experiment {
        name: "weights",
        title: "Half of the servers with 2 cores, half with 6: weights 1:1 and 1:3",
        paper: "",
        needs: Needs::Nothing,
        make,
    }
}

/// A policy, and how a server with so many cores has it.
type Kind = (&'static str, fn(u32) -> Accept);

const KINDS: [Kind; 5] = [
    ("SC", |_| Accept::Always),
    ("SR4 everywhere", |_| Accept::Static { c: 4 }),
    ("SRc, c = 2 x cores", |cores| Accept::Static {
        c: 2 * cores,
    }),
    ("SRdyn", |_| Accept::Dynamic {
        window: 50,
        epsilon: 0.1,
    }),
    ("median", |cores| Accept::Median {
        window: 50,
        least: cores,
    }),
];

fn make(workshop: &Workshop) -> Result<Figure> {
    let full_qps = f64::from(CORES[0] + CORES[1]) * farm::SERVERS as f64 / 2.0 / farm::MEAN_S;
    let rows = grid(
        workshop,
        SEEDS,
        (2 * KINDS.len(), LOADS.len()),
        |row, column, _| {
            let (name, accept) = KINDS[row / 2];
            let balancing = match name {
                "SC" => Balancing::SINGLE_CHOICE,
                _ => farm::hunt(accept(CORES[0])),
            };
            let mut scenario = farm::scenario(workshop, balancing, LOADS[column] * full_qps);
            for (n, server) in scenario.servers.iter_mut().enumerate() {
                let cores = CORES[n % 2];
                *server = ServerSpec {
                    cores,
                    weight: if row % 2 == 0 { 1 } else { cores / CORES[0] },
                    accept: Some(accept(cores)),
                    ..ServerSpec::PAPER
                };
            }
            scenario
        },
    )?;
    let curves = |of: fn(&super::paired::Seen) -> f64| -> Vec<Curve> {
        let curve = |(row, runs): (usize, &Vec<Runs>)| {
            let curve = Curve::new(KINDS[row / 2].0, points(&LOADS, runs, of));
            if row % 2 == 0 {
                curve.dashed()
            } else {
                curve
            }
        };
        rows.iter().enumerate().map(curve).collect()
    };
    let mut claims = Vec::new();
    for (kind, pair) in KINDS.iter().zip(rows.chunks(2)) {
        let at = |column: usize| {
            let [equal, weighted] = [0, 1].map(|n: usize| &pair[n][column]);
            format!(
                "{:.3} s, not {:.3} s at load {} (resets {:.2}%, not {:.2}%)",
                weighted.mean_s(),
                equal.mean_s(),
                LOADS[column],
                100.0 * weighted.mean(|s| s.refused),
                100.0 * equal.mean(|s| s.refused)
            )
        };
        let what = format!("{}: weights 1:3 against equal ones", kind.0);
        claims.push(Claim::finding(&what, [0, 2].map(at).join(", ")));
    }
    let x = Axis::between("load of all cores", 0.6, 0.9);
    Ok(Figure {
        panels: vec![
            Panel::new(x.clone(), Axis::new("mean response time (s)", 1.0), curves(|s| s.mean_s)).titled("Mean"),
            Panel::new(x.clone(), Axis::new("99th percentile (s)", 5.0), curves(|s| s.p99_s)).titled("99th percentile"),
            Panel::new(x, Axis::new("share of queries reset", 0.2), curves(|s| s.refused)).titled("Resets"),
        ],
        claims,
        note: format!(
            "Lines: weights in proportion to the cores; dashed: equal weights. 48 servers with 32 workers each, {SEEDS} seeds with the same queries for \
             all. Equal weights bring the smaller half to its limit at a load of one half, unless others take what it refuses."
        ),
    })
}
