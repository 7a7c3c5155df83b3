//! All that a run has found out.

use super::candidates::Built;
use super::case::{Case, Way};
use super::engine::{Figure, Measured};
use super::full::Full;
use super::instructions::Counts;
use super::profile::Profile;
use super::reload::Reloaded;
use super::spread::Spread;
use super::workers::Scaling;

/// What came out, or why it could not be measured here.
pub type OrWhy<T> = Result<T, String>;

/// The results.
#[derive(Clone, Debug)]
pub struct Results {
    /// Packets a batch.
    pub batch: u16,
    /// Nanoseconds a packet.
    pub measured: Measured,
    /// Two workers against one.
    pub scaling: OrWhy<Vec<Scaling>>,
    /// Instructions a packet.
    pub instructions: OrWhy<Counts>,
    /// Milliseconds a table.
    pub built: Vec<Built>,
    /// The largest flow table.
    pub full: OrWhy<Full>,
    /// How soon packets see another pool.
    pub reloaded: OrWhy<Reloaded>,
    /// Where the time goes in what misses its target.
    pub profiles: OrWhy<Vec<Profile>>,
}

impl Results {
    /// The figures of all cases in usual batches.
    pub fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.measured.cases(self.batch)
    }

    /// One of them.
    pub fn figure(&self, case: Case, way: Way, flows: u64) -> Option<&Figure> {
        let is_it = |f: &&Figure| f.job.case == case && f.way == way && f.flows == flows;
        self.figures().find(is_it)
    }

    /// Numbers of flows, from the smallest one.
    pub fn sizes(&self) -> Vec<u64> {
        let mut sizes: Vec<u64> = self.figures().map(|f| f.flows).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// Ways that were measured, in the order in which they come.
    pub fn ways(&self) -> Vec<Way> {
        let mut ways = Vec::new();
        for figure in self.figures() {
            if !ways.contains(&figure.way) {
                ways.push(figure.way);
            }
        }
        ways
    }
}

/// One figure over another one, pass by pass; none if they have none in common.
pub fn ratio(over: &Figure, under: &Figure) -> Option<Spread> {
    let both = over.passes.iter().zip(&under.passes);
    let ratios: Vec<f64> = both.map(|(over, under)| over / under).collect();
    (!ratios.is_empty()).then(|| Spread::of(&ratios))
}
