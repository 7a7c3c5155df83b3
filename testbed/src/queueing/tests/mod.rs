//! Whole runs: against formulas, and exact where nothing is left to chance.

mod exact;
mod formulas;

use super::*;
use srlb_server::policy::Accept;

/// Mean service time of the runs against formulas.
const MEAN_S: f64 = 0.1;

/// The model's system (section V-A) with so many servers: no network, one core each, room for everybody.
fn ideal(servers: usize, load: f64, queries: u64, balancing: Balancing) -> Scenario {
    let arrivals = Arrivals::Poisson {
        rate_qps: load * servers as f64 / MEAN_S,
        queries,
        service: ServiceTime::Exponential { mean_s: MEAN_S },
    };
    Scenario {
        lbs: 1,
        servers: vec![ServerSpec::MODEL; servers],
        discipline: Discipline::Fifo,
        buckets: 4_096,
        network: Network::default(),
        warm_up: queries / 10,
        ..Scenario::paper(1, servers, balancing, arrivals)
    }
}

/// SR_c as in the paper: without `pending`.
fn sr(c: u32) -> Balancing {
    two(Accept::Static { c })
}

/// Two candidates and a policy, without `pending`.
fn two(accept: Accept) -> Balancing {
    Balancing::Hunt(Hunt {
        choices: 2,
        accept,
        pending: false,
    })
}

/// Runs a scenario, in which nothing may get lost.
fn outcome_of(scenario: &Scenario) -> Outcome {
    let outcome = run(scenario, &mut |_| true).unwrap();
    assert!(outcome.is_whole(), "{:?}", outcome.reasons);
    outcome
}
