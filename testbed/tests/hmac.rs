//! The real daemons with HMAC: served, keys changed under load by SIGHUP, and a key that nobody knows refused.

mod common;

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::{words, Guard};
use rustix::process::{kill_process, Pid, Signal};
use serde_json::Value;
use testbed::hmac::{section, write_key};
use testbed::plan::{run_dir, Plan};

const BINARY: &str = env!("CARGO_BIN_EXE_srlb-testbed");
const NODES: [&str; 4] = ["lb1", "lb2", "s1", "s2"];

/// A testbed that signs.
struct Signed {
    bed: Guard,
    plan: Plan,
}

impl Signed {
    fn up(encoding: &str) -> Option<Self> {
        let bed = Guard::with_daemons()?;
        bed.ok(&[
            "up",
            "--servers",
            "2",
            "--policy",
            "always",
            "--encoding",
            encoding,
            "--hmac",
        ]);
        let plan = Plan {
            name: bed.name.clone(),
            lbs: 2,
            servers: 2,
        };
        Some(Signed { bed, plan })
    }

    fn file(&self, node: &str) -> PathBuf {
        let name = if node.starts_with("lb") {
            "lb.toml"
        } else {
            "server.toml"
        };
        run_dir(&self.bed.name).join(node).join(name)
    }

    /// What the daemon of a node says.
    fn status(&self, node: &str) -> Value {
        let program = if node.starts_with("lb") {
            "srlb-lb"
        } else {
            "srlb-server"
        };
        let program = std::path::Path::new(BINARY).with_file_name(program);
        let config = self.file(node);
        let args = [
            "exec",
            node,
            program.to_str().unwrap(),
            "status",
            "--json",
            "--config",
            config.to_str().unwrap(),
        ];
        serde_json::from_str(&self.bed.ok(&args)).unwrap()
    }

    /// Gives a node other keys, and has its daemon read them.
    fn set_keys(&self, node: &str, ids: &[u32]) {
        let path = self.file(node);
        let text = std::fs::read_to_string(&path).unwrap();
        let (rest, _) = text.split_once("\n[hmac]").unwrap();
        std::fs::write(&path, format!("{rest}{}", section(&self.plan, ids))).unwrap();
        let state: Value = serde_json::from_str(&self.bed.ok(&["status", "--json"])).unwrap();
        let is_daemon =
            |p: &&Value| p["node"] == node && p["role"].as_str().unwrap().starts_with("srlb-");
        let processes = state["processes"].as_array().unwrap();
        let pid = processes.iter().find(is_daemon).unwrap()["pid"]
            .as_i64()
            .unwrap();
        kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::HUP).unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        while self.status(node)["hmac"]["sign"] != ids[0]
            || self.status(node)["hmac"]["keys"].as_array().unwrap().len() != ids.len()
        {
            assert!(Instant::now() < until, "{node} does not take its keys");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Requests for as long as [`Signed::result`] is not asked for.
    fn load(&self, seconds: &str) -> Child {
        let mut args = vec![
            "exec",
            "client",
            BINARY,
            "load",
            "--json",
            "--seconds",
            seconds,
        ];
        args.extend(["--rate", "50", "--service-mean-ms", "5"]);
        let mut command = self.bed.command(&args);
        command.stdout(Stdio::piped()).spawn().unwrap()
    }

    fn verified(&self, node: &str, id: u32) -> u64 {
        let status = self.status(node);
        let keys = status["hmac"]["keys"].as_array().unwrap().clone();
        let key = keys.iter().find(|key| key["id"] == id);
        key.map_or(0, |key| key["verified"].as_u64().unwrap())
    }
}

/// How many requests failed, and how many there were.
fn result(load: Child) -> (u64, u64) {
    let output = load.wait_with_output().unwrap();
    let summary: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", words(&output)));
    let outcomes = summary["outcomes"].as_object().unwrap();
    let count = |all: bool| -> u64 {
        let wanted = outcomes.iter().filter(|(name, _)| all || *name != "ok");
        wanted.map(|(_, n)| n.as_u64().unwrap()).sum()
    };
    (count(false), count(true))
}

fn keys_change_under_load(encoding: &str) {
    let Some(signed) = Signed::up(encoding) else {
        return;
    };
    let load = signed.load("8");
    write_key(&signed.plan, 2).unwrap();
    for ids in [&[1, 2][..], &[2, 1], &[2]] {
        for node in NODES {
            signed.set_keys(node, ids);
        }
    }
    // Some while keys change, however long that takes, and some after it.
    for load in [load, signed.load("2")] {
        let (failed, all) = result(load);
        assert_eq!(failed, 0, "of {all} requests");
        assert!(all > 50, "{all} requests");
    }
    for node in NODES {
        assert!(signed.verified(node, 2) > 0, "{node}");
        let drops = signed.status(node)["drops"].as_object().unwrap().clone();
        let hmac = drops.iter().filter(|(name, _)| name.starts_with("hmac"));
        for (name, count) in hmac {
            assert_eq!(count, 0, "{node}: {name}");
        }
    }

    // A server that was left out of a rotation takes nothing: the SYN that it drops is seen again, and goes to
    // the other one first.
    write_key(&signed.plan, 3).unwrap();
    signed.set_keys("s2", &[3]);
    let (failed, all) = result(signed.load("2"));
    assert_eq!(failed, 0, "of {all} requests");
    let status = signed.status("s2");
    assert!(status["drops"]["hmac_unknown_key"].as_u64().unwrap() > 0);
    assert_eq!(status["hmac"]["keys"][0]["verified"], 0);
    signed.bed.ok(&["down"]);
    signed.bed.assert_gone();
}

#[test]
fn keys_change_under_load_in_encap() {
    keys_change_under_load("encap");
}

#[test]
fn keys_change_under_load_in_insert() {
    keys_change_under_load("insert");
}
