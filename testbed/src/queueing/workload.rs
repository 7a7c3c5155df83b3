//! When queries come, and how much work each is.

use super::service::ServiceTime;
use crate::rng::Rng;

/// One query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// When it comes, since the beginning.
    pub at_us: u64,
    /// For how long it needs a core.
    pub service_us: u64,
}

/// Where queries come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// A Poisson stream.
    Poisson {
        /// Queries a second.
        rate_qps: f64,
        /// How many.
        queries: u64,
        /// Their service times.
        service: ServiceTime,
    },
    /// What somebody has written down, in the order of time.
    Trace(Vec<Job>),
}

impl Arrivals {
    /// How many queries there are.
    pub fn queries(&self) -> u64 {
        match self {
            Arrivals::Poisson { queries, .. } => *queries,
            Arrivals::Trace(jobs) => jobs.len() as u64,
        }
    }

    /// Queries a second, on average.
    pub fn rate_qps(&self) -> f64 {
        match self {
            Arrivals::Poisson { rate_qps, .. } => *rate_qps,
            Arrivals::Trace(jobs) => {
                let last_us = jobs.last().map_or(0, |job| job.at_us).max(1);
                jobs.len() as f64 / (last_us as f64 / 1e6)
            }
        }
    }

    /// The queries, one after the other. When they come and how much work they are is drawn apart, so that one can be varied
    /// while the other stays.
    pub fn jobs(&self, seed: u64) -> Box<dyn Iterator<Item = Job> + '_> {
        match self {
            Arrivals::Trace(jobs) => Box::new(jobs.iter().copied()),
            &Arrivals::Poisson {
                rate_qps,
                queries,
                service,
            } => {
                let (mut gaps, mut work) = (Rng::new(seed, 11), Rng::new(seed, 12));
                let mut at_s = 0.0;
                Box::new((0..queries).map(move |_| {
                    at_s += gaps.exponential(1.0 / rate_qps);
                    Job {
                        at_us: (at_s * 1e6) as u64,
                        service_us: (service.draw_s(&mut work) * 1e6).round() as u64,
                    }
                }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poisson(rate_qps: f64, mean_s: f64) -> Arrivals {
        Arrivals::Poisson {
            rate_qps,
            queries: 20_000,
            service: ServiceTime::Exponential { mean_s },
        }
    }

    #[test]
    fn a_stream_has_its_rate_and_repeats() {
        let stream = poisson(500.0, 0.1);
        let jobs: Vec<Job> = stream.jobs(3).collect();
        let rate = Arrivals::Trace(jobs.clone()).rate_qps();
        assert!((rate / 500.0 - 1.0).abs() < 0.03, "{rate}");
        assert!(jobs.windows(2).all(|pair| pair[0].at_us <= pair[1].at_us));
        assert_eq!(stream.jobs(3).collect::<Vec<_>>(), jobs);
        assert_ne!(stream.jobs(4).collect::<Vec<_>>(), jobs);
    }

    #[test]
    fn another_rate_leaves_the_work_as_it_is() {
        let work = |arrivals: Arrivals| -> Vec<u64> {
            let jobs: Vec<Job> = arrivals.jobs(3).take(50).collect();
            jobs.iter().map(|job| job.service_us).collect()
        };
        assert_eq!(work(poisson(500.0, 0.1)), work(poisson(900.0, 0.1)));
    }
}
