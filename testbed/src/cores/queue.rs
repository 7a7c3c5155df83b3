//! The cores as a sans-IO model: jobs and the time in, finished jobs out.

use std::collections::VecDeque;
use std::time::Duration;

/// `n` cores and one queue before them. `J` says whose job it is.
///
/// Time is a parameter, counted from a moment of the caller's choice. A caller who comes
/// late loses no capacity: a core goes on at the moment when its last job ended, not at the
/// moment when somebody looked.
#[derive(Debug)]
pub struct Cores<J> {
    running: Vec<Option<(Duration, J)>>,
    waiting: VecDeque<(Duration, J)>,
    finished: VecDeque<J>,
    done: u64,
}

impl<J> Cores<J> {
    /// Idle cores.
    pub fn new(cores: usize) -> Cores<J> {
        Cores {
            running: (0..cores).map(|_| None).collect(),
            waiting: VecDeque::new(),
            finished: VecDeque::new(),
            done: 0,
        }
    }

    /// A job arrives.
    pub fn submit(&mut self, now: Duration, service: Duration, job: J) {
        self.advance(now);
        match self.running.iter_mut().find(|core| core.is_none()) {
            Some(core) => *core = Some((now + service, job)),
            None => self.waiting.push_back((service, job)),
        }
    }

    /// A job that has ended by now; call again until there is none.
    pub fn poll(&mut self, now: Duration) -> Option<J> {
        self.advance(now);
        self.finished.pop_front()
    }

    /// When the next job ends, if one runs.
    pub fn next_timeout(&self) -> Option<Duration> {
        self.running.iter().flatten().map(|(end, _)| *end).min()
    }

    /// Jobs that hold a core.
    pub fn running(&self) -> usize {
        self.running.iter().flatten().count()
    }

    /// Jobs that wait for one.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Jobs that have ended since the start.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Ends, in their order, the jobs that end by `now`, and lets the queue move up.
    fn advance(&mut self, now: Duration) {
        while let Some(end) = self.next_timeout().filter(|end| *end <= now) {
            let core = self
                .running
                .iter_mut()
                .find(|core| matches!(core, Some((e, _)) if *e == end))
                .expect("next_timeout is the end of a running job");
            let next = self.waiting.pop_front();
            let ended = std::mem::replace(core, next.map(|(service, job)| (end + service, job)));
            self.finished.extend(ended.map(|(_, job)| job));
            self.done += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn two_cores_run_two_jobs_and_the_third_waits() {
        let mut cores = Cores::new(2);
        cores.submit(ms(0), ms(10), 'a');
        cores.submit(ms(0), ms(30), 'b');
        cores.submit(ms(1), ms(5), 'c');
        assert_eq!((cores.running(), cores.waiting()), (2, 1));
        assert_eq!(cores.poll(ms(9)), None);
        assert_eq!(cores.next_timeout(), Some(ms(10)));
        assert_eq!(cores.poll(ms(10)), Some('a'));
        assert_eq!(cores.next_timeout(), Some(ms(15)));
        assert_eq!(cores.poll(ms(15)), Some('c'));
        assert_eq!(cores.poll(ms(30)), Some('b'));
        assert_eq!((cores.running(), cores.waiting(), cores.done()), (0, 0, 3));
        assert_eq!(cores.next_timeout(), None);
    }

    #[test]
    fn a_late_look_costs_no_capacity() {
        let mut cores = Cores::new(1);
        for job in 0..10 {
            cores.submit(ms(0), ms(7), job);
        }
        let mut seen = Vec::new();
        while let Some(job) = cores.poll(ms(1000)) {
            seen.push(job);
        }
        assert_eq!(seen, (0..10).collect::<Vec<_>>());

        // The queue has moved up before a newcomer is looked at: no idle core is missed.
        let mut cores = Cores::new(1);
        cores.submit(ms(0), ms(10), 'a');
        cores.submit(ms(50), ms(10), 'b');
        assert_eq!(cores.next_timeout(), Some(ms(60)));
    }

    #[test]
    fn mean_wait_is_that_of_the_queueing_theory() {
        // M/M/2 at load 0.8: mean time in system = service / (1 - rho^2).
        let (mut rng, mut cores) = (crate::rng::Rng::new(3, 0), Cores::new(2));
        let (service_s, rho, jobs) = (1.0, 0.8, 200_000);
        let (mut now, mut sum, mut ended) = (Duration::ZERO, 0.0, 0);
        let mut drain = |cores: &mut Cores<Duration>, until: Duration| {
            while let Some(end) = cores.next_timeout().filter(|end| *end <= until) {
                while let Some(arrived) = cores.poll(end) {
                    sum += (end - arrived).as_secs_f64();
                    ended += 1;
                }
            }
        };
        for _ in 0..jobs {
            now += Duration::from_secs_f64(rng.exponential(service_s / (2.0 * rho)));
            drain(&mut cores, now);
            cores.submit(
                now,
                Duration::from_secs_f64(rng.exponential(service_s)),
                now,
            );
        }
        drain(&mut cores, now + Duration::from_secs(10_000));
        let (mean, expected) = (sum / jobs as f64, service_s / (1.0 - rho * rho));
        assert_eq!(ended, jobs);
        assert!(
            (mean / expected - 1.0).abs() < 0.05,
            "{mean} against {expected}"
        );
    }
}
