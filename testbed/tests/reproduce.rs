//! Figures from real Apaches, in small.

mod common;

use std::time::Duration;

use common::{words, Guard};

/// Makes a figure in small and returns its claims. So few requests may miss one: exit code 1. But it must be there.
fn claims(name: &str) -> Option<Vec<serde_json::Value>> {
    let bed = Guard::with_daemons()?;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let output = bed.run(&["reproduce", name, "--quick", "--json", "--out", out]);
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", words(&output)));
    let csv = std::fs::read_to_string(folder.path().join(format!("fig-{name}.csv")));
    let csv = csv.unwrap_or_else(|error| panic!("{error}: {}", words(&output)));
    assert!(csv.lines().count() > 3 && !csv.contains("NaN"), "{csv}");
    bed.assert_gone();
    figures[0]["claims"].as_array().cloned()
}

#[test]
fn response_times_are_measured_beside_the_simulator() {
    if let Some(claims) = claims("10a-real") {
        let is_there = |about: &str| {
            let what = |claim: &serde_json::Value| claim["what"].as_str().map(str::to_owned);
            claims
                .iter()
                .filter_map(what)
                .any(|what| what.contains(about))
        };
        for about in ["SC over SR4", "real against simulated", "against SR4"] {
            assert!(is_there(about), "{about}: {claims:#?}");
        }
    }
}

#[test]
fn the_syn_acks_way_is_measured() {
    if let Some(claims) = claims("11c") {
        assert_eq!(claims.len(), 5, "{claims:#?}");
    }
}

/// However few connections there are, and however busy the machine is.
#[test]
fn with_generations_no_connection_is_lost_whose_server_lives() {
    if let Some(claims) = claims("11d") {
        let kept = |claim: &serde_json::Value| {
            claim["what"] == "extra resets with generations and recovery lists, SR8"
                && claim["verdict"] == "met"
        };
        assert!(claims.iter().any(kept), "{claims:#?}");
    }
}

#[test]
fn an_interrupted_figure_leaves_nothing_but_what_is_marked_as_partial() {
    let Some(bed) = Guard::with_daemons() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let reproduce = ["reproduce", "5", "11d", "--quick", "--out", out];
    bed.interrupted(&reproduce, Duration::from_secs(4));
    let partial = std::fs::read_to_string(folder.path().join("PARTIAL.txt")).unwrap();
    assert!(partial.contains("figure 11d"), "{partial}");
    assert!(folder.path().join("fig-5.csv").is_file());
}
