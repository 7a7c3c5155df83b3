//! The same equilibrium where a server has more than one core: an addition of ours, because the paper's testbed has servers of two
//! cores and its model has one.
//!
//! A server with n flows ends min(n, k) of them in a mean service time, whether its k cores are shared or serve one flow each. What
//! comes is as in equation (1): with L = k lambda flows a server in a mean service time,
//!
//! ```text
//! L (1 + s_c) p_n = min(n + 1, k) p_(n+1)     n < c
//! L s_c       p_n = min(n + 1, k) p_(n+1)     n >= c
//! ```
//!
//! where s_c, on the left, is the share of servers that refuse. Each value of it gives one distribution, and the one is right with which as
//! many flows end as come. The busier the servers that refuse, the more ends: so there is exactly one, found by bisection.

use super::fixed_point::bisect;
use super::{check_lambda, ModelError, MAX_C};

/// Most cores of a server.
pub const MAX_CORES: u32 = 64;

/// The equilibrium of servers of some cores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OnCores {
    lambda: f64,
    cores: u32,
    refused: f64,
    mean_flows: f64,
}

/// What becomes of one server whose rates of arrival are given.
struct Chain {
    /// Flows that come in a mean service time while the server accepts.
    below: f64,
    /// The same while it refuses.
    above: f64,
    /// It refuses with so many flows or more.
    c: u32,
    cores: u32,
}

/// Sums over the distribution of one server's flows.
#[derive(Clone, Copy, Default)]
struct Sums {
    /// Of the shares themselves.
    all: f64,
    flows: f64,
    busy: f64,
}

impl Sums {
    fn add(&mut self, share: f64, flows: f64, busy: f64) {
        self.all += share;
        self.flows += share * flows;
        self.busy += share * busy;
    }
}

impl Chain {
    /// Mean numbers of flows, and of busy cores.
    fn means(&self) -> (f64, f64) {
        let busy = |n: u32| f64::from(n.min(self.cores));
        // From here on every share is the same part of the one before.
        let last = self.c.max(self.cores);
        let (mut sums, mut share) = (Sums::default(), 1.0);
        for n in 0..last {
            sums.add(share, n.into(), busy(n));
            let rate = if n < self.c { self.below } else { self.above };
            share *= rate / busy(n + 1);
        }
        let ratio = self.above / f64::from(self.cores);
        let rest = 1.0 / (1.0 - ratio);
        let flows = f64::from(last) + ratio * rest;
        sums.add(share * rest, flows, busy(last));
        (sums.flows / sums.all, sums.busy / sums.all)
    }
}

impl OnCores {
    /// SR_c at a load of `lambda` of each core.
    ///
    /// # Errors
    ///
    /// Where one of the numbers is none that the model takes.
    pub fn new(lambda: f64, c: u32, cores: u32) -> Result<Self, ModelError> {
        check_lambda(lambda)?;
        if !(1..=MAX_C).contains(&c) {
            return Err(ModelError::C(c));
        }
        check_cores(cores)?;
        let come = lambda * f64::from(cores);
        let chain = |refused: f64| Chain {
            below: come * (1.0 + refused),
            above: come * refused,
            c,
            cores,
        };
        let refused = bisect(0.0, 1.0, |refused| chain(refused).means().1 < come);
        let (mean_flows, _) = chain(refused).means();
        Ok(OnCores {
            lambda,
            cores,
            refused,
            mean_flows,
        })
    }

    /// Single choice: every server is an M/M/k queue.
    ///
    /// # Errors
    ///
    /// As of [`OnCores::new`].
    pub fn single(lambda: f64, cores: u32) -> Result<Self, ModelError> {
        check_lambda(lambda)?;
        check_cores(cores)?;
        let come = lambda * f64::from(cores);
        let chain = Chain {
            below: come,
            above: come,
            c: 0,
            cores,
        };
        let (mean_flows, _) = chain.means();
        Ok(OnCores {
            lambda,
            cores,
            refused: 0.0,
            mean_flows,
        })
    }

    /// s_c: the share of offers that are refused.
    pub fn refused(&self) -> f64 {
        self.refused
    }

    /// The expected number of flows of a server.
    pub fn mean_flows(&self) -> f64 {
        self.mean_flows
    }

    /// The expected response time in mean service times.
    pub fn mean_response(&self) -> f64 {
        self.mean_flows / (self.lambda * f64::from(self.cores))
    }
}

fn check_cores(cores: u32) -> Result<(), ModelError> {
    match (1..=MAX_CORES).contains(&cores) {
        true => Ok(()),
        false => Err(ModelError::Cores(cores)),
    }
}
