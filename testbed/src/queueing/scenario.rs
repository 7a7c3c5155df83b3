//! What is to be simulated: plain data.

use std::fmt;

use consistent_hash::MAX_CHOICES;
use srh::Encoding;
use srlb_server::policy::Accept;

use super::workload::Arrivals;

/// Most servers: as many as have a number.
pub const MOST_SERVERS: usize = 65_535;
/// Most LBs.
pub const MOST_LBS: u16 = 256;
/// Most queries a second. More are a mistake.
const MOST_QPS: f64 = 1e9;
/// Longest mean service time: engines look at their timers ten times a second, whatever else happens.
const MOST_SERVICE_S: f64 = 1e4;
/// Longest way of a packet.
const MOST_DELAY_US: u64 = 60_000_000;

/// How a server's cores are shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discipline {
    /// One query a core, in the order in which they came.
    Fifo,
    /// All that have a worker at once, each with its share.
    ProcessorSharing,
}

/// A server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServerSpec {
    /// Cores.
    pub cores: u32,
    /// Workers: so many queries at a time, on a core or waiting for one.
    pub workers: u32,
    /// Connections that wait for a worker; one more is reset, as with `tcp_abort_on_overflow`.
    pub backlog: usize,
    /// Its share of the candidate table, relative to the others.
    pub weight: u32,
    /// Its own policy in place of the hunt's, if it has one.
    pub accept: Option<Accept>,
}

impl ServerSpec {
    /// The paper's (section VI-A): two cores, 32 workers, a backlog of 128.
    pub const PAPER: ServerSpec = ServerSpec {
        cores: 2,
        workers: 32,
        backlog: 128,
        weight: 1,
        accept: None,
    };
    /// The model's (section V-A): one core, and room for any number of queries.
    pub const MODEL: ServerSpec = ServerSpec {
        cores: 1,
        workers: u32::MAX,
        backlog: usize::MAX,
        weight: 1,
        accept: None,
    };
}

/// How a flow finds its server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Balancing {
    /// Candidates from the table, and the servers' own decision.
    Hunt(Hunt),
    /// Each LB goes round the servers.
    RoundRobin,
    /// Each LB takes the server to which it has the fewest open flows.
    LeastConnections,
    /// Each LB goes round in proportion to weights that follow from the servers' busy workers (the paper's
    /// footnote 7).
    WeightedRoundRobin {
        /// How often busy workers are asked for; nobody answers late.
        every_us: u64,
    },
}

/// Service hunting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hunt {
    /// Candidates of a flow; with one, this is Maglev.
    pub choices: usize,
    /// When a server takes a flow that it may refuse.
    pub accept: Accept,
    /// Do flows that no worker has picked up yet count as busy?
    pub pending: bool,
}

impl Hunt {
    /// One candidate: Maglev.
    pub const SINGLE_CHOICE: Hunt = Hunt {
        choices: 1,
        accept: Accept::Always,
        pending: false,
    };
}

impl Balancing {
    /// Single choice (SC).
    pub const SINGLE_CHOICE: Balancing = Balancing::Hunt(Hunt::SINGLE_CHOICE);
    /// Weighted round robin with feedback every 200 ms, as in the paper's section VI-B7.
    pub const WITH_FEEDBACK: Balancing = Balancing::WeightedRoundRobin { every_us: 200_000 };

    /// The hunt; where the LB picks the server, nobody is asked.
    pub fn hunt(&self) -> Hunt {
        match self {
            Balancing::Hunt(hunt) => *hunt,
            _ => Hunt::SINGLE_CHOICE,
        }
    }

    /// Two candidates and a policy, with `pending` as it is by default.
    pub const fn two_choices(accept: Accept) -> Balancing {
        Balancing::Hunt(Hunt {
            choices: 2,
            accept,
            pending: true,
        })
    }
}

/// How long packets take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Between clients and the data centre, one way.
    pub wan_us: u64,
    /// Between any two of LBs and servers.
    pub fabric_us: u64,
}

/// What is to be simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Everything random comes from here.
    pub seed: u64,
    /// LBs behind an ECMP edge.
    pub lbs: u16,
    /// The servers.
    pub servers: Vec<ServerSpec>,
    /// How their cores are shared.
    pub discipline: Discipline,
    /// How a flow finds its server.
    pub balancing: Balancing,
    /// Buckets of the candidate table: a prime or a power of two.
    pub buckets: u32,
    /// How functions ride on packets.
    pub encoding: Encoding,
    /// How long packets take.
    pub network: Network,
    /// The queries.
    pub arrivals: Arrivals,
    /// Does the router count connections that wait for a worker as busy ones? An Apache's scoreboard does not show them.
    pub counts_backlog: bool,
    /// So many of the first queries are not counted: the servers are idle at first.
    pub warm_up: u64,
    /// How often the servers' load is looked at; never if that is 0.
    pub sample_us: u64,
}

impl Scenario {
    /// The paper's testbed (section VI-A) with `servers` servers, and 100 us from node to node.
    pub fn paper(seed: u64, servers: usize, balancing: Balancing, arrivals: Arrivals) -> Scenario {
        Scenario {
            seed,
            lbs: 2,
            servers: vec![ServerSpec::PAPER; servers],
            discipline: Discipline::ProcessorSharing,
            balancing,
            buckets: 65_536,
            encoding: Encoding::Encap,
            network: Network {
                wan_us: 100,
                fabric_us: 100,
            },
            arrivals,
            counts_backlog: false,
            warm_up: 0,
            sample_us: 0,
        }
    }

    /// All cores together.
    pub fn cores(&self) -> u64 {
        self.servers.iter().map(|s| u64::from(s.cores)).sum()
    }

    /// What makes no sense about it, if anything.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let number = |what, got: u64, from, to| match (from..=to).contains(&got) {
            true => Ok(()),
            false => Err(ScenarioError(format!(
                "{what} = {got}: expected {from} to {to}"
            ))),
        };
        number("servers", self.servers.len() as u64, 1, MOST_SERVERS as u64)?;
        number("lbs", self.lbs.into(), 1, MOST_LBS.into())?;
        for server in &self.servers {
            number("cores", server.cores.into(), 1, u32::MAX.into())?;
            number("workers", server.workers.into(), 1, u32::MAX.into())?;
        }
        let hunt = self.balancing.hunt();
        number("choices", hunt.choices as u64, 1, MAX_CHOICES as u64)?;
        if let Accept::Static { c } = hunt.accept {
            // with 0 nobody takes a flow of his own will; that policy has a name, never
            number("c", c.into(), 1, u32::MAX.into())?;
        }
        for way_us in [self.network.wan_us, self.network.fabric_us] {
            number("microseconds of a packet's way", way_us, 0, MOST_DELAY_US)?;
        }
        if let Balancing::WeightedRoundRobin { every_us } = self.balancing {
            number(
                "microseconds from feedback to feedback",
                every_us,
                1,
                u64::MAX,
            )?;
        }
        let queries = self.arrivals.queries();
        number("queries", queries, 1, u64::MAX)?;
        if self.warm_up >= queries {
            return Err(ScenarioError(format!(
                "a warm-up of {}: expected less than all {queries} queries",
                self.warm_up
            )));
        }
        self.check_arrivals()
    }

    fn check_arrivals(&self) -> Result<(), ScenarioError> {
        let (rate_qps, service) = match &self.arrivals {
            Arrivals::Poisson {
                rate_qps, service, ..
            } => (rate_qps, service),
            Arrivals::Day(day) if !day.is_sound() => {
                let text = format!("{day:?}: expected a length, rates and service times above 0");
                return Err(ScenarioError(text));
            }
            _ => return Ok(()),
        };
        match service.is_sound() && service.mean_s() <= MOST_SERVICE_S {
            true => Ok(()),
            false => Err(ScenarioError(format!(
                "{service:?}: expected a mean above 0 and up to {MOST_SERVICE_S} s, and a deviation"
            ))),
        }?;
        match *rate_qps > 0.0 && *rate_qps <= MOST_QPS {
            true => Ok(()),
            false => Err(ScenarioError(format!(
                "rate = {rate_qps}: expected a number above 0, {MOST_QPS} at most"
            ))),
        }
    }
}

/// What makes no sense about a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioError(pub String);

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ScenarioError {}
