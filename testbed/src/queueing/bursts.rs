//! Streams whose rate is not one: bursts, and steps.

use super::service::ServiceTime;
use super::workload::{Class, Job};
use crate::rng::Rng;

/// A Poisson stream in which some queries come many at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bursts {
    /// Queries a second, on average.
    pub rate_qps: f64,
    /// How many.
    pub queries: u64,
    /// Their service times.
    pub service: ServiceTime,
    /// So many come at once.
    pub size: u32,
    /// The share of all queries that come in bursts; the others come alone.
    pub share: f64,
}

impl Bursts {
    /// The queries. Work is drawn apart from times, so that it stays while sizes are varied.
    pub fn jobs(&self, seed: u64) -> Vec<Job> {
        let (mut gaps, mut luck) = (Rng::new(seed, 11), Rng::new(seed, 21));
        let size = f64::from(self.size);
        // of all moments at which something comes, this share brings a burst
        let bursts = self.share / (self.share + size * (1.0 - self.share));
        let a_moment = 1.0 - bursts + bursts * size;
        let (mut at_s, mut left) = (0.0, 0);
        let times = (0..self.queries).map(|_| {
            if left == 0 {
                at_s += gaps.exponential(a_moment / self.rate_qps);
                left = if luck.uniform() < bursts {
                    self.size.max(1)
                } else {
                    1
                };
            }
            left -= 1;
            at_s
        });
        with_work(times, self.service, seed)
    }
}

/// A Poisson stream whose rate changes at once, after the first half of the queries.
pub fn step(rates_qps: [f64; 2], queries: u64, service: ServiceTime, seed: u64) -> Vec<Job> {
    let mut gaps = Rng::new(seed, 11);
    let mut at_s = 0.0;
    let times = (0..queries).map(|n| {
        let rate_qps = rates_qps[usize::from(n >= queries / 2)];
        at_s += gaps.exponential(1.0 / rate_qps);
        at_s
    });
    with_work(times, service, seed)
}

fn with_work(times: impl Iterator<Item = f64>, service: ServiceTime, seed: u64) -> Vec<Job> {
    let mut work = Rng::new(seed, 12);
    let job = |at_s: f64| Job {
        at_us: (at_s * 1e6) as u64,
        service_us: (service.draw_s(&mut work) * 1e6).round() as u64,
        class: Class::default(),
    };
    times.map(job).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: ServiceTime = ServiceTime::Constant { mean_s: 0.1 };

    fn rate_qps(jobs: &[Job]) -> f64 {
        let seconds = (jobs[jobs.len() - 1].at_us - jobs[0].at_us) as f64 / 1e6;
        jobs.len() as f64 / seconds
    }

    #[test]
    fn bursts_have_their_size_their_share_and_the_rate() {
        let stream = Bursts {
            rate_qps: 500.0,
            queries: 60_000,
            service: SERVICE,
            size: 20,
            share: 0.5,
        };
        let jobs = stream.jobs(3);
        assert_eq!(jobs.len(), 60_000);
        // about 1,500 bursts: four standard deviations of their number are a tenth of it
        let off = rate_qps(&jobs) / 500.0 - 1.0;
        assert!(off.abs() < 0.1, "{off}");
        let together = jobs.chunk_by(|a, b| a.at_us == b.at_us);
        let in_bursts: usize = together.map(<[Job]>::len).filter(|n| *n >= 20).sum();
        let share = in_bursts as f64 / 60_000.0;
        assert!((share - 0.5).abs() < 0.1, "{share}");
        let alone = Bursts { size: 1, ..stream };
        let work = |jobs: &[Job]| jobs.iter().map(|job| job.service_us).sum::<u64>();
        assert_eq!(work(&alone.jobs(3)), work(&jobs));
    }

    #[test]
    fn a_step_has_both_rates() {
        let jobs = step([100.0, 400.0], 40_000, SERVICE, 3);
        let (before, after) = jobs.split_at(20_000);
        // 20,000 gaps: four standard deviations are 3%
        assert!((rate_qps(before) / 100.0 - 1.0).abs() < 0.03);
        assert!((rate_qps(after) / 400.0 - 1.0).abs() < 0.03);
    }
}
