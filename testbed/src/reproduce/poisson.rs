//! Figure 10a: mean response times of the paper's testbed over 20 loads, from the simulator, with the model dotted in.

use anyhow::Result;
use srlb_server::policy::Accept;

use super::figure::{Axis, Claim, Curve, Figure};
use super::{Experiment, Workshop};
use crate::model::{Occupancy, SingleChoice};
use crate::queueing::{self, Arrivals, Balancing, Hunt, Outcome, Scenario, ServiceTime};

const SERVERS: usize = 48;
const QUERIES: u64 = 80_000;
const MEAN_S: f64 = 0.19;
/// Where the model's assumptions still hold, the paper says.
const FITTED_UP_TO: f64 = 0.9;
/// Where the paper compares.
const COMPARED_AT: f64 = 0.87;

/// The figure.
pub fn figure_10a() -> Experiment {
    Experiment {
        name: "10a",
        title: "Mean response time of 80,000 queries on 48 servers (section VI-B2)",
        make,
    }
}

/// The paper's policy with a threshold: it does not count flows that are on their way.
fn sr(accept: Accept) -> Balancing {
    Balancing::Hunt(Hunt {
        choices: 2,
        accept,
        pending: false,
    })
}

fn policies() -> [(&'static str, Option<u32>, Balancing); 5] {
    let at = |c| sr(Accept::Static { c });
    [
        ("SC", None, Balancing::SINGLE_CHOICE),
        ("SR4", Some(4), at(4)),
        ("SR8", Some(8), at(8)),
        ("SR16", Some(16), at(16)),
        (
            "SRdyn",
            None,
            sr(Accept::Dynamic {
                window: 50,
                epsilon: 0.1,
            }),
        ),
    ]
}

/// 20 loads, the paper's among them.
fn loads() -> Vec<f64> {
    let mut loads: Vec<f64> = (1..20).map(|n| f64::from(n) / 20.0).collect();
    loads.push(COMPARED_AT);
    loads.sort_by(f64::total_cmp);
    loads
}

fn simulate(workshop: &Workshop, balancing: Balancing, rate_qps: f64) -> Result<Outcome> {
    let arrivals = Arrivals::Poisson {
        rate_qps,
        queries: workshop.scaled(QUERIES),
        service: ServiceTime::Exponential { mean_s: MEAN_S },
    };
    let scenario = Scenario::paper(workshop.seed, SERVERS, balancing, arrivals);
    let outcome = queueing::run(&scenario, &mut |_| !workshop.interrupt.is_set())?;
    workshop.interrupt.check()?;
    Ok(outcome)
}

/// lambda_0, the smallest rate at which a connection is dropped, as section VI-B1 finds it: with SC, to 1/4 of a percent.
fn sustainable_qps(workshop: &Workshop) -> Result<f64> {
    let capacity_qps = 2.0 * SERVERS as f64 / MEAN_S;
    let (mut low, mut high) = (0.5, 1.5);
    for _ in 0..9 {
        workshop.bar.inc_length(1);
        let middle = (low + high) / 2.0;
        let outcome = simulate(workshop, Balancing::SINGLE_CHOICE, middle * capacity_qps)?;
        match outcome.refused == 0 {
            true => low = middle,
            false => high = middle,
        }
        workshop.bar.inc(1);
    }
    Ok(high * capacity_qps)
}

fn make(workshop: &Workshop) -> Result<Figure> {
    let most_qps = sustainable_qps(workshop)?;
    let (loads, policies) = (loads(), policies());
    let outcomes = workshop.each(loads.len() * policies.len(), |n| {
        let (_, _, balancing) = policies[n / loads.len()];
        simulate(workshop, balancing, loads[n % loads.len()] * most_qps)
    })?;
    let curve = |(name, outcomes): (&str, &[Outcome])| {
        let means = outcomes.iter().map(|outcome| outcome.response.mean_s);
        Curve::new(name, loads.iter().copied().zip(means).collect())
    };
    let names = policies.iter().map(|policy| policy.0);
    let mut curves: Vec<Curve> = names.zip(outcomes.chunks(loads.len())).map(curve).collect();
    let fit = Fit::of(&curves[0]);
    let claims = vec![ratio_claim(&curves), dynamic_claim(&curves)];
    // the model knows no SRdyn
    for (name, c, _) in &policies[..4] {
        curves.push(fit.curve(name, *c, &loads)?.dashed());
    }
    Ok(Figure {
        x: Axis {
            label: "normalized request rate, rho",
            to: 1.0,
        },
        y: Axis {
            label: "mean response time (s)",
            to: 1.5,
        },
        curves,
        claims,
        note: format!(
            "Simulated: the real engines, 48 servers of 2 cores and 32 workers, \
             processor sharing, backlog 128, {} queries a point. lambda_0, looked for \
             with SC, is {most_qps:.0} queries/s, {:.1}% of what the cores can do. \
             Dashed: the model, one fit of time and load on SC.",
            workshop.scaled(QUERIES),
            100.0 * most_qps * MEAN_S / (2.0 * SERVERS as f64),
        ),
    })
}

fn ratio_claim(curves: &[Curve]) -> Claim {
    let at = |place: usize| curves[place].at(COMPARED_AT).unwrap_or(f64::NAN);
    let ratio = at(0) / at(1);
    Claim::new(
        "mean response time, SC over SR4, rho = 0.87",
        "2.3x (model 2.56x)",
        format!("{ratio:.2}x"),
        ratio >= 2.3,
    )
}

/// How far SRdyn is from the best static policy here, over the loads of the issue.
fn dynamic_claim(curves: &[Curve]) -> Claim {
    let distance = |&(load, dynamic): &(f64, f64)| {
        let of = |curve: &Curve| curve.at(load).unwrap_or(f64::INFINITY);
        dynamic / curves[1..4].iter().map(of).fold(f64::INFINITY, f64::min) - 1.0
    };
    let points = curves[4]
        .points
        .iter()
        .filter(|(load, _)| (0.4..=0.95).contains(load));
    let most = 100.0 * points.map(distance).fold(f64::NEG_INFINITY, f64::max);
    Claim::new(
        "SRdyn against the best of SR4, SR8 and SR16, rho from 0.4 to 0.95",
        "close to it",
        format!("{most:.0}% slower at most"),
        most <= 5.0,
    )
}

/// The model's units: "a fit is performed on SC to rescale the units" (footnote 5).
struct Fit {
    /// Seconds in one of the model's units of time.
    time_s: f64,
    /// The model's load at rho = 1.
    load: f64,
}

impl Fit {
    /// Least squares of relative errors where the model holds.
    fn of(single: &Curve) -> Fit {
        let points: Vec<(f64, f64)> = single
            .points
            .iter()
            .copied()
            .filter(|p| p.0 < FITTED_UP_TO)
            .collect();
        let candidates = (50..=100).map(|percent| {
            let load = f64::from(percent) / 100.0;
            // with z = model/measured, sum (t z - 1)^2 is least at t = sum z / sum z^2
            let z: Vec<f64> = points
                .iter()
                .map(|(rho, s)| 1.0 / (1.0 - rho * load) / s)
                .collect();
            let time_s = z.iter().sum::<f64>() / z.iter().map(|z| z * z).sum::<f64>();
            let error: f64 = z.iter().map(|z| (time_s * z - 1.0).powi(2)).sum();
            (error, Fit { time_s, load })
        });
        let best = candidates.min_by(|a, b| a.0.total_cmp(&b.0));
        best.map_or(
            Fit {
                time_s: MEAN_S,
                load: 1.0,
            },
            |(_, fit)| fit,
        )
    }

    fn curve(&self, name: &str, c: Option<u32>, loads: &[f64]) -> Result<Curve> {
        let mut points = Vec::new();
        for &rho in loads {
            let load = rho * self.load;
            let mean = match c {
                Some(c) => Occupancy::new(load, c)?.mean_response(),
                None => SingleChoice::new(load)?.mean_response(),
            };
            points.push((rho, self.time_s * mean));
        }
        Ok(Curve::new(name, points))
    }
}
