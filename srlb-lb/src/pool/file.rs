//! `pool.toml`, the same on every LB: cluster key, VIPs, servers, and generations of who
//! serves what.

use std::collections::BTreeMap;
use std::collections::{HashMap, HashSet};
use std::net::Ipv6Addr;
use std::path::Path;

use consistent_hash::{ClusterKey, Recipe, State};
use daemon::config::{self, ConfigErrors, Document};
use serde::{Deserialize, Serialize};
use srh::Locator;

use super::again;

/// The highest number of a generation.
const MAX_NUMBER: u64 = 1 << 53;
/// Servers of one pool that the tables are made and measured for.
pub const MAX_SERVERS: usize = 5_000;

/// The file's content, as it is read and written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub cluster_key: String,
    #[serde(default = "default_buckets")]
    pub buckets: u32,
    #[serde(default = "default_choices")]
    pub choices: usize,
    /// Generations up to this number are older than any flow, and no longer listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub forgotten: u64,
    /// How old a flow may become before the generations of its time are forgotten.
    #[serde(
        default = "default_flow_age",
        skip_serializing_if = "is_default_flow_age"
    )]
    pub max_flow_age_days: u32,
    #[serde(default)]
    pub server: Vec<RawServer>,
    #[serde(default)]
    pub vip: Vec<RawVip>,
    #[serde(default)]
    pub generation: Vec<RawGeneration>,
}

fn default_buckets() -> u32 {
    65_537
}

fn default_choices() -> usize {
    2
}

fn default_flow_age() -> u32 {
    7
}

fn is_default_flow_age(days: &u32) -> bool {
    *days == default_flow_age()
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawServer {
    pub name: String,
    pub locator: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawVip {
    pub name: String,
    pub address: String,
}

/// One version of the pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGeneration {
    pub number: u64,
    pub state: RawState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// VIP, server, weight.
    #[serde(default)]
    pub members: BTreeMap<String, BTreeMap<String, u32>>,
    /// VIP, servers that keep their flows and get no new ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub drain: BTreeMap<String, Vec<String>>,
}

impl RawGeneration {
    /// Is the server anything to this VIP?
    pub fn has(&self, vip: &str, server: &str) -> bool {
        self.members
            .get(vip)
            .is_some_and(|m| m.contains_key(server))
            || self.drains(vip, server)
    }

    /// Does it drain there?
    pub fn drains(&self, vip: &str, server: &str) -> bool {
        let list = self.drain.get(vip);
        list.is_some_and(|list| list.iter().any(|name| name == server))
    }

    /// Is the server named at all?
    pub fn names(&self, server: &str) -> bool {
        let vips = self.members.keys().chain(self.drain.keys());
        vips.into_iter().any(|vip| self.has(vip, server))
    }
}

/// What a generation is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawState {
    /// Being edited; used for nothing.
    Draft,
    /// Recovery and membership know it.
    Staged,
    /// Hunting uses it.
    Active,
    /// It was active.
    Kept,
}

impl RawState {
    /// The state in the words of the tables; drafts have none.
    pub fn used_as(self) -> Option<State> {
        match self {
            RawState::Draft => None,
            RawState::Staged => Some(State::Staged),
            RawState::Active => Some(State::Active),
            RawState::Kept => Some(State::Kept),
        }
    }

    /// The word in the file.
    pub fn name(self) -> &'static str {
        match self {
            RawState::Draft => "draft",
            RawState::Staged => "staged",
            RawState::Active => "active",
            RawState::Kept => "kept",
        }
    }
}

/// A server as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileServer {
    /// Its name, by which permutations are made.
    pub name: String,
    /// Where its SIDs are.
    pub locator: Locator,
}

/// A valid pool file.
#[derive(Clone, Debug)]
pub struct PoolFile {
    pub(super) raw: Raw,
    pub(super) recipe: Recipe,
    pub(super) servers: Vec<FileServer>,
    pub(super) vips: Vec<(String, Ipv6Addr)>,
    /// All of it, as it stands there.
    text: String,
}

impl PoolFile {
    /// The servers that any generation of the file names.
    pub fn servers(&self) -> impl Iterator<Item = &FileServer> {
        self.servers.iter()
    }

    /// The VIPs: name and address.
    pub fn vips(&self) -> impl Iterator<Item = (&str, Ipv6Addr)> {
        self.vips
            .iter()
            .map(|(name, address)| (name.as_str(), *address))
    }

    /// Candidates of a flow.
    pub fn choices(&self) -> usize {
        self.raw.choices
    }

    /// Buckets of a table.
    pub fn buckets(&self) -> u32 {
        self.raw.buckets
    }

    /// Numbers of the generations with their states, oldest first.
    pub fn generations(&self) -> impl Iterator<Item = (u64, &'static str)> + '_ {
        self.raw
            .generation
            .iter()
            .map(|g| (g.number, g.state.name()))
    }

    /// Who serves a VIP in a generation: server and weight; none for those that drain.
    pub fn members(&self, number: u64, vip: &str) -> Vec<(&str, Option<u32>)> {
        let Some(generation) = self.raw.generation.iter().find(|g| g.number == number) else {
            return Vec::new();
        };
        let members = generation.members.get(vip).into_iter().flatten();
        let drains = generation.drain.get(vip).into_iter().flatten();
        members
            .map(|(name, weight)| (name.as_str(), Some(*weight)))
            .chain(drains.map(|name| (name.as_str(), None)))
            .collect()
    }

    /// Does the history reach back as far as any flow does?
    pub fn is_complete(&self) -> bool {
        let used = self
            .raw
            .generation
            .iter()
            .filter(|g| g.state.used_as().is_some());
        used.map(|g| g.number)
            .zip(self.raw.forgotten + 1..)
            .all(|(number, expected)| number == expected)
    }
}

/// Reads a pool's file and checks it.
pub fn load(path: &Path) -> Result<PoolFile, ConfigErrors> {
    load_after(path, None)
}

/// The same; sooner, if little has changed since it was read `before`.
pub fn load_after(path: &Path, before: Option<&PoolFile>) -> Result<PoolFile, ConfigErrors> {
    let text = config::read(path)?;
    let again = before.and_then(|before| again::read(&text, &before.text, &before.raw));
    check(match again {
        Some(raw) => Document::of(path, text, raw),
        None => config::parse(path, text)?,
    })
}

/// Checks a pool's file that is in memory; `path` is for the errors.
pub fn parse(path: &Path, text: String) -> Result<PoolFile, ConfigErrors> {
    check(config::parse::<Raw>(path, text)?)
}

fn check(document: Document<Raw>) -> Result<PoolFile, ConfigErrors> {
    let raw = &document.value;
    let mut check = document.check();
    let recipe = check_recipe(raw, &mut check);
    let servers = check_servers(raw, &mut check);
    let vips = check_vips(raw, &servers, &mut check);
    let servers_named: HashSet<&str> = raw.server.iter().map(|s| s.name.as_str()).collect();
    for (i, generation) in raw.generation.iter().enumerate() {
        let path = format!("generation[{i}]");
        check_generation(&path, generation, raw, &servers_named, &mut check);
    }
    check_history(raw, &mut check);
    let clean = check.is_clean();
    check.finish()?;
    let (raw, document) = document.into_parts();
    let mut file = PoolFile {
        recipe: recipe.filter(|_| clean).ok_or_else(|| {
            document.error(
                "buckets",
                "the table can't be made",
                "another number of buckets",
            )
        })?,
        servers,
        vips,
        raw,
        text: String::new(),
    };
    // What the tables themselves object to: numbers and states of generations.
    if let Err(error) = super::view::check(&file) {
        return Err(document
            .error(
                "generation",
                error.to_string(),
                "a history that every LB can follow",
            )
            .into());
    }
    file.text = document.into_text();
    Ok(file)
}

type Check<'a> = config::Check<'a, Raw>;

fn check_recipe(raw: &Raw, check: &mut Check<'_>) -> Option<Recipe> {
    let key = key_of(&raw.cluster_key);
    check.require(
        key.is_some(),
        "cluster_key",
        "not 16 bytes in hex",
        "32 hex digits, the same on every LB; make one with `openssl rand -hex 16`",
    );
    check.within("choices", raw.choices, 1, consistent_hash::MAX_CHOICES)?;
    match Recipe::new(key?, raw.buckets, raw.choices) {
        Ok(recipe) => Some(recipe),
        Err(error) => {
            check.problem("buckets", error.to_string(), "");
            None
        }
    }
}

/// 32 hex digits as a key.
fn key_of(text: &str) -> Option<ClusterKey> {
    // A number may have a sign; a key may not.
    if text.len() != 32 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut key = [0; 16];
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(ClusterKey::from(key))
}

fn check_servers(raw: &Raw, check: &mut Check<'_>) -> Vec<FileServer> {
    let mut servers: Vec<FileServer> = Vec::new();
    let (mut names, mut locators) = (HashSet::new(), HashMap::new());
    for (i, server) in raw.server.iter().enumerate() {
        let key = |name| format!("server[{i}].{name}");
        check.name(format_args!("server[{i}].name"), &server.name);
        let locator = check.locator(format_args!("server[{i}].locator"), &server.locator);
        let Some(locator) = locator else {
            continue;
        };
        let twin = locators.insert(locator, &server.name);
        if !names.insert(&server.name) {
            let problem = format!("server \"{}\" is listed twice", server.name);
            check.problem(&key("name"), problem, "each server once");
        } else if let Some(twin) = twin {
            let problem = format!("{locator} overlaps the locator of server \"{twin}\"");
            let expected = "a locator of its own for every node";
            check.problem(&key("locator"), problem, expected);
        }
        servers.push(FileServer {
            name: server.name.clone(),
            locator,
        });
    }
    check.require(
        raw.server.len() <= MAX_SERVERS,
        "server",
        format!("{} servers", raw.server.len()),
        format!("at most {}", MAX_SERVERS),
    );
    servers
}

fn check_vips(raw: &Raw, servers: &[FileServer], check: &mut Check<'_>) -> Vec<(String, Ipv6Addr)> {
    check.require(
        !raw.vip.is_empty(),
        "vip",
        "there is no VIP",
        "at least one [[vip]] with name and address",
    );
    let mut vips: Vec<(String, Ipv6Addr)> = Vec::new();
    for (i, vip) in raw.vip.iter().enumerate() {
        let path = format!("vip[{i}]");
        check.name(format_args!("{path}.name"), &vip.name);
        let Some(address) = check.address(&format!("{path}.address"), &vip.address) else {
            continue;
        };
        if vips
            .iter()
            .any(|(name, other)| *name == vip.name || *other == address)
        {
            check.problem(
                &path,
                format!("VIP \"{}\" or its address is listed twice", vip.name),
                "each VIP once",
            );
        }
        if let Some(server) = servers.iter().find(|s| s.locator.contains(address)) {
            check.problem(
                &format!("{path}.address"),
                format!(
                    "{address} lies in the locator of server \"{}\"",
                    server.name
                ),
                "an address outside all locators: a locator holds SIDs only",
            );
        }
        vips.push((vip.name.clone(), address));
    }
    vips
}

fn check_generation(
    path: &str,
    generation: &RawGeneration,
    raw: &Raw,
    servers: &HashSet<&str>,
    check: &mut Check<'_>,
) {
    let in_use = matches!(generation.state, RawState::Staged | RawState::Active);
    for vip in &raw.vip {
        let members = generation.members.get(&vip.name);
        let some = members.is_some_and(|m| m.values().any(|&weight| weight > 0));
        if in_use && !some {
            check.problem(
                &format!("{path}.members"),
                format!("VIP \"{}\" has no server", vip.name),
                format!(
                    "[generation.members.{}] with at least one server of weight 1 or more",
                    vip.name
                ),
            );
        }
    }
    let drained = generation
        .drain
        .iter()
        .flat_map(|(vip, list)| list.iter().map(move |s| ("drain", vip, s)));
    let members = generation
        .members
        .iter()
        .flat_map(|(vip, list)| list.keys().map(move |s| ("members", vip, s)));
    for (section, vip, server) in members.chain(drained) {
        // Texts only where something is wrong: members are many.
        let key = || format!("{path}.{section}.{vip}");
        if !raw.vip.iter().any(|v| v.name == *vip) {
            let problem = format!("there is no VIP \"{vip}\"");
            check.problem(&key(), problem, "the name of a [[vip]]");
        }
        if !servers.contains(server.as_str()) {
            let problem = format!("there is no server \"{server}\"");
            check.problem(&key(), problem, "the name of a [[server]]");
        }
        let members = generation.members.get(vip);
        if section == "drain" && members.is_some_and(|m| m.contains_key(server)) {
            let problem = format!("server \"{server}\" is a member and drains");
            check.problem(&key(), problem, "one of the two");
        }
    }
}

fn check_history(raw: &Raw, check: &mut Check<'_>) {
    check.within("forgotten", raw.forgotten, 0, MAX_NUMBER);
    for (i, generation) in raw.generation.iter().enumerate() {
        check.within(
            &format!("generation[{i}].number"),
            generation.number,
            1,
            MAX_NUMBER,
        );
    }
    let count = |state| raw.generation.iter().filter(|g| g.state == state).count();
    check.require(
        count(RawState::Active) == 1,
        "generation",
        format!("{} generations are active", count(RawState::Active)),
        "exactly one [[generation]] with state = \"active\"",
    );
    for state in [RawState::Staged, RawState::Draft] {
        check.require(
            count(state) <= 1,
            "generation",
            format!("{} generations are in state {}", count(state), state.name()),
            "at most one",
        );
    }
    for (i, pair) in raw.generation.windows(2).enumerate() {
        check.require(
            pair[0].number < pair[1].number,
            &format!("generation[{}].number", i + 1),
            format!("{} does not come after {}", pair[1].number, pair[0].number),
            "numbers that rise",
        );
    }
}
