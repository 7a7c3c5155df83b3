//! The `nft` program.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::ruleset::{Chain, Ruleset, NOTES_CHAIN};

/// A daemon may be started without the folders of system programs in its PATH.
const PROGRAMS: [&str; 2] = ["nft", "/usr/sbin/nft"];

/// Puts a ruleset into force; all of it or nothing.
pub(super) fn load(text: &str) -> io::Result<()> {
    nft(&["-f", "-"], text).map(drop)
}

/// What is in the table of `ruleset` now; nothing where there is no such table.
pub(super) fn table(ruleset: &Ruleset) -> io::Result<Table> {
    let all = objects(&["-j", "-t", "list", "table", "ip6", &ruleset.table]);
    match all {
        Err(error) if error.to_string().contains("No such file") => Ok(Table(Vec::new())),
        all => all.map(Table),
    }
}

/// The objects of one table, as nft's JSON shows them.
pub(super) struct Table(Vec<Value>);

impl Table {
    /// Is this chain there, with as many rules as it should have?
    pub(super) fn has(&self, chain: &Chain) -> bool {
        let found = self
            .0
            .iter()
            .any(|object| object["chain"]["name"] == chain.name);
        let rules = self
            .0
            .iter()
            .filter(|object| object["rule"]["chain"] == chain.name);
        found && rules.count() == chain.rules.len()
    }

    /// How many packets a counter has seen.
    pub(super) fn packets(&self, counter: &str) -> u64 {
        let object = self
            .0
            .iter()
            .find(|object| object["counter"]["name"] == counter);
        object
            .and_then(|object| object["counter"]["packets"].as_u64())
            .unwrap_or(0)
    }
}

/// A note in some daemon's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) table: String,
    pub(super) text: String,
}

/// The notes of all daemons in this namespace.
pub(super) fn notes() -> io::Result<Vec<Note>> {
    let all = objects(&["-j", "-t", "list", "ruleset", "ip6"])?;
    let rules = all.iter().filter_map(|object| object.get("rule"));
    let noted = rules
        .filter(|rule| rule["chain"] == NOTES_CHAIN)
        .filter_map(|rule| {
            let table = rule["table"]
                .as_str()
                .filter(|table| table.starts_with("srlb_"))?;
            Some(Note {
                table: table.to_owned(),
                text: rule["comment"].as_str()?.to_owned(),
            })
        });
    Ok(noted.collect())
}

fn objects(args: &[&str]) -> io::Result<Vec<Value>> {
    let output = nft(args, "")?;
    let mut value: Value = serde_json::from_slice(&output)?;
    match value["nftables"].take() {
        Value::Array(objects) => Ok(objects),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "nft -j gave no list",
        )),
    }
}

/// Runs nft with `input`; gives its output.
fn nft(args: &[&str], input: &str) -> io::Result<Vec<u8>> {
    let mut child = start(args)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that has not read all of it says why on its standard error.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said
        .lines()
        .filter(|line| !line.trim().is_empty())
        .take(3)
        .collect::<Vec<_>>()
        .join(" | ");
    if said.contains("Operation not permitted") {
        return Err(io::Error::from_raw_os_error(libc::EPERM));
    }
    Err(io::Error::other(format!("nft: {said}")))
}

fn start(args: &[&str]) -> io::Result<std::process::Child> {
    for program in PROGRAMS {
        let mut command = Command::new(program);
        command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            result => return result,
        }
    }
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        "nft is not installed; install nftables (Debian: apt-get install nftables)",
    ))
}
