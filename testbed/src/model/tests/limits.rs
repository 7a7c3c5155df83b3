//! At the ends of loads and thresholds.

use super::{assert_near, at, everywhere, LOADS, THRESHOLDS};
use crate::model::saving::Sla;
use crate::model::SingleChoice;

#[test]
fn an_idle_system_has_one_service_a_flow() {
    for lambda in [f64::MIN_POSITIVE, 5e-324, 1e-300, 1e-100, 1e-12] {
        for c in THRESHOLDS {
            let o = at(lambda, c);
            assert_near(o.mean_response(), 1.0, 1e-11, "mean");
            assert_near(o.fairness(), lambda, 1e-11, "fairness");
            assert_near(o.percentile(90.0).unwrap(), 10f64.ln(), 1e-11, "90th");
        }
    }
}

/// Near load 1 all servers have c flows and more: s_c = 1 - (2^c - 1) (1 - lambda), from equation (5).
#[test]
fn a_full_system() {
    let left = f64::EPSILON / 2.0;
    for c in [1, 2, 4, 8] {
        let o = at(1.0 - left, c);
        let refused = f64::from((1u32 << c) - 1);
        assert_near(1.0 - o.s_c(), refused * left, 1e-9, "1 - s_c");
        // the tail's ratio is 1 - 2^c (1 - lambda), so there are so many flows behind the c-th
        let flows = 1.0 / ((refused + 1.0) * left);
        assert_near(o.mean_flows(), flows, 1e-9, "flows");
        assert_near(o.wrongful_rejection(), 0.5, 1e-9, "(8)");
        assert_near(o.fairness(), 0.5, 1e-9, "fairness");
        let p90 = o.percentile(90.0).unwrap();
        assert_near(p90, flows * 10f64.ln(), 1e-9, "90th");
    }
}

#[test]
fn a_threshold_that_is_never_reached_is_single_choice() {
    for lambda in [0.01, 0.1, 0.3, 0.5] {
        let (o, single) = (at(lambda, 64), SingleChoice::new(lambda).unwrap());
        let what = format!("{o:?}");
        assert_near(o.mean_response(), single.mean_response(), 1e-14, &what);
        assert_near(o.fairness(), single.fairness(), 1e-13, &what);
        for percentile in [10.0, 90.0, 99.9] {
            let ours = o.percentile(percentile).unwrap();
            let theirs = single.percentile(percentile).unwrap();
            assert_near(ours, theirs, 1e-9, &what);
        }
    }
    // and the larger the threshold, the closer
    let off = |c| 1.0 / (1.0 - 0.8) - at(0.8, c).mean_response();
    assert!(off(8) > off(16) && off(16) > off(32) && off(32) > off(64));
    assert!(off(64) > 0.0 && off(64) < 1e-3, "{}", off(64));
}

#[test]
fn everything_grows_with_the_load() {
    for c in THRESHOLDS {
        for pair in LOADS.windows(2) {
            let (low, high) = (at(pair[0], c), at(pair[1], c));
            assert!(low.s_c() < high.s_c(), "s_c: {low:?}, {high:?}");
            assert!(low.mean_response() <= high.mean_response(), "{high:?}");
            assert!(low.wrongful_rejection() <= high.wrongful_rejection());
            for percentile in [50.0, 90.0, 99.0] {
                let p = |o: crate::model::Occupancy| o.percentile(percentile).unwrap();
                assert!(p(low) <= p(high) * (1.0 + 1e-12), "{low:?}, {high:?}");
            }
        }
    }
}

#[test]
fn the_distribution_falls_from_one_to_zero() {
    for o in everywhere() {
        assert_eq!((o.exceeds(0.0), o.exceeds(-1.0)), (1.0, 1.0));
        assert_eq!(o.exceeds(f64::INFINITY), 0.0);
        assert!(o.percentile(0.0).is_err());
        let mut before = 1.0;
        for step in 0..200 {
            let t = 1e-6 * 1.25f64.powi(step);
            let now = o.exceeds(t);
            assert!(
                (0.0..=before * (1.0 + 1e-12)).contains(&now),
                "{o:?} at {t}"
            );
            before = now;
        }
        for percentile in [0.1, 50.0, 90.0, 99.999] {
            let tail = 1.0 - percentile / 100.0;
            let back = o.exceeds(o.percentile(percentile).unwrap());
            assert_near(back, tail, 1e-9, &format!("{percentile} of {o:?}"));
        }
    }
}

#[test]
fn the_load_that_keeps_an_sla_just_keeps_it() {
    for c in THRESHOLDS {
        for target in [2.31, 2.5, 4.0, 6.0, 20.0] {
            let sla = Sla::new(90.0, target).unwrap();
            let load = sla.load(c).unwrap();
            let p90 = at(load, c).percentile(90.0).unwrap();
            assert_near(p90, target, 1e-6, &format!("c = {c}"));
            let share = sla.servers_share(c).unwrap();
            assert!((0.0..=1.0).contains(&share), "{share}");
        }
    }
}
