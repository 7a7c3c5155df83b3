//! Worlds that several tests have.

use srlb_server::policy::Accept;
use testbed::sim::{Link, Scenario};

/// Every packet of a client arrives twice, the second one a while after the first, and servers refuse what they
/// can: what one of them has just refused it may take when it comes again.
pub fn twice_and_busy() -> Scenario {
    let mut scenario = Scenario::quiet(2, 4);
    scenario.links.wan = Link {
        duplicate_ppm: 1_000_000,
        reorder_ppm: 500_000,
        reorder_us: 250_000,
        ..Link::quiet(20_000)
    };
    // SYN-ACKs take their time, so that no LB knows yet who has the flow
    scenario.links.fabric = Link::quiet(60_000);
    scenario.calm_ms = 60_000;
    for server in &mut scenario.servers {
        server.accept = Accept::Static { c: 1 };
    }
    scenario
}
