//! The simulator's twin of a load on the testbed: the same servers, jobs and times.

use super::bed::Load;
use crate::apache::CORES_PER_SERVER;
use crate::load::Arrival;
use crate::queueing::args::accept;
use crate::queueing::{Arrivals, Balancing, Discipline, Hunt, Job, Scenario};
use crate::settings::{Policy, Tables};

/// How flows find their servers, for a testbed's settings and for the simulator.
#[derive(Clone, Copy, Debug)]
pub struct Contender {
    /// Its name.
    pub name: &'static str,
    /// Candidates of a flow.
    pub choices: u8,
    /// When a server takes one that it may refuse.
    pub policy: Policy,
    /// Do flows count that no worker has picked up yet?
    pub pending: bool,
}

impl Contender {
    /// Single choice.
    pub const SC: Contender = Contender {
        name: "SC",
        choices: 1,
        policy: Policy::Always,
        pending: false,
    };
    /// The paper's static policy.
    pub const SR4: Contender = Contender {
        name: "SR4",
        choices: 2,
        policy: Policy::Static(4),
        pending: false,
    };
    /// The same, more patient.
    pub const SR8: Contender = Contender {
        name: "SR8",
        policy: Policy::Static(8),
        ..Contender::SR4
    };
    /// The same, most patient.
    pub const SR16: Contender = Contender {
        name: "SR16",
        policy: Policy::Static(16),
        ..Contender::SR4
    };
    /// The paper's dynamic one.
    pub const SRDYN: Contender = Contender {
        name: "SRdyn",
        choices: 2,
        policy: Policy::Dynamic,
        pending: false,
    };
    /// What servers do if nobody has configured anything.
    pub const DEFAULT: Contender = Contender {
        name: "SRmedian (our default)",
        choices: 2,
        policy: Policy::Median,
        pending: true,
    };

    /// The same for the simulator.
    fn balancing(&self) -> Balancing {
        Balancing::Hunt(Hunt {
            choices: self.choices.into(),
            accept: accept(self.policy, CORES_PER_SERVER as u32),
            pending: self.pending,
        })
    }
}

/// The emulated cores of the testbed are first in, first out. `seed` makes the candidate table alone.
pub fn scenario(
    load: &Load,
    servers: u16,
    warm_up_s: f64,
    contender: &Contender,
    seed: u64,
) -> Scenario {
    let job = |arrival: Arrival| Job {
        at_us: arrival.at.as_micros() as u64,
        service_us: arrival.service.as_micros() as u64,
        class: Default::default(),
    };
    let is_early = |arrival: &Arrival| arrival.at.as_secs_f64() < warm_up_s;
    let jobs = load.schedule().map(job).collect();
    Scenario {
        discipline: Discipline::Fifo,
        buckets: Tables::default().buckets,
        warm_up: load.schedule().filter(is_early).count() as u64,
        ..Scenario::paper(
            seed,
            servers.into(),
            contender.balancing(),
            Arrivals::Trace(jobs),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_simulator_gets_the_jobs_of_the_load() {
        let load = Load {
            rate_qps: 100.0,
            seconds: 8.0,
            service_mean_ms: 30.0,
            seed: 5,
            target: Load::vip(),
        };
        let scenario = scenario(&load, 6, 2.0, &Contender::SR4, 1);
        let arrivals: Vec<_> = load.schedule().collect();
        let Arrivals::Trace(jobs) = &scenario.arrivals else {
            panic!("{scenario:?}")
        };
        assert_eq!(jobs.len(), arrivals.len());
        let early = scenario.warm_up as usize;
        assert!(jobs[early - 1].at_us < 2_000_000 && jobs[early].at_us >= 2_000_000);
        assert_eq!(
            u128::from(jobs[7].service_us),
            arrivals[7].service.as_micros()
        );
        assert_eq!(scenario.servers.len(), 6);
        let sr4 = crate::reproduce::farm::sr(4);
        assert_eq!(scenario.balancing, sr4);
        assert_eq!(
            Contender::SC.balancing(),
            Balancing::SINGLE_CHOICE,
            "the paper's baseline"
        );
    }
}
