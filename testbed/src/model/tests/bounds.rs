//! What the model refuses.

use super::{at, everywhere};
use crate::model::saving::Sla;
use crate::model::{ModelError, Occupancy, SingleChoice};

const NO_LOADS: [f64; 9] = [
    0.0,
    -0.0,
    -0.5,
    1.0,
    1.5,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    -5e-324,
];

#[test]
fn loads_and_thresholds() {
    for lambda in NO_LOADS {
        assert!(matches!(
            Occupancy::new(lambda, 4),
            Err(ModelError::Lambda(_))
        ));
        assert!(matches!(
            SingleChoice::new(lambda),
            Err(ModelError::Lambda(_))
        ));
    }
    for c in [0, 65, u32::MAX] {
        assert_eq!(Occupancy::new(0.5, c), Err(ModelError::C(c)));
        assert_eq!(Sla::new(90.0, 6.0).unwrap().load(c), Err(ModelError::C(c)));
    }
}

#[test]
fn delays_percentiles_and_slas() {
    let o = at(0.5, 4);
    for delay in [-1e-9, f64::NAN, f64::INFINITY] {
        assert!(o.mean_response_with_delay(delay).is_err(), "{delay}");
    }
    for percentile in [-1.0, 100.0, 101.0, f64::NAN, f64::INFINITY] {
        assert!(o.percentile(percentile).is_err(), "{percentile}");
        assert!(Sla::new(percentile, 6.0).is_err(), "{percentile}");
    }
    for target in [2.3, 0.0, -6.0, f64::NAN, f64::INFINITY] {
        assert!(Sla::new(90.0, target).is_err(), "{target}");
    }
    let just_below_100 = 100.0 - 1e-13;
    assert!(o.percentile(just_below_100).unwrap().is_finite());
}

#[test]
fn errors_say_what_is_expected() {
    let rows = [
        (
            ModelError::Lambda(1.0),
            "lambda = 1: expected above 0 and below 1",
        ),
        (ModelError::C(0), "c = 0: expected 1 to 64"),
        (
            ModelError::Delay(-1.0),
            "delay = -1: expected a number from 0 on",
        ),
        (
            ModelError::Percentile(100.0),
            "percentile = 100: expected above 0 and below 100",
        ),
        (
            Sla::new(90.0, 2.0).unwrap_err(),
            "sla = 2: expected a number above 2.3026, which is what an empty server takes",
        ),
    ];
    for (error, text) in rows {
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn whatever_is_taken_gives_finite_numbers() {
    let ends = [5e-324, 1e-308, 1.0 - f64::EPSILON / 2.0];
    let at_ends = ends
        .into_iter()
        .flat_map(|l| (1..=64).map(move |c| at(l, c)));
    for o in everywhere().chain(at_ends) {
        let all = [
            o.s_c(),
            o.mean_response(),
            o.mean_response_with_delay(1.0).unwrap(),
            o.fairness(),
            o.wrongful_rejection(),
            o.percentile(99.0).unwrap(),
        ];
        assert!(
            all.iter().all(|x| x.is_finite() && *x >= 0.0),
            "{o:?}: {all:?}"
        );
        assert!(o.mean_response() >= 1.0 - 1e-12, "{o:?}");
        assert!(o.fairness() <= 1.0 && o.s_c() <= 1.0, "{o:?}");
    }
}
