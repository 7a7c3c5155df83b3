//! What `down`, `exec` and `status` know about a running testbed: one file in its run folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::plan::{run_dir, Node};
use crate::process::ProcessId;
use crate::settings::Settings;

/// How far a testbed is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Its owner is building it.
    Starting,
    /// Built, and left to the user.
    Up,
    /// It belongs to a demo and goes with it.
    Demo,
}

/// A process that the testbed started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Started {
    /// The node's name.
    pub node: String,
    /// `cores`, `backend`, `apache`, `srlb-lb` or `srlb-server`.
    pub role: String,
    /// Which process.
    pub process: ProcessId,
}

/// The file's content.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// Who builds it, or runs the demo.
    pub owner: ProcessId,
    /// How far it is.
    pub phase: Phase,
    /// What was chosen.
    pub settings: Settings,
    /// What was started.
    pub processes: Vec<Started>,
}

impl State {
    fn path(name: &str) -> PathBuf {
        run_dir(name).join("state.json")
    }

    /// What the testbed with this name says of itself; nothing if there is none, or if it
    /// says nothing that can be understood.
    pub fn load(name: &str) -> Option<State> {
        let text = fs::read(State::path(name)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Makes the run folder with the file in it, in one step: of two who try, one succeeds,
    /// and nobody ever sees a folder without a file.
    pub fn create(&self) -> Result<()> {
        let dir = run_dir(&self.settings.plan.name);
        let draft = dir.with_extension(format!("{}.new", std::process::id()));
        let made = fs::create_dir(&draft)
            .and_then(|()| fs::write(draft.join("state.json"), serde_json::to_vec_pretty(self)?))
            .and_then(|()| fs::rename(&draft, &dir));
        if made.is_err() {
            let _ = fs::remove_dir_all(&draft);
        }
        Ok(made?)
    }

    /// Writes it, whole or not at all.
    pub fn save(&self) -> Result<()> {
        let path = State::path(&self.settings.plan.name);
        write_whole(&path, &serde_json::to_vec_pretty(self)?)
    }

    /// The process with this role on this node.
    pub fn process(&self, node: Node, role: &str) -> Option<ProcessId> {
        let node = node.to_string();
        self.processes
            .iter()
            .find(|p| p.node == node && p.role == role)
            .map(|p| p.process)
    }

    /// Is somebody there who looks after it, or has it been left to the user?
    pub fn is_live(&self) -> bool {
        self.phase == Phase::Up || self.owner.is_alive()
    }
}

/// Replaces a file in one step, so that no reader sees half of it.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    let temporary = path.with_extension("new");
    fs::write(&temporary, content)
        .and_then(|()| fs::rename(&temporary, path))
        .with_context(|| format!("cannot write {}", path.display()))
}
