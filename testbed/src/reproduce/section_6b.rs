//! What the figures of section VI-B share: the farm with one or two cores for Apache, its rates, and means over some seeds.

use anyhow::Result;

use super::farm::{self, CAPACITY_QPS, MEAN_S, SERVERS};
use super::Workshop;
use crate::model::OnCores;
use crate::queueing::{Balancing, Scenario};

/// The load of the paper's sections VI-B3, 4, 6 and 8.
pub const RHO: f64 = 0.71;

/// The farm, by the cores that each server has for Apache.
///
/// The paper's servers are VMs of two cores. VPP, which polls and never sleeps, runs in each of them and takes one: then Apache has
/// the other. The paper says nothing of it, so both are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Farm {
    /// Cores of a server.
    pub cores: u32,
}

impl Farm {
    /// Both cores are Apache's.
    pub const TWO: Farm = Farm { cores: 2 };
    /// VPP has the other one.
    pub const ONE: Farm = Farm { cores: 1 };

    /// In words.
    pub fn title(self) -> &'static str {
        match self.cores {
            1 => "one core for Apache (VPP polls on the other)",
            _ => "two cores for Apache",
        }
    }

    /// Queries a second that all cores can do.
    pub fn capacity_qps(self) -> f64 {
        f64::from(self.cores) * SERVERS as f64 / MEAN_S
    }

    /// Queries a second at the normalized rate `rho`. lambda_0 is the same share of what the cores can do for one core and for two: near
    /// it all cores are busy, and only their number times their speed counts.
    ///
    /// # Errors
    ///
    /// As of [`farm::sustainable_qps`].
    pub fn rate_qps(self, workshop: &Workshop, rho: f64) -> Result<f64> {
        Ok(rho * sustainable_load(workshop)? * self.capacity_qps())
    }

    /// 48 such servers.
    pub fn scenario(self, workshop: &Workshop, balancing: Balancing, rate_qps: f64) -> Scenario {
        let mut scenario = farm::scenario(workshop, balancing, rate_qps);
        let servers = scenario.servers.iter_mut();
        servers.for_each(|server| server.cores = self.cores);
        scenario
    }

    /// What the mean-field equation says of SR_c, or of single choice; none where the load is no load of an equilibrium.
    pub fn theory_s(self, c: Option<u32>, load: f64) -> Option<f64> {
        let theory = match c {
            Some(c) => OnCores::new(load, c, self.cores),
            None => OnCores::single(load, self.cores),
        };
        theory.ok().map(|theory| theory.mean_response() * MEAN_S)
    }
}

/// lambda_0 as a share of what the cores can do.
///
/// # Errors
///
/// As of [`farm::sustainable_qps`].
pub fn sustainable_load(workshop: &Workshop) -> Result<f64> {
    Ok(farm::sustainable_qps(workshop)? / CAPACITY_QPS)
}

/// The same with several seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Spread(pub Vec<f64>);

impl Spread {
    /// The mean.
    pub fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    /// The least.
    pub fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The most.
    pub fn most(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// The one in the middle; of an even number the upper one.
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    }
}

/// Mean response times of each scenario, in seconds, once with each of `seeds` seeds from the workshop's on.
///
/// # Errors
///
/// As of [`farm::simulate`].
pub fn means_s(workshop: &Workshop, seeds: u64, scenarios: &[Scenario]) -> Result<Vec<Spread>> {
    let per = seeds as usize;
    let means = workshop.each(scenarios.len() * per, |n| {
        let mut scenario = scenarios[n / per].clone();
        scenario.seed += (n % per) as u64;
        Ok(farm::simulate(workshop, &scenario)?.response.mean_s)
    })?;
    Ok(means.chunks(per).map(|one| Spread(one.to_vec())).collect())
}

/// How much more `a` is than `b`, in percent.
pub fn percent_above(a: f64, b: f64) -> f64 {
    100.0 * (a / b - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads() {
        let spread = Spread(vec![3.0, 1.0, 2.0, 6.0]);
        assert_eq!((spread.mean(), spread.median()), (3.0, 3.0));
        assert_eq!((spread.least(), spread.most()), (1.0, 6.0));
    }

    #[test]
    fn theory_ends_where_loads_do() {
        assert_eq!(Farm::ONE.theory_s(Some(4), 1.0), None);
        let single = Farm::ONE.theory_s(None, 0.5);
        assert!((single.unwrap() - 2.0 * MEAN_S).abs() < 1e-9);
        assert_eq!(Farm::TWO.capacity_qps(), CAPACITY_QPS);
    }
}
