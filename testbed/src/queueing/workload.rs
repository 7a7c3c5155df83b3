//! When queries come, and how much work each is.

use super::day::Day;
use super::service::ServiceTime;
use super::trace::{Trace, TraceError};
use crate::rng::Rng;

/// What kind of query it is. The simulator treats all alike; it is for whoever is told of their ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// Computed for the query, as a wiki page is: what everything is unless something else is said.
    #[default]
    Wiki,
    /// Served as it lies there.
    Static,
}

/// One query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// When it comes, since the beginning.
    pub at_us: u64,
    /// For how long it needs a core.
    pub service_us: u64,
    /// Of which kind it is.
    pub class: Class,
}

/// Service times of both kinds of queries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Services {
    /// Wiki pages'.
    pub wiki: ServiceTime,
    /// Static pages'.
    pub fixed: ServiceTime,
}

impl Services {
    /// One query's, in microseconds.
    pub fn draw_us(&self, class: Class, rng: &mut Rng) -> u64 {
        let service = match class {
            Class::Wiki => self.wiki,
            Class::Static => self.fixed,
        };
        (service.draw_s(rng) * 1e6).round() as u64
    }

    /// Are both distributions at all?
    pub fn is_sound(&self) -> bool {
        self.wiki.is_sound() && self.fixed.is_sound()
    }
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
    /// A rate that goes up and down with the time of the day.
    Day(Day),
    /// These, in the order of time.
    Trace(Vec<Job>),
    /// What somebody has written into a file: it is read while the queries come.
    File(Trace),
}

/// Queries, one after the other; an error where a file is none that can be used.
pub type Jobs<'a> = Box<dyn Iterator<Item = Result<Job, TraceError>> + 'a>;

impl Arrivals {
    /// How many queries there are; with a [`Day`] as many as are expected.
    pub fn queries(&self) -> u64 {
        match self {
            Arrivals::Poisson { queries, .. } => *queries,
            Arrivals::Day(day) => day.expected_queries().round() as u64,
            Arrivals::Trace(jobs) => jobs.len() as u64,
            Arrivals::File(trace) => trace.queries,
        }
    }

    /// Queries a second where most of them come: over 10 s at least, if that is known.
    pub fn peak_qps(&self) -> f64 {
        match self {
            Arrivals::Poisson { rate_qps, .. } => *rate_qps,
            Arrivals::Day(day) => day.most_qps(),
            Arrivals::Trace(jobs) => {
                let mut peak = super::trace::Peak::default();
                jobs.iter().for_each(|job| peak.add(job.at_us));
                peak.qps()
            }
            Arrivals::File(trace) => trace.peak_qps,
        }
    }

    /// The queries, one after the other. When they come and how much work they are is drawn apart, so that one can be varied
    /// while the other stays.
    pub fn jobs(&self, seed: u64) -> Jobs<'_> {
        match self {
            Arrivals::Day(day) => Box::new(day.jobs(seed).map(Ok)),
            Arrivals::Trace(jobs) => Box::new(jobs.iter().copied().map(Ok)),
            Arrivals::File(trace) => trace.jobs(seed),
            &Arrivals::Poisson {
                rate_qps,
                queries,
                service,
            } => {
                let (mut gaps, mut work) = (Rng::new(seed, 11), Rng::new(seed, 12));
                let mut at_s = 0.0;
                Box::new((0..queries).map(move |_| {
                    at_s += gaps.exponential(1.0 / rate_qps);
                    Ok(Job {
                        at_us: (at_s * 1e6) as u64,
                        service_us: (service.draw_s(&mut work) * 1e6).round() as u64,
                        class: Class::default(),
                    })
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

    fn jobs(arrivals: &Arrivals, seed: u64) -> Vec<Job> {
        arrivals.jobs(seed).map(Result::unwrap).collect()
    }

    #[test]
    fn a_stream_has_its_rate_and_repeats() {
        let stream = poisson(500.0, 0.1);
        let first = jobs(&stream, 3);
        let rate = first.len() as f64 / (first[first.len() - 1].at_us as f64 / 1e6);
        assert!((rate / 500.0 - 1.0).abs() < 0.03, "{rate}");
        assert!(first.windows(2).all(|pair| pair[0].at_us <= pair[1].at_us));
        assert_eq!(jobs(&stream, 3), first);
        assert_ne!(jobs(&stream, 4), first);
        // a list knows only what is in it, and its busiest seconds are busier than the others
        let peak = Arrivals::Trace(first).peak_qps();
        assert!((500.0..600.0).contains(&peak), "{peak}");
    }

    #[test]
    fn another_rate_leaves_the_work_as_it_is() {
        let work = |arrivals: Arrivals| -> Vec<u64> {
            let jobs = jobs(&arrivals, 3);
            jobs.iter().take(50).map(|job| job.service_us).collect()
        };
        assert_eq!(work(poisson(500.0, 0.1)), work(poisson(900.0, 0.1)));
    }
}
