//! Pools that an LB may be handed, one after the other in any order. All number the same servers.

use std::sync::OnceLock;

use consistent_hash::{Generation, Member, Recipe, State, VipTables};
use srlb_lb::engine::{Pool, Server, Vip};

use crate::script;

/// How many there are.
pub const COUNT: usize = 7;
const SERVERS: u16 = 24;
const BUCKETS: u32 = 31;

/// The pool of this number.
pub fn pool(n: usize) -> Pool {
    static POOLS: OnceLock<Vec<Pool>> = OnceLock::new();
    POOLS.get_or_init(|| (0..COUNT).map(build).collect())[n % COUNT].clone()
}

fn member(server: u16) -> Member {
    Member {
        server,
        weight: 1,
        draining: false,
    }
}

fn generation(number: u64, state: State, servers: impl Iterator<Item = u16>) -> Generation {
    Generation {
        number,
        state,
        members: servers.map(member).collect(),
    }
}

/// What the first VIP's pool went through.
fn history(n: usize) -> Vec<Generation> {
    let drained = |servers: std::ops::Range<u16>| {
        servers.map(|s| Member {
            draining: true,
            weight: 0,
            ..member(s)
        })
    };
    match n {
        // Four servers.
        0 => vec![generation(1, State::Active, 0..4)],
        // One has gone, one is to come.
        1 => vec![
            generation(1, State::Kept, 0..4),
            generation(2, State::Active, 1..4),
            generation(3, State::Staged, 1..5),
        ],
        // Two drain.
        2 => {
            let mut active = generation(2, State::Active, 2..4);
            active.members.extend(drained(0..2));
            vec![generation(1, State::Kept, 0..4), active]
        }
        // Everybody has come at another time: recovery lists of several chunks.
        3 | 4 => (1..=12)
            .map(|g| {
                let state = if g == 12 { State::Active } else { State::Kept };
                let mut members = generation(g, state, (g as u16 - 1) * 2..(g as u16) * 2);
                members.members.extend(drained(0..(g as u16 - 1) * 2));
                members
            })
            .collect(),
        // Nobody takes new flows.
        5 => vec![Generation {
            number: 1,
            state: State::Active,
            members: drained(0..3).collect(),
        }],
        // Nobody is left of those who were here.
        _ => vec![
            generation(1, State::Kept, 0..4),
            generation(2, State::Active, 8..10),
        ],
    }
}

fn build(n: usize) -> Pool {
    let choices = [2, 1, 2, 8, 2, 2, 3][n];
    let recipe = Recipe::new([3; 16].into(), BUCKETS, choices).expect("a prime");
    let names: Vec<String> = (0..SERVERS).map(|n| format!("s{n}")).collect();
    let other = [generation(1, State::Active, 4..6)];
    let vip = |at: usize, history: &[Generation], complete| Vip {
        name: format!("vip{at}"),
        address: script::vip(at),
        tables: VipTables::build(&recipe, &names, history, complete).expect("a history"),
    };
    let vips = vec![vip(0, &history(n), n != 4), vip(1, &other, true)];
    let server = |at: u16| Server {
        name: names[usize::from(at)].clone(),
        locator: script::server(at + 1),
        listed: n != 6 || at >= 4,
    };
    Pool::new(vips, (0..SERVERS).map(server).collect())
}
