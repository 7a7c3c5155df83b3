//! The daemon, as its operator sees it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output};

use serde_json::Value;

use crate::lab::{run, wait_until, Lab, Running};

/// A good lb.toml.
pub const CONFIG: &str = r#"
name = "lb1"
locator = "fd00:1b:1::/64"
pool = "pool.toml"
encoding = "encap"
domain_interfaces = ["eth0"]
control_socket = "lb.sock"
[flows]
max = 2000
"#;

/// A good pool.toml.
pub const POOL: &str = r#"
cluster_key = "000102030405060708090a0b0c0d0e0f"
buckets = 251
[[server]]
name = "s1"
locator = "fd00:5e:1::/64"
[[server]]
name = "s2"
locator = "fd00:5e:2::/64"
[[server]]
name = "s3"
locator = "fd00:5e:3::/64"
[[vip]]
name = "web"
address = "2001:db8:80::1"
[[generation]]
number = 1
state = "kept"
[generation.members.web]
s1 = 1
[[generation]]
number = 2
state = "active"
[generation.members.web]
s1 = 1
s2 = 1
s3 = 1
"#;

/// The daemon; killed with the test.
pub struct Daemon {
    process: Running,
    folder: tempfile::TempDir,
}

impl Daemon {
    /// Starts it and waits until it answers.
    pub fn start(lab: &Lab, config: &str) -> Daemon {
        Self::start_under(lab, &["env"], config)
    }

    /// The same as an argument of another command.
    pub fn start_under(lab: &Lab, command: &[&str], config: &str) -> Daemon {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("lb.toml"), config).unwrap();
        fs::write(folder.path().join("pool.toml"), POOL).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = lab
            .command(command[0])
            .args(&command[1..])
            .args([env!("CARGO_BIN_EXE_srlb-lb"), "run", "--config"])
            .arg(folder.path().join("lb.toml"))
            .stderr(log)
            .spawn()
            .unwrap();
        let mut daemon = Daemon {
            process: Running(child),
            folder,
        };
        wait_until(|| {
            let ended = daemon.process.0.try_wait().unwrap();
            assert_eq!(ended, None, "{}", daemon.log());
            daemon.ask("status", &[]).status.success().then_some(())
        });
        daemon
    }

    /// A file in its folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What it has said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    /// A subcommand that speaks with it.
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_srlb-lb"));
        command.args([name, "--json", "--control"]);
        command.arg(self.file("lb.sock"));
        command
    }

    fn ask(&self, name: &str, words: &[&str]) -> Output {
        self.command(name).args(words).output().unwrap()
    }

    /// What a subcommand with `--json` says.
    #[track_caller]
    pub fn json(&self, name: &str, words: &[&str]) -> Value {
        let output = self.ask(name, words);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaint}; {}", self.log());
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// `status --json`.
    #[track_caller]
    pub fn status(&self) -> Value {
        self.json("status", &[])
    }

    /// What a subcommand tells an operator.
    pub fn shown(&self, name: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_srlb-lb"));
        command.args([name, "--control"]).arg(self.file("lb.sock"));
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }

    /// Is everything that it wants of its host there?
    #[track_caller]
    pub fn assert_all_present(&self) {
        let status = self.status();
        let items = status["host"]["items"].as_array().unwrap();
        let texts: Vec<_> = items.iter().filter_map(|i| i["item"].as_str()).collect();
        for word in ["srlb_lb1", "srlb-lb0", "fd00:1b:1::", "2001:db8:80::1"] {
            let named = texts.iter().any(|text| text.contains(word));
            assert!(named, "{word}: {status:#}");
        }
        assert!(
            items.iter().all(|item| item["present"] == true),
            "{status:#}"
        );
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
