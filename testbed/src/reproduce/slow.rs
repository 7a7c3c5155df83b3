//! Networks that are slow, up to a delay of one service.

use anyhow::Result;
use srlb_server::policy::Accept;

use super::paired::{grid, points, Runs};
use super::{farm, Axis, Claim, Curve, Experiment, Figure, Needs, Panel, Workshop};
use crate::queueing::{Balancing, Hunt};

/// One way in the fabric; the last is the mean service time.
const DELAYS_MS: [f64; 5] = [0.1, 5.0, 20.0, 50.0, 190.0];
const LOADS: [f64; 2] = [0.6, 0.87];
const SEEDS: usize = 2;

/// The experiment.
pub fn experiment() -> Experiment {
    Experiment {
        name: "slow",
        title: "Fabric delays of 0.1 to 190 ms, at a mean service time of 190 ms",
        paper: "Even with a delay of one service, SRc is better than SC at every load (equation 7, theorem 1).",
        needs: Needs::Nothing,
        make,
    }
}

fn policies() -> [(&'static str, Balancing); 5] {
    let median = |pending| {
        Balancing::Hunt(Hunt {
            choices: 2,
            accept: Accept::Median {
                window: 50,
                least: 2,
            },
            pending,
        })
    };
    [
        ("SC", Balancing::SINGLE_CHOICE),
        ("SR4", farm::sr(4)),
        ("SRdyn", farm::srdyn()),
        ("median without pending", median(false)),
        ("median", median(true)),
    ]
}

/// What the network takes when nobody refuses: SYN, SYN-ACK, ACK and the answer, each from or to the client, and between LB and server.
fn unavoidable_s(delay_ms: f64, wan_us: u64) -> f64 {
    4.0 * (delay_ms / 1e3 + wan_us as f64 / 1e6)
}

fn make(workshop: &Workshop) -> Result<Figure> {
    let most_qps = farm::sustainable_qps(workshop)?;
    let policies = policies();
    let count = policies.len();
    let scenario = |row: usize, column: usize| {
        let mut scenario = farm::scenario(
            workshop,
            policies[row % count].1,
            LOADS[row / count] * most_qps,
        );
        scenario.network.fabric_us = (DELAYS_MS[column] * 1e3) as u64;
        scenario
    };
    let wan_us = scenario(0, 0).network.wan_us;
    let rows = grid(
        workshop,
        SEEDS,
        (LOADS.len() * count, DELAYS_MS.len()),
        |row, column, _| scenario(row, column),
    )?;
    let (mut panels, mut claims) = (Vec::new(), Vec::new());
    for (load, rows) in LOADS.iter().zip(rows.chunks(count)) {
        let without_network = |row: &[Runs]| -> Vec<(f64, f64)> {
            let points = points(&DELAYS_MS, row, |s| s.mean_s);
            points
                .into_iter()
                .map(|(ms, s)| (ms, s - unavoidable_s(ms, wan_us)))
                .collect()
        };
        let named = policies.iter().zip(rows);
        let curves: Vec<Curve> = named
            .map(|((name, _), row)| Curve::new(*name, without_network(row)))
            .collect();
        for curve in &curves[1..] {
            let pairs = curve.points.iter().zip(&curves[0].points);
            let is_better = pairs.clone().all(|(ours, single)| ours.1 < single.1);
            let ratios: Vec<String> = pairs
                .map(|(ours, single)| format!("{:.2}x at {} ms", single.1 / ours.1, ours.0))
                .collect();
            let what = format!(
                "SC over {}, rho = {load}, without the unavoidable delay",
                curve.name
            );
            let ours = [0, 2, 3, 4].map(|n: usize| ratios[n].clone()).join(", ");
            claims.push(match curve.name.as_str() {
                "SR4" => Claim::new(
                    &what,
                    "better than SC with delays up to one service",
                    ours,
                    is_better,
                ),
                _ => Claim::finding(&what, ours),
            });
        }
        let x = Axis::log("one-way delay in the fabric (ms)", 0.1, 190.0);
        let y = Axis::new("mean response time without the unavoidable delay (s)", 1.2);
        panels.push(Panel::new(x, y, curves).titled(format!("rho = {load}")));
    }
    Ok(Figure {
        panels,
        claims,
        note: format!(
            "The unavoidable: four ways between client and LB, four between LB and server; a refusal costs one more. The theorem charges that one, and \
             knows no other delay; here an accepted flow is also invisible to the next decision until its client's ACK has come, three ways later, \
             unless pending flows count. {SEEDS} seeds with the same queries for all."
        ),
    })
}
