//! What runs leave behind that were killed: found by their names, and removed once their process is gone.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::slabs::Slabs;
use crate::netns;
use crate::plan::run_dir;
use crate::process::{kill_all, ProcessId};

/// Says in a run's folder whose it is: its number alone may be somebody else's by now.
const OWNER: &str = "bench.json";

/// What a run's namespaces and its folder begin with.
pub fn name(pid: u32) -> String {
    format!("srlbv{pid}")
}

/// Makes this process's folder, and says in it that it is ours.
pub fn claim(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let path = folder.join(OWNER);
    let text = serde_json::to_string(&ProcessId::own())?;
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}

/// Removes namespaces, processes and folders of runs whose process is gone, and sets the kernel's settings back if no run is under way. True if
/// there was anything.
pub fn remove() -> Result<bool> {
    let found = runs();
    let (live, dead): (Vec<u32>, Vec<u32>) = found.into_iter().partition(|&pid| is_live(pid));
    for &pid in &dead {
        remove_run(pid)?;
    }
    let restored = live.is_empty() && Slabs::restore()?;
    Ok(restored || !dead.is_empty())
}

/// Numbers of the processes whose runs there is something of.
fn runs() -> BTreeSet<u32> {
    let namespaces = names_in(netns::NAMES);
    let folders = names_in("/run");
    let of_folders = folders
        .iter()
        .filter_map(|folder| folder.strip_prefix("srlbv")?.strip_suffix("-testbed"))
        .filter_map(|pid| pid.parse().ok())
        .filter(|&pid| run_dir(&name(pid)).join(OWNER).exists());
    namespaces
        .iter()
        .filter_map(|namespace| owner_of(namespace))
        .chain(of_folders)
        .collect()
}

fn names_in(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// Whose run made the namespace with this name. A testbed's name may begin like ours, but its nodes have other names than our machines.
fn owner_of(namespace: &str) -> Option<u32> {
    let (pid, machine) = namespace.strip_prefix("srlbv")?.split_once('-')?;
    let is_ours = matches!(machine, "gen" | "sink") || machine.parse::<u32>().is_ok();
    is_ours.then(|| pid.parse().ok())?
}

fn is_live(pid: u32) -> bool {
    let said = fs::read(run_dir(&name(pid)).join(OWNER)).ok();
    let owner = said.and_then(|text| serde_json::from_slice(&text).ok());
    owner
        .or_else(|| ProcessId::of(pid))
        .is_some_and(|owner| owner.is_alive())
}

fn remove_run(pid: u32) -> Result<()> {
    let folder = run_dir(&name(pid));
    let mut namespaces = names_in(netns::NAMES);
    namespaces.retain(|namespace| owner_of(namespace) == Some(pid));
    // A user's shell in such a namespace is not ours to end, and the namespace's name goes either way.
    let mut processes = netns::processes_in(&namespaces);
    processes.retain(|process| is_given(process, &folder));
    kill_all(&processes);
    for namespace in &namespaces {
        netns::remove(namespace)?;
    }
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Was the process started with a file of this folder? All programs of a run are.
fn is_given(process: &ProcessId, folder: &Path) -> bool {
    let line = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
    line.split(|&byte| byte == 0)
        .filter_map(|arg| std::str::from_utf8(arg).ok())
        .any(|arg| Path::new(arg).starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_benchmarks_names_are_its_own() {
        for (namespace, owner) in [
            ("srlbv123-gen", Some(123)),
            ("srlbv123-sink", Some(123)),
            ("srlbv123-0", Some(123)),
            ("srlbv123-12", Some(123)),
            ("srlbv123-client", None),
            ("srlbv123-lb1", None),
            ("srlbv123", None),
            ("srlbv-0", None),
            ("srlbvx-0", None),
            ("srlb-0", None),
            ("xsrlbv123-0", None),
        ] {
            assert_eq!(owner_of(namespace), owner, "{namespace}");
        }
    }

    #[test]
    fn a_run_lives_as_long_as_its_process_and_a_folder_that_says_nothing_as_long_as_the_number() {
        assert!(is_live(std::process::id()));
        assert!(!is_live(u32::MAX), "no process has this number");
    }

    #[test]
    fn a_process_is_the_runs_if_it_was_given_a_file_of_its_folder() {
        let mut child = std::process::Command::new("sleep")
            .args(["60"])
            .env_clear()
            .spawn()
            .unwrap();
        let sleeps = ProcessId::of(child.id()).unwrap();
        assert!(!is_given(&sleeps, Path::new("/run/srlbv1-testbed")));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
