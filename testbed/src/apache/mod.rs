//! A server's own real Apache: prefork, 32 workers, a short backlog that resets on overflow; or
//! for connections that last, the event MPM with hundreds of workers.

mod config;

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{bail, Context, Result};

use crate::plan::{Node, Plan};
use crate::process::ProcessId;
use crate::shell;
use crate::signals::Interrupt;
use crate::tools;
use crate::traffic;
use config::Shape;

/// Role of a server's Apache.
pub const APACHE: &str = "apache";
/// Worker processes of each Apache.
pub const WORKERS: usize = 32;
/// Emulated cores of each server.
pub const CORES_PER_SERVER: usize = 2;
/// Name of the `ScoreBoardFile` in a server's folder.
pub const SCOREBOARD: &str = "scoreboard";
/// Connections that may wait for a worker.
const BACKLOG: usize = 128;
/// Size of the file for plain downloads.
pub const BIG_FILE_BYTES: usize = 1 << 20;
/// Its path.
pub const BIG_FILE: &str = "/1M.bin";

/// The files of one server's Apache.
#[derive(Clone, Debug)]
pub struct Apache {
    dir: PathBuf,
    server: Node,
    namespace: String,
    /// How many servers share this machine.
    servers: u16,
    shape: Shape,
}

impl Apache {
    /// The Apache of this server.
    pub fn new(plan: &Plan, server: Node) -> Apache {
        Apache {
            dir: plan.node_dir(server),
            server,
            namespace: plan.namespace(server),
            servers: plan.servers,
            shape: Shape::of(false, plan.servers),
        }
    }

    /// The same, made for connections that last or not.
    pub fn long_lived(self, long_lived: bool) -> Apache {
        Apache {
            shape: Shape::of(long_lived, self.servers),
            ..self
        }
    }

    /// Its `ScoreBoardFile`.
    pub fn scoreboard(&self) -> PathBuf {
        self.dir.join(SCOREBOARD)
    }

    /// Its `PidFile`.
    pub fn pid_file(&self) -> PathBuf {
        self.dir.join("apache.pid")
    }

    /// The socket of the server's emulated cores.
    pub fn cores_socket(&self) -> PathBuf {
        self.dir.join("cores.sock")
    }

    /// The socket of what makes the bodies of `srlb-testbed traffic`.
    pub fn backend_socket(&self) -> PathBuf {
        self.dir.join("backend.sock")
    }

    fn is_long_lived(&self) -> bool {
        self.shape.is_long_lived()
    }

    fn config_file(&self) -> PathBuf {
        self.dir.join("httpd.conf")
    }

    fn log_file(&self) -> PathBuf {
        self.dir.join("apache.log")
    }

    /// Writes configuration and documents.
    pub fn write_files(&self) -> Result<()> {
        let www = self.dir.join("www");
        fs::create_dir_all(&www).with_context(|| format!("cannot make {}", www.display()))?;
        fs::write(
            www.join("index.html"),
            format!("Hello from {}\n", self.server),
        )?;
        fs::write(www.join("1M.bin"), pattern(BIG_FILE_BYTES))?;
        if self.is_long_lived() {
            self.link_stream_file()?;
        }
        fs::write(
            self.config_file(),
            config::text(self, tools::apache_modules()?),
        )?;
        Ok(())
    }

    /// The file that downloads take their ranges from, in memory once for all servers.
    fn link_stream_file(&self) -> Result<()> {
        let shared = self.dir.with_file_name(traffic::FILE_NAME);
        if !shared.exists() {
            let bytes = traffic::FILE.bytes(0, traffic::FILE_BYTES as usize);
            fs::write(&shared, bytes)?;
        }
        let own = self.dir.join("www").join(traffic::FILE_NAME);
        fs::hard_link(&shared, &own).with_context(|| format!("cannot make {}", own.display()))
    }

    /// Starts the emulated cores.
    pub fn start_cores(&self, service_mean_ms: f64) -> Result<ProcessId> {
        let program = std::env::current_exe()?;
        let mut command = shell::command_in(&self.namespace, &program);
        command
            .args(["cores", "--cores", &CORES_PER_SERVER.to_string()])
            .args(["--service-mean-ms", &service_mean_ms.to_string()])
            .arg("--socket")
            .arg(self.cores_socket());
        self.started(shell::spawn_logged(command, &self.dir.join("cores.log"))?)
    }

    /// Starts what makes the bodies of `srlb-testbed traffic`, if this Apache passes them on.
    pub fn start_backend(&self) -> Result<Option<ProcessId>> {
        if !self.is_long_lived() {
            return Ok(None);
        }
        let program = std::env::current_exe()?;
        let mut command = shell::command_in(&self.namespace, &program);
        command.args(["traffic-backend", "--socket"]);
        command.arg(self.backend_socket());
        let child = shell::spawn_logged(command, &self.dir.join("backend.log"))?;
        self.started(child).map(Some)
    }

    /// Starts Apache itself.
    pub fn start(&self) -> Result<ProcessId> {
        let program = tools::find("apache2").context("apache2 is gone")?;
        let mut command = shell::command_in(&self.namespace, &program);
        command
            .arg("-DFOREGROUND")
            .arg("-f")
            .arg(self.config_file());
        self.started(shell::spawn_logged(command, &self.log_file())?)
    }

    fn started(&self, child: std::process::Child) -> Result<ProcessId> {
        ProcessId::of(child.id())
            .with_context(|| format!("a process of {} ended at once", self.server))
    }

    /// Waits until the cores answer and every worker has been started.
    pub fn wait_ready(&self, apache: ProcessId, interrupt: &Interrupt) -> Result<()> {
        let what = format!("{}'s Apache does not come up", self.server);
        interrupt.wait_for(&what, Duration::from_secs(20), || {
            if !apache.is_alive() {
                bail!("{what}; {}", shell::tail(&self.log_file()));
            }
            let cores_up = UnixStream::connect(self.cores_socket()).is_ok();
            let backend_up =
                !self.is_long_lived() || UnixStream::connect(self.backend_socket()).is_ok();
            let workers_up =
                self.pid_file().exists() && children_of(apache).len() >= self.shape.processes;
            Ok(cores_up && backend_up && workers_up)
        })
    }
}

/// The children of a process.
pub fn children_of(parent: ProcessId) -> Vec<ProcessId> {
    let path = format!("/proc/{0}/task/{0}/children", parent.pid);
    let text = fs::read_to_string(path).unwrap_or_default();
    let pids = text.split_whitespace().filter_map(|pid| pid.parse().ok());
    pids.filter_map(ProcessId::of).collect()
}

/// Bytes in which a piece in the wrong place would show.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len / 8)
        .flat_map(|i| format!("{:07x}\n", i * 8).into_bytes())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_big_file_has_its_size_and_no_repeats() {
        let bytes = pattern(BIG_FILE_BYTES);
        assert_eq!(bytes.len(), BIG_FILE_BYTES);
        let lines: std::collections::HashSet<_> = bytes.chunks(8).collect();
        assert_eq!(lines.len(), BIG_FILE_BYTES / 8);
    }
}
