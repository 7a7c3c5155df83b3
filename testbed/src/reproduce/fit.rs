//! The model's units: "a fit is performed on SC to rescale the units" (the paper's footnote 5).

use super::farm::MEAN_S;
use super::Curve;
use crate::model::{ModelError, Occupancy, SingleChoice};

/// What the model's time and load are in a measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Seconds in one of the model's units of time.
    pub time_s: f64,
    /// The model's load at rho = 1.
    pub load: f64,
}

impl Fit {
    /// Least squares of relative errors on a curve of SC, up to the load `rho`.
    pub fn of(single: &Curve, rho: f64) -> Fit {
        let points: Vec<(f64, f64)> = single
            .points
            .iter()
            .copied()
            .filter(|p| p.0 < rho)
            .collect();
        let candidates = (500..=1_000).map(|thousandths| {
            let load = f64::from(thousandths) / 1_000.0;
            // with z = model/measured, sum (t z - 1)^2 is least at t = sum z / sum z^2
            let z: Vec<f64> = points
                .iter()
                .map(|(rho, s)| 1.0 / (1.0 - rho * load) / s)
                .collect();
            let time_s = z.iter().sum::<f64>() / z.iter().map(|z| z * z).sum::<f64>();
            let error: f64 = z.iter().map(|z| (time_s * z - 1.0).powi(2)).sum();
            (error, Fit { time_s, load })
        });
        let best = candidates.min_by(|a, b| a.0.total_cmp(&b.0));
        let unscaled = Fit {
            time_s: MEAN_S,
            load: 1.0,
        };
        best.map_or(unscaled, |(_, fit)| fit)
    }

    /// The model's mean response time of SR_c, or of SC, in seconds.
    pub fn mean_s(&self, c: Option<u32>, rho: f64) -> Result<f64, ModelError> {
        let load = rho * self.load;
        let mean = match c {
            Some(c) => Occupancy::new(load, c)?.mean_response(),
            None => SingleChoice::new(load)?.mean_response(),
        };
        Ok(self.time_s * mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fit_finds_the_units_that_a_curve_was_made_with() {
        let made = Fit {
            time_s: 0.25,
            load: 0.93,
        };
        let loads = (1..10).map(|n| f64::from(n) / 10.0);
        let points = loads.map(|rho| (rho, made.mean_s(None, rho).unwrap()));
        let fit = Fit::of(&Curve::new("SC", points.collect()), 0.9);
        assert!((fit.time_s - made.time_s).abs() < 1e-6, "{fit:?}");
        assert!((fit.load - made.load).abs() < 1e-9, "{fit:?}");
    }
}
