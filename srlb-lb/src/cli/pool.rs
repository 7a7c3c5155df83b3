//! `srlb-lb pool`: the pool's file.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use daemon::say;
use serde_json::json;
use srlb_lb::pool::edit::{self, Change};
use srlb_lb::pool::file::{self, PoolFile};

use super::show;

#[derive(Args)]
pub(super) struct Pool {
    #[command(subcommand)]
    action: Action,
    /// The pool's file
    #[arg(long = "pool", global = true, default_value = "/etc/srlb/pool.toml")]
    path: PathBuf,
    /// Only this VIP, by name; without it all
    #[arg(long, global = true)]
    vip: Option<String>,
}

#[derive(Subcommand)]
enum Action {
    /// Show servers and generations
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Add a server to the draft, or change its weight, or end its draining
    Add {
        /// The server's name
        server: String,
        /// Its locator, for a server that the file doesn't know
        #[arg(long)]
        locator: Option<String>,
        /// Its share, relative to the others
        #[arg(long, default_value_t = 1)]
        weight: u32,
    },
    /// Take a server out for good: its flows are reset
    Remove {
        /// The server's name
        server: String,
    },
    /// Let a server keep its flows and get no new ones
    Drain {
        /// The server's name
        server: String,
    },
    /// Make the draft known: reload every LB afterwards
    Stage,
    /// Hunt by the staged generation: reload every LB afterwards
    Activate,
}

impl Pool {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let change = match self.action {
            Action::Show { json } => {
                let pool = file::load(&self.path)?;
                if json {
                    daemon::cli::show::json(&as_json(&pool))?;
                } else {
                    show::pool(&pool, self.vip.as_deref())?;
                }
                return Ok(());
            }
            Action::Add {
                server,
                locator,
                weight,
            } => Change::Add {
                server,
                locator,
                weight,
            },
            Action::Remove { server } => Change::Remove { server },
            Action::Drain { server } => Change::Drain { server },
            Action::Stage => Change::Stage,
            Action::Activate => Change::Activate,
        };
        let vip = self.vip.as_deref();
        say!(
            "{}",
            edit::apply(&self.path, vip, &change, SystemTime::now())?
        );
        Ok(())
    }
}

fn as_json(pool: &PoolFile) -> serde_json::Value {
    let vips = pool
        .vips()
        .map(|(name, address)| json!({ "name": name, "address": address }));
    let servers = pool
        .servers()
        .map(|s| json!({ "name": s.name, "locator": s.locator.to_string() }));
    let generations = pool.generations().map(|(number, state)| {
        let members = pool.vips().map(|(vip, _)| (vip, pool.members(number, vip)));
        let members = members.map(|(vip, list)| {
            let list = list
                .iter()
                .map(|(name, weight)| json!({ "server": name, "weight": weight }));
            (vip.to_owned(), list.collect())
        });
        let members: serde_json::Map<_, _> = members.collect();
        json!({ "number": number, "state": state, "members": members })
    });
    json!({
        "buckets": pool.buckets(),
        "choices": pool.choices(),
        "complete": pool.is_complete(),
        "vips": vips.collect::<Vec<_>>(),
        "servers": servers.collect::<Vec<_>>(),
        "generations": generations.collect::<Vec<_>>(),
    })
}
