//! Taking a testbed down, whatever state it is in: built, half-built or left behind.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{bail, Result};

use crate::apache::SCOREBOARD;
use crate::netns;
use crate::plan::run_dir;
use crate::process::{end_all, kill_all, ProcessId};
use crate::state::State;

/// How long processes may take to clean up behind themselves.
const GRACE: Duration = Duration::from_secs(3);

/// Is there anything of the testbed with this name?
pub fn anything_there(name: &str) -> bool {
    run_dir(name).exists() || !netns::existing(name).is_empty()
}

/// Ends its processes, removes its namespaces, files and shared memory. Nothing there is fine.
pub fn tear_down(name: &str) -> Result<()> {
    let state = State::load(name);
    let namespaces: Vec<String> = netns::existing(name)
        .into_iter()
        .map(|(_, ns)| ns)
        .collect();
    let recorded: Vec<ProcessId> = state
        .iter()
        .flat_map(|state| state.processes.iter().map(|p| p.process))
        .filter(ProcessId::is_alive)
        .collect();
    end_all(&recorded, GRACE);
    // Whoever is left in our namespaces: children of the killed, and what a user started there.
    end_all(&netns::processes_in(&namespaces), GRACE);
    kill_all(&netns::processes_in(&namespaces));

    let mut complaints = Vec::new();
    for namespace in &namespaces {
        if let Err(error) = netns::remove(namespace) {
            complaints.push(format!("{error:#}"));
        }
    }
    let dir = run_dir(name);
    for path in shared_memory(&dir) {
        note(fs::remove_file(&path), &path, &mut complaints);
    }
    note(fs::remove_dir_all(&dir), &dir, &mut complaints);
    if complaints.is_empty() {
        return Ok(());
    }
    bail!("could not remove everything: {}", complaints.join("; "))
}

/// The shared memory of every Apache that had a folder here: a killed one leaves it behind.
fn shared_memory(dir: &Path) -> Vec<PathBuf> {
    let nodes = fs::read_dir(dir).into_iter().flatten().flatten();
    nodes
        .filter_map(|node| apache_probe::shm_name(&node.path().join(SCOREBOARD)))
        .map(|object| Path::new("/dev/shm").join(object))
        .collect()
}

fn note(result: std::io::Result<()>, path: &Path, complaints: &mut Vec<String>) {
    match result {
        Err(e) if e.kind() != ErrorKind::NotFound => {
            complaints.push(format!("{}: {e}", path.display()))
        }
        _ => {}
    }
}
