//! How long queries keep a core busy.

use crate::rng::Rng;

/// A distribution of service times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ServiceTime {
    /// All the same.
    Constant {
        /// How long, in seconds.
        mean_s: f64,
    },
    /// Exponential.
    Exponential {
        /// The mean, in seconds.
        mean_s: f64,
    },
    /// Log-normal: the logarithm is normal.
    LogNormal {
        /// The median, in seconds.
        median_s: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
}

impl ServiceTime {
    /// The mean, in seconds.
    pub fn mean_s(&self) -> f64 {
        match *self {
            ServiceTime::Constant { mean_s } | ServiceTime::Exponential { mean_s } => mean_s,
            ServiceTime::LogNormal { median_s, sigma } => median_s * (sigma * sigma / 2.0).exp(),
        }
    }

    /// The standard deviation, in seconds.
    pub fn deviation_s(&self) -> f64 {
        match *self {
            ServiceTime::Constant { .. } => 0.0,
            ServiceTime::Exponential { mean_s } => mean_s,
            ServiceTime::LogNormal { sigma, .. } => self.mean_s() * (sigma * sigma).exp_m1().sqrt(),
        }
    }

    /// Is it a distribution at all?
    pub fn is_sound(&self) -> bool {
        let spread = match *self {
            ServiceTime::LogNormal { sigma, .. } => sigma,
            _ => 0.0,
        };
        self.mean_s().is_finite() && self.mean_s() > 0.0 && spread >= 0.0
    }

    /// One query's, in seconds.
    pub fn draw_s(&self, rng: &mut Rng) -> f64 {
        match *self {
            ServiceTime::Constant { mean_s } => mean_s,
            ServiceTime::Exponential { mean_s } => rng.exponential(mean_s),
            ServiceTime::LogNormal { median_s, sigma } => median_s * (sigma * rng.normal()).exp(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_has_the_mean_and_the_deviation() {
        let all = [
            ServiceTime::Constant { mean_s: 0.19 },
            ServiceTime::Exponential { mean_s: 0.19 },
            ServiceTime::LogNormal {
                median_s: 0.13,
                sigma: 0.8,
            },
        ];
        for service in all {
            let mut rng = Rng::new(5, 1);
            let n = 100_000;
            let drawn: Vec<f64> = (0..n).map(|_| service.draw_s(&mut rng)).collect();
            let mean = drawn.iter().sum::<f64>() / f64::from(n);
            let square = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
            let deviation = (square / f64::from(n)).sqrt();
            let off = (mean / service.mean_s() - 1.0).abs();
            assert!(off < 0.02, "{service:?}: mean {mean}");
            let off = (deviation - service.deviation_s()).abs();
            assert!(off < 0.03 * service.mean_s(), "{service:?}: {deviation}");
            assert!(drawn.iter().all(|x| *x >= 0.0));
        }
    }

    #[test]
    fn half_of_a_log_normal_is_below_its_median() {
        let service = ServiceTime::LogNormal {
            median_s: 0.13,
            sigma: 1.2,
        };
        let mut rng = Rng::new(5, 2);
        let below = (0..20_000).filter(|_| service.draw_s(&mut rng) < 0.13);
        assert!((9_700..10_300).contains(&below.count()));
    }

    #[test]
    fn what_is_no_distribution() {
        for mean_s in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(!ServiceTime::Exponential { mean_s }.is_sound());
        }
        for sigma in [-0.1, f64::NAN, 1e3] {
            let median_s = 0.1;
            assert!(!ServiceTime::LogNormal { median_s, sigma }.is_sound());
        }
    }
}
