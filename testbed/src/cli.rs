//! The command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::bench::BenchArgs;
use crate::hmac::FIRST_KEY;
use crate::model::ModelArgs;
use crate::plan::{parse_name, Node, Plan, MAX_LBS, MAX_SERVERS};
use crate::queueing::SimulateArgs;
use crate::reproduce::ReproduceArgs;
use crate::settings::{Encoding, Policy, Settings, Tables};
use crate::swarm::SwarmArgs;

/// A cluster in network namespaces: clients, an ECMP edge router, load balancers, and
/// servers with a real Apache each.
#[derive(Debug, Parser)]
#[command(name = "srlb-testbed", version)]
pub struct Cli {
    /// The testbed's name: prefix of its namespaces and of its folder in /run.
    #[arg(long, global = true, default_value = "srlb", value_parser = parse_name)]
    pub name: String,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build a testbed and leave it running
    Up(UpArgs),
    /// Take it down, or what is left of it, and of any `bench veth` that was killed
    Down,
    /// Run a command on a node
    Exec(ExecArgs),
    /// Show what is up
    Status(StatusArgs),
    /// The same load against single choice, 6LB, and 6LB while parts are taken away
    Demo(DemoArgs),
    /// What is lost when LBs, servers, routers and Apaches go under load: exit code 0 if nothing
    Failover(FailoverArgs),
    /// Send a Poisson stream of requests (inside the client: `exec client srlb-testbed load`)
    Load(LoadArgs),
    /// Keep connections of several classes going, every byte checked (inside the client, against `up --long-lived`)
    Traffic(TrafficArgs),
    /// SYN and ACK floods from spoofed sources beside legitimate connections: exit code 0 if these notice nothing
    Hostile(HostileArgs),
    /// Send packets from sources that nobody has
    #[command(hide = true)]
    Flood(FloodArgs),
    /// What the paper's analytic model says about a load and a threshold
    Model(ModelArgs),
    /// Queries against the real engines in virtual time: response times of a policy at a load
    Simulate(SimulateArgs),
    /// The paper's figures again, beside what it says
    Reproduce(ReproduceArgs),
    /// Many worlds in virtual time, each made from a seed: do they keep every promise?
    Swarm(SwarmArgs),
    /// What a packet costs the load balancer's engine, and what its tables cost to build
    Bench(BenchArgs),
    /// Keep legitimate connections going beside a flood
    #[command(hide = true)]
    Legit(LegitArgs),
    /// Emulate a server's cores behind a Unix socket
    #[command(hide = true)]
    Cores(CoresArgs),
    /// Make and check the bodies of `traffic` behind a Unix socket
    #[command(hide = true)]
    TrafficBackend(TrafficBackendArgs),
}

/// A positive number.
fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err("a number above 0 is needed".to_owned()),
    }
}

/// The shape of a testbed.
#[derive(Args, Clone, Debug)]
pub struct UpArgs {
    /// Load balancers
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_LBS)))]
    pub lbs: u16,
    /// Servers
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_SERVERS)))]
    pub servers: u16,
    /// How functions ride on packets
    #[arg(long, value_enum, default_value_t = Encoding::Encap)]
    pub encoding: Encoding,
    /// Candidates of a new flow; 1 is Maglev
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub choices: u8,
    /// When a server takes a flow: median, dynamic, static:C, always or never
    #[arg(long, default_value = "median")]
    pub policy: Policy,
    /// Do not count accepted flows that no worker has picked up yet (the paper's plain policy)
    #[arg(long)]
    pub no_pending: bool,
    /// Mean service time of a job that names none, exponential
    #[arg(long, default_value = "50", value_parser = positive)]
    pub service_mean_ms: f64,
    /// MTU of the fabric
    #[arg(long, default_value_t = 1500, value_parser = clap::value_parser!(u16).range(1280..=9000))]
    pub fabric_mtu_bytes: u16,
    /// Network, Apache and configuration files only: start the daemons yourself with `exec`
    #[arg(long)]
    pub bare: bool,
    /// Apaches for connections that last, as `traffic` makes them: event MPM, hundreds of workers, keep-alive
    #[arg(long)]
    pub long_lived: bool,
    /// Sign everything between LBs and servers with an HMAC
    #[arg(long)]
    pub hmac: bool,
}

/// The keys of a testbed that signs, or doesn't.
fn keys(signs: bool) -> Vec<u32> {
    Vec::from_iter(signs.then_some(FIRST_KEY))
}

impl UpArgs {
    /// The settings that these arguments mean.
    pub fn settings(&self, name: &str) -> Settings {
        Settings {
            plan: Plan {
                name: name.to_owned(),
                lbs: self.lbs,
                servers: self.servers,
            },
            encoding: self.encoding,
            choices: self.choices,
            policy: self.policy,
            pending: !self.no_pending,
            service_mean_ms: self.service_mean_ms,
            fabric_mtu_bytes: self.fabric_mtu_bytes,
            tables: Tables::default(),
            bare: self.bare,
            long_lived: self.long_lived,
            hmac: keys(self.hmac),
        }
    }
}

/// What to run where.
#[derive(Args, Debug)]
pub struct ExecArgs {
    /// client, edge, fabric, lb1.., s1..
    pub node: Node,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

/// What the demo is to show.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// Load balancers
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(2..=i64::from(MAX_LBS)))]
    pub lbs: u16,
    /// Servers
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(2..=i64::from(MAX_SERVERS)))]
    pub servers: u16,
    /// How functions ride on packets
    #[arg(long, value_enum, default_value_t = Encoding::Encap)]
    pub encoding: Encoding,
    /// Sign everything between LBs and servers with an HMAC
    #[arg(long)]
    pub hmac: bool,
    /// Mean service time, exponential; the rate follows from it
    #[arg(long, default_value = "50", value_parser = positive)]
    pub service_mean_ms: f64,
    /// Length of each of the three stages
    #[arg(long, default_value = "40", value_parser = demo_seconds)]
    pub seconds: f64,
    /// The same seed gives the same arrivals and jobs, in every stage
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// Keep every request's record in this folder, one JSON object a line
    #[arg(long)]
    pub records: Option<PathBuf>,
    /// Draw the response times of all stages into this file
    #[arg(long)]
    pub svg: Option<PathBuf>,
}

/// A stage must hold what happens in it.
fn demo_seconds(text: &str) -> Result<f64, String> {
    match positive(text)? {
        seconds if seconds >= 10.0 => Ok(seconds),
        _ => Err("a stage needs at least 10 seconds".to_owned()),
    }
}

impl DemoArgs {
    /// The settings that these arguments mean.
    pub fn settings(&self, name: &str) -> Settings {
        Settings {
            plan: Plan {
                name: name.to_owned(),
                lbs: self.lbs,
                servers: self.servers,
            },
            encoding: self.encoding,
            choices: 2,
            policy: Policy::Median,
            pending: true,
            service_mean_ms: self.service_mean_ms,
            fabric_mtu_bytes: 1500,
            tables: Tables::default(),
            bare: false,
            long_lived: false,
            hmac: keys(self.hmac),
        }
    }
}

/// Which scenarios of failover to play.
#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true))]
pub struct FailoverArgs {
    /// Scenarios by name
    #[arg(group = "which")]
    pub scenarios: Vec<String>,
    /// All of them: about 17 minutes
    #[arg(long, group = "which")]
    pub all: bool,
    /// Sign everything between LBs and servers with an HMAC
    #[arg(long)]
    pub hmac: bool,
    /// A selection for CI: a minute and a half
    #[arg(long, group = "which")]
    pub quick: bool,
    /// Name the scenarios and play none
    #[arg(long, group = "which")]
    pub list: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// Write a report with plots into this folder
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Keep every connection's record in this folder, one JSON object a line
    #[arg(long, value_name = "DIR")]
    pub records: Option<PathBuf>,
    /// The same seed gives the same requests
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// How to show the status.
#[derive(Args, Debug)]
pub struct StatusArgs {
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// What load to send.
#[derive(Args, Clone, Debug)]
pub struct LoadArgs {
    /// Whom to ask
    #[arg(long, default_value_t = crate::plan::default_target())]
    pub target: SocketAddr,
    /// Requests per second on average
    #[arg(long, default_value = "272", value_parser = positive)]
    pub rate: f64,
    /// Send this many requests
    #[arg(long, conflicts_with = "seconds")]
    pub requests: Option<u64>,
    /// Send for this long (10 if neither is given)
    #[arg(long, value_parser = positive)]
    pub seconds: Option<f64>,
    /// The same seed gives the same arrivals and jobs
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Mean service time, exponential
    #[arg(long, default_value = "50", value_parser = positive)]
    pub service_mean_ms: f64,
    /// Give a request up after this long
    #[arg(long, default_value = "15", value_parser = positive)]
    pub timeout_s: f64,
    /// Sources, and what is told
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Where a client's connections come from, and what is told of them.
#[derive(Args, Clone, Debug)]
pub struct ClientArgs {
    /// Source addresses, or "any" to let the kernel choose [default: the client's 16]
    #[arg(long, value_delimiter = ',', value_parser = parse_source)]
    pub sources: Option<Vec<Option<IpAddr>>>,
    /// Where in the rotation of source addresses and ports to begin
    #[arg(long, default_value_t = 0)]
    pub first_source: u64,
    /// Write a record of each there, one JSON object a line
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
    /// Tell progress as lines of JSON on standard output instead of a bar
    #[arg(long, hide = true)]
    pub progress_json: bool,
}

/// A source address; "any" is none in particular.
fn parse_source(text: &str) -> Result<Option<IpAddr>, String> {
    match text {
        "any" => Ok(None),
        _ => text
            .parse()
            .map(Some)
            .map_err(|_| "neither an address nor \"any\"".into()),
    }
}

/// What traffic to keep going.
#[derive(Args, Clone, Debug)]
pub struct TrafficArgs {
    /// Whom to connect to
    #[arg(long, default_value_t = crate::plan::default_target())]
    pub vip: SocketAddr,
    /// New work begins for this long
    #[arg(long, default_value = "60", value_parser = positive)]
    pub seconds: f64,
    /// Downloads at any time
    #[arg(long, default_value_t = 20)]
    pub downloads: usize,
    /// Uploads at any time
    #[arg(long, default_value_t = 20)]
    pub uploads: usize,
    /// Connections with a request every now and then
    #[arg(long, default_value_t = 100)]
    pub keep_alive: usize,
    /// Connections on which the server says something every so often
    #[arg(long, default_value_t = 50)]
    pub push: usize,
    /// Connections that are silent between two requests for --idle-pause-s
    #[arg(long, default_value_t = 50)]
    pub idle: usize,
    /// Short requests a second on average, Poisson; 0 for none
    #[arg(long, default_value = "20", value_parser = not_negative)]
    pub short_rate: f64,
    /// How long a download or an upload lasts: SHORTEST,LONGEST
    #[arg(long, default_value = "20,60", value_parser = seconds_range)]
    pub transfer_s: (f64, f64),
    /// How fast it goes
    #[arg(long, default_value = "65536", value_parser = positive)]
    pub transfer_bytes_per_s: f64,
    /// Silence between two requests of a keep-alive connection: SHORTEST,LONGEST
    #[arg(long, default_value = "0.1,2", value_parser = seconds_range)]
    pub keep_alive_pause_s: (f64, f64),
    /// Time between two lines of a push
    #[arg(long, default_value = "0.5", value_parser = positive)]
    pub push_every_s: f64,
    /// Silence between two requests of an idle connection
    #[arg(long, default_value = "60", value_parser = positive)]
    pub idle_pause_s: f64,
    /// The first connections are opened over this long
    #[arg(long, default_value = "2", value_parser = not_negative)]
    pub ramp_s: f64,
    /// What runs at the end may take this long to finish, unpaced
    #[arg(long, default_value = "20", value_parser = not_negative)]
    pub drain_s: f64,
    /// Give a connection up after this long without progress
    #[arg(long, default_value = "30", value_parser = positive)]
    pub timeout_s: f64,
    /// The same seed gives the same requests
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Sources, and what is told
    #[command(flatten)]
    pub client: ClientArgs,
}

/// 0 or a positive number.
fn not_negative(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("a number from 0 on is needed".to_owned()),
    }
}

/// Two positive numbers, the second not below the first.
fn seconds_range(text: &str) -> Result<(f64, f64), String> {
    let (low, high) = text.split_once(',').unwrap_or((text, text));
    match (positive(low)?, positive(high)?) {
        (low, high) if low <= high => Ok((low, high)),
        _ => Err("the shortest comes first".to_owned()),
    }
}

/// What stands behind one server's Apache.
#[derive(Args, Debug)]
pub struct TrafficBackendArgs {
    /// Where to listen
    #[arg(long)]
    pub socket: PathBuf,
}

/// One server's emulated cores.
#[derive(Args, Debug)]
pub struct CoresArgs {
    /// Where to listen
    #[arg(long)]
    pub socket: PathBuf,
    /// How many
    #[arg(long)]
    pub cores: usize,
    /// Mean service time of a job that names none
    #[arg(long, value_parser = positive)]
    pub service_mean_ms: f64,
}

/// What the floods are to meet.
#[derive(Args, Debug)]
pub struct HostileArgs {
    /// Load balancers
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_LBS)))]
    pub lbs: u16,
    /// Servers
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_SERVERS)))]
    pub servers: u16,
    /// How often each flood is measured, against the VIP and beside it
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Of what the floods are
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "syn,ack,syn-twice,ack-twice"
    )]
    pub floods: Vec<crate::hostile::Kind>,
    /// Length of each of a round's phases, of which each flood has two
    #[arg(long, default_value = "8", value_parser = positive)]
    pub seconds: f64,
    /// First packets of unknown clients a second over which an LB's guard sees a flood, and newcomers whom it lets in then, if not by
    /// default; 0: no guard
    #[arg(long)]
    pub strangers_pps: Option<u32>,
    /// Flows that each table is made for
    #[arg(long, default_value_t = 4_096)]
    pub flows: u32,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// Write a report with a plot into this folder
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
}

impl HostileArgs {
    /// The settings that these arguments mean.
    pub fn settings(&self, name: &str) -> Settings {
        Settings {
            plan: Plan {
                name: name.to_owned(),
                lbs: self.lbs,
                servers: self.servers,
            },
            encoding: Encoding::Encap,
            choices: self.servers.min(2) as u8,
            policy: Policy::Median,
            pending: true,
            service_mean_ms: 50.0,
            fabric_mtu_bytes: 1500,
            tables: Tables {
                lb_flows: Some(self.flows),
                server_flows: Some(self.flows),
                strangers_pps: self.strangers_pps,
                ..Tables::default()
            },
            bare: false,
            long_lived: false,
            hmac: Vec::new(),
        }
    }
}

/// Legitimate connections.
#[derive(Args, Debug)]
pub struct LegitArgs {
    /// New ones begin for this long
    #[arg(long, value_parser = positive)]
    pub seconds: f64,
    /// Clients that come again and again, at any time
    #[arg(long)]
    pub regulars: usize,
    /// Clients that nobody has seen, at any time
    #[arg(long)]
    pub newcomers: usize,
    /// Connections that are silent meanwhile
    #[arg(long)]
    pub held: usize,
    /// The first newcomer's number
    #[arg(long)]
    pub first_newcomer: u64,
    /// The other processes of the testbed
    #[arg(long, value_delimiter = ',')]
    pub pids: Vec<u32>,
    /// The processors that they have
    #[arg(long, value_delimiter = ',')]
    pub processors: Vec<usize>,
}

/// A flood.
#[derive(Args, Debug)]
pub struct FloodArgs {
    /// Of what
    #[arg(long, value_enum)]
    pub kind: crate::hostile::Kind,
    /// To whom
    #[arg(long)]
    pub target: std::net::Ipv6Addr,
    /// For how long
    #[arg(long, value_parser = positive)]
    pub seconds: f64,
    /// At most so many packets a second
    #[arg(long, value_parser = positive)]
    pub rate_pps: Option<f64>,
    /// The same seed gives the same packets
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The processor to do it on, if not any
    #[arg(long)]
    pub processor: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse("srlb-testbed up --policy static:4 --encoding insert").is_ok());
        assert!(parse("srlb-testbed exec client curl -6 -s x").is_ok());
        assert!(parse("srlb-testbed load --rate 0").is_err());
        assert!(parse("srlb-testbed traffic --transfer-s 2,5 --short-rate 0").is_ok());
        assert!(parse("srlb-testbed traffic --transfer-s 5,2").is_err());
        assert!(parse("srlb-testbed model --lambda 0.88 --c 64 --delay 0").is_ok());
        for wrong in [
            "--lambda 0",
            "--lambda 1",
            "--lambda NaN",
            "--lambda -0.5",
            "--lambda 0.5 --c 0",
            "--lambda 0.5 --c 65",
            "--lambda 0.5 --c -1",
            "--lambda 0.5 --delay -1",
            "--lambda 0.5 --delay inf",
            "--lambda 0.5 --percentile 100",
            "--lambda 0.5 --percentile nan",
        ] {
            let error = parse(&format!("srlb-testbed model {wrong}")).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{wrong}");
        }
        assert!(parse("srlb-testbed up --policy static").is_err());
        assert!(parse("srlb-testbed exec s0x ls").is_err());
        assert!(parse("srlb-testbed up --choices 9").is_err());
        assert!(parse("srlb-testbed --name ../x down").is_err());
    }
}
