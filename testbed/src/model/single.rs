//! Single choice: every flow goes to a random server, which is then an M/M/1 queue.

use super::{check_lambda, tail_of, ModelError};

/// The equilibrium of single choice at one load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SingleChoice {
    lambda: f64,
}

impl SingleChoice {
    /// Servers with a load of `lambda` each.
    pub fn new(lambda: f64) -> Result<Self, ModelError> {
        Ok(SingleChoice {
            lambda: check_lambda(lambda)?,
        })
    }

    /// The expected response time in mean service times.
    pub fn mean_response(&self) -> f64 {
        1.0 / (1.0 - self.lambda)
    }

    /// Jain's fairness index of the servers' numbers of flows.
    pub fn fairness(&self) -> f64 {
        self.lambda / (1.0 + self.lambda)
    }

    /// The percentile of the response time in mean service times.
    pub fn percentile(&self, percentile: f64) -> Result<f64, ModelError> {
        Ok(tail_of(percentile)?.recip().ln() / (1.0 - self.lambda))
    }

    /// P(T > t).
    pub fn exceeds(&self, t: f64) -> f64 {
        (-(1.0 - self.lambda) * t.max(0.0)).exp()
    }
}
