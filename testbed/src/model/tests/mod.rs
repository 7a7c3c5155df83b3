//! The model against the paper, against its own equations written another way, and at its ends.

mod bounds;
mod cores;
mod limits;
mod oracle;
mod paper;

use super::Occupancy;

/// Loads from one end to the other.
pub const LOADS: [f64; 14] = [
    1e-9, 0.01, 0.1, 0.3, 0.5, 0.501, 0.6, 0.71, 0.8, 0.88, 0.95, 0.983, 0.999, 0.999_999,
];
/// Thresholds from one end to the other.
pub const THRESHOLDS: [u32; 8] = [1, 2, 3, 4, 8, 16, 32, 64];

/// The model at a load and a threshold that it takes.
pub fn at(lambda: f64, c: u32) -> Occupancy {
    Occupancy::new(lambda, c).unwrap()
}

/// Every load with every threshold.
pub fn everywhere() -> impl Iterator<Item = Occupancy> {
    LOADS
        .into_iter()
        .flat_map(|lambda| THRESHOLDS.map(|c| at(lambda, c)))
}

/// Asserts that two numbers differ by that share of the second at most.
#[track_caller]
pub fn assert_near(got: f64, want: f64, share: f64, what: &str) {
    let off = (got - want).abs();
    assert!(off <= share * want.abs(), "{what}: {got}, expected {want}");
}
