//! LBs, servers and the network of a world.

use srlb_server::policy::Accept;

use crate::rng::Rng;
use crate::sim::{Clock, LbSpec, Link, Links, ServerSpec};

use super::flavour::Flavour;

/// The LBs; the first one runs at the start.
pub fn lbs(rng: &mut Rng, flavour: &Flavour) -> Vec<LbSpec> {
    let count = rng.between(2, 5);
    (0..count)
        .map(|place| LbSpec {
            clock: clock(rng, flavour),
            max_flows: match flavour.small_lb_tables {
                true => rng.doubling(3, 24) as usize,
                false => 1_024,
            },
            idle_timeout_ms: match flavour.short_idle {
                true => rng.doubling(500, 20_000) as u32,
                false => 3_600_000,
            },
            starts_up: place == 0 || rng.percent(75),
        })
        .collect()
}

/// A server, with `spare` workers more than it needs.
pub fn server(rng: &mut Rng, flavour: &Flavour, spare: u32) -> ServerSpec {
    ServerSpec {
        clock: clock(rng, flavour),
        workers: match flavour.short_queues {
            true => rng.doubling(8, 64) as u32 + spare,
            false => 1_000,
        },
        accept: match flavour.busy_servers {
            true => policy(rng),
            false => Accept::Always,
        },
        pending: rng.percent(50),
        max_flows: match flavour.small_server_tables {
            true => rng.doubling(3, 24) as usize,
            false => 1_024,
        },
        backlog: match flavour.short_queues {
            true => rng.doubling(1, 16) as u32,
            false => 512,
        },
        syn_backlog: match flavour.short_queues {
            true => rng.below(4) as u32,
            false => 512,
        },
        starts_up: true,
    }
}

fn policy(rng: &mut Rng) -> Accept {
    match rng.below(4) {
        0 => Accept::Never,
        1 => Accept::Dynamic {
            window: 50,
            epsilon: 0.1,
        },
        _ => Accept::Static {
            c: rng.doubling(1, 32) as u32,
        },
    }
}

/// A clock: usually a good one with any time on it; now and then one that is about to pass 2^32 ms, where
/// an LB's entries wrap.
fn clock(rng: &mut Rng, flavour: &Flavour) -> Clock {
    let wrap_ms = 1u64 << 32;
    let offset_ms = match rng.below(4) {
        0 => 0,
        1 => wrap_ms - rng.doubling(1, flavour.span_ms),
        _ => rng.doubling(1, 10 * wrap_ms),
    };
    let most_ppm = if flavour.bad_clocks { 20_000 } else { 100 };
    Clock {
        offset_ms,
        drift_ppm: rng.between(0, 2 * most_ppm) as i32 - most_ppm as i32,
    }
}

/// The network: from still to rough.
pub fn links(rng: &mut Rng) -> Links {
    let roughness = *rng.pick(&[0, 0, 1, 1, 1, 2]);
    Links {
        wan: link(rng, roughness, 40_000),
        fabric: link(rng, roughness, 1_000),
    }
}

fn link(rng: &mut Rng, roughness: u64, slowest_us: u64) -> Link {
    let delay_min_us = rng.doubling(20, slowest_us) as u32;
    let rarely = |rng: &mut Rng, most_ppm: u64| match rng.percent(60) {
        true => rng.doubling(100, most_ppm * roughness) as u32 * u32::from(roughness > 0),
        false => 0,
    };
    Link {
        delay_min_us,
        delay_max_us: delay_min_us
            + rng.below(u64::from(delay_min_us) * (1 + 4 * roughness)) as u32,
        loss_ppm: rarely(rng, 20_000),
        duplicate_ppm: rarely(rng, 30_000),
        reorder_ppm: rarely(rng, 50_000),
        reorder_us: rng.doubling(1_000, 400_000) as u32,
    }
}
