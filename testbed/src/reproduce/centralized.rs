//! Figure 11e: 6LB against load balancers that pick servers themselves.

use anyhow::Result;

use super::farm;
use super::section_6b::{means_s, percent_above, Farm, Spread};
use super::{Axis, Claim, Curve, Experiment, Figure, Needs, Panel, Workshop};
use crate::queueing::Balancing;

const LOADS: [f64; 12] = [
    0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95,
];
/// "Light loads", as the paper has it.
const LIGHT: f64 = 0.7;
const SEEDS: u64 = 2;
/// "Equivalent results" differ by no more.
const SAME_PERCENT: f64 = 5.0;

/// The figure.
pub fn figure_11e() -> Experiment {
    Experiment {
        name: "11e",
        title: "Mean response time with centralized policies (section VI-B7)",
        paper: "\"Round-Robin provides more fairness than single-choice consistent hash, but is outperformed by SRdyn (with equivalent results \
                for light loads rho <= 0.7). For heavier loads, the feedback policy slightly improves performance over Round-Robin, but \
                remains outperformed by SRdyn.\"",
        needs: Needs::Nothing,
        make,
    }
}

const POLICIES: [(&str, Balancing); 5] = [
    ("SC", Balancing::SINGLE_CHOICE),
    ("round robin", Balancing::RoundRobin),
    ("weighted, feedback", Balancing::WITH_FEEDBACK),
    ("SRdyn", farm::srdyn()),
    ("least connections", Balancing::LeastConnections),
];

/// Means at each of the loads.
type Means = Vec<Spread>;

fn make(workshop: &Workshop) -> Result<Figure> {
    let mut scenarios = Vec::new();
    for (_, balancing) in POLICIES {
        for rho in LOADS {
            let rate_qps = Farm::TWO.rate_qps(workshop, rho)?;
            scenarios.push(Farm::TWO.scenario(workshop, balancing, rate_qps));
        }
    }
    let means = means_s(workshop, SEEDS, &scenarios)?;
    let means: Vec<Means> = means.chunks(LOADS.len()).map(<[Spread]>::to_vec).collect();
    let curve = |((name, _), means): (&(&str, Balancing), &Means)| {
        let points = LOADS.into_iter().zip(means.iter().map(Spread::mean));
        Curve::new(*name, points.collect())
    };
    let panel = Panel::new(
        Axis::new("normalized request rate, rho", 1.0),
        Axis::new("mean response time (s)", 1.4),
        POLICIES.iter().zip(&means).map(curve).collect(),
    );
    Ok(Figure {
        panels: vec![panel],
        claims: claims(&means),
        note: format!(
            "48 servers of two cores, two LBs, 80,000 queries, means of {SEEDS} seeds. Each LB goes round for itself and counts its own connections. \
             Feedback: every 200 ms all LBs hear all busy workers of that moment, and the weights of footnote 7 follow; turns are as even as the \
             weights allow. All these are baselines in the LB's engine; no flow that they have placed survives a change of its LB."
        ),
    })
}

fn claims(means: &[Means]) -> Vec<Claim> {
    let [single, robin, feedback, dynamic, least] = [0, 1, 2, 3, 4].map(|n| &means[n]);
    let above = |a: &Means, b: &Means, is_light: bool| {
        let at = (0..LOADS.len()).filter(move |&n| (LOADS[n] <= LIGHT) == is_light);
        let all = at.map(|n| percent_above(a[n].mean(), b[n].mean()));
        Spread(all.collect())
    };
    let percent = |s: &Spread| format!("{:+.0}% to {:+.0}%", s.least(), s.most());
    let fairer = above(single, robin, false);
    let light = above(robin, dynamic, true);
    let heavy = above(robin, dynamic, false);
    let helped = above(feedback, robin, false);
    let outdone = above(feedback, dynamic, false);
    let best = above(dynamic, least, false);
    vec![
        Claim::new(
            "SC against round robin, rho > 0.7",
            "slower",
            percent(&fairer),
            fairer.least() > 0.0,
        ),
        Claim::new(
            "round robin against SRdyn, rho <= 0.7",
            "equivalent (here: within 5%)",
            percent(&light),
            light.least() >= -SAME_PERCENT && light.most() <= SAME_PERCENT,
        )
        .because("Round robin begins to fall behind before 0.7; with constant work it would not."),
        Claim::new(
            "round robin against SRdyn, rho > 0.7",
            "slower",
            percent(&heavy),
            heavy.least() > 0.0,
        ),
        Claim::new(
            "feedback against round robin, rho > 0.7",
            "slightly faster",
            percent(&helped),
            helped.most() < 0.0,
        ),
        Claim::new(
            "feedback against SRdyn, rho > 0.7",
            "slower",
            percent(&outdone),
            outdone.least() > 0.0,
        )
        .because(
            "Here feedback is what it can be at best: all servers are read at one moment, no poll is late, and each LB spreads its turns evenly by \
             the weights. With 48 servers and some 450 queries a second a server gets one or two between two polls, so that 200 ms are hardly old. \
             It reads 240 loads a second to do so; SRdyn asks nobody.",
        ),
        Claim::finding(
            "SRdyn against least connections, rho > 0.7",
            percent(&best),
        )
        .because(
            "An LB that carries half of all connections knows nearly as much as all servers together. With more LBs each knows less, and an LB that \
             is new knows nothing.",
        ),
    ]
}
