//! From the pool's file to what the packet path looks at.

use std::collections::HashMap;

use consistent_hash::{Error, Generation, Known, Member, VipTables};

use super::file::{PoolFile, RawGeneration};
use crate::engine::{Pool, Server, Vip};

/// Numbers of servers, and their tables. A server keeps its number as long as the process lives, so that entries
/// in the flow table stay right over changes of the pool.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    servers: Vec<Server>,
    by_name: HashMap<String, u16>,
    /// Tables of the generations that the file had last.
    known: Known,
}

impl Registry {
    fn number(&self, name: &str) -> Option<u16> {
        self.by_name.get(name).copied()
    }

    /// Takes the servers of a file in; those that it does not name lose their locator to others.
    fn take_in(&mut self, file: &PoolFile) -> Result<(), TooMany> {
        for server in &mut self.servers {
            server.listed = false;
        }
        for server in file.servers() {
            if let Some(number) = self.number(&server.name) {
                let known = &mut self.servers[usize::from(number)];
                known.locator = server.locator;
                known.listed = true;
                continue;
            }
            let number = u16::try_from(self.servers.len()).ok();
            let number = number.filter(|&n| n < u16::MAX).ok_or(TooMany)?;
            self.by_name.insert(server.name.clone(), number);
            self.servers.push(Server {
                name: server.name.clone(),
                locator: server.locator,
                listed: true,
            });
        }
        Ok(())
    }
}

/// More different servers than a process can number.
#[derive(Debug, thiserror::Error)]
#[error("more than 65,535 different servers since this process started: restart it")]
pub struct TooMany;

/// Why tables could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// See [`TooMany`].
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The tables' own objection.
    #[error("VIP \"{vip}\": {error}")]
    Tables {
        /// Whose tables.
        vip: String,
        /// What is wrong.
        error: Error,
    },
}

/// Builds the tables of all VIPs. `registry` learns new servers.
pub fn tables(file: &PoolFile, registry: &mut Registry) -> Result<Pool, ViewError> {
    let mut learned = registry.clone();
    learned.take_in(file)?;
    let mut known = std::mem::take(&mut learned.known);
    let names: Vec<&str> = learned.servers.iter().map(|s| s.name.as_str()).collect();
    let mut vips = Vec::new();
    for (name, address) in file.vips() {
        let history = history(file, name, &learned);
        let (recipe, is_complete) = (&file.recipe, file.is_complete());
        let tables = VipTables::build_with(&mut known, recipe, &names, &history, is_complete);
        vips.push(Vip {
            name: name.to_owned(),
            address,
            tables: tables.map_err(|error| ViewError::Tables {
                vip: name.to_owned(),
                error,
            })?,
        });
    }
    let pool = Pool::new(vips, learned.servers.clone());
    known.forget_unused();
    learned.known = known;
    *registry = learned;
    Ok(pool)
}

/// What tables would object to, without the work of building them.
pub fn check(file: &PoolFile) -> Result<(), ViewError> {
    let mut registry = Registry::default();
    registry.take_in(file)?;
    let names: Vec<&str> = registry.servers.iter().map(|s| s.name.as_str()).collect();
    for (name, _) in file.vips() {
        let checked = VipTables::check(&names, &history(file, name, &registry));
        checked.map_err(|error| ViewError::Tables {
            vip: name.to_owned(),
            error,
        })?;
    }
    Ok(())
}

/// The generations that count, as far as they concern one VIP.
fn history(file: &PoolFile, vip: &str, registry: &Registry) -> Vec<Generation> {
    let all = file.raw.generation.iter();
    all.filter_map(|raw| generation(raw, vip, registry))
        .collect()
}

/// A generation as far as it concerns one VIP; `None` for a draft.
fn generation(raw: &RawGeneration, vip: &str, registry: &Registry) -> Option<Generation> {
    let member = |name: &str, weight, draining| {
        Some(Member {
            server: registry.number(name)?,
            weight,
            draining,
        })
    };
    let active = raw.members.get(vip).into_iter().flatten();
    let active = active.filter_map(|(name, &weight)| member(name, weight, false));
    let draining = raw.drain.get(vip).into_iter().flatten();
    let draining = draining.filter_map(|name| member(name, 0, true));
    Some(Generation {
        number: raw.number,
        state: raw.state.used_as()?,
        members: active.chain(draining).collect(),
    })
}
