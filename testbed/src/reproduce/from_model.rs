//! Figures 8a to 8f and 9: the model alone.

use anyhow::Result;

use super::figure::{Axis, Claim, Curve, Figure};
use super::{Experiment, Workshop};
use crate::model::saving::Sla;
use crate::model::{ModelError, Occupancy, SingleChoice};

/// The thresholds of the paper's plots.
const THRESHOLDS: [u32; 3] = [2, 4, 8];
/// The load of figure 8e.
const HIGH_LOAD: f64 = 0.88;

/// The figures.
pub fn figures() -> Vec<Experiment> {
    let experiment = |name, title, make| Experiment { name, title, make };
    vec![
        experiment("8a", "Expected response time (equation 6)", mean),
        experiment("8b", "Fairness index (section V-D)", fairness),
        experiment(
            "8c",
            "90th percentile of the response time (equation 10)",
            percentile,
        ),
        experiment(
            "8d",
            "Expected response time with a network delay of one service (equation 7)",
            delayed,
        ),
        experiment(
            "8e",
            "Distribution of the response time at load 0.88 (equation 9)",
            distribution,
        ),
        experiment(
            "8f",
            "Servers of SR4 for each of SC, for the same SLA (equation 11)",
            saving,
        ),
        experiment(
            "9",
            "Probability of a wrongful rejection (equation 8)",
            wrongful,
        ),
    ]
}

const LOAD: Axis = Axis {
    label: "load of a server, lambda",
    to: 1.0,
};

/// 0.005, 0.010 .. 0.995.
fn loads() -> impl Iterator<Item = f64> {
    (1..200).map(|n| f64::from(n) / 200.0)
}

fn over_loads(of: impl Fn(f64) -> Result<f64, ModelError>) -> Result<Vec<(f64, f64)>> {
    let points: Result<_, ModelError> = loads().map(|load| Ok((load, of(load)?))).collect();
    Ok(points?)
}

/// A curve for each threshold, and one for single choice.
fn beside_single_choice(
    sr: impl Fn(Occupancy) -> Result<f64, ModelError>,
    single: impl Fn(SingleChoice) -> Result<f64, ModelError>,
) -> Result<Vec<Curve>> {
    let points = over_loads(|load| single(SingleChoice::new(load)?))?;
    let mut curves = vec![Curve::new("SC", points)];
    for c in THRESHOLDS {
        let points = over_loads(|load| sr(Occupancy::new(load, c)?))?;
        curves.push(Curve::new(format!("SR{c}"), points));
    }
    Ok(curves)
}

fn figure(x: Axis, y: Axis, curves: Vec<Curve>, claims: Vec<Claim>) -> Result<Figure> {
    let note = "From the analytic model: infinitely many servers. Times are in mean service times.";
    let note = note.to_owned();
    Ok(Figure {
        x,
        y,
        curves,
        claims,
        note,
    })
}

fn mean(_: &Workshop) -> Result<Figure> {
    let curves = beside_single_choice(|o| Ok(o.mean_response()), |s| Ok(s.mean_response()))?;
    let mean = |load, c| Occupancy::new(load, c).map(|o| o.mean_response());
    let ratio = SingleChoice::new(0.87)?.mean_response() / mean(0.87, 4)?;
    let thousandths = (1..1_000).map(|n| f64::from(n) / 1e3);
    let mut better = thousandths.filter(|&l| mean(l, 8).ok() < mean(l, 4).ok());
    let first = better.next().unwrap_or(1.0);
    let claims = vec![
        Claim::new(
            "SC over SR4 at load 0.87, in the model",
            "2.56",
            format!("{ratio:.2}"),
            ratio >= 2.555,
        ),
        Claim::new(
            "SR8 becomes better than SR4 at",
            "lambda = 0.983",
            format!("lambda = {first}"),
            first == 0.983,
        ),
    ];
    let y = Axis {
        label: "expected response time (mean service times)",
        to: 10.0,
    };
    figure(LOAD, y, curves, claims)
}

fn fairness(_: &Workshop) -> Result<Figure> {
    let curves = beside_single_choice(|o| Ok(o.fairness()), |s| Ok(s.fairness()))?;
    let y = Axis {
        label: "Jain's fairness index",
        to: 1.0,
    };
    figure(LOAD, y, curves, Vec::new())
}

fn percentile(_: &Workshop) -> Result<Figure> {
    let curves = beside_single_choice(|o| o.percentile(90.0), |s| s.percentile(90.0))?;
    let y = Axis {
        label: "90th percentile of the response time (mean service times)",
        to: 20.0,
    };
    figure(LOAD, y, curves, Vec::new())
}

fn delayed(_: &Workshop) -> Result<Figure> {
    let curves = beside_single_choice(
        |o| o.mean_response_with_delay(1.0),
        |s| Ok(s.mean_response()),
    )?;
    let single = curves[0].clone();
    let is_better = |curve: &Curve| {
        let pairs = curve.points.iter().zip(&single.points);
        pairs.into_iter().all(|(sr, sc)| sr.1 <= sc.1)
    };
    let all = curves[1..].iter().all(is_better);
    let ours = if all {
        "better at all 199 loads"
    } else {
        "not at all loads"
    };
    let claims = vec![Claim::new(
        "with a delay of one service (theorem 1)",
        "better than SC",
        ours,
        all,
    )];
    let y = Axis {
        label: "expected response time with delay (mean service times)",
        to: 10.0,
    };
    figure(LOAD, y, curves, claims)
}

fn distribution(_: &Workshop) -> Result<Figure> {
    let times = || (0..=200).map(|n| f64::from(n) / 10.0);
    let single = SingleChoice::new(HIGH_LOAD)?;
    let points = times().map(|t| (t, 1.0 - single.exceeds(t))).collect();
    let mut curves = vec![Curve::new("SC", points)];
    for c in THRESHOLDS {
        let sr = Occupancy::new(HIGH_LOAD, c)?;
        let points = times().map(|t| (t, 1.0 - sr.exceeds(t))).collect();
        curves.push(Curve::new(format!("SR{c}"), points));
    }
    let x = Axis {
        label: "response time (mean service times)",
        to: 20.0,
    };
    let y = Axis {
        label: "share of queries answered by then",
        to: 1.0,
    };
    figure(x, y, curves, Vec::new())
}

fn saving(_: &Workshop) -> Result<Figure> {
    // an empty server takes 2.3
    let targets = (12..=100).map(|n| f64::from(n) / 5.0);
    let mut curves = Vec::new();
    for c in THRESHOLDS {
        let share = |target: f64| -> Result<_, ModelError> {
            Ok((target, Sla::new(90.0, target)?.servers_share(c)?))
        };
        let points: Result<_, ModelError> = targets.clone().map(share).collect();
        curves.push(Curve::new(format!("SR{c}"), points?));
    }
    let of_100 = 100.0 * Sla::new(90.0, 6.0)?.servers_share(4)?;
    let claims = vec![Claim::new(
        "servers of SR4 for 100 of SC, 90th percentile within 6 services",
        "71",
        format!("{of_100:.1}"),
        of_100.ceil() <= 71.0,
    )];
    let x = Axis {
        label: "SLA: 90th percentile of the response time (mean service times)",
        to: 20.0,
    };
    let y = Axis {
        label: "servers for each of SC",
        to: 1.0,
    };
    figure(x, y, curves, claims)
}

fn wrongful(_: &Workshop) -> Result<Figure> {
    let mut curves = Vec::new();
    for c in THRESHOLDS {
        let points = over_loads(|load| Ok(Occupancy::new(load, c)?.wrongful_rejection()))?;
        curves.push(Curve::new(format!("SR{c}"), points));
    }
    let at = Occupancy::new(0.9, 4)?.wrongful_rejection();
    let claims = vec![Claim::new(
        "wrongful rejections of SR4 at loads up to 0.9",
        "below 4.5%",
        format!("{:.2}% at most", 100.0 * at),
        at < 0.045,
    )];
    let y = Axis {
        label: "probability of a wrongful rejection",
        to: 0.2,
    };
    figure(LOAD, y, curves, claims)
}
