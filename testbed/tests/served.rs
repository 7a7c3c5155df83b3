//! With the daemons: what a user of a whole testbed sees.

mod common;

use std::time::Duration;

use common::{words, Guard};
use testbed::load::Record;
use testbed::records::read_records;

const BINARY: &str = env!("CARGO_BIN_EXE_srlb-testbed");
const VIP: &str = "http://[2001:db8:80::1]";

/// A whole page, byte by byte, through LB and server router, in one encoding.
fn serves(encoding: &str, choices: &str) {
    let Some(bed) = Guard::with_daemons() else {
        return;
    };
    let up = [
        "up",
        "--servers",
        "3",
        "--encoding",
        encoding,
        "--choices",
        choices,
    ];
    bed.ok(&up);
    let hello = bed.ok(&["exec", "client", "curl", "-6", "-s", &format!("{VIP}/")]);
    assert!(hello.starts_with("Hello from s"), "{hello}");

    let path = testbed::plan::run_dir(&bed.name).join("s1/www/1M.bin");
    let expected = std::fs::read(path).unwrap();
    let url = format!("{VIP}/1M.bin");
    let got = bed.run(&["exec", "client", "curl", "-6", "-s", &url]);
    assert!(
        got.stdout == expected,
        "{} bytes of {}",
        got.stdout.len(),
        expected.len()
    );

    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("records");
    let out = out.to_str().unwrap();
    let mut load = vec!["exec", "client", BINARY, "load", "--json", "--out", out];
    load.extend([
        "--rate",
        "60",
        "--requests",
        "180",
        "--service-mean-ms",
        "20",
    ]);
    bed.ok(&load);
    let servers: std::collections::HashSet<_> = read_records::<Record>(out.as_ref())
        .unwrap()
        .into_iter()
        .map(|record| record.server)
        .collect();
    assert_eq!(servers.len(), 3, "{servers:?}");

    let status = bed.ok(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["healthy"], true, "{status:#}");
    bed.ok(&["down"]);
    bed.assert_gone();
}

#[test]
fn encap_serves() {
    serves("encap", "2");
}

#[test]
fn insert_serves() {
    serves("insert", "2");
}

#[test]
fn single_choice_serves() {
    serves("encap", "1");
}

#[test]
fn the_demo_loses_nothing_that_could_be_kept() {
    let Some(bed) = Guard::with_daemons() else {
        return;
    };
    let mut demo = vec!["demo", "--json", "--seconds", "10", "--servers", "4"];
    demo.extend(["--service-mean-ms", "100", "--seed", "3"]);
    let output = bed.run(&demo);
    assert!(output.status.success(), "{}", words(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ok"], true);
    let stages = report["stages"].as_array().unwrap();
    assert_eq!(stages.len(), 3);
    for stage in stages {
        // The same jobs in every stage.
        assert_eq!(stage["requests"], stages[0]["requests"]);
        assert!(stage["requests"].as_u64().unwrap() > 500);
        let fairness = stage["fairness_jain"].as_f64().unwrap();
        assert!(fairness > 0.25 && fairness <= 1.0, "{fairness}");
    }
    assert!(stages[0]["first_candidate_share"].is_null());
    let share = stages[1]["first_candidate_share"].as_f64().unwrap();
    assert!(share > 0.0 && share < 1.0, "{share}");
    let lost: Vec<_> = stages[2]["lost"].as_array().unwrap().iter().collect();
    assert_eq!(
        (&lost[0]["node"], &lost[1]["node"]),
        (&"lb2".into(), &"s4".into())
    );
    bed.assert_gone();
}

#[test]
fn an_interrupted_demo_leaves_nothing() {
    let Some(bed) = Guard::with_daemons() else {
        return;
    };
    // While it is built, at work, and changing over to the second stage.
    for after_ms in [100, 600, 1_500, 4_000, 12_000] {
        let demo = ["demo", "--seconds", "10", "--servers", "3"];
        bed.interrupted(&demo, Duration::from_millis(after_ms));
    }
}
