//! What the operator types.

mod pool;
mod show;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use daemon::cli::{self, At, Status, Trace};
use daemon::control::Client;
use serde_json::json;
use srlb_lb::config::{DriverName, Settings, DEFAULT_SOCKET, MAX_WORKERS};

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
        /// What brings packets, in place of what the configuration says
        #[arg(long)]
        driver: Option<DriverName>,
        /// On how many threads packets are worked on, in place of what the configuration says
        #[arg(long, value_parser = workers)]
        workers: Option<usize>,
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
    Status(Status),
    /// Say where a flow goes, and why
    Explain {
        /// The client: address and port
        #[arg(long, num_args = 2, value_names = ["ADDR", "PORT"], required = true)]
        client: Vec<String>,
        /// The service: address and port
        #[arg(long, num_args = 2, value_names = ["ADDR", "PORT"], required = true)]
        vip: Vec<String>,
        /// The flow is one of UDP
        #[arg(long)]
        udp: bool,
        #[command(flatten)]
        at: At,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what happens to packets, live
    Trace(Trace),
    /// Show or change the pool's file
    Pool(pool::Pool),
    /// Remove what a killed load balancer has left on this host; not while it runs
    Cleanup {
        /// The instance's configuration
        #[arg(long, default_value = "/etc/srlb/lb.toml")]
        config: PathBuf,
    },
}

fn workers(text: &str) -> Result<usize, String> {
    let number = text.parse().ok();
    let number = number.filter(|number| (1..=MAX_WORKERS).contains(number));
    number.ok_or_else(|| format!("expected a number from 1 to {MAX_WORKERS}"))
}

fn connect(at: &At) -> anyhow::Result<Client> {
    at.connect("srlb-lb", DEFAULT_SOCKET, |config| {
        Ok(Settings::load(config)?.control_socket)
    })
}

pub(crate) fn run() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Run {
            config,
            driver,
            workers,
        } => srlb_lb::run::run(&config, srlb_lb::run::Overrides { driver, workers }),
        Command::CheckConfig { config, json } => check_config(&config, json),
        Command::Status(status) => status.run(connect, show::status),
        Command::Explain {
            client,
            vip,
            udp,
            at,
            json,
        } => explain(&client, &vip, udp, &at, json),
        Command::Trace(trace) => trace.run(connect, show::traced),
        Command::Pool(pool) => pool.run(),
        Command::Cleanup { config } => {
            let settings = Settings::load(&config)?;
            let plan = srlb_lb::run::host_plan(&settings);
            cli::clean_up("srlb-lb", &settings.control_socket, &plan)
        }
    }
}

fn check_config(config: &Path, as_json: bool) -> anyhow::Result<()> {
    let settings = Settings::load(config)?;
    cli::config_is_fine(config, &settings.sizes(), &settings.advice(), as_json)
}

fn explain(
    client: &[String],
    vip: &[String],
    udp: bool,
    at: &At,
    as_json: bool,
) -> anyhow::Result<()> {
    let (client, client_port) = cli::endpoint("--client", client)?;
    let (vip, vip_port) = cli::endpoint("--vip", vip)?;
    let answer = connect(at)?.request(&json!({
        "cmd": "explain",
        "client": client,
        "client_port": client_port,
        "vip": vip,
        "vip_port": vip_port,
        "udp": udp,
    }))?;
    match as_json {
        true => cli::show::json(&answer),
        false => show::explanation(&answer),
    }
}
