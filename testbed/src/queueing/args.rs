//! `srlb-testbed simulate` on the command line.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use daemon::exit::UsageError;
use srlb_server::policy::Accept;

use super::scenario::{Balancing, Discipline, Hunt, Network, Scenario, ServerSpec};
use super::service::ServiceTime;
use super::trace::Trace;
use super::workload::{Arrivals, Services};
use crate::settings::{Encoding, Policy};

/// What to simulate.
#[derive(Args, Clone, Debug)]
pub struct SimulateArgs {
    /// How flows find their servers: candidates and a policy (median, dynamic, static:C, always, never), sc (single choice, Maglev), or
    /// what an LB picks: round-robin, least-connections, weighted-round-robin (with feedback every 200 ms)
    #[arg(long, default_value = "median")]
    pub balancing: Name,
    /// Candidates of a new flow, where there is a policy
    #[arg(long, default_value_t = 2, allow_negative_numbers = true)]
    pub choices: usize,
    /// Do not count accepted flows that no worker has picked up yet (the paper's plain policy)
    #[arg(long)]
    pub no_pending: bool,
    /// Load balancers
    #[arg(long, default_value_t = 2, allow_negative_numbers = true)]
    pub lbs: u16,
    /// Servers
    #[arg(long, default_value_t = 48, allow_negative_numbers = true)]
    pub servers: usize,
    /// Cores of a server
    #[arg(long, default_value_t = 2, allow_negative_numbers = true)]
    pub cores: u32,
    /// Workers of a server
    #[arg(long, default_value_t = 32, allow_negative_numbers = true)]
    pub workers: u32,
    /// Connections that wait for a worker of a server
    #[arg(long, default_value_t = 128, allow_negative_numbers = true)]
    pub backlog: usize,
    /// How cores are shared
    #[arg(long, value_enum, default_value_t = Sharing::Ps)]
    pub discipline: Sharing,
    /// Buckets of the candidate table
    #[arg(long, default_value_t = 65_536, allow_negative_numbers = true)]
    pub buckets: u32,
    /// How functions ride on packets
    #[arg(long, value_enum, default_value_t = Encoding::Encap)]
    pub encoding: Encoding,
    /// Load of the cores, below 1
    #[arg(long, default_value_t = 0.87, allow_negative_numbers = true)]
    pub load: f64,
    /// Allow a load of 1 and more: queues then grow as long as queries come, and so do the response times
    #[arg(long)]
    pub overload: bool,
    /// How many queries
    #[arg(long, default_value_t = 80_000, allow_negative_numbers = true)]
    pub queries: u64,
    /// Mean service time
    #[arg(long, default_value_t = 190.0, allow_negative_numbers = true)]
    pub service_mean_ms: f64,
    /// Distribution of service times: exponential, constant or lognormal:SIGMA
    #[arg(long, default_value = "exponential")]
    pub service: Service,
    /// Take the queries from this file instead: CSV with the columns at_s, and service_ms, class (wiki or static) or url; or
    /// WikiBench's format. Where it has no service times, wiki pages get the above and static pages 1 ms
    #[arg(long, value_name = "FILE", conflicts_with_all = ["load", "queries"])]
    pub trace: Option<PathBuf>,
    /// So many of the first queries do not count
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub warm_up: u64,
    /// One way between clients and the data centre
    #[arg(long, default_value_t = 100, allow_negative_numbers = true)]
    pub wan_us: u64,
    /// One way between any two of LBs and servers
    #[arg(long, default_value_t = 100, allow_negative_numbers = true)]
    pub fabric_us: u64,
    /// The same seed gives the same outcome
    #[arg(long, default_value_t = 1, allow_negative_numbers = true)]
    pub seed: u64,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// How flows find their servers, by name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Name {
    /// Hunting.
    Hunt(Policy),
    /// Nobody is asked.
    Picked(Balancing),
}

impl std::str::FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "sc" => Ok(Name::Picked(Balancing::SINGLE_CHOICE)),
            "round-robin" => Ok(Name::Picked(Balancing::RoundRobin)),
            "least-connections" => Ok(Name::Picked(Balancing::LeastConnections)),
            "weighted-round-robin" => Ok(Name::Picked(Balancing::WITH_FEEDBACK)),
            _ => match text.parse() {
                Ok(policy) => Ok(Name::Hunt(policy)),
                Err(error) => Err(format!(
                    "{error}; else it is sc, round-robin, least-connections or weighted-round-robin"
                )),
            },
        }
    }
}

/// How cores are shared, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sharing {
    /// Processor sharing, as an operating system does it.
    Ps,
    /// One query a core, first in, first out.
    Fifo,
}

/// A distribution of service times, without its mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Service {
    /// Exponential.
    Exponential,
    /// All the same.
    Constant,
    /// Log-normal, with this deviation of the logarithm.
    LogNormal(f64),
}

impl std::str::FromStr for Service {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "exponential" => Ok(Service::Exponential),
            None if text == "constant" => Ok(Service::Constant),
            Some(("lognormal", sigma)) => match sigma.parse() {
                Ok(sigma) if (0.0..=10.0).contains(&sigma) => Ok(Service::LogNormal(sigma)),
                _ => Err(format!("\"{sigma}\" is no deviation from 0 to 10")),
            },
            _ => Err("expected exponential, constant or lognormal:SIGMA".to_owned()),
        }
    }
}

impl Service {
    fn with_mean(self, mean_s: f64) -> ServiceTime {
        match self {
            Service::Exponential => ServiceTime::Exponential { mean_s },
            Service::Constant => ServiceTime::Constant { mean_s },
            Service::LogNormal(sigma) => ServiceTime::LogNormal {
                median_s: mean_s / (sigma * sigma / 2.0).exp(),
                sigma,
            },
        }
    }
}

/// What a static page takes: "of the order of a millisecond" (section VI-C3).
pub const STATIC: ServiceTime = ServiceTime::Exponential { mean_s: 0.001 };

/// Offers in the window of a policy that learns: the paper's number, and ours.
const WINDOW: u32 = 50;

/// A policy as the engine knows it, with the defaults of a server of so many cores.
pub fn accept(policy: Policy, cores: u32) -> Accept {
    match policy {
        Policy::Median => Accept::Median {
            window: WINDOW,
            least: cores,
        },
        Policy::Dynamic => Accept::Dynamic {
            window: WINDOW,
            epsilon: 0.1,
        },
        Policy::Static(c) => Accept::Static { c: c.into() },
        Policy::Always => Accept::Always,
        Policy::Never => Accept::Never,
    }
}

fn check(what: &str, number: f64) -> Result<(), UsageError> {
    match number.is_finite() && number > 0.0 {
        true => Ok(()),
        false => Err(UsageError(format!(
            "{what} = {number}: expected a number above 0"
        ))),
    }
}

impl SimulateArgs {
    /// The scenario that these arguments mean. `on_read` hears how far a trace was checked, in bytes, and says whether to go on.
    ///
    /// # Errors
    ///
    /// Where the trace can't be used.
    pub fn scenario(&self, on_read: &mut dyn FnMut(u64) -> bool) -> Result<Scenario> {
        let server = ServerSpec {
            cores: self.cores,
            workers: self.workers,
            backlog: self.backlog,
            weight: 1,
            accept: None,
        };
        Ok(Scenario {
            seed: self.seed,
            lbs: self.lbs,
            servers: vec![server; self.servers],
            discipline: match self.discipline {
                Sharing::Ps => Discipline::ProcessorSharing,
                Sharing::Fifo => Discipline::Fifo,
            },
            balancing: self.balancing(),
            buckets: self.buckets,
            encoding: match self.encoding {
                Encoding::Encap => srh::Encoding::Encap,
                Encoding::Insert => srh::Encoding::Insert,
            },
            network: Network {
                wan_us: self.wan_us,
                fabric_us: self.fabric_us,
            },
            arrivals: self.arrivals(on_read)?,
            counts_backlog: false,
            warm_up: self.warm_up,
            sample_us: 0,
        })
    }

    fn balancing(&self) -> Balancing {
        match self.balancing {
            Name::Picked(balancing) => balancing,
            Name::Hunt(policy) => Balancing::Hunt(Hunt {
                choices: self.choices,
                accept: accept(policy, self.cores),
                pending: !self.no_pending,
            }),
        }
    }

    fn arrivals(&self, on_read: &mut dyn FnMut(u64) -> bool) -> Result<Arrivals> {
        check("load", self.load)?;
        if self.load >= 1.0 && !self.overload {
            return Err(UsageError(format!(
                "load = {}: expected a number below 1, where there is a steady state; --overload allows it",
                self.load
            ))
            .into());
        }
        check("service-mean-ms", self.service_mean_ms)?;
        let service = self.service.with_mean(self.service_mean_ms / 1e3);
        if let Some(path) = &self.trace {
            let services = Services {
                wiki: service,
                fixed: STATIC,
            };
            return Ok(Arrivals::File(Trace::check(path, services, on_read)?));
        }
        let cores = f64::from(self.cores) * self.servers as f64;
        Ok(Arrivals::Poisson {
            rate_qps: self.load * cores / service.mean_s(),
            queries: self.queries,
            service,
        })
    }
}
