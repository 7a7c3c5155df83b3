//! LBs: their engines, and the candidate tables that they share.

use std::time::Duration;

use consistent_hash::{ClusterKey, Generation, Member, Recipe, State, VipTables};
use flow_table::HashKey;
use ipnet::Ipv6Net;
use srlb_lb::engine::{Config, Engine, Pool, Selection, Server, Vip};

use super::scenario::{Balancing, Scenario, ScenarioError};
use crate::rng::Rng;
use crate::sim::nodes::{lb, server, LB_NETWORK, SERVER_NETWORK, VIP};

/// MTU of the fabric.
pub const MTU_BYTES: usize = 1_500;
/// More than there are: the bounds themselves are tested elsewhere.
pub const NO_BOUND_PPS: u32 = 1_000_000;
/// As configured by default.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3_600);
/// For how long an entry outlives its query, and a little more.
const LINGER_S: f64 = super::trace::PEAK_OVER_S as f64;

/// The prefixes in which locators lie.
pub fn networks(which: &[&str]) -> Vec<Ipv6Net> {
    let parsed = which.iter().map(|net| net.parse());
    parsed.map(|net| net.expect("a prefix")).collect()
}

/// A secret.
pub fn key(rng: &mut Rng) -> [u8; 16] {
    let mut bytes = [0; 16];
    for half in bytes.chunks_exact_mut(8) {
        half.copy_from_slice(&rng.next_u64().to_le_bytes());
    }
    bytes
}

/// How many entries there are at once, if each of `shares` nodes gets as many.
pub fn entries(scenario: &Scenario, shares: usize) -> usize {
    let lingering = scenario.arrivals.peak_qps() * LINGER_S / shares as f64;
    lingering.min(scenario.arrivals.queries() as f64) as usize
}

/// The engines.
///
/// # Errors
///
/// Where the tables can't be made: a number of buckets that is none.
pub fn engines(scenario: &Scenario, rng: &mut Rng) -> Result<Vec<Engine>, ScenarioError> {
    let pool = pool(scenario, ClusterKey::from(key(rng)))?;
    let engine = |n| {
        let mut engine = Engine::new(config(scenario, n), pool.clone(), HashKey(key(rng)));
        engine.set_selection(selection(scenario.balancing));
        engine
    };
    Ok((1..=scenario.lbs).map(engine).collect())
}

fn selection(balancing: Balancing) -> Selection {
    match balancing {
        Balancing::Hunt(_) => Selection::Candidates,
        Balancing::RoundRobin => Selection::RoundRobin,
        Balancing::LeastConnections => Selection::LeastConnections,
        Balancing::WeightedRoundRobin { .. } => Selection::WeightedRoundRobin,
    }
}

fn config(scenario: &Scenario, n: u16) -> Config {
    let entries = entries(scenario, scenario.lbs.into());
    Config {
        locator: lb(n),
        encoding: scenario.encoding,
        fabric_mtu_bytes: MTU_BYTES,
        domain: networks(&[LB_NETWORK, SERVER_NETWORK]),
        max_flows: 1_000 + entries + entries / 4,
        idle_timeout: IDLE_TIMEOUT,
        udp_idle_timeout: IDLE_TIMEOUT,
        packet_too_big: true,
        icmp_rate_pps: 100,
        hunts_pps: NO_BOUND_PPS,
        recoveries_pps: NO_BOUND_PPS,
        hmac: None,
    }
}

fn pool(scenario: &Scenario, key: ClusterKey) -> Result<Pool, ScenarioError> {
    let hunt = scenario.balancing.hunt();
    let in_words = |error: consistent_hash::Error| ScenarioError(error.to_string());
    let recipe = Recipe::new(key, scenario.buckets, hunt.choices).map_err(in_words)?;
    let count = scenario.servers.len() as u16;
    let names: Vec<String> = (1..=count).map(|n| format!("s{n}")).collect();
    let member = |(server, weight)| Member {
        server,
        weight,
        draining: false,
    };
    let weights = scenario.servers.iter().map(|server| server.weight);
    let generation = Generation {
        number: 1,
        state: State::Active,
        members: (0..).zip(weights).map(member).collect(),
    };
    let tables = VipTables::build(&recipe, &names, &[generation], true).map_err(in_words)?;
    let vip = Vip {
        name: "web".to_owned(),
        address: VIP,
        tables,
    };
    let entry = |(n, name)| Server {
        name,
        locator: server(n),
        listed: true,
    };
    Ok(Pool::new(vec![vip], (1..).zip(names).map(entry).collect()))
}
