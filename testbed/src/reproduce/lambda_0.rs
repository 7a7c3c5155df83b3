//! How sure lambda_0 is: the same search as an experimenter would do it, upward and with luck.
//!
//! The paper's lambda_0 is "the smallest value of lambda for which some TCP connections were dropped", and it doesn't say with which policy. In a
//! run of 80,000 queries whether one is dropped is chance within some percent around what the cores can do.

use anyhow::Result;

use super::section_6b::{Farm, Spread};
use super::Workshop;
use crate::queueing::Balancing;

/// Where a search begins, and its step, as shares of what the cores can do. Below the beginning no run has dropped anything.
const FROM: f64 = 0.94;
const STEP: f64 = 0.01;
/// A run of 80,000 queries drops some long before.
const TO: f64 = 1.5;

/// The first load at which a query is dropped, in `searches` searches, as shares of what the cores can do. Each run has a seed of its own.
///
/// # Errors
///
/// As of [`farm::simulate`].
pub fn search(
    workshop: &Workshop,
    farm: Farm,
    balancing: Balancing,
    searches: usize,
) -> Result<Spread> {
    let first = |n: usize| {
        let steps = ((TO - FROM) / STEP) as u32;
        for step in 0..steps {
            let load = FROM + STEP * f64::from(step);
            let mut scenario = farm.scenario(workshop, balancing, load * farm.capacity_qps());
            scenario.seed += 1_000 * (1 + n as u64) + u64::from(step);
            if super::farm::simulate(workshop, &scenario)?.refused > 0 {
                return Ok(load);
            }
        }
        Ok(TO)
    };
    Ok(Spread(workshop.each(searches, first)?))
}
