//! What the operator types.

mod pool;
mod show;

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use daemon::control::Client;
use daemon::say;
use daemon::trace::TraceFilter;
use serde_json::{json, Value};
use srlb_lb::config::{Settings, DEFAULT_SOCKET};

/// A layer-4 load balancer for IPv6 that lets the servers decide
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the load balancer in the foreground
    Run {
        /// The instance's configuration
        #[arg(long, default_value = "/etc/srlb/lb.toml")]
        config: PathBuf,
    },
    /// Look at lb.toml and the pool that it names; exit code 78 if anything is wrong
    CheckConfig {
        /// The instance's configuration
        #[arg(long, default_value = "/etc/srlb/lb.toml")]
        config: PathBuf,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show state, flows and every counter of the running load balancer
    Status {
        #[command(flatten)]
        at: At,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say where a flow goes, and why
    Explain {
        /// The client: address and port
        #[arg(long, num_args = 2, value_names = ["ADDR", "PORT"], required = true)]
        client: Vec<String>,
        /// The service: address and port
        #[arg(long, num_args = 2, value_names = ["ADDR", "PORT"], required = true)]
        vip: Vec<String>,
        #[command(flatten)]
        at: At,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what happens to packets, live
    Trace {
        /// Only this client: address, and port if given
        #[arg(long, num_args = 1..=2, value_names = ["ADDR", "PORT"])]
        client: Vec<String>,
        /// Only this service: address, and port if given
        #[arg(long, num_args = 1..=2, value_names = ["ADDR", "PORT"])]
        vip: Vec<String>,
        /// Stop after this many packets
        #[arg(long)]
        count: Option<u64>,
        #[command(flatten)]
        at: At,
        /// Print JSON, a line a packet
        #[arg(long)]
        json: bool,
    },
    /// Show or change the pool's file
    Pool(pool::Pool),
}

/// Which running load balancer is asked.
#[derive(Args)]
struct At {
    /// The control socket of the running load balancer
    #[arg(long)]
    control: Option<PathBuf>,
    /// Its configuration, to find the control socket by
    #[arg(long, conflicts_with = "control")]
    config: Option<PathBuf>,
}

impl At {
    fn connect(&self) -> anyhow::Result<Client> {
        let path = match (&self.control, &self.config) {
            (Some(path), _) => path.clone(),
            (None, Some(config)) => Settings::load(config)?.control_socket,
            (None, None) => PathBuf::from(DEFAULT_SOCKET),
        };
        Ok(Client::connect("srlb-lb", &path)?.greet()?)
    }
}

pub(crate) fn run() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Run { config } => srlb_lb::run::run(&config),
        Command::CheckConfig { config, json } => check_config(&config, json),
        Command::Status { at, json } => status(&at, json),
        Command::Explain {
            client,
            vip,
            at,
            json,
        } => explain(&client, &vip, &at, json),
        Command::Trace {
            client,
            vip,
            count,
            at,
            json,
        } => trace(&filter(&client, &vip, count)?, &at, json),
        Command::Pool(pool) => pool.run(),
    }
}

fn check_config(config: &Path, as_json: bool) -> anyhow::Result<()> {
    let settings = Settings::load(config)?;
    let (sizes, advice) = (settings.sizes(), settings.advice());
    if as_json {
        show::json(&json!({ "ok": true, "sizes": sizes, "advice": advice }))?;
        return Ok(());
    }
    say!("{}: fine", config.display());
    say!("{sizes}");
    for line in advice {
        say!("note: {line}");
    }
    Ok(())
}

fn status(at: &At, as_json: bool) -> anyhow::Result<()> {
    let status = at.connect()?.request(&json!({ "cmd": "status" }))?;
    if as_json {
        show::json(&status)?;
    } else {
        show::status(&status)?;
    }
    Ok(())
}

fn explain(client: &[String], vip: &[String], at: &At, as_json: bool) -> anyhow::Result<()> {
    let (client, client_port) = endpoint("--client", client)?;
    let (vip, vip_port) = endpoint("--vip", vip)?;
    let answer = at.connect()?.request(&json!({
        "cmd": "explain",
        "client": client,
        "client_port": client_port,
        "vip": vip,
        "vip_port": vip_port,
    }))?;
    if as_json {
        show::json(&answer)?;
    } else {
        show::explanation(&answer)?;
    }
    Ok(())
}

fn trace(filter: &TraceFilter, at: &At, as_json: bool) -> anyhow::Result<()> {
    let mut request = serde_json::to_value(filter)?;
    request["cmd"] = Value::from("trace");
    for line in at.connect()?.stream(&request)? {
        let line = line?;
        if as_json {
            say!("{line}");
        } else {
            show::traced(&line)?;
        }
    }
    Ok(())
}

fn filter(client: &[String], vip: &[String], count: Option<u64>) -> anyhow::Result<TraceFilter> {
    let mut filter = TraceFilter {
        count,
        ..TraceFilter::default()
    };
    if let Some(addr) = client.first() {
        filter.client = Some(address("--client", addr)?);
        filter.client_port = client.get(1).map(|p| port("--client", p)).transpose()?;
    }
    if let Some(addr) = vip.first() {
        filter.vip = Some(address("--vip", addr)?);
        filter.vip_port = vip.get(1).map(|p| port("--vip", p)).transpose()?;
    }
    Ok(filter)
}

fn endpoint(option: &str, words: &[String]) -> anyhow::Result<(Ipv6Addr, u16)> {
    let [addr, number] = words else {
        return Err(usage(format!("{option} takes an address and a port")));
    };
    Ok((address(option, addr)?, port(option, number)?))
}

fn address(option: &str, text: &str) -> anyhow::Result<Ipv6Addr> {
    text.parse()
        .map_err(|_| usage(format!("{option}: \"{text}\" is not an IPv6 address")))
}

fn port(option: &str, text: &str) -> anyhow::Result<u16> {
    text.parse().map_err(|_| {
        usage(format!(
            "{option}: \"{text}\" is not a port from 0 to 65535"
        ))
    })
}

fn usage(text: String) -> anyhow::Error {
    daemon::exit::UsageError(text).into()
}
