//! Failover scenarios on real kernels: as many as a test may take time for.

mod common;

use std::time::Duration;

use common::{words, Guard};

#[test]
fn an_lb_drains_and_another_dies_with_a_server_and_nothing_is_lost() {
    let Some(bed) = Guard::with_daemons() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let output = bed.run(&[
        "failover",
        "lb-drained",
        "leave-1-c2",
        "--json",
        "--report",
        dir,
    ]);
    assert!(output.status.success(), "{}", words(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ok"], true);
    let [drained, left] = &report["scenarios"].as_array().unwrap()[..] else {
        panic!("not two scenarios: {report:#}");
    };
    for (scenario, at_least) in [(drained, 300), (left, 100)] {
        assert_eq!(scenario["avoidable"], 0);
        assert!(
            scenario["connections"].as_u64().unwrap() > at_least,
            "{scenario:#}"
        );
    }
    assert_eq!(drained["completed"], drained["connections"]);
    // The machine that died had connections, and no more than those were lost.
    let sockets = left["sockets_lost"].as_u64().unwrap();
    assert!(
        sockets > 0 && left["unavoidable"].as_u64().unwrap() <= sockets,
        "{left:#}"
    );
    for name in ["overview.svg", "figure-11d.svg", "README.md", "report.json"] {
        assert!(folder.path().join(name).is_file(), "no {name}");
    }
    bed.assert_gone();
}

#[test]
fn an_interrupted_scenario_leaves_nothing() {
    let Some(bed) = Guard::with_daemons() else {
        return;
    };
    // While it is built, while it warms up, and after an LB was killed.
    for after_ms in [300, 3_000, 9_000] {
        bed.interrupted(&["failover", "lb-killed"], Duration::from_millis(after_ms));
    }
}

#[test]
fn an_unknown_scenario_is_named() {
    let Some(bed) = Guard::with_daemons() else {
        return;
    };
    let output = bed.run(&["failover", "lb-kiled"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(words(&output).contains("--list"), "{}", words(&output));
    assert_eq!(bed.run(&["failover"]).status.code(), Some(2));
}
