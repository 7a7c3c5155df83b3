//! The paper's farm (section VI-A) in the simulator, and the rate that it sustains.

use anyhow::{ensure, Result};
use srlb_server::policy::Accept;

use super::Workshop;
use crate::queueing::{self, Arrivals, Balancing, Ended, Hunt, Outcome, Scenario, ServiceTime};

/// Servers.
pub const SERVERS: usize = 48;
/// Queries of a run.
pub const QUERIES: u64 = 80_000;
/// Mean service time.
pub const MEAN_S: f64 = 0.19;
/// Queries a second that all cores can do.
pub const CAPACITY_QPS: f64 = 2.0 * SERVERS as f64 / MEAN_S;

/// The paper's policy: two candidates, and flows on their way do not count.
pub const fn hunt(accept: Accept) -> Balancing {
    Balancing::Hunt(Hunt {
        choices: 2,
        accept,
        pending: false,
    })
}

/// SR_c.
pub const fn sr(c: u32) -> Balancing {
    hunt(Accept::Static { c })
}

/// SR_dyn with the paper's window and epsilon.
pub const fn srdyn() -> Balancing {
    hunt(Accept::Dynamic {
        window: 50,
        epsilon: 0.1,
    })
}

/// 48 servers, and exponential service times.
pub fn scenario(workshop: &Workshop, balancing: Balancing, rate_qps: f64) -> Scenario {
    let arrivals = Arrivals::Poisson {
        rate_qps,
        queries: workshop.scaled(QUERIES),
        service: ServiceTime::Exponential { mean_s: MEAN_S },
    };
    Scenario::paper(workshop.seed, SERVERS, balancing, arrivals)
}

/// Runs a scenario.
///
/// # Errors
///
/// As of [`follow`].
pub fn simulate(workshop: &Workshop, scenario: &Scenario) -> Result<Outcome> {
    follow(workshop, scenario, |_| ())
}

/// Runs a scenario; `ended` is told of each query at its end.
///
/// # Errors
///
/// Where it makes no sense, where somebody wants to stop, and where packets or queries were lost: then the simulator is wrong, and so
/// is what came out.
pub fn follow(
    workshop: &Workshop,
    scenario: &Scenario,
    mut ended: impl FnMut(&Ended),
) -> Result<Outcome> {
    let outcome = queueing::run(scenario, &mut |query| {
        ended(query);
        !workshop.interrupt.is_set()
    })?;
    workshop.interrupt.check()?;
    ensure!(
        outcome.is_whole(),
        "the simulator lost {} queries and {} packets ({:?}): a mistake of ours",
        outcome.unfinished,
        outcome.dropped,
        outcome.reasons
    );
    Ok(outcome)
}

/// lambda_0, the smallest rate at which a connection is dropped, as section VI-B1 finds it: with SC, to 1/4 of a percent of what the
/// cores can do. Looked for once a run.
///
/// # Errors
///
/// As of [`simulate`].
pub fn sustainable_qps(workshop: &Workshop) -> Result<f64> {
    if let Some(known) = workshop.sustainable_qps.get() {
        return Ok(*known);
    }
    let (mut low, mut high) = (0.5, 1.5);
    for _ in 0..9 {
        workshop.bar.inc_length(1);
        let middle = (low + high) / 2.0;
        let scenario = scenario(workshop, Balancing::SINGLE_CHOICE, middle * CAPACITY_QPS);
        match simulate(workshop, &scenario)?.refused == 0 {
            true => low = middle,
            false => high = middle,
        }
        workshop.bar.inc(1);
    }
    Ok(*workshop.sustainable_qps.get_or_init(|| high * CAPACITY_QPS))
}
