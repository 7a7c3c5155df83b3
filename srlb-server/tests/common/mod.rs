//! Two network namespaces, a server and its fabric, that vanish with the test; and the daemon in one of them.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// The namespaces.
pub struct Lab {
    server: String,
    fabric: String,
}

impl Lab {
    /// Makes them; `None`, and says so, where that is not possible.
    pub fn new(word: &str) -> Option<Lab> {
        let lab = Lab {
            server: format!("srlb-sv-{word}-s{}", std::process::id()),
            fabric: format!("srlb-sv-{word}-f{}", std::process::id()),
        };
        if !run("ip", &["netns", "add", &lab.server]) || !run("ip", &["netns", "add", &lab.fabric])
        {
            eprintln!("skipped: no network namespaces (root and ip are needed)");
            return None;
        }
        let (s, f) = (lab.server.as_str(), lab.fabric.as_str());
        let steps: &[&[&str]] = &[
            &[
                "link", "add", "eth0", "netns", s, "type", "veth", "peer", "name", "eth0", "netns",
                f,
            ],
            &["-n", s, "link", "set", "lo", "up"],
            &["-n", s, "link", "set", "eth0", "up"],
            &["-n", f, "link", "set", "eth0", "up"],
            &[
                "-n",
                s,
                "addr",
                "add",
                "fd00:fa::11/64",
                "dev",
                "eth0",
                "nodad",
            ],
            &[
                "-n",
                f,
                "addr",
                "add",
                "fd00:fa::1/64",
                "dev",
                "eth0",
                "nodad",
            ],
            &["-n", s, "route", "add", "default", "via", "fd00:fa::1"],
            &[
                "-n",
                f,
                "route",
                "add",
                "fd00:5e:1::/64",
                "via",
                "fd00:fa::11",
            ],
        ];
        for step in steps {
            assert!(run("ip", step), "ip {step:?}");
        }
        Some(lab)
    }

    /// A command in the server's namespace.
    pub fn command_in_server(&self, program: &str) -> Command {
        within(&self.server, program)
    }

    /// A command in the fabric's namespace.
    pub fn command_in_fabric(&self, program: &str) -> Command {
        within(&self.fabric, program)
    }

    /// What a command in the server's namespace prints.
    pub fn output_in_server(&self, program: &str, args: &[&str]) -> String {
        let output = self.command_in_server(program).args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A process in the server's namespace, that ends with what is returned.
    pub fn in_server(&self, program: &str, args: &[&str]) -> Running {
        Running(self.command_in_server(program).args(args).spawn().unwrap())
    }

    /// Is scapy installed?
    pub fn has_scapy(&self) -> bool {
        run("/usr/bin/python3", &["-c", "import scapy.all"])
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in [&self.server, &self.fabric] {
            run("ip", &["netns", "del", name]);
        }
    }
}

fn within(namespace: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, program]);
    command
}

fn run(program: &str, args: &[&str]) -> bool {
    let status = Command::new(program)
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// A process that does not outlive the test.
pub struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The daemon.
pub struct Daemon {
    process: Running,
    folder: tempfile::TempDir,
}

impl Daemon {
    /// Starts it and waits until it answers.
    pub fn start(lab: &Lab, config: &str) -> Daemon {
        Daemon::start_with(lab, config, &[])
    }

    /// The same with variables in its environment.
    pub fn start_with(lab: &Lab, config: &str, environment: &[(&str, &Path)]) -> Daemon {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server.toml");
        fs::write(&file, config).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = lab
            .command_in_server(env!("CARGO_BIN_EXE_srlb-server"))
            .args(["run", "--config"])
            .arg(&file)
            .envs(environment.iter().copied())
            .stderr(log)
            .spawn()
            .unwrap();
        let daemon = Daemon {
            process: Running(child),
            folder,
        };
        wait_until(|| daemon.ask().ok());
        daemon
    }

    /// Its configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("server.toml")
    }

    /// What it has said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// `status --json`.
    pub fn status(&self) -> serde_json::Value {
        self.ask()
            .unwrap_or_else(|error| panic!("{error}; {}", self.log()))
    }

    fn ask(&self) -> io::Result<serde_json::Value> {
        let output = Command::new(env!("CARGO_BIN_EXE_srlb-server"))
            .args(["status", "--json", "--control"])
            .arg(self.folder.path().join("s.sock"))
            .output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(said.into_owned()));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let pid = self.process.0.id().to_string();
        assert!(run("kill", &[&format!("-{name}"), &pid]));
    }

    /// Ends it without a chance to clean up.
    pub fn kill(&mut self) {
        self.process.0.kill().unwrap();
        self.process.0.wait().unwrap();
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        wait_until(|| self.process.0.try_wait().unwrap())
    }
}

/// Tries until there is a result; fails the test if there is none in time.
#[track_caller]
pub fn wait_until<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(result) = attempt() {
            return result;
        }
        assert!(Instant::now() < end, "waited in vain");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Lets every user write into a folder.
pub fn open_to_all(folder: &Path) {
    fs::set_permissions(folder, Permissions::from_mode(0o777)).unwrap();
}
