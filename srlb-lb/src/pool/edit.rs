//! Changes of the pool's file: `srlb-lb pool add | remove | drain | stage | activate`.
//!
//! A change goes into a draft. `stage` makes every LB know it for recovery and membership;
//! `activate` makes them hunt by it. Between the two every LB has to be reloaded, so that
//! none meets a flow of a generation that it doesn't know.

use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{anyhow, Context};

use super::file::{self, PoolFile, Raw, RawGeneration, RawServer, RawState};

/// A change.
#[derive(Clone, Debug)]
pub enum Change {
    /// A server comes, or gets another weight, or stops draining.
    Add {
        /// Its name.
        server: String,
        /// Its locator; needed where the file does not know the server yet.
        locator: Option<String>,
        /// Its share of the buckets.
        weight: u32,
    },
    /// A server goes for good: entries and recovery lists forget it.
    Remove {
        /// Its name.
        server: String,
    },
    /// A server keeps its flows and gets no new ones.
    Drain {
        /// Its name.
        server: String,
    },
    /// The draft becomes known.
    Stage,
    /// The staged generation becomes the one that hunting uses.
    Activate,
}

/// Makes a change in the file at `path`, for one VIP or for all. Returns what the operator
/// should do next. The file is replaced in one step, or left as it is.
pub fn apply(
    path: &Path,
    vip: Option<&str>,
    change: &Change,
    now: SystemTime,
) -> anyhow::Result<String> {
    let pool = file::load(path)?;
    let mut raw = pool.raw.clone();
    let vips = chosen_vips(&pool, vip)?;
    let advice = match change {
        Change::Add {
            server,
            locator,
            weight,
        } => {
            add(&mut raw, &vips, server, locator.as_deref(), *weight)?;
            drafted(&raw)
        }
        Change::Remove { server } => {
            edit(&mut raw, &vips, server, |draft, vip, server| {
                take_out(draft, vip, server)
            })?;
            drafted(&raw)
        }
        Change::Drain { server } => {
            edit(&mut raw, &vips, server, |draft, vip, server| {
                take_out(draft, vip, server);
                draft
                    .drain
                    .entry(vip.to_owned())
                    .or_default()
                    .push(server.to_owned());
            })?;
            drafted(&raw)
        }
        Change::Stage => stage(&mut raw, now)?,
        Change::Activate => activate(&mut raw, now)?,
    };
    write(path, &raw)?;
    Ok(advice)
}

fn chosen_vips(pool: &PoolFile, vip: Option<&str>) -> anyhow::Result<Vec<String>> {
    let all: Vec<String> = pool.vips().map(|(name, _)| name.to_owned()).collect();
    match vip {
        None => Ok(all),
        Some(name) if all.iter().any(|v| v == name) => Ok(vec![name.to_owned()]),
        Some(name) => Err(anyhow!(
            "there is no VIP \"{name}\"; there are: {}",
            all.join(", ")
        )),
    }
}

/// The draft: the one that is there, or a copy of the newest generation.
fn draft(raw: &mut Raw) -> &mut RawGeneration {
    if raw
        .generation
        .last()
        .is_some_and(|g| g.state != RawState::Draft)
    {
        let newest = raw.generation.len() - 1;
        let mut copy = raw.generation[newest].clone();
        copy.number += 1;
        copy.state = RawState::Draft;
        copy.since = None;
        raw.generation.push(copy);
    }
    let at = raw.generation.len() - 1;
    &mut raw.generation[at]
}

fn add(
    raw: &mut Raw,
    vips: &[String],
    server: &str,
    locator: Option<&str>,
    weight: u32,
) -> anyhow::Result<()> {
    match (raw.server.iter_mut().find(|s| s.name == server), locator) {
        (Some(known), Some(locator)) if known.locator != locator => {
            return Err(anyhow!(
                "server \"{server}\" has the locator {}; its flows would be lost: give the server at {locator} another name",
                known.locator
            ));
        }
        (None, Some(locator)) => raw.server.push(RawServer {
            name: server.to_owned(),
            locator: locator.to_owned(),
        }),
        (None, None) => {
            return Err(anyhow!("server \"{server}\" is new: give its --locator"));
        }
        _ => {}
    }
    let draft = draft(raw);
    for vip in vips {
        take_out(draft, vip, server);
        draft
            .members
            .entry(vip.clone())
            .or_default()
            .insert(server.to_owned(), weight);
    }
    Ok(())
}

fn edit(
    raw: &mut Raw,
    vips: &[String],
    server: &str,
    change: impl Fn(&mut RawGeneration, &str, &str),
) -> anyhow::Result<()> {
    let draft = draft(raw);
    let concerned: Vec<&String> = vips.iter().filter(|vip| draft.has(vip, server)).collect();
    if concerned.is_empty() {
        return Err(anyhow!(
            "server \"{server}\" serves none of {} in the newest generation",
            vips.join(", ")
        ));
    }
    for vip in concerned {
        change(draft, vip, server);
    }
    Ok(())
}

fn take_out(draft: &mut RawGeneration, vip: &str, server: &str) {
    if let Some(members) = draft.members.get_mut(vip) {
        members.remove(server);
    }
    if let Some(list) = draft.drain.get_mut(vip) {
        list.retain(|name| name != server);
    }
    draft.drain.retain(|_, list| !list.is_empty());
}

fn drafted(raw: &Raw) -> String {
    let number = raw.generation.last().map_or(0, |g| g.number);
    format!("draft generation {number} written; next: `srlb-lb pool stage`")
}

fn stage(raw: &mut Raw, now: SystemTime) -> anyhow::Result<String> {
    if let Some(staged) = find(raw, RawState::Staged) {
        return Err(anyhow!(
            "generation {} is staged already: `srlb-lb pool activate` it first",
            staged.number
        ));
    }
    let draft = find(raw, RawState::Draft).ok_or_else(|| {
        anyhow!("there is no draft: `srlb-lb pool add | remove | drain` makes one")
    })?;
    draft.state = RawState::Staged;
    draft.since = Some(stamp(now));
    Ok(format!(
        "generation {} staged; next: bring the file to every LB and reload it there (SIGHUP), then `srlb-lb pool activate`",
        draft.number
    ))
}

fn activate(raw: &mut Raw, now: SystemTime) -> anyhow::Result<String> {
    let staged = find(raw, RawState::Staged).ok_or_else(|| {
        anyhow!("no generation is staged: `srlb-lb pool stage` first, and reload every LB")
    })?;
    let number = staged.number;
    for generation in &mut raw.generation {
        let next = match generation.state {
            RawState::Active => RawState::Kept,
            RawState::Staged => RawState::Active,
            _ => continue,
        };
        generation.state = next;
        generation.since = Some(stamp(now));
    }
    forget(raw, now);
    Ok(format!(
        "generation {number} active; next: bring the file to every LB and reload it there (SIGHUP)"
    ))
}

fn find(raw: &mut Raw, state: RawState) -> Option<&mut RawGeneration> {
    raw.generation.iter_mut().find(|g| g.state == state)
}

/// Leaves out generations that ended before any living flow began, and servers that nobody
/// names any more.
fn forget(raw: &mut Raw, now: SystemTime) {
    let age = Duration::from_secs(u64::from(raw.max_flow_age_days) * 86_400);
    let is_old = |g: &RawGeneration| {
        let ended = g
            .since
            .as_deref()
            .and_then(|s| humantime::parse_rfc3339(s).ok());
        g.state == RawState::Kept
            && ended.is_some_and(|at| now.duration_since(at).is_ok_and(|passed| passed > age))
    };
    let old = raw.generation.iter().take_while(|g| is_old(g)).count();
    // Only a history without a gap tells what has been forgotten.
    let contiguous = raw
        .generation
        .first()
        .is_some_and(|g| g.number == raw.forgotten + 1);
    if old > 0 && contiguous {
        raw.forgotten = raw.generation[old - 1].number;
        raw.generation.drain(..old);
    }
    let generations = &raw.generation;
    raw.server
        .retain(|server| generations.iter().any(|g| g.names(&server.name)));
}

fn stamp(now: SystemTime) -> String {
    humantime::format_rfc3339_seconds(now).to_string()
}

/// Replaces the file in one step, after a look at whether an LB would take it.
fn write(path: &Path, raw: &Raw) -> anyhow::Result<()> {
    let head = "# The pool, the same on every LB. `srlb-lb pool` edits this file.\n";
    let text = head.to_owned() + &toml::to_string(raw).context("writing the pool as TOML")?;
    file::parse(path, text.clone())?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = folder.join(format!(".{name}.{}", std::process::id()));
    std::fs::write(&aside, text)
        .and_then(|()| std::fs::rename(&aside, path))
        .with_context(|| format!("writing {}", path.display()))
}
