//! The daemon in a network namespace, with scapy in the place of clients and servers.

mod balancer;
mod fast;
mod lab;
mod reload;
mod workers;

use std::fs;
use std::process::{Command, Stdio};

use balancer::{Daemon, CONFIG, POOL};
use lab::{wait_until, Lab, Running};
use serde_json::Value;

/// The flow of `fabric.py`.
const FLOW: [&str; 6] = [
    "--client",
    "2001:db8:c::7",
    "40001",
    "--vip",
    "2001:db8:80::1",
    "80",
];

/// The locators, up to the function, of the candidates that `explain` names for that flow.
fn candidates(daemon: &Daemon) -> Vec<String> {
    let explained = daemon.json("explain", &FLOW);
    let names = explained["candidates"].as_array().unwrap().iter();
    let locator = |c: &Value| {
        let number = c["server"].as_str().unwrap().trim_start_matches('s');
        format!("fd00:5e:{number}::")
    };
    names.map(locator).collect()
}

/// A scapy server takes a connection, a stranger speaks up, too; returns the status afterwards.
fn hunt(lab: &Lab, daemon: &Daemon, words: &[&str]) -> Value {
    let output = lab.fabric(&[&["hunt"], words].concat()).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    let status = daemon.status();
    assert!(
        output.status.success(),
        "{complaint}\n{status:#}\n{}",
        daemon.log()
    );
    for event in ["hunted", "pinned", "steered"] {
        assert_eq!(status["events"][event], 1, "{event}: {status:#}");
    }
    assert_eq!(status["drops"]["unknown_sender"], 1, "{status:#}");
    assert_eq!(status["lost_on_tun"], 0, "{status:#}");
    status
}

fn a_connection(lab: &Lab, encoding: &str) {
    let daemon = Daemon::start(lab, &CONFIG.replace("encap", encoding));
    assert_eq!(daemon.status()["encoding"], encoding);
    let [first, second] = candidates(&daemon).try_into().unwrap();
    assert_ne!(first, second);
    let status = hunt(lab, &daemon, &[encoding, &first, &second]);
    assert_eq!(status["flows"]["confirmed"], 1, "{status:#}");
    // The SYN was a stranger's, the ACK behind it made the client known; functions are no strangers.
    let guard = &status["guard"];
    assert_eq!(guard["strangers_dropped"], 0, "{status:#}");
    assert_eq!(guard["admitted"], 1, "{status:#}");
    // The entry is the sender's, not the stranger's.
    let explained = daemon.json("explain", &FLOW);
    let owner = explained["entry"]["server"].as_str().unwrap();
    assert_eq!(second, format!("fd00:5e:{}::", &owner[1..]));
}

#[test]
fn a_connection_in_encap_byte_by_byte() {
    let Some(lab) = Lab::new("enc") else { return };
    if lab.has_scapy() {
        a_connection(&lab, "encap");
    }
}

#[test]
fn a_connection_in_insert_byte_by_byte() {
    let Some(lab) = Lab::new("ins") else { return };
    if lab.has_scapy() {
        a_connection(&lab, "insert");
    }
}

#[test]
fn trace_shows_a_hunt() {
    let Some(lab) = Lab::new("trc") else { return };
    if !lab.has_scapy() {
        return;
    }
    let daemon = Daemon::start(&lab, CONFIG);
    let candidates = candidates(&daemon);
    let trace = daemon
        .command("trace")
        .args(["--count", "1"])
        .args(FLOW)
        .stdout(fs::File::create(daemon.file("trace")).unwrap())
        .spawn()
        .unwrap();
    let mut trace = Running(trace);
    let knock = lab.fabric(&["knock"]).stdout(Stdio::null()).spawn();
    let _knock = Running(knock.unwrap());
    let ended = wait_until(|| trace.0.try_wait().unwrap());
    assert!(ended.success());
    let said = fs::read_to_string(daemon.file("trace")).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    let line: Value = serde_json::from_str(&said).unwrap();
    let text = |key: &str| {
        line[key]
            .as_str()
            .unwrap_or_else(|| panic!("{key}: {said}"))
    };
    assert_eq!(text("event"), "ClientSyn");
    for word in ["2001:db8:c::7", "40001", "2001:db8:80::1"] {
        assert!(text("flow").contains(word), "{word}: {said}");
    }
    assert!(text("in").starts_with("2001:db8:c::7 > 2001:db8:80::1"));
    assert!(text("out").contains("connectForce"), "{said}");
    for candidate in candidates {
        assert!(text("out").contains(&candidate), "{candidate}: {said}");
    }
    assert_eq!(line["dropped"], Value::Null);
}

#[test]
fn what_is_installed_is_listed_repaired_and_removed() {
    let Some(lab) = Lab::new("host") else { return };
    let routes = || {
        lab.output(
            "ip",
            &["-6", "route", "show", "table", "all", "proto", "83"],
        )
    };
    let tables = || lab.output("nft", &["list", "tables"]);
    let forwarding = || lab.output("cat", &["/proc/sys/net/ipv6/conf/all/forwarding"]);
    let forwarding_before = forwarding();
    let mut daemon = Daemon::start(&lab, CONFIG);
    daemon.assert_all_present();
    let (wanted, filter) = (routes(), lab.output("nft", &["list", "ruleset"]));
    assert!(wanted.contains("dev srlb-lb0"), "{wanted}");

    // What a kill leaves behind, and worse: a route that nobody wants, a filter that filters nothing.
    daemon.kill();
    assert!(!routes().contains("srlb-lb0"), "{}", routes());
    let stale = "-6 route add blackhole 2001:db8:99::1 proto 83";
    let stale: Vec<&str> = stale.split(' ').collect();
    assert!(lab.command("ip").args(stale).status().unwrap().success());
    let flush = ["flush", "chain", "ip6", "srlb_lb1", "edge"];
    assert!(lab.command("nft").args(flush).status().unwrap().success());
    let mut daemon = Daemon::start(&lab, CONFIG);
    daemon.assert_all_present();
    assert_eq!(routes(), wanted);
    assert_eq!(lab.output("nft", &["list", "ruleset"]), filter);

    daemon.signal("TERM");
    assert!(daemon.wait().success(), "{}", daemon.log());
    assert_eq!((routes().as_str(), tables().as_str()), ("", ""));
    let links = lab.output("ip", &["link"]);
    assert!(!links.contains("srlb-lb0"), "{links}");
    assert!(!daemon.file("lb.sock").exists());
    assert_eq!(forwarding(), forwarding_before);
}

#[test]
fn a_second_instance_touches_nothing() {
    let Some(lab) = Lab::new("two") else { return };
    let daemon = Daemon::start(&lab, CONFIG);
    let second = lab
        .command("timeout")
        .args(["20", env!("CARGO_BIN_EXE_srlb-lb"), "run", "--config"])
        .arg(daemon.file("lb.toml"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("already running"), "{said}");
    assert!(said.contains("lb.sock"), "{said}");
    assert_eq!(daemon.status()["name"], "lb1");
    daemon.assert_all_present();
}

#[test]
fn the_command_line_has_its_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    file("pool.toml", POOL);
    let config = file("lb.toml", CONFIG);
    let wrong = file("wrong.toml", &CONFIG.replace("fd00:1b:1::/64", "nonsense"));
    file("other.toml", &POOL.replace("\"s2\"", "\"s1\""));
    let wrong_pool = file("pooled.toml", &CONFIG.replace("pool.toml", "other.toml"));
    for (words, code) in [
        (vec!["check-config", "--config", &config], 0),
        (vec!["check-config", "--json", "--config", &config], 0),
        (vec!["--version"], 0),
        (vec!["check-config", "--config", &wrong], 78),
        (vec!["check-config", "--config", &wrong_pool], 78),
        (vec!["run", "--config", &wrong], 78),
        (vec!["run", "--config", &wrong_pool], 78),
        (vec!["run", "--config", "/nonexistent/lb.toml"], 78),
        (vec!["status", "--control", "/nonexistent/lb.sock"], 1),
        (vec!["trace", "--client", "nobody", "--config", &config], 2),
        (vec!["explain", "--config", &config], 2),
        (vec!["status", "--control", "a", "--config", "b"], 2),
        (vec!["dance"], 2),
        (vec![], 2),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_srlb-lb"))
            .args(&words)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
        assert_eq!(code == 0, said.is_empty(), "{words:?}: {said}");
    }
}

#[test]
fn without_root_it_says_so() {
    let Some(lab) = Lab::new("user") else { return };
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    lab::open_to_all(folder.path());
    let config = folder.path().join("lb.toml");
    fs::write(&config, CONFIG).unwrap();
    fs::write(folder.path().join("pool.toml"), POOL).unwrap();
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let program = env!("CARGO_BIN_EXE_srlb-lb");
    let mut readable = lab.command("setpriv");
    let readable = readable.args(nobody).args([program, "--version"]);
    if !readable.output().unwrap().status.success() {
        eprintln!("skipped: no setpriv, or nobody may not run what was built here");
        return;
    }
    let output = lab
        .command("setpriv")
        .args(nobody)
        .args(["timeout", "20", program, "run", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    // Which of the two depends on the modes of /dev/net/tun.
    let remedies = ["run as root", "CAP_NET_ADMIN"];
    assert!(remedies.iter().any(|r| said.contains(r)), "{said}");
    let tables = lab.output("nft", &["list", "tables"]);
    assert_eq!(tables, "");
}
