//! Our network namespaces: which there are, who lives in them, and how they go.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::plan::{namespace, Node};
use crate::process::ProcessId;
use crate::shell;

/// Where `ip netns` keeps its names.
pub const NAMES: &str = "/run/netns";

/// The namespaces of the testbed with this name that exist now, whoever made them.
pub fn existing(name: &str) -> Vec<(Node, String)> {
    let Ok(entries) = fs::read_dir(NAMES) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let file_name = entry.file_name().into_string().ok()?;
            let node = file_name.strip_prefix(name)?.strip_prefix('-')?;
            let node: Node = node.parse().ok()?;
            Some((node, namespace(name, node)))
        })
        .collect();
    found.sort();
    found
}

/// Identity of a namespace: device and inode of its file.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.dev(), meta.ino()))
}

/// Every process that lives in one of these namespaces.
pub fn processes_in(namespaces: &[String]) -> Vec<ProcessId> {
    let wanted: HashSet<_> = namespaces
        .iter()
        .filter_map(|name| identity(&Path::new(NAMES).join(name)))
        .collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let inside = identity(&entry.path().join("ns/net"))?;
            wanted.contains(&inside).then(|| ProcessId::of(pid))?
        })
        .collect()
}

/// Removes a namespace; its interfaces go with it.
///
/// Tried more than once: a Ctrl-C at the terminal can hit `ip` in the moment before it leaves
/// our process group, and nothing may stay behind for that.
pub fn remove(namespace: &str) -> anyhow::Result<()> {
    let mut result = Ok(());
    for _ in 0..3 {
        result = shell::run("ip", &["netns", "del", namespace]).map(drop);
        if result.is_ok() || !Path::new(NAMES).join(namespace).exists() {
            return Ok(());
        }
    }
    result
}
