//! Figure 11f: service times from constant to very skewed.

use std::f64::consts::LN_2;

use anyhow::Result;

use super::farm::{self, MEAN_S};
use super::section_6b::{means_s, percent_above, Farm, Spread, RHO};
use super::{Axis, Claim, Curve, Experiment, Figure, Needs, Panel, Workshop};
use crate::queueing::{Arrivals, Balancing, Scenario, ServiceTime};

/// The median of the exponential service times of the other figures.
const MEDIAN_S: f64 = MEAN_S * LN_2;
/// Deviations of the logarithm. With 1.05 the mean is so much above the median that cores are busy for 84% of the time.
const SIGMAS: [f64; 9] = [0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0, 1.05];
const SEEDS: u64 = 2;

/// The figure.
pub fn figure_11f() -> Experiment {
    Experiment {
        name: "11f",
        title: "Mean response time by the deviation of service times, rho = 0.71 (section VI-B8)",
        paper: "\"In the extreme case where response times are constant, Round-Robin performs the best [...] and 6LB performs better than SC. \
                [...] When the skewness of job service times increases, 6LB's use of local information becomes a greater and greater \
                advantage, and it eventually shows the best performance among all approaches.\"",
        needs: Needs::Nothing,
        make,
    }
}

const POLICIES: [(&str, Balancing); 3] = [
    ("SRdyn", farm::srdyn()),
    ("SC", Balancing::SINGLE_CHOICE),
    ("round robin", Balancing::RoundRobin),
];

fn service(sigma: f64) -> ServiceTime {
    ServiceTime::LogNormal {
        median_s: MEDIAN_S,
        sigma,
    }
}

fn make(workshop: &Workshop) -> Result<Figure> {
    let rate_qps = Farm::TWO.rate_qps(workshop, RHO)?;
    let scenario = |balancing, sigma| Scenario {
        arrivals: Arrivals::Poisson {
            rate_qps,
            queries: workshop.scaled(farm::QUERIES),
            service: service(sigma),
        },
        ..Farm::TWO.scenario(workshop, balancing, rate_qps)
    };
    let all = POLICIES
        .iter()
        .flat_map(|(_, balancing)| SIGMAS.map(|sigma| scenario(*balancing, sigma)));
    let means = means_s(workshop, SEEDS, &all.collect::<Vec<_>>())?;
    let of = |n: usize| &means[n * SIGMAS.len()..(n + 1) * SIGMAS.len()];
    let curve = |n: usize| {
        let deviations = SIGMAS.map(|sigma| service(sigma).deviation_s());
        let points = deviations.into_iter().zip(of(n).iter().map(Spread::mean));
        Curve::new(POLICIES[n].0, points.collect())
    };
    let panel = Panel::new(
        Axis::new("standard deviation of service times (s)", 0.35),
        Axis::new("mean response time (s)", 0.8),
        (0..POLICIES.len()).map(curve).collect(),
    );
    let most_load = rate_qps / Farm::TWO.capacity_qps() * service(1.05).mean_s() / MEAN_S;
    Ok(Figure {
        panels: vec![panel],
        claims: claims([of(0), of(1), of(2)]),
        note: format!(
            "48 servers of two cores, the rate of rho = {RHO}, log-normal service times with the median of the exponential ones ({:.0} ms) and more and \
             more deviation; means of {SEEDS} seeds. The mean grows with the deviation, so the load does, too: from {:.0}% to {:.0}%.",
            MEDIAN_S * 1e3,
            100.0 * rate_qps / Farm::TWO.capacity_qps() * LN_2,
            100.0 * most_load
        ),
    })
}

fn claims([dynamic, single, robin]: [&[Spread]; 3]) -> Vec<Claim> {
    let words = |n: usize| {
        format!(
            "SRdyn {:.3} s, SC {:.3} s, round robin {:.3} s",
            dynamic[n].mean(),
            single[n].mean(),
            robin[n].mean()
        )
    };
    let last = SIGMAS.len() - 1;
    let mean = |of: &[Spread], n: usize| of[n].mean();
    let ahead = |n: usize| percent_above(mean(robin, n), mean(dynamic, n));
    vec![
        Claim::new(
            "constant service times",
            "round robin is the best, and 6LB better than SC",
            words(0),
            mean(robin, 0) < mean(dynamic, 0) && mean(dynamic, 0) < mean(single, 0),
        ),
        Claim::new(
            "very skewed service times",
            "6LB is the best",
            words(last),
            mean(dynamic, last) < mean(robin, last) && mean(dynamic, last) < mean(single, last),
        ),
        Claim::new(
            "6LB's advantage over round robin, from constant to very skewed",
            "grows",
            format!("{:+.0}% to {:+.0}%", ahead(0), ahead(last)),
            ahead(last) > ahead(last / 2) && ahead(last / 2) > ahead(0),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_those_of_the_exponential() {
        let constant = service(0.0);
        assert_eq!(constant.deviation_s(), 0.0);
        assert!((constant.mean_s() - MEDIAN_S).abs() < 1e-12);
        // half of an exponential is above mean x ln 2
        assert!(((-MEDIAN_S / MEAN_S).exp() - 0.5).abs() < 1e-12);
        assert!(service(1.05).deviation_s() < 0.35);
    }
}
