//! How many flows servers hold in equilibrium, and what follows from it (sections V-A to V-E).

use super::fixed_point::{powers, solve};
use super::{check_delay, check_lambda, ModelError, MAX_C};

/// The equilibrium of SR_c at one load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Occupancy {
    lambda: f64,
    c: u32,
    /// s_c.
    s: f64,
    /// 1 - lambda s_c, kept because the difference loses digits near load 1.
    rest: f64,
}

impl Occupancy {
    /// Solves equation (5) for servers with a load of `lambda` each and the threshold `c`.
    pub fn new(lambda: f64, c: u32) -> Result<Self, ModelError> {
        check_lambda(lambda)?;
        if !(1..=MAX_C).contains(&c) {
            return Err(ModelError::C(c));
        }
        let root = solve(lambda, c);
        Ok(Occupancy {
            lambda,
            c,
            s: root.s,
            rest: (1.0 - lambda) + lambda * root.u,
        })
    }

    /// The load of a server: arrivals for each service.
    pub fn lambda(&self) -> f64 {
        self.lambda
    }

    /// The threshold.
    pub fn c(&self) -> u32 {
        self.c
    }

    /// s_c: the share of servers with c flows or more, and so of offers that are refused.
    pub fn s_c(&self) -> f64 {
        self.s
    }

    /// lambda s_c: the ratio of the tail, equation (4).
    pub(super) fn ratio(&self) -> f64 {
        self.lambda * self.s
    }

    /// 1 - lambda s_c.
    pub(super) fn rest(&self) -> f64 {
        self.rest
    }

    /// s_n: the share of servers with n flows or more, equations (3) and (4).
    pub fn s(&self, n: u32) -> f64 {
        match n {
            0 => 1.0,
            _ if n < self.c => {
                let x = self.lambda * (1.0 + self.s);
                self.s + (1.0 - self.lambda) * x.powi(n as i32) * powers(x, self.c - n)
            }
            _ => self.s * self.ratio().powi((n - self.c) as i32),
        }
    }

    /// The expected number of flows of a server.
    pub fn mean_flows(&self) -> f64 {
        let below: f64 = (1..self.c).map(|n| self.s(n)).sum();
        below + self.s / self.rest
    }

    /// The expected response time in mean service times, equation (6).
    pub fn mean_response(&self) -> f64 {
        self.mean_flows() / self.lambda
    }

    /// The same where a refusal costs `delay` on the network, equation (7).
    pub fn mean_response_with_delay(&self, delay: f64) -> Result<f64, ModelError> {
        Ok(self.mean_response() + check_delay(delay)? * self.s)
    }

    /// Jain's fairness index of the servers' numbers of flows (section V-D).
    pub fn fairness(&self) -> f64 {
        let below: f64 = (1..self.c).map(|n| f64::from(2 * n - 1) * self.s(n)).sum();
        let first = f64::from(2 * self.c - 1);
        let from_c = self.s * (first + 2.0 * self.ratio() / self.rest) / self.rest;
        // E(X) / E(X^2) first: both squares may be too small for a number.
        self.mean_flows() / (below + from_c) * self.mean_flows()
    }

    /// How likely a first candidate refuses a flow for a second one that has more flows, equation (8).
    pub fn wrongful_rejection(&self) -> f64 {
        self.lambda * self.s.powi(3) / (1.0 + self.ratio())
    }
}
