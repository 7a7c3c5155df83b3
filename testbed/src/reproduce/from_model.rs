//! Figures 8a to 8f and 9: the model alone.

use anyhow::Result;

use super::{Axis, Claim, Curve, Experiment, Figure, Needs, Panel, Workshop};
use crate::model::saving::Sla;
use crate::model::{ModelError, Occupancy, SingleChoice};

/// The thresholds of the paper's plots.
const THRESHOLDS: [u32; 3] = [2, 4, 8];
/// The load of figure 8e.
const HIGH_LOAD: f64 = 0.88;

/// Where the load is low nearly nobody is passed on, and sums differ in their last digits.
const ROUNDING: f64 = 1e-12;

/// The figures.
pub fn figures() -> Vec<Experiment> {
    let experiment = |name, title, paper, make| Experiment {
        name,
        title,
        paper,
        needs: Needs::Nothing,
        make,
    };
    vec![
        experiment(
            "8a",
            "Expected response time (equation 6)",
            "SR_c uniformly improves on SC. SR8 is better than SR4 only from lambda = 0.983 on.",
            mean,
        ),
        experiment(
            "8b",
            "Fairness index (section V-D)",
            "SR_c is fairer than SC; a low c suits low rates, a high c high rates.",
            fairness,
        ),
        experiment(
            "8c",
            "90th percentile of the response time (equation 10)",
            "The 90th percentile with SR_c is lower than with SC, and small c suit low rates.",
            percentile,
        ),
        experiment(
            "8d",
            "Expected response time with a network delay of one service (equation 7)",
            "Theorem 1: SR_c is better than SC even if passing on takes as long as one service.",
            delayed,
        ),
        experiment(
            "8e",
            "Distribution of the response time at load 0.88 (equation 9)",
            "At lambda = 0.88, response times with SR_c are lower and less dispersed than with SC.",
            distribution,
        ),
        experiment(
            "8f",
            "Servers of SR_c for each of SC, for the same SLA (equation 11)",
            "With an SLA of 6 services, 71 servers of SR4 do the work of 100 of SC.",
            saving,
        ),
        experiment(
            "9",
            "Probability of a wrongful rejection (equation 8)",
            "With SR4, wrongful rejections happen with probability below 4.5% if lambda <= 0.9.",
            wrongful,
        ),
    ]
}

const LOAD: Axis = Axis::new("load of a server, lambda", 1.0);

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
        panels: vec![Panel::new(x, y, curves)],
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
    let y = Axis::new("expected response time (mean service times)", 10.0);
    figure(LOAD, y, curves, claims)
}

/// That every SR_c is on the better side of SC, at every load.
fn better_everywhere(what: &str, curves: &[Curve], is_better: fn(f64, f64) -> bool) -> Claim {
    let mut pairs = curves[1..].iter().flat_map(|curve| {
        let single = curves[0].points.iter();
        curve.points.iter().zip(single).map(|(sr, sc)| (sr.1, sc.1))
    });
    let all = pairs.all(|(sr, sc)| is_better(sr, sc));
    let ours = match all {
        true => "better at all 199 loads",
        false => "not at all loads",
    };
    Claim::new(what, "better than SC", ours, all)
}

fn fairness(_: &Workshop) -> Result<Figure> {
    let curves = beside_single_choice(|o| Ok(o.fairness()), |s| Ok(s.fairness()))?;
    let mut claims = vec![better_everywhere(
        "fairness of SR2, SR4 and SR8",
        &curves,
        |sr, sc| sr >= sc * (1.0 - ROUNDING),
    )];
    claims.push(order_of_fairness()?);
    let y = Axis::new("Jain's fairness index", 1.0);
    figure(LOAD, y, curves, claims)
}

/// "Low values of c are more suitable for a low rate of new flow arrivals whereas high values are preferable for higher rates."
fn order_of_fairness() -> Result<Claim> {
    let best = |load| -> Result<u32> {
        let fairness = |c| Occupancy::new(load, c).map(|o| o.fairness());
        let all: Result<Vec<(f64, u32)>, ModelError> =
            THRESHOLDS.iter().map(|&c| Ok((fairness(c)?, c))).collect();
        let fairest = all?.into_iter().max_by(|a, b| a.0.total_cmp(&b.0));
        Ok(fairest.map_or(0, |fairest| fairest.1))
    };
    let [low, high] = [best(0.3)?, best(0.99)?];
    Ok(Claim::new(
        "the fairest of SR2, SR4 and SR8",
        "low c at low rates, high c at high ones",
        format!("SR{low} at 0.3, SR{high} at 0.99"),
        low == THRESHOLDS[0] && high == THRESHOLDS[2],
    ))
}

fn percentile(_: &Workshop) -> Result<Figure> {
    let curves = beside_single_choice(|o| o.percentile(90.0), |s| s.percentile(90.0))?;
    let claims = vec![better_everywhere(
        "90th percentile of SR2, SR4 and SR8",
        &curves,
        |sr, sc| sr <= sc * (1.0 + ROUNDING),
    )];
    let y = Axis::new(
        "90th percentile of the response time (mean service times)",
        20.0,
    );
    figure(LOAD, y, curves, claims)
}

fn delayed(_: &Workshop) -> Result<Figure> {
    let curves = beside_single_choice(
        |o| o.mean_response_with_delay(1.0),
        |s| Ok(s.mean_response()),
    )?;
    let claims = vec![better_everywhere(
        "with a delay of one service (theorem 1)",
        &curves,
        |sr, sc| sr <= sc * (1.0 + ROUNDING),
    )];
    let y = Axis::new(
        "expected response time with delay (mean service times)",
        10.0,
    );
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
    let x = Axis::new("response time (mean service times)", 20.0);
    let y = Axis::new("share of queries answered by then", 1.0);
    let spread = |percentile: &dyn Fn(f64) -> Result<f64, ModelError>| -> Result<[f64; 2]> {
        let (median, last, first) = (percentile(50.0)?, percentile(90.0)?, percentile(10.0)?);
        Ok([median, last - first])
    };
    let of_single = spread(&|p| single.percentile(p))?;
    let mut is_met = true;
    let mut ours = vec![in_words("SC", of_single)];
    for c in THRESHOLDS {
        let sr = Occupancy::new(HIGH_LOAD, c)?;
        let of_sr = spread(&|p| sr.percentile(p))?;
        is_met &= of_sr[0] < of_single[0] && of_sr[1] < of_single[1];
        ours.push(in_words(&format!("SR{c}"), of_sr));
    }
    let claims = vec![Claim::new(
        "median, and time between the first and the last decile, at load 0.88",
        "lower response times and less variance than SC",
        ours.join(", "),
        is_met,
    )];
    figure(x, y, curves, claims)
}

fn in_words(name: &str, [median, spread]: [f64; 2]) -> String {
    format!("{name} {median:.1} and {spread:.1}")
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
    let x = Axis::new(
        "SLA: 90th percentile of the response time (mean service times)",
        20.0,
    );
    let y = Axis::new("servers for each of SC", 1.0);
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
    let y = Axis::new("probability of a wrongful rejection", 0.2);
    figure(LOAD, y, curves, claims)
}
