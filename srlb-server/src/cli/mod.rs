//! What the operator types.

mod board;
mod show;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use daemon::cli::{self, At, Status, Trace};
use daemon::control::Client;
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
    Status(Status),
    /// Show what happens to packets, live
    Trace(Trace),
    /// Show Apache's scoreboard
    Probe(board::Probe),
    /// Remove everything from this host, the VIPs that the router put on lo included; not while it runs
    Cleanup {
        /// The instance's configuration
        #[arg(long, default_value = "/etc/srlb/server.toml")]
        config: PathBuf,
    },
}

fn connect(at: &At) -> anyhow::Result<Client> {
    at.connect("srlb-server", DEFAULT_SOCKET, |config| {
        Ok(Settings::load(config)?.control_socket)
    })
}

pub(crate) fn run() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Run { config } => srlb_server::run::run(&config),
        Command::CheckConfig { config, json } => check_config(&config, json),
        Command::Status(status) => status.run(connect, show::status),
        Command::Trace(trace) => trace.run(connect, show::traced),
        Command::Probe(probe) => probe.run(),
        Command::Cleanup { config } => {
            let settings = Settings::load(&config)?;
            let plan = settings.host().plan();
            cli::clean_up("srlb-server", &settings.control_socket, &plan)
        }
    }
}

fn check_config(config: &Path, as_json: bool) -> anyhow::Result<()> {
    let settings = Settings::load(config)?;
    cli::config_is_fine(config, &settings.sizes(), &settings.advice(), as_json)
}
