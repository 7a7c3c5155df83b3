//! The distribution of the response time (section V-F), equations (9) and (10).
//!
//! A flow that becomes its server's k-th waits for k exponential services, and does so with probability
//! (s_k - s_(k+1)) / lambda: that is equation (9). More than t passes if fewer than k services end in t, and their number is Poisson's:
//!
//! ```text
//! P(T > t) = 1/lambda sum over j >= 0 of e^-t t^j / j! s_(j+1)
//! ```

use super::fixed_point::bisect;
use super::{tail_of, ModelError, Occupancy};

impl Occupancy {
    /// P(T > t): the share of flows that take longer than `t` mean service times.
    pub fn exceeds(&self, t: f64) -> f64 {
        if t <= 0.0 {
            return 1.0;
        }
        if t == f64::INFINITY {
            return 0.0;
        }
        let below: f64 = (1..self.c())
            .zip(poisson(t))
            .map(|(n, likely)| likely * (self.s(n) / self.lambda()))
            .sum();
        below + self.tail_exceeds(t)
    }

    /// The terms from j = c - 1 on, where s_(j+1) = s_c r^(j+1-c) with r = lambda s_c.
    fn tail_exceeds(&self, t: f64) -> f64 {
        let (r, last) = (self.ratio(), self.c() - 1);
        let scale = self.s_c() / self.lambda();
        let mean = r * t;
        if mean < 2.0 * f64::from(self.c()) {
            let first = poisson(t).nth(last as usize).unwrap_or(0.0);
            return scale * first * series(mean, last);
        }
        // All terms of the exponential series less those below c - 1, which are few and small.
        let below: f64 = poisson(mean).take(last as usize).sum();
        let ln_all = scale.ln() - f64::from(last) * r.ln() - self.rest() * t;
        ln_all.exp() * (1.0 - below)
    }

    /// The percentile of the response time in mean service times, equation (10).
    pub fn percentile(&self, percentile: f64) -> Result<f64, ModelError> {
        let tail = tail_of(percentile)?;
        // s_n <= lambda^n (the paper's appendix), so M/M/1 is never faster.
        let single = tail.recip().ln() / (1.0 - self.lambda());
        Ok(bisect(0.0, single, |t| self.exceeds(t) > tail))
    }
}

/// e^-m m^j / j! for j = 0, 1, 2 ..
fn poisson(m: f64) -> impl Iterator<Item = f64> {
    let ln_m = m.ln();
    // By logarithms: e^-m alone may be too small for a number.
    (1u32..).scan(-m, move |ln_term, next| {
        let term = ln_term.exp();
        *ln_term += ln_m - f64::from(next).ln();
        Some(term)
    })
}

/// 1 + m/(n+1) + m^2/((n+1)(n+2)) + ..
fn series(m: f64, n: u32) -> f64 {
    let (mut sum, mut term, mut k) = (1.0, 1.0, f64::from(n));
    loop {
        k += 1.0;
        term *= m / k;
        if sum + term == sum {
            return sum;
        }
        sum += term;
    }
}
