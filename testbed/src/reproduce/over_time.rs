//! Figures 10b and 10c: one batch of 80,000 queries, looked at in time and by its distribution.

use anyhow::Result;

use super::farm;
use super::poisson::policies;
use super::section_6b::{percent_above, Farm, RHO};
use super::{Axis, Claim, Curve, Experiment, Figure, Needs, Panel, Workshop};
use crate::queueing::{Outcome, Sample};

/// The high load of both figures.
const HIGH_RHO: f64 = 0.89;
/// How often servers are looked at.
const EVERY_S: f64 = 0.5;
/// Curves begin and end with a farm that is not full: so much of the batch, at both ends, is no steady state.
const EDGE: f64 = 0.1;
/// A point of a distribution for each such share.
const STEP: f64 = 0.004;

/// Load and fairness.
pub fn figure_10b() -> Experiment {
    Experiment {
        name: "10b",
        title: "Load and fairness over time, rho = 0.89 (section VI-B2)",
        paper: "\"As SR4 better spreads queries between all servers (the fairness index is closer to 1), and servers are individually \
                less loaded, better response times result.\"",
        needs: Needs::Nothing,
        make: load_and_fairness,
    }
}

/// Distributions.
pub fn figure_10c() -> Experiment {
    Experiment {
        name: "10c",
        title: "Distribution of the response time, rho = 0.71 and 0.89 (section VI-B2)",
        paper: "At 0.89 \"SC exhibits a very dispersed distribution of response times, whereas the different SRc policies yield lower, and \
                less dispersed, response times\". At 0.71 \"SR16 yields no improvement over SC, and SR8 yields a relatively small \
                improvement, however the SR4 policy provides a substantial improvement [...] and SRdyn remains able to successfully match \
                SR4\".",
        needs: Needs::Nothing,
        make: distributions,
    }
}

/// A batch for each policy, in their order.
fn batches(workshop: &Workshop, rho: f64) -> Result<Vec<Outcome>> {
    let rate_qps = Farm::TWO.rate_qps(workshop, rho)?;
    let policies = policies();
    workshop.each(policies.len(), |n| {
        let mut scenario = Farm::TWO.scenario(workshop, policies[n].2, rate_qps);
        scenario.sample_us = (EVERY_S * 1e6) as u64;
        farm::simulate(workshop, &scenario)
    })
}

/// The paper's filter (footnote 6): each new value counts for 1 - exp(-dt), dt in seconds since the one before.
fn smoothed(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut smooth: Vec<(f64, f64)> = Vec::new();
    for (at_s, value) in points {
        let next = match smooth.last() {
            Some(&(last_s, last)) => last + (1.0 - (last_s - at_s).exp()) * (value - last),
            None => value,
        };
        smooth.push((at_s, next));
    }
    smooth
}

/// The mean of a figure of samples, without the edges.
fn steady(outcome: &Outcome, figure: fn(&Sample) -> f64) -> f64 {
    let samples = &outcome.samples;
    let edge = (samples.len() as f64 * EDGE) as usize;
    let steady = &samples[edge..samples.len() - edge];
    steady.iter().map(figure).sum::<f64>() / steady.len().max(1) as f64
}

fn load_and_fairness(workshop: &Workshop) -> Result<Figure> {
    let outcomes = batches(workshop, HIGH_RHO)?;
    let to_s = outcomes
        .iter()
        .map(|o| o.virtual_s)
        .fold(0.0, f64::max)
        .ceil();
    let panel = |label, most, figure: fn(&Sample) -> f64| {
        let curves = policies().into_iter().zip(&outcomes);
        let curves = curves.map(|((name, ..), outcome)| {
            let points = outcome.samples.iter().map(|s| (s.at_s, figure(s)));
            Curve::new(name, smoothed(points))
        });
        Panel::new(
            Axis::new("time (s)", to_s),
            Axis::new(label, most),
            curves.collect(),
        )
    };
    let load = panel("busy workers of a server, mean", 12.0, |s| s.mean_busy);
    let fairness = panel("fairness index of busy workers", 1.0, |s| s.fairness);
    Ok(Figure {
        panels: vec![load.titled("load"), fairness.titled("fairness")],
        claims: order_claims(&outcomes),
        note: format!(
            "The batches of figure 10a with two cores at rho = {HIGH_RHO}; looked at every {EVERY_S} s, and smoothed as in the paper's footnote \
             6. Claims are about the time between the first and the last tenth, not smoothed."
        ),
    })
}

/// SR4 is fairer and less loaded than each of the other static policies, and by how much.
fn order_claims(outcomes: &[Outcome]) -> Vec<Claim> {
    let of = |figure| -> Vec<f64> { outcomes.iter().map(|o| steady(o, figure)).collect() };
    let words = |values: &[f64]| {
        let named = policies().into_iter().zip(values);
        let words = named.map(|((name, ..), value)| format!("{name} {value:.2}"));
        words.collect::<Vec<_>>().join(", ")
    };
    let fairness = of(|s| s.fairness);
    let busy = of(|s| s.mean_busy);
    vec![
        Claim::new(
            "fairness index, static policies, rho = 0.89",
            "SR4's is closer to 1",
            words(&fairness),
            [0, 2, 3].iter().all(|&n| fairness[1] > fairness[n]),
        ),
        Claim::new(
            "busy workers of a server, static policies, rho = 0.89",
            "fewer with SR4",
            words(&busy),
            [0, 2, 3].iter().all(|&n| busy[1] < busy[n]),
        ),
    ]
}

fn distributions(workshop: &Workshop) -> Result<Figure> {
    let (light, high) = (batches(workshop, RHO)?, batches(workshop, HIGH_RHO)?);
    let panel = |outcomes: &[Outcome], most_s, title| {
        let curves = policies().into_iter().zip(outcomes);
        let curves = curves.map(|((name, ..), outcome)| Curve::new(name, distribution(outcome)));
        let (x, y) = (
            Axis::new("response time (s)", most_s),
            Axis::new("share of queries", 1.0),
        );
        Panel::new(x, y, curves.collect()).titled(title)
    };
    let mut claims = light_claims(&light);
    claims.push(dispersion_claim(&high));
    Ok(Figure {
        panels: vec![
            panel(&light, 2.0, "rho = 0.71"),
            panel(&high, 4.0, "rho = 0.89"),
        ],
        claims,
        note: "The batches of figure 10a with two cores; one run each.".to_owned(),
    })
}

/// The distribution function, one point for each [`STEP`] of it.
fn distribution(outcome: &Outcome) -> Vec<(f64, f64)> {
    let mut points = vec![(0.0, 0.0)];
    let mut next = 0.0;
    for (time_us, share) in outcome.times_us.cdf() {
        if share >= next {
            points.push((time_us as f64 / 1e6, share));
            next = share + STEP;
        }
    }
    points
}

/// At 0.71: who improves how much.
fn light_claims(outcomes: &[Outcome]) -> Vec<Claim> {
    let mean = |n: usize| outcomes[n].response.mean_s;
    let gain = |n: usize| 100.0 * (1.0 - mean(n) / mean(0));
    let (four, eight, sixteen) = (gain(1), gain(2), gain(3));
    let dynamic = percent_above(mean(4), mean(1));
    vec![
        Claim::new(
            "mean response time below SC's, rho = 0.71",
            "SR16 none, SR8 relatively small, SR4 substantial",
            format!("SR16 {sixteen:.0}%, SR8 {eight:.0}%, SR4 {four:.0}%"),
            sixteen <= 5.0 && eight < four / 2.0 && four >= 20.0,
        )
        .because(
            "Read as: SR16 within 5% of SC, SR4 a fifth or more, SR8 less than half of SR4's.",
        ),
        Claim::new(
            "mean response time, SRdyn against SR4, rho = 0.71",
            "matches it",
            format!("{dynamic:+.0}%"),
            dynamic <= 5.0,
        ),
    ]
}

/// At 0.89: who is dispersed.
fn dispersion_claim(outcomes: &[Outcome]) -> Claim {
    let spread = |o: &Outcome| o.percentile_s(90.0) - o.percentile_s(10.0);
    let named = policies().into_iter().zip(outcomes);
    let words = named.map(|((name, ..), o)| {
        format!(
            "{name} {:.2} s and {:.2} s",
            o.percentile_s(50.0),
            spread(o)
        )
    });
    let single = &outcomes[0];
    let is_lower = |o: &Outcome| {
        o.percentile_s(50.0) < single.percentile_s(50.0) && spread(o) < spread(single)
    };
    Claim::new(
        "median, and time between the first and the last decile, rho = 0.89",
        "both lower than SC's with all others",
        words.collect::<Vec<_>>().join(", "),
        outcomes[1..].iter().all(is_lower),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_forgets_by_a_factor_of_e_each_second() {
        let steps = (0..=40).map(|n| (f64::from(n) / 10.0, if n == 0 { 1.0 } else { 0.0 }));
        let smooth = smoothed(steps);
        assert_eq!(smooth[0], (0.0, 1.0));
        for (at_s, value) in smooth {
            assert!((value - (-at_s).exp()).abs() < 1e-9, "{value} at {at_s}");
        }
    }
}
