//! The daemon in a network namespace, with scapy in the place of an LB and its client.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

use common::{wait_until, Daemon, Lab};

const CONFIG: &str = r#"
name = "s1"
locator = "fd00:5e:1::/64"
vips = ["2001:db8:80::1"]
lb_locators = ["fd00:1b::/32"]
domain = ["fd00:1b::/32", "fd00:5e::/32"]
domain_interfaces = ["eth0"]
control_socket = "s.sock"
[flows]
max = 2000
[policy]
accept = "always"
"#;

#[test]
fn scapys_handshake_is_taken_pinned_answered_straight_and_ended() {
    let Some(lab) = Lab::new("pkt") else { return };
    if !lab.has_scapy() {
        eprintln!("skipped: no scapy");
        return;
    }
    let daemon = Daemon::start(&lab, CONFIG);
    let _server = lab.in_server("python3", &["-c", include_str!("application.py")]);
    let output = lab
        .command_in_fabric("/usr/bin/python3")
        .arg("-c")
        .arg(include_str!("balancer.py"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{said}\n{complaint}\n{}",
        daemon.log()
    );
    let status = daemon.status();
    let events = &status["events"];
    assert_eq!(events["accepted_avail"], 2, "{status:#}");
    assert!(events["created"].as_u64() >= Some(2), "{status:#}");
    assert!(events["removed"].as_u64() >= Some(2), "{status:#}");
    assert_eq!(status["drops"]["unknown_sender"], 1, "{status:#}");
}

/// The first packet of the client after the restart passes: it need not wait for the kernel's next SYN-ACK.
#[test]
fn a_handshake_survives_a_restart_half_way() {
    let Some(lab) = Lab::new("half") else { return };
    if !lab.has_scapy() {
        eprintln!("skipped: no scapy");
        return;
    }
    let mut daemon = Daemon::start(&lab, CONFIG);
    let _server = lab.in_server("python3", &["-c", include_str!("application.py")]);
    let mut client = lab
        .command_in_fabric("/usr/bin/python3")
        .arg("-c")
        .arg(include_str!("handshake.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut words = BufReader::new(client.stdout.take().unwrap());
    words.read_line(&mut line).unwrap();
    assert_eq!(line, "half-way\n", "{}", daemon.log());
    daemon.kill();
    let daemon = Daemon::start(&lab, CONFIG);
    client.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert!(client.wait().unwrap().success(), "{}", daemon.log());
    assert_eq!(daemon.status()["drops"]["unknown_number"], 0);
}

#[test]
fn what_is_installed_is_listed_repaired_and_removed() {
    let Some(lab) = Lab::new("host") else { return };
    let mut daemon = Daemon::start(&lab, CONFIG);
    let all_there = |status: &serde_json::Value| {
        let items = status["host"]["items"].as_array().unwrap().clone();
        !items.is_empty() && items.iter().all(|item| item["present"] == true)
    };
    assert!(all_there(&daemon.status()));
    daemon.kill();
    let mut daemon = Daemon::start(&lab, CONFIG);
    assert!(all_there(&daemon.status()), "repaired after a kill");

    // A wrong file: what was in force stays, and the error can be read.
    fs::write(daemon.config(), CONFIG.replace("\"always\"", "\"perhaps\"")).unwrap();
    daemon.signal("HUP");
    let said = wait_until(|| {
        let error = daemon.status()["last_reload_error"].clone();
        error.as_str().map(str::to_owned)
    });
    assert!(said.contains("policy.accept"), "{said}");
    fs::write(daemon.config(), CONFIG.replace("\"always\"", "\"never\"")).unwrap();
    daemon.signal("HUP");
    wait_until(|| (daemon.status()["policy"]["accept"] == "never").then_some(()));

    daemon.signal("TERM");
    assert!(daemon.wait().success(), "{}", daemon.log());
    let left = lab.output_in_server("ip", &["-6", "route", "show", "proto", "84"]);
    let rules = lab.output_in_server("ip", &["-6", "rule"]);
    let filter = lab.output_in_server("nft", &["list", "tables"]);
    assert_eq!((left.as_str(), filter.as_str()), ("", ""));
    assert!(!rules.contains("8384"), "{rules}");
}

#[test]
fn cleanup_leaves_nothing_and_touches_no_running_router() {
    let Some(lab) = Lab::new("clean") else { return };
    let mut daemon = Daemon::start(&lab, CONFIG);
    let config = daemon.config();
    let clean_up = || {
        let program = env!("CARGO_BIN_EXE_srlb-server");
        let mut command = lab.command_in_server(program);
        command
            .arg("cleanup")
            .arg("--config")
            .arg(&config)
            .output()
            .unwrap()
    };
    let refused = clean_up();
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("is running"), "{said}");
    assert!(daemon.status()["host"]["items"][0]["present"] == true);
    daemon.kill();
    let done = clean_up();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    for (program, args, left) in [
        (
            "ip",
            &["-6", "route", "show", "table", "all", "proto", "84"][..],
            "",
        ),
        (
            "ip",
            &["-6", "-br", "addr", "show", "dev", "lo", "scope", "global"],
            "",
        ),
        ("nft", &["list", "tables"], ""),
    ] {
        assert_eq!(
            lab.output_in_server(program, args),
            left,
            "{program} {args:?}"
        );
    }
}

#[test]
fn a_supervisor_hears_that_it_is_ready_and_that_it_stops() {
    let Some(lab) = Lab::new("sup") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    supervisor.set_nonblocking(true).unwrap();
    let hear = || {
        let mut text = [0; 64];
        let len = wait_until(|| supervisor.recv(&mut text).ok());
        String::from_utf8_lossy(&text[..len]).into_owned()
    };
    let mut daemon = Daemon::start_with(&lab, CONFIG, &[("NOTIFY_SOCKET", &path)]);
    assert_eq!(hear(), "READY=1");
    daemon.signal("TERM");
    assert_eq!(hear(), "STOPPING=1");
    assert!(daemon.wait().success(), "{}", daemon.log());
}

#[test]
fn a_second_instance_touches_nothing() {
    let Some(lab) = Lab::new("two") else { return };
    let daemon = Daemon::start(&lab, CONFIG);
    let second = lab
        .command_in_server(env!("CARGO_BIN_EXE_srlb-server"))
        .args(["run", "--config"])
        .arg(daemon.config())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("already running"));
    assert_eq!(daemon.status()["name"], "s1");
}

#[test]
fn the_command_line_has_its_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("server.toml");
    fs::write(&config, CONFIG).unwrap();
    let wrong = folder.path().join("wrong.toml");
    fs::write(&wrong, CONFIG.replace("fd00:5e:1::/64", "nonsense")).unwrap();
    let (config, wrong) = (config.to_str().unwrap(), wrong.to_str().unwrap());
    for (words, code) in [
        (vec!["check-config", "--config", config], 0),
        (vec!["check-config", "--json", "--config", config], 0),
        (vec!["check-config", "--config", wrong], 78),
        (vec!["run", "--config", wrong], 78),
        (vec!["status", "--control", "/nonexistent/s.sock"], 1),
        (vec!["trace", "--client", "nobody", "--config", config], 2),
        (vec!["probe", "--scoreboard", "/nonexistent/board"], 1),
        (vec!["probe", "--config", config], 2),
        (vec!["probe"], 2),
        (vec!["dance"], 2),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_srlb-server"))
            .args(&words)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
    }
}

#[test]
fn without_root_it_says_so() {
    let Some(lab) = Lab::new("user") else { return };
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    common::open_to_all(folder.path());
    let config = folder.path().join("server.toml");
    fs::write(&config, CONFIG).unwrap();
    let output = lab
        .command_in_server("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .args([
            "timeout",
            "20",
            env!("CARGO_BIN_EXE_srlb-server"),
            "run",
            "--config",
        ])
        .arg(&config)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("Permission denied") && said.contains("setpriv") {
        eprintln!("skipped: nobody may not run what was built here");
        return;
    }
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("root") || said.contains("CAP_NET_ADMIN"),
        "{said}"
    );
}
