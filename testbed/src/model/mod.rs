//! The paper's analytic model (section V): infinitely many servers of one core, FIFO, Poisson arrivals, exponential
//! service times, two candidates for each flow, and the policy SR_c.
//!
//! The unit of time is the mean service time. The paper's closed forms divide by differences that vanish, and its equation (5)
//! has a second root, 1/lambda - 1, that is none of the model's. Here everything is a sum of positive terms, so nothing cancels
//! between lambda = 0 and 1:
//!
//! ```text
//! p_n = s_n - s_(n+1) = (1 - lambda) x^n            n <= c,  x = lambda (1 + s_c)
//!                     = p_c (lambda s_c)^(n - c)    n >= c
//! ```
//!
//! [`Occupancy`] is equations (3) to (8), [`response`] (9) and (10), [`saving`] (11), [`single`] what random assignment
//! gives, which is M/M/1. [`cores`] is ours: the same for servers of more than one core.

mod args;
pub mod cores;
mod fixed_point;
pub mod occupancy;
pub mod report;
pub mod response;
pub mod saving;
pub mod single;
#[cfg(test)]
mod tests;

pub use args::ModelArgs;
pub use cores::OnCores;
pub use occupancy::Occupancy;
pub use report::Report;
pub use single::SingleChoice;

use std::fmt;

/// The largest threshold that the model takes.
pub const MAX_C: u32 = 64;

/// What the model is not made for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ModelError {
    /// The load of a server is not between 0 and 1.
    Lambda(f64),
    /// The threshold is not between 1 and [`MAX_C`].
    C(u32),
    /// The number of cores of a server is not between 1 and [`cores::MAX_CORES`].
    Cores(u32),
    /// The network's delay is negative, or no number.
    Delay(f64),
    /// The percentile is not from 0 to below 100.
    Percentile(f64),
    /// No load is so low that this percentile is met: an empty server takes `empty` mean service times.
    Sla {
        /// What was asked for.
        target: f64,
        /// What an empty server takes.
        empty: f64,
    },
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ModelError::Lambda(got) => write!(f, "lambda = {got}: expected above 0 and below 1"),
            ModelError::C(got) => write!(f, "c = {got}: expected 1 to {MAX_C}"),
            ModelError::Cores(got) => {
                write!(f, "cores = {got}: expected 1 to {}", cores::MAX_CORES)
            }
            ModelError::Delay(got) => write!(f, "delay = {got}: expected a number from 0 on"),
            ModelError::Percentile(got) => {
                write!(f, "percentile = {got}: expected above 0 and below 100")
            }
            ModelError::Sla { target, empty } => write!(
                f,
                "sla = {target}: expected a number above {empty:.4}, which is what an empty server takes"
            ),
        }
    }
}

impl std::error::Error for ModelError {}

/// The load of a server, if it is one.
pub fn check_lambda(lambda: f64) -> Result<f64, ModelError> {
    match lambda > 0.0 && lambda < 1.0 {
        true => Ok(lambda),
        false => Err(ModelError::Lambda(lambda)),
    }
}

/// What a refusal costs on the network, if it can.
pub fn check_delay(delay: f64) -> Result<f64, ModelError> {
    match delay.is_finite() && delay >= 0.0 {
        true => Ok(delay),
        false => Err(ModelError::Delay(delay)),
    }
}

/// The share of flows that may take longer than the percentile: 0.1 for the 90th.
pub fn tail_of(percentile: f64) -> Result<f64, ModelError> {
    match percentile > 0.0 && percentile < 100.0 {
        true => Ok((100.0 - percentile) / 100.0),
        false => Err(ModelError::Percentile(percentile)),
    }
}
