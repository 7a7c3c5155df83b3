//! How many servers the same promise takes (section V-G), equation (11).

use super::fixed_point::bisect;
use super::{tail_of, ModelError, Occupancy, MAX_C};

/// A promise: that percentile of the response time within so many mean service times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sla {
    tail: f64,
    target: f64,
}

impl Sla {
    /// The promise that the `percentile` of the response time is `target` mean service times.
    ///
    /// # Errors
    ///
    /// Where not even an empty server keeps it.
    pub fn new(percentile: f64, target: f64) -> Result<Self, ModelError> {
        let tail = tail_of(percentile)?;
        let empty = tail.recip().ln();
        match target.is_finite() && target > empty {
            true => Ok(Sla { tail, target }),
            false => Err(ModelError::Sla { target, empty }),
        }
    }

    /// The load of a server at which single choice just keeps it.
    pub fn single_load(&self) -> f64 {
        1.0 + self.tail.ln() / self.target
    }

    /// The load of a server at which SR_c just keeps it.
    pub fn load(&self, c: u32) -> Result<f64, ModelError> {
        if !(1..=MAX_C).contains(&c) {
            return Err(ModelError::C(c));
        }
        let keeps = |lambda: f64| {
            Occupancy::new(lambda, c).is_ok_and(|at| at.exceeds(self.target) < self.tail)
        };
        // SR_c carries what single choice does, and more.
        Ok(bisect(self.single_load(), 1.0, keeps))
    }

    /// N'/N: servers that SR_c takes for each that single choice takes, equation (11).
    pub fn servers_share(&self, c: u32) -> Result<f64, ModelError> {
        Ok(self.single_load() / self.load(c)?)
    }
}
