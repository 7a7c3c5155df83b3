//! From the pool's file to what the packet path looks at.

use consistent_hash::{Error, Generation, Member, VipTables};

use super::file::{PoolFile, RawGeneration};
use crate::engine::{Pool, Server, Vip};

/// Numbers of servers. A server keeps its number as long as the process lives, so that entries
/// in the flow table stay right over changes of the pool.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    servers: Vec<Server>,
}

impl Registry {
    fn number(&self, name: &str) -> Option<u16> {
        let at = self.servers.iter().position(|s| s.name == name)?;
        u16::try_from(at).ok()
    }

    /// Takes the servers of a file in; those that it does not name lose their locator to others.
    fn take_in(&mut self, file: &PoolFile) -> Result<(), TooMany> {
        for server in &mut self.servers {
            server.listed = false;
        }
        for server in file.servers() {
            match self.servers.iter_mut().find(|s| s.name == server.name) {
                Some(known) => {
                    known.locator = server.locator;
                    known.listed = true;
                }
                None => self.servers.push(Server {
                    name: server.name.clone(),
                    locator: server.locator,
                    listed: true,
                }),
            }
        }
        if self.servers.len() > usize::from(u16::MAX) {
            return Err(TooMany);
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
    let names: Vec<&str> = learned.servers.iter().map(|s| s.name.as_str()).collect();
    let mut vips = Vec::new();
    for (name, address) in file.vips() {
        let history: Vec<Generation> = file
            .raw
            .generation
            .iter()
            .filter_map(|g| generation(g, name, &learned))
            .collect();
        let tables = VipTables::build(&file.recipe, &names, &history, file.is_complete());
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
    *registry = learned;
    Ok(pool)
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
