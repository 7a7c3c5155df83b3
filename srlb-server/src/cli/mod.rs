//! What the operator types.

mod board;
mod show;

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use daemon::control::Client;
use daemon::say;
use daemon::trace::TraceFilter;
use serde_json::{json, Value};
use srlb_server::config::{Settings, DEFAULT_SOCKET};

/// The virtual router on a server: takes the flows that the application has room for
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server router in the foreground
    Run {
        /// The instance's configuration
        #[arg(long, default_value = "/etc/srlb/server.toml")]
        config: PathBuf,
    },
    /// Look at server.toml; exit code 78 if anything is wrong
    CheckConfig {
        /// The instance's configuration
        #[arg(long, default_value = "/etc/srlb/server.toml")]
        config: PathBuf,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show state, flows, the policy and every counter of the running server router
    Status {
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
    /// Show Apache's scoreboard
    Probe(board::Probe),
}

/// Which running server router is asked.
#[derive(Args)]
struct At {
    /// The control socket of the running server router
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
        Ok(Client::connect("srlb-server", &path)?.greet()?)
    }
}

pub(crate) fn run() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Run { config } => srlb_server::run::run(&config),
        Command::CheckConfig { config, json } => check_config(&config, json),
        Command::Status { at, json } => status(&at, json),
        Command::Trace {
            client,
            vip,
            count,
            at,
            json,
        } => trace(&filter(&client, &vip, count)?, &at, json),
        Command::Probe(probe) => probe.run(),
    }
}

fn check_config(config: &Path, as_json: bool) -> anyhow::Result<()> {
    let settings = Settings::load(config)?;
    let (sizes, advice) = (settings.sizes(), settings.advice());
    if as_json {
        say!(
            "{:#}",
            json!({ "ok": true, "sizes": sizes, "advice": advice })
        );
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
        say!("{status:#}");
        return Ok(());
    }
    show::status(&status)
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
    let (client, client_port) = endpoint("--client", client)?;
    let (vip, vip_port) = endpoint("--vip", vip)?;
    Ok(TraceFilter {
        client,
        client_port,
        vip,
        vip_port,
        count,
    })
}

fn endpoint(option: &str, words: &[String]) -> anyhow::Result<(Option<Ipv6Addr>, Option<u16>)> {
    let addr = words.first().map(|text| {
        text.parse()
            .map_err(|_| usage(format!("{option}: \"{text}\" is not an IPv6 address")))
    });
    let port = words.get(1).map(|text| {
        text.parse().map_err(|_| {
            usage(format!(
                "{option}: \"{text}\" is not a port from 0 to 65535"
            ))
        })
    });
    Ok((addr.transpose()?, port.transpose()?))
}

fn usage(text: impl Into<String>) -> anyhow::Error {
    daemon::exit::UsageError(text.into()).into()
}
