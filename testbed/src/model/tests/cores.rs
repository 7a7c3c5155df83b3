//! Servers of some cores: against the model of one core, against formulas, and against their own equation followed in time.

use super::{assert_near, at, LOADS};
use crate::model::{ModelError, OnCores, SingleChoice};

#[test]
fn one_core_is_the_papers_model() {
    for lambda in LOADS.into_iter().filter(|l| (0.01..0.999).contains(l)) {
        for c in [1, 2, 4, 8, 16] {
            let (one, paper) = (OnCores::new(lambda, c, 1).unwrap(), at(lambda, c));
            let what = format!("SR{c} at {lambda}");
            assert_near(one.mean_response(), paper.mean_response(), 1e-8, &what);
            let off = (one.refused() - paper.s_c()).abs();
            assert!(off < 1e-9, "{what}: {} refused", one.refused());
        }
        let single = SingleChoice::new(lambda).unwrap().mean_response();
        let one = OnCores::single(lambda, 1).unwrap();
        assert_near(one.mean_response(), single, 1e-12, "M/M/1");
    }
}

#[test]
fn single_choice_of_two_cores_is_m_m_2() {
    for lambda in LOADS {
        let two = OnCores::single(lambda, 2).unwrap();
        let book = 1.0 / ((1.0 - lambda) * (1.0 + lambda));
        assert_near(two.mean_response(), book, 1e-9, "M/M/2");
    }
}

/// Equation (1) with min(n, k) services at once, followed in time from empty servers until nothing moves; tails, as there.
fn followed(lambda: f64, c: usize, cores: usize) -> Vec<f64> {
    let (levels, step) = (300, 0.2 / cores as f64);
    let come = lambda * cores as f64;
    let mut s = vec![0.0; levels + 2];
    s[0] = 1.0;
    for _ in 0..200_000 {
        let before = s.clone();
        let mut moved = 0.0f64;
        for i in 1..=levels {
            let share = if i <= c { 1.0 + before[c] } else { before[c] };
            let ends = i.min(cores) as f64 * (before[i] - before[i + 1]);
            let rate = come * share * (before[i - 1] - before[i]) - ends;
            s[i] += step * rate;
            moved = moved.max(rate.abs());
        }
        if moved < 1e-13 {
            break;
        }
    }
    s
}

#[test]
fn the_differential_equation_comes_to_rest_there() {
    for (lambda, c, cores) in [
        (0.3, 1, 2),
        (0.71, 4, 2),
        (0.87, 4, 2),
        (0.87, 8, 2),
        (0.8, 3, 4),
    ] {
        let s = followed(lambda, c, cores);
        let ours = OnCores::new(lambda, c as u32, cores as u32).unwrap();
        let what = format!("SR{c} of {cores} cores at {lambda}");
        assert_near(ours.refused(), s[c], 1e-7, &what);
        assert_near(ours.mean_flows(), s[1..].iter().sum(), 1e-7, &what);
    }
}

#[test]
fn more_cores_of_the_same_load_are_faster_and_refusing_helps() {
    for lambda in [0.2, 0.5, 0.8, 0.95, 0.999] {
        let mean = |c, cores| OnCores::new(lambda, c, cores).unwrap().mean_response();
        let single = OnCores::single(lambda, 2).unwrap().mean_response();
        for c in [2, 4, 16] {
            assert!(mean(c, 2) < mean(c, 1), "{lambda}, {c}");
            assert!(mean(c, 2) <= single * (1.0 + 1e-9), "{lambda}, {c}");
        }
        assert!(mean(4, 2) >= 1.0);
    }
}

/// Where the paper compares: the thresholds' order, and SC over SR4, 2.56 for its model of one core and no less than 2.3 for two.
#[test]
fn thresholds_in_the_papers_order() {
    let load = 0.87;
    let means = [4, 8, 16].map(|c| OnCores::new(load, c, 2).unwrap().mean_response());
    let single = OnCores::single(load, 2).unwrap().mean_response();
    assert!(means.is_sorted() && means[2] < single, "{means:?} {single}");
    assert!(single / means[0] > 2.3, "{}", single / means[0]);
    let single = OnCores::single(load, 1).unwrap().mean_response();
    let four = OnCores::new(load, 4, 1).unwrap().mean_response();
    assert_near(single / four, 2.56, 0.003, "SC over SR4");
}

#[test]
fn what_it_does_not_take() {
    assert_eq!(OnCores::new(1.0, 4, 2), Err(ModelError::Lambda(1.0)));
    assert_eq!(OnCores::new(0.5, 0, 2), Err(ModelError::C(0)));
    assert_eq!(OnCores::new(0.5, 4, 0), Err(ModelError::Cores(0)));
    assert_eq!(OnCores::single(0.5, 65), Err(ModelError::Cores(65)));
}
