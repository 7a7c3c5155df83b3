//! The real load balancer, as a process of a benchmark.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{bail, Context, Result};
use daemon::control::Client;

use crate::process::{end_all, ProcessId};
use crate::shell;
use crate::signals::Interrupt;

/// The daemon.
pub const PROGRAM: &str = "srlb-lb";
/// Its control socket, which its configuration has to name.
pub const CONTROL: &str = "control.sock";
/// Longest wait until it serves.
const PATIENCE: Duration = Duration::from_secs(15);

/// A daemon that runs. Dropped, it ends.
#[derive(Debug)]
pub struct Running {
    /// It.
    pub process: ProcessId,
    folder: PathBuf,
}

impl Running {
    /// Starts one by `command`, which ends with the program, and with the `lb.toml` of this folder; waits until it serves.
    pub fn start(mut command: Command, folder: &Path, interrupt: &Interrupt) -> Result<Running> {
        command
            .args(["run", "--config"])
            .arg(folder.join("lb.toml"));
        let running = Running {
            process: ProcessId::of(shell::spawn_logged(command, &folder.join("log"))?.id())
                .context("srlb-lb ended at once")?,
            folder: folder.to_owned(),
        };
        let what = "srlb-lb does not come up";
        interrupt.wait_for(what, PATIENCE, || {
            if !running.process.is_alive() {
                bail!("{what}; {}", running.last_words());
            }
            Ok(running.client().and_then(|c| Ok(c.greet()?)).is_ok())
        })?;
        Ok(running)
    }

    /// Who asks it.
    pub fn client(&self) -> Result<Client> {
        Ok(Client::connect(PROGRAM, &self.folder.join(CONTROL))?)
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        shell::tail(&self.folder.join("log"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end_all(&[self.process], Duration::from_secs(3));
        self.process.reap();
    }
}

/// Writes a file of the daemon's.
pub fn put(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}
