//! Acceptance by busy workers and accept queue, where workers are few or too much comes.

use anyhow::Result;
use srlb_server::policy::Accept;

use super::paired::{grid, points};
use super::{farm, Axis, Claim, Curve, Experiment, Figure, Needs, Panel, Workshop};
use crate::queueing::Balancing;

const LOADS: [f64; 4] = [0.9, 0.95, 1.05, 1.1];
const WORKERS: [u32; 2] = [4, 8];
const SEEDS: usize = 2;
/// Long enough for queues to fill above load 1.
const QUERIES: u64 = 60_000;

/// The experiment.
pub fn experiment() -> Experiment {
    Experiment {
        name: "queue",
        title: "Acceptance by busy workers and the accept queue",
        paper: "",
        needs: Needs::Nothing,
        make,
    }
}

const POLICIES: [(&str, Balancing); 3] = [
    ("SR4", farm::sr(4)),
    ("SR12", farm::sr(12)),
    (
        "median",
        farm::hunt(Accept::Median {
            window: 50,
            least: 2,
        }),
    ),
];

fn make(workshop: &Workshop) -> Result<Figure> {
    let mut kinds = Vec::new();
    for workers in WORKERS {
        for (name, balancing) in POLICIES {
            for counts_backlog in [false, true] {
                kinds.push((workers, name, balancing, counts_backlog));
            }
        }
    }
    let rows = grid(
        workshop,
        SEEDS,
        (kinds.len(), LOADS.len()),
        |row, column, _| {
            let (workers, _, balancing, counts_backlog) = kinds[row];
            let mut scenario =
                farm::scenario(workshop, balancing, LOADS[column] * farm::CAPACITY_QPS);
            if let crate::queueing::Arrivals::Poisson { queries, .. } = &mut scenario.arrivals {
                *queries = workshop.scaled(QUERIES);
            }
            for server in &mut scenario.servers {
                server.workers = workers;
            }
            scenario.counts_backlog = counts_backlog;
            scenario
        },
    )?;
    let of_workers = |workers: u32| {
        let named = kinds.iter().zip(&rows);
        named.filter(move |((w, ..), _)| *w == workers)
    };
    let mut panels = Vec::new();
    for workers in WORKERS {
        let curves = |of: fn(&super::paired::Seen) -> f64| -> Vec<Curve> {
            let curve = |((_, name, _, counts), row): (&(u32, &str, Balancing, bool), &Vec<_>)| {
                let curve = Curve::new(*name, points(&LOADS, row, of));
                if *counts {
                    curve
                } else {
                    curve.dashed()
                }
            };
            of_workers(workers).map(curve).collect()
        };
        let x = Axis::between("load of the cores", 0.9, 1.1);
        let title = |what: &str| format!("{workers} workers on 2 cores: {what}");
        let mean = Panel::new(
            x.clone(),
            Axis::new("mean response time (s)", 8.0),
            curves(|s| s.mean_s),
        );
        panels.push(mean.titled(title("mean")));
        let resets = Panel::new(
            x,
            Axis::new("share of queries reset", 0.1),
            curves(|s| s.refused),
        );
        panels.push(resets.titled(title("resets")));
    }
    let mut claims = Vec::new();
    for pair in kinds.iter().zip(&rows).collect::<Vec<_>>().chunks(2) {
        let [((workers, name, ..), without), (_, with)] = pair else {
            continue;
        };
        let at = |column: usize| {
            let spread = with[column].slower_than(&without[column]);
            let reset = |runs: &super::paired::Runs| 100.0 * runs.mean(|s| s.refused);
            format!(
                "{:+.1}% at load {} ({:+.1} to {:+.1}; resets {:.2}%, not {:.2}%)",
                spread.mean,
                LOADS[column],
                spread.least,
                spread.most,
                reset(&with[column]),
                reset(&without[column])
            )
        };
        let what = format!("{name}, {workers} workers: mean response time with the accept queue counted against without");
        claims.push(Claim::finding(&what, [0, 1, 2].map(at).join(", ")));
    }
    Ok(Figure {
        panels,
        claims,
        note: format!(
            "Lines: connections that wait for a worker count as busy; dashed: busy workers alone. 48 servers of 2 cores with a backlog of 128, \
             {} queries from idle servers on. A threshold of at most as many as there are workers cannot tell: somebody waits only where all are busy, \
             and then it refuses anyway. {SEEDS} seeds with the same queries for all. Means are of answered queries.",
            workshop.scaled(QUERIES)
        ),
    })
}
