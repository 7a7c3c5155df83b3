//! A day of queries: a rate that goes up and down once, and queries of two kinds.

use std::f64::consts::TAU;

use super::workload::{Class, Job, Services};
use crate::rng::Rng;

/// A day.
///
/// Wiki pages come at a rate that is a cosine from trough to peak and back, static pages at a multiple of it, each as a Poisson
/// stream. The day may be shorter than 24 hours: the rates stay as they are, and there are fewer queries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Day {
    /// How long it takes.
    pub length_s: f64,
    /// Which share of it is over when the rate is lowest; half a day later it is highest.
    pub trough_at: f64,
    /// Wiki pages a second then.
    pub trough_qps: f64,
    /// Wiki pages a second half a day later.
    pub peak_qps: f64,
    /// Static pages for each wiki page.
    pub static_per_wiki: f64,
    /// How much work they are.
    pub services: Services,
}

impl Day {
    /// Wiki pages a second, `at_s` after the beginning.
    pub fn wiki_qps(&self, at_s: f64) -> f64 {
        let (low, high) = (self.trough_qps, self.peak_qps);
        let phase = TAU * (at_s / self.length_s - self.trough_at);
        (low + high) / 2.0 - (high - low) / 2.0 * phase.cos()
    }

    /// Queries of both kinds a second at the peak.
    pub fn most_qps(&self) -> f64 {
        self.peak_qps * (1.0 + self.static_per_wiki)
    }

    /// How many queries a day has on average.
    pub fn expected_queries(&self) -> f64 {
        (self.trough_qps + self.peak_qps) / 2.0 * (1.0 + self.static_per_wiki) * self.length_s
    }

    /// Does it make sense?
    pub fn is_sound(&self) -> bool {
        let positive = |number: f64| number.is_finite() && number > 0.0;
        positive(self.length_s)
            && positive(self.trough_qps)
            && positive(self.peak_qps)
            && self.trough_qps <= self.peak_qps
            && self.trough_at.is_finite()
            && self.static_per_wiki.is_finite()
            && self.static_per_wiki >= 0.0
            && self.services.is_sound()
    }

    /// The queries. Between two of them the rate is taken for constant: it changes by less than a millionth.
    pub fn jobs(&self, seed: u64) -> impl Iterator<Item = Job> {
        let day = *self;
        let (mut gaps, mut work) = (Rng::new(seed, 14), Rng::new(seed, 15));
        let mut kinds = Rng::new(seed, 16);
        let is_wiki = 1.0 / (1.0 + day.static_per_wiki);
        let mut at_s = 0.0;
        std::iter::from_fn(move || {
            at_s += gaps.exponential(is_wiki / day.wiki_qps(at_s));
            let class = match kinds.uniform() < is_wiki {
                true => Class::Wiki,
                false => Class::Static,
            };
            (at_s < day.length_s).then(|| Job {
                at_us: (at_s * 1e6) as u64,
                service_us: day.services.draw_us(class, &mut work),
                class,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::service::ServiceTime;
    use super::*;

    fn day() -> Day {
        Day {
            length_s: 240.0,
            trough_at: 8.0 / 24.0,
            trough_qps: 110.0,
            peak_qps: 420.0,
            static_per_wiki: 0.5,
            services: Services {
                wiki: ServiceTime::Constant { mean_s: 0.1 },
                fixed: ServiceTime::Constant { mean_s: 0.001 },
            },
        }
    }

    #[test]
    fn the_rate_has_its_ends_where_they_belong() {
        let day = day();
        assert!(day.is_sound());
        assert!((day.wiki_qps(80.0) - 110.0).abs() < 1e-9);
        assert!((day.wiki_qps(200.0) - 420.0).abs() < 1e-9);
        assert!((day.wiki_qps(0.0) - day.wiki_qps(240.0)).abs() < 1e-9);
        assert!((day.most_qps() - 630.0).abs() < 1e-9);
    }

    #[test]
    fn queries_come_at_the_rate_and_of_both_kinds() {
        let day = day();
        let jobs: Vec<Job> = day.jobs(5).collect();
        // six deviations of a Poisson number
        let near =
            |got: usize, expected: f64| (got as f64 - expected).abs() < 6.0 * expected.sqrt();
        assert!(near(jobs.len(), day.expected_queries()), "{}", jobs.len());
        for hour in 0..24 {
            let (from, to) = (hour * 10_000_000, (hour + 1) * 10_000_000);
            let inside = jobs.iter().filter(|job| (from..to).contains(&job.at_us));
            let (wiki, fixed): (Vec<&Job>, _) = inside.partition(|job| job.class == Class::Wiki);
            let expected = 10.0 * day.wiki_qps(hour as f64 * 10.0 + 5.0);
            assert!(near(wiki.len(), expected), "{hour}: {}", wiki.len());
            assert!(near(fixed.len(), expected / 2.0), "{hour}: {}", fixed.len());
            assert!(wiki.iter().all(|job| job.service_us == 100_000));
            assert!(fixed.iter().all(|job| job.service_us == 1_000));
        }
        assert!(jobs.windows(2).all(|pair| pair[0].at_us <= pair[1].at_us));
        assert_eq!(day.jobs(5).collect::<Vec<_>>(), jobs);
    }

    #[test]
    fn what_is_no_day() {
        let broken: [fn(&mut Day); 6] = [
            |day| day.length_s = 0.0,
            |day| day.trough_qps = f64::NAN,
            |day| day.trough_qps = 421.0,
            |day| day.static_per_wiki = -1.0,
            |day| day.trough_at = f64::INFINITY,
            |day| day.services.fixed = ServiceTime::Constant { mean_s: 0.0 },
        ];
        for change in broken {
            let mut day = day();
            change(&mut day);
            assert!(!day.is_sound(), "{day:?}");
        }
    }
}
