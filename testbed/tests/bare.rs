//! Network and Apache without the daemons: what the testbed itself must get right.

mod common;

use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{words, Guard};
use rustix::process::{kill_process, Pid, Signal};
use testbed::netns;

const UP: [&str; 6] = ["up", "--bare", "--lbs", "2", "--servers", "2"];

#[test]
fn a_bare_testbed_works_and_goes_without_a_trace() {
    let Some(bed) = Guard::new() else { return };
    bed.ok(&UP);

    let again = bed.run(&UP);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        words(&again).contains("down"),
        "no advice: {}",
        words(&again)
    );

    let status: serde_json::Value = serde_json::from_str(&bed.ok(&["status", "--json"])).unwrap();
    assert_eq!(status["healthy"], true);
    assert_eq!(status["namespaces"].as_array().unwrap().len(), 7);

    // Two servers, told apart; their own Apaches with 32 workers each.
    for server in ["1", "2"] {
        let url = format!("http://[fd00:fab::5e:{server}]/");
        let page = bed.ok(&["exec", "client", "curl", "-6", "-s", "-i", &url]);
        assert!(page.contains(&format!("X-Server: s{server}")), "{page}");
    }
    let missing = bed.run(&["exec", "s3", "true"]);
    assert!(words(&missing).contains("s1..s2"), "{}", words(&missing));

    // A process of the user's goes too.
    let mut sleeper = bed
        .command(&["exec", "lb1", "sleep", "1000"])
        .spawn()
        .unwrap();
    let began = Instant::now();
    while netns::processes_in(&[format!("{}-lb1", bed.name)]).is_empty() {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "sleep does not start"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    bed.ok(&["down"]);
    sleeper.wait().unwrap();
    bed.assert_gone();
    bed.ok(&["down"]);
}

#[test]
fn the_load_comes_through_and_its_records_are_true() {
    let Some(bed) = Guard::new() else { return };
    bed.ok(&UP);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("records");
    let binary = env!("CARGO_BIN_EXE_srlb-testbed");
    let load = |target: &str, more: &[&str]| {
        let out = out.to_str().unwrap();
        let mut args = vec![
            "exec", "client", binary, "load", "--target", target, "--out", out,
        ];
        args.extend([
            "--json",
            "--rate",
            "200",
            "--requests",
            "200",
            "--service-mean-ms",
            "4",
        ]);
        args.extend(more);
        bed.run(&args)
    };
    let output = load("[fd00:fab::5e:1]:80", &[]);
    assert!(output.status.success(), "{}", words(&output));
    let records: Vec<testbed::load::Record> = testbed::records::read_records(&out).unwrap();
    assert_eq!(records.len(), 200);
    for record in &records {
        assert!(record.outcome.is_ok(), "{record:?}");
        assert_eq!(record.server.as_deref(), Some("s1"));
        // The job held a core for its time; the rest is queueing and the way there.
        assert!(
            record.ended_ms - record.started_ms >= record.service_ms - 0.01,
            "{record:?}"
        );
        assert!(record.lateness_ms() >= 0.0);
        let (connected, first) = (record.connected_ms.unwrap(), record.first_byte_ms.unwrap());
        assert!(record.started_ms <= connected && connected <= first && first <= record.ended_ms);
    }
    let sources: std::collections::HashSet<_> = records.iter().map(|r| r.source).collect();
    assert_eq!(sources.len(), 200);

    // Nobody listens there: refused, and counted as such.
    let output = load("[fd00:fab::5e:1]:81", &[]);
    assert_eq!(output.status.code(), Some(1));
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["outcomes"]["refused"], 200);

    // Nobody answers there: given up, and the edge has spread the flows over both LBs.
    let output = load("[2001:db8:80::1]:80", &["--timeout-s", "0.5"]);
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["outcomes"]["timeout"], 200);
    for lb in ["lb1", "lb2"] {
        let link = bed.ok(&["exec", lb, "ip", "-j", "-s", "link", "show", "eth0"]);
        let link: serde_json::Value = serde_json::from_str(&link).unwrap();
        let packets = link[0]["stats64"]["rx"]["packets"].as_u64().unwrap();
        assert!(packets > 50, "{lb} saw {packets} packets");
    }
}

#[test]
fn the_edge_lets_no_client_reach_a_locator() {
    let Some(bed) = Guard::new() else { return };
    bed.ok(&UP);
    for locator in ["fd00:5e:1::1", "fd00:1b:1::1"] {
        let url = format!("http://[{locator}]/");
        let curl = [
            "exec",
            "client",
            "curl",
            "-6",
            "-s",
            "--max-time",
            "0.5",
            &url,
        ];
        let output = bed.run(&curl);
        assert_eq!(
            output.status.code(),
            Some(28),
            "no timeout: {}",
            words(&output)
        );
    }
    let rules = bed.ok(&["exec", "edge", "nft", "list", "table", "ip6", "domain"]);
    assert!(rules.contains("packets 2 "), "{rules}");
}

#[test]
fn an_interrupted_up_leaves_nothing() {
    let Some(bed) = Guard::new() else { return };
    for after_ms in [0, 30, 60, 90, 120, 150, 200] {
        for signal in [Signal::INT, Signal::TERM] {
            let mut child = bed
                .command(&["up", "--bare", "--servers", "4"])
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(after_ms));
            let pid = Pid::from_child(&child);
            let _ = kill_process(pid, signal);
            if child.wait().unwrap().success() {
                // It was quicker than the signal.
                bed.ok(&["down"]);
            }
            bed.assert_gone();
        }
    }
}

#[test]
fn what_a_killed_up_left_is_removed_by_the_next_one() {
    let Some(bed) = Guard::new() else { return };
    for after_ms in [40, 80, 130] {
        let mut child = bed
            .command(&["up", "--bare", "--servers", "4"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(after_ms));
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            bed.ok(&["down"]);
        }
        bed.ok(&UP);
        bed.ok(&["down"]);
        bed.assert_gone();
    }
}
