//! Pools for the world's LBs.

use consistent_hash::{ClusterKey, Generation, Member, Recipe, State, VipTables};
use srlb_lb::engine::{Pool, Server, Vip};

use crate::nodes::{server, VIP};

/// A generation: who belongs to it, and who of these drains.
#[derive(Clone, Debug)]
pub struct Version {
    /// What it is used for.
    pub state: State,
    /// Numbers of servers, from 1.
    pub members: Vec<u16>,
    /// Those that get no new flows.
    pub draining: Vec<u16>,
}

impl Version {
    /// An active generation of these servers.
    pub fn active(members: &[u16]) -> Self {
        Version {
            state: State::Active,
            members: members.to_vec(),
            draining: Vec::new(),
        }
    }

    /// A history from two servers to 18. Each further generation brings two, and all older ones drain: every bucket's recovery
    /// list names all of them.
    pub fn growing_to_18() -> Vec<Self> {
        let mut history = vec![Self::kept(&[1, 2])];
        for n in 1..=8 {
            let members: Vec<u16> = (1..=2 + 2 * n).collect();
            let mut version = Self::kept(&members);
            version.draining = (1..=2 * n).collect();
            history.push(version);
        }
        history.last_mut().expect("nine generations").state = State::Active;
        history
    }

    /// A generation that was active.
    pub fn kept(members: &[u16]) -> Self {
        Version {
            state: State::Kept,
            ..Self::active(members)
        }
    }

    /// A generation that is to be active soon.
    pub fn staged(members: &[u16]) -> Self {
        Version {
            state: State::Staged,
            ..Self::active(members)
        }
    }
}

/// Few buckets, so that all servers share some.
const BUCKETS: u32 = 251;

/// How many servers the world knows at most.
pub const SERVERS: u16 = 20;

/// The tables of a history, oldest generation first. Server `n` has number `n - 1`.
pub fn tables(choices: usize, history: &[Version]) -> VipTables {
    let names: Vec<String> = (1..=SERVERS).map(|n| format!("s{n}")).collect();
    let history: Vec<Generation> = (1..)
        .zip(history)
        .map(|(number, version)| Generation {
            number,
            state: version.state,
            members: version
                .members
                .iter()
                .map(|&n| Member {
                    server: n - 1,
                    weight: 1,
                    draining: version.draining.contains(&n),
                })
                .collect(),
        })
        .collect();
    let recipe = Recipe::new(ClusterKey::from([7; 16]), BUCKETS, choices).expect("a prime");
    VipTables::build(&recipe, &names, &history, true).expect("a history")
}

/// The pool of an LB.
pub fn pool(choices: usize, history: &[Version]) -> Pool {
    let servers = (1..=SERVERS)
        .map(|n| Server {
            name: format!("s{n}"),
            locator: server(n),
            listed: true,
        })
        .collect();
    let vip = Vip {
        name: "web".into(),
        address: VIP,
        tables: tables(choices, history),
    };
    Pool::new(vec![vip], servers)
}
