//! Figure 10a: mean response times of the paper's testbed over 20 loads, from the simulator, with the model dotted in.

use anyhow::Result;

use super::farm::{self, CAPACITY_QPS, MEAN_S};
use super::{Axis, Claim, Curve, Experiment, Figure, Needs, Panel, Workshop};
use crate::model::{Occupancy, SingleChoice};
use crate::queueing::{Balancing, Outcome};

/// Where the model's assumptions still hold, the paper says.
const FITTED_UP_TO: f64 = 0.9;
/// Where the paper compares.
const COMPARED_AT: f64 = 0.87;

/// The figure.
pub fn figure_10a() -> Experiment {
    Experiment {
        name: "10a",
        title: "Mean response time of 80,000 queries on 48 servers (section VI-B2)",
        paper:
            "SR4 yields the best response time profile, up to 2.3x better than SC for rho = 0.87.",
        needs: Needs::Nothing,
        make,
    }
}

fn policies() -> [(&'static str, Option<u32>, Balancing); 5] {
    [
        ("SC", None, Balancing::SINGLE_CHOICE),
        ("SR4", Some(4), farm::sr(4)),
        ("SR8", Some(8), farm::sr(8)),
        ("SR16", Some(16), farm::sr(16)),
        ("SRdyn", None, farm::srdyn()),
    ]
}

/// 20 loads, the paper's among them.
fn loads() -> Vec<f64> {
    let mut loads: Vec<f64> = (1..20).map(|n| f64::from(n) / 20.0).collect();
    loads.push(COMPARED_AT);
    loads.sort_by(f64::total_cmp);
    loads
}

fn make(workshop: &Workshop) -> Result<Figure> {
    let most_qps = farm::sustainable_qps(workshop)?;
    let (loads, policies) = (loads(), policies());
    let outcomes = workshop.each(loads.len() * policies.len(), |n| {
        let (_, _, balancing) = policies[n / loads.len()];
        let scenario = farm::scenario(workshop, balancing, loads[n % loads.len()] * most_qps);
        farm::simulate(workshop, &scenario)
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
    let panel = Panel::new(
        Axis::new("normalized request rate, rho", 1.0),
        Axis::new("mean response time (s)", 1.5),
        curves,
    );
    Ok(Figure {
        panels: vec![panel],
        claims,
        note: format!(
            "Simulated: the real engines, 48 servers of 2 cores and 32 workers, \
             processor sharing, backlog 128, {} queries a point. lambda_0, looked for \
             with SC, is {most_qps:.0} queries/s, {:.1}% of what the cores can do. \
             Dashed: the model, one fit of time and load on SC.",
            workshop.scaled(farm::QUERIES),
            100.0 * most_qps / CAPACITY_QPS,
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
