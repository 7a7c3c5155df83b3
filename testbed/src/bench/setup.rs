//! The engine that is measured: its settings and its pool.

use std::time::Duration;

use anyhow::Result;
use consistent_hash::{ClusterKey, Generation, Member, Recipe, State, VipTables};
use flow_table::HashKey;
use srlb_lb::engine::{Config, Contract, Engine, Pool, Server, Vip, TICK_MS};

use super::case::Way;
use super::packets;

const BUCKETS: u32 = 65_537;
/// Of 6LB; Maglev has one.
const CHOICES: usize = 2;
const KEY: HashKey = HashKey(*b"a key to measure");
/// Longer than all that is measured takes on the engine's clock, so that no flow expires.
const IDLE: Duration = Duration::from_secs(86_400);
/// How long an entry lives that no client confirms: not long, so that the others live on while many of them end.
const UNCONFIRMED_LIFE: Duration = Duration::from_millis(TICK_MS);

/// One whose table is made for `max_flows` flows.
pub fn engine(way: Way, servers: u16, max_flows: usize) -> Result<Engine> {
    let (config, pool) = (config(way, max_flows), pool(way, servers)?);
    let mut engine = Engine::with_contract(contract(), config, pool, KEY);
    if way == Way::MaglevGre {
        engine.set_maglev();
    }
    Ok(engine)
}

/// One more on the same table, of the same way.
pub fn beside(engine: &Engine, way: Way, servers: u16) -> Result<Engine> {
    let (config, pool) = (engine.config().clone(), pool(way, servers)?);
    let mut engine = Engine::sharing(&engine.shared(), contract(), config, pool);
    if way == Way::MaglevGre {
        engine.set_maglev();
    }
    Ok(engine)
}

fn config(way: Way, max_flows: usize) -> Config {
    Config {
        locator: packets::lb(),
        encoding: way.encoding(),
        fabric_mtu_bytes: 1_500,
        domain: Vec::new(),
        max_flows,
        idle_timeout: IDLE,
        udp_idle_timeout: IDLE,
        packet_too_big: true,
        icmp_rate_pps: 100,
        // What is measured is the way of a packet, not the bound on strangers.
        hunts_pps: u32::MAX,
        recoveries_pps: u32::MAX,
        hmac: None,
    }
}

/// 6LB's, but for how long entries wait for their client.
fn contract() -> Contract {
    let mut contract = Contract::default();
    contract.limits.unconfirmed_life = UNCONFIRMED_LIFE;
    contract
}

fn pool(way: Way, servers: u16) -> Result<Pool> {
    let choices = match way {
        Way::Srv6(_) => CHOICES,
        Way::MaglevGre => 1,
    };
    let recipe = Recipe::new(ClusterKey::from([3; 16]), BUCKETS, choices)?;
    let names: Vec<String> = (0..servers).map(|n| format!("s{n}")).collect();
    let member = |server| Member {
        server,
        weight: 1,
        draining: false,
    };
    let history = [Generation {
        number: 1,
        state: State::Active,
        members: (0..servers).map(member).collect(),
    }];
    let vip = Vip {
        name: "web".into(),
        address: packets::vip(),
        tables: VipTables::build(&recipe, &names, &history, true)?,
    };
    let server = |(number, name): (u16, String)| Server {
        name,
        locator: packets::server(number),
        listed: true,
    };
    let servers = (0..).zip(names).map(server).collect();
    Ok(Pool::new(vec![vip], servers))
}
