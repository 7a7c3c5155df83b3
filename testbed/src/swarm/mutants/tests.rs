//! Every row and every limit has its mutant, and each differs from the contract in one place.

use std::collections::BTreeSet;

use super::*;

#[test]
fn names_differ() {
    let names: BTreeSet<String> = all().into_iter().map(|mutant| mutant.name).collect();
    assert_eq!(names.len(), all().len());
}

#[test]
fn every_row_has_a_mutant_that_differs_in_that_row_alone() {
    let right = Options::default();
    let rows = |options: &Options| {
        let lb = options.lb.table.rows().map(|row| row.to_string());
        let server = options.server.table.rows().map(|row| row.to_string());
        lb.chain(server).collect::<Vec<_>>()
    };
    let expected = rows(&right);
    let mut altered = BTreeSet::new();
    for mutant in lb::mutants().into_iter().chain(server::mutants()) {
        let got = rows(&mutant.options);
        let differing: Vec<usize> = (0..got.len()).filter(|&n| got[n] != expected[n]).collect();
        assert_eq!(differing.len(), 1, "{}", mutant.name);
        altered.extend(differing);
        assert_eq!(mutant.options.lb.limits, right.lb.limits);
        assert_eq!(mutant.options.server.limits, right.server.limits);
    }
    assert_eq!(altered.len(), expected.len());
}

/// By the names of the fields, as Debug prints them: a new limit without a mutant shows here.
#[test]
fn every_limit_has_a_mutant_that_differs_in_that_limit_alone() {
    let right = Options::default();
    let fields = |options: &Options| {
        let text = format!("{:?}, {:?}", options.lb.limits, options.server.limits);
        text.split(", ").map(str::to_owned).collect::<Vec<_>>()
    };
    let expected = fields(&right);
    let mut altered = BTreeSet::new();
    for mutant in limits::mutants() {
        let got = fields(&mutant.options);
        let differing: Vec<usize> = (0..got.len()).filter(|&n| got[n] != expected[n]).collect();
        assert_eq!(differing.len(), 1, "{}", mutant.name);
        altered.extend(differing);
    }
    let missing: Vec<&String> = (0..expected.len())
        .filter(|n| !altered.contains(n))
        .map(|n| &expected[n])
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
