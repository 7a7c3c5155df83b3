//! Keys of a testbed whose functions are signed.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use daemon::run::random_key;

use crate::plan::Plan;

/// The key of a testbed when it is made.
pub const FIRST_KEY: u32 = 1;

/// Where the secret of a key lies, the same for every node.
fn key_file(plan: &Plan, id: u32) -> PathBuf {
    plan.run_dir().join(format!("hmac-{id}.key"))
}

/// Draws a secret for a key, unless it has one.
pub fn write_key(plan: &Plan, id: u32) -> Result<()> {
    let path = key_file(plan, id);
    if path.exists() {
        return Ok(());
    }
    let write = || {
        let mut secret = String::new();
        for byte in [random_key()?, random_key()?].concat() {
            let _ = write!(secret, "{byte:02x}");
        }
        // Behind another name first: a daemon must not read half a secret.
        let unfinished = path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(&unfinished)?.write_all(secret.as_bytes())?;
        fs::rename(&unfinished, &path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// The section of a node's file: keys by number, of which the first signs.
pub fn section(plan: &Plan, ids: &[u32]) -> String {
    let Some(sign) = ids.first() else {
        return String::new();
    };
    let mut text = format!("\n[hmac]\nsign = {sign}\n");
    for id in ids {
        let file = key_file(plan, *id);
        let _ = write!(
            text,
            "[[hmac.keys]]\nid = {id}\nfile = \"{}\"\n",
            file.display()
        );
    }
    text
}
