//! A server's own real Apache: prefork, 32 workers, a short backlog that resets on overflow.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{bail, Context, Result};

use crate::plan::{Node, Plan};
use crate::process::ProcessId;
use crate::shell;
use crate::signals::Interrupt;
use crate::tools;

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
const BIG_FILE_BYTES: usize = 1 << 20;

/// The files of one server's Apache.
#[derive(Clone, Debug)]
pub struct Apache {
    dir: PathBuf,
    server: Node,
    namespace: String,
}

impl Apache {
    /// The Apache of this server.
    pub fn new(plan: &Plan, server: Node) -> Apache {
        Apache {
            dir: plan.node_dir(server),
            server,
            namespace: plan.namespace(server),
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
        fs::write(self.config_file(), self.config(tools::apache_modules()?))?;
        Ok(())
    }

    /// The configuration file's text.
    fn config(&self, modules: &Path) -> String {
        let (modules, dir) = (modules.display(), self.dir.display());
        let server = self.server;
        let loads: String = [
            ("mpm_prefork", "mod_mpm_prefork"),
            ("authz_core", "mod_authz_core"),
            ("dir", "mod_dir"),
            ("headers", "mod_headers"),
            ("proxy", "mod_proxy"),
            ("proxy_http", "mod_proxy_http"),
        ]
        .iter()
        .map(|(name, file)| format!("LoadModule {name}_module {modules}/{file}.so\n"))
        .collect();
        format!(
            r#"# {server}'s Apache, written by srlb-testbed
{loads}
ServerRoot "{dir}"
ServerName {server}
PidFile "{pid_file}"
ScoreBoardFile "{scoreboard}"
ErrorLog "{log}"
LogLevel warn
User www-data
Group www-data

Listen [::]:80
ListenBacklog {BACKLOG}
# An accepted connection shows as a busy worker at once, not when its first data comes.
AcceptFilter http none
KeepAlive Off
Timeout 60

ServerLimit {WORKERS}
StartServers {WORKERS}
MinSpareServers {WORKERS}
MaxSpareServers {WORKERS}
MaxRequestWorkers {WORKERS}
MaxConnectionsPerChild 0

DocumentRoot "{dir}/www"
DirectoryIndex index.html
<Directory "{dir}/www">
    Require all granted
</Directory>
Header always set X-Server {server}

# The emulated cores: a worker stays busy from accept to answer, queued or running.
ProxyPass "/job" "unix:{cores}|http://cores/job"
ProxyPass "/cores" "unix:{cores}|http://cores/cores"
ProxyTimeout 120
"#,
            pid_file = self.pid_file().display(),
            scoreboard = self.scoreboard().display(),
            log = self.log_file().display(),
            cores = self.cores_socket().display(),
        )
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
            Ok(cores_up && self.pid_file().exists() && children_of(apache).len() >= WORKERS)
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
fn pattern(len: usize) -> Vec<u8> {
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
