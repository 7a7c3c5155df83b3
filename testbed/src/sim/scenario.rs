//! A world as data: who is there, who talks to whom, and what goes wrong when.
//!
//! LBs, servers and clients have numbers from 1, as everywhere in the testbed: LB `n` is `lbs[n - 1]`.
//! Times are virtual: milliseconds since the start.

use consistent_hash::State;
use srh::Encoding;
use srlb_server::policy::Accept;

use super::dialogue::ConnectionSpec;

/// Everything that makes a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Every random draw inside the run comes from it.
    pub seed: u64,
    /// How the LBs address servers.
    pub encoding: Encoding,
    /// Are functions signed (HMAC TLV)?
    pub hmac: bool,
    /// Candidates of a new flow.
    pub choices: usize,
    /// Buckets of the candidate tables, a prime.
    pub buckets: u32,
    /// The LBs.
    pub lbs: Vec<LbSpec>,
    /// The servers, those that join later included.
    pub servers: Vec<ServerSpec>,
    /// The pool at the start, oldest generation first; the same on every LB.
    pub history: Vec<PoolVersion>,
    /// Does that history reach back as far as any flow does? Without it nobody has the last word.
    pub complete_history: bool,
    /// How long the edge goes on sending to an LB that was killed.
    pub withdraw_ms: u32,
    /// The network.
    pub links: Links,
    /// What clients do.
    pub connections: Vec<ConnectionSpec>,
    /// What goes wrong, or is changed by an operator.
    pub faults: Vec<Fault>,
    /// From here on the links lose, repeat and reorder nothing, so that everything that can end ends.
    pub calm_ms: u64,
}

/// A host's clock. It shows `offset_ms` at the start, and runs `drift_ppm` too fast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// What it shows at the start.
    pub offset_ms: u64,
    /// How much too fast it runs, in millionths; below zero: too slow.
    pub drift_ppm: i32,
}

/// An LB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LbSpec {
    /// Its clock.
    pub clock: Clock,
    /// Flows that its table is made for.
    pub max_flows: usize,
    /// How long a pinned flow may be silent.
    pub idle_timeout_ms: u32,
    /// Does it run at the start?
    pub starts_up: bool,
}

/// A server: router, kernel and application.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServerSpec {
    /// Its clock.
    pub clock: Clock,
    /// Connections that the application serves at a time; further ones wait in the accept queue.
    pub workers: u32,
    /// When to take flows that may be refused.
    pub accept: Accept,
    /// Do flows that no worker has picked up yet count as busy?
    pub pending: bool,
    /// Flows that the router's table is made for.
    pub max_flows: usize,
    /// Connections that may wait for a worker. When that many wait, the kernel drops SYNs.
    pub backlog: u32,
    /// Half-open connections above which the kernel answers SYNs by cookies and keeps nothing.
    pub syn_backlog: u32,
    /// Does the machine run at the start?
    pub starts_up: bool,
}

/// One generation of the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolVersion {
    /// What it is used for at the start.
    pub state: State,
    /// Numbers of the servers that belong to it, draining ones included.
    pub members: Vec<u16>,
    /// Those of them that get no new flows.
    pub draining: Vec<u16>,
}

/// A new generation on its way to the LBs: first staged everywhere, then activated.
///
/// An LB that is down gets the file all the same and reads it when it starts. A change that comes
/// while another one is under way waits for its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolChange {
    /// Numbers of the servers that belong to the new generation, draining ones included.
    pub members: Vec<u16>,
    /// Those of them that get no new flows.
    pub draining: Vec<u16>,
    /// For each LB, how long the staged file takes to it. An LB that has no number here takes the
    /// last one given, or none.
    pub stage_ms: Vec<u32>,
    /// The same for the file that activates it, counted from when all have staged it.
    pub activate_ms: Vec<u32>,
}

/// What packets meet on their way, drawn for each packet on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The shortest time a packet takes.
    pub delay_min_us: u32,
    /// The longest, if it isn't held up.
    pub delay_max_us: u32,
    /// How many of a million get lost.
    pub loss_ppm: u32,
    /// How many of a million arrive twice.
    pub duplicate_ppm: u32,
    /// How many of a million are held up, and so overtaken by others.
    pub reorder_ppm: u32,
    /// By how much at most.
    pub reorder_us: u32,
}

/// The network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Links {
    /// Between clients and the edge router.
    pub wan: Link,
    /// Between edge, LBs and servers.
    pub fabric: Link,
}

/// Something that happens to the world.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// When.
    pub at_ms: u64,
    /// What.
    pub what: What,
}

/// What can happen. Numbers that do not exist, and states that are so already, change nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The edge hashes flows to LBs anew.
    EdgeRehash {
        /// Goes into its hash.
        salt: u64,
    },
    /// The edge changes between its hash and another one, several times.
    EdgeFlap {
        /// The other hash.
        salt: u64,
        /// Time between two changes.
        every_ms: u32,
        /// How many changes.
        times: u32,
    },
    /// An LB's machine dies. The edge finds out after [`Scenario::withdraw_ms`].
    LbKill {
        /// Its number.
        lb: u16,
    },
    /// An LB is withdrawn from the edge, forwards what still comes for a while, and exits.
    LbStop {
        /// Its number.
        lb: u16,
        /// For how long it still forwards.
        forwards_ms: u32,
    },
    /// An LB starts, with an empty table and the pool's file that it has; the edge uses it at once.
    LbStart {
        /// Its number.
        lb: u16,
    },
    /// The pool gets a new generation.
    Pool(PoolChange),
    /// A server's machine dies without a word.
    ServerKill {
        /// Its number.
        server: u16,
    },
    /// It is switched on again: no sockets, an application that listens.
    ServerStart {
        /// Its number.
        server: u16,
    },
    /// The router on a server ends, and a new one starts. The kernel and the application go on.
    RouterRestart {
        /// Its number.
        server: u16,
        /// How long there is none.
        gap_ms: u32,
    },
    /// The application stops gracefully: it closes its listeners and serves what it has.
    AppDown {
        /// Its number.
        server: u16,
    },
    /// The application listens again.
    AppUp {
        /// Its number.
        server: u16,
    },
    /// The application is killed: the kernel resets its connections. It stays down until
    /// [`What::AppUp`].
    AppKill {
        /// Its number.
        server: u16,
    },
    /// Packets get lost on all links for a while, on top of what gets lost anyway.
    Burst {
        /// How long.
        for_ms: u32,
        /// How many of a million.
        loss_ppm: u32,
    },
}

impl Clock {
    /// What it shows `micros` microseconds after the start, in microseconds.
    pub fn micros(self, micros: u64) -> u64 {
        let drift = i128::from(micros) * i128::from(self.drift_ppm) / 1_000_000;
        let shown = i128::from(self.offset_ms) * 1_000 + i128::from(micros) + drift;
        u64::try_from(shown).unwrap_or(0)
    }
}

impl Default for LbSpec {
    fn default() -> Self {
        LbSpec {
            clock: Clock::default(),
            max_flows: 256,
            idle_timeout_ms: 3_600_000,
            starts_up: true,
        }
    }
}

impl Default for ServerSpec {
    fn default() -> Self {
        ServerSpec {
            clock: Clock::default(),
            workers: 1_000,
            accept: Accept::Always,
            pending: false,
            max_flows: 256,
            backlog: 128,
            syn_backlog: 128,
            starts_up: true,
        }
    }
}

impl PoolVersion {
    /// The active generation.
    pub fn active(members: &[u16]) -> Self {
        PoolVersion {
            state: State::Active,
            members: members.to_vec(),
            draining: Vec::new(),
        }
    }

    /// A generation that was active.
    pub fn kept(members: &[u16]) -> Self {
        PoolVersion {
            state: State::Kept,
            ..Self::active(members)
        }
    }
}

impl PoolChange {
    /// These servers; every LB has each file at once.
    pub fn to(members: &[u16]) -> Self {
        PoolChange {
            members: members.to_vec(),
            draining: Vec::new(),
            stage_ms: Vec::new(),
            activate_ms: Vec::new(),
        }
    }

    /// The same, some of which drain.
    pub fn draining(mut self, servers: &[u16]) -> Self {
        self.draining = servers.to_vec();
        self
    }
}

impl Link {
    /// A link that takes `delay_us` and does nothing else.
    pub const fn quiet(delay_us: u32) -> Self {
        Link {
            delay_min_us: delay_us,
            delay_max_us: delay_us,
            loss_ppm: 0,
            duplicate_ppm: 0,
            reorder_ppm: 0,
            reorder_us: 0,
        }
    }
}

impl Scenario {
    /// A world in which nothing goes wrong: LBs and servers as they come, one generation, no
    /// connection yet.
    pub fn quiet(lbs: u16, servers: u16) -> Self {
        let members: Vec<u16> = (1..=servers).collect();
        Scenario {
            seed: 1,
            encoding: Encoding::Encap,
            hmac: false,
            choices: 2,
            buckets: 251,
            lbs: vec![LbSpec::default(); lbs.into()],
            servers: vec![ServerSpec::default(); servers.into()],
            history: vec![PoolVersion::active(&members)],
            complete_history: true,
            withdraw_ms: 100,
            links: Links {
                wan: Link::quiet(5_000),
                fabric: Link::quiet(100),
            },
            connections: Vec::new(),
            faults: Vec::new(),
            calm_ms: 0,
        }
    }

    /// Adds a connection.
    pub fn connect(&mut self, connection: ConnectionSpec) -> &mut Self {
        self.connections.push(connection);
        self
    }

    /// Adds something that happens.
    pub fn at(&mut self, at_ms: u64, what: What) -> &mut Self {
        self.faults.push(Fault { at_ms, what });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_and_drifts() {
        let at = |offset_ms, drift_ppm, micros| {
            Clock {
                offset_ms,
                drift_ppm,
            }
            .micros(micros)
        };
        assert_eq!(at(0, 0, 77), 77);
        assert_eq!(at(5, 0, 77), 5_077);
        assert_eq!(at(0, 100, 10_000_000), 10_001_000);
        assert_eq!(at(0, -100, 10_000_000), 9_999_000);
        assert_eq!(at(0, -2_000_000, 5), 0, "never before its zero");
    }
}
