//! The edge router: ECMP over the LBs that are announced.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;
use srh::Flow;

/// The edge router's table.
#[derive(Clone, Debug, Default)]
pub struct Edge {
    announced: Vec<u16>,
    salt: u64,
}

impl Edge {
    /// An LB is announced.
    pub fn announce(&mut self, lb: u16) {
        if !self.announced.contains(&lb) {
            self.announced.push(lb);
            self.announced.sort_unstable();
        }
    }

    /// An LB is withdrawn.
    pub fn withdraw(&mut self, lb: u16) {
        self.announced.retain(|&n| n != lb);
    }

    /// Is it announced?
    pub fn has(&self, lb: u16) -> bool {
        self.announced.contains(&lb)
    }

    /// What goes into its hash.
    pub fn salt(&self) -> u64 {
        self.salt
    }

    /// It hashes anew.
    pub fn rehash(&mut self, salt: u64) {
        self.salt = salt;
    }

    /// The LB for a flow's packets; none if none is announced.
    pub fn pick(&self, flow: &Flow) -> Option<u16> {
        let mut hasher = SipHasher13::new_with_keys(self.salt, 0);
        hasher.write(&flow.key());
        let place = hasher.finish().checked_rem(self.announced.len() as u64)?;
        self.announced.get(place as usize).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::nodes::flow;

    #[test]
    fn flows_spread_over_what_is_announced() {
        let mut edge = Edge::default();
        assert_eq!(edge.pick(&flow(1, 1)), None);
        for lb in [3, 1, 2, 3] {
            edge.announce(lb);
        }
        let picks =
            |edge: &Edge| -> Vec<u16> { (1..300).filter_map(|p| edge.pick(&flow(1, p))).collect() };
        let before = picks(&edge);
        for lb in 1..=3 {
            assert!(before.iter().filter(|&&n| n == lb).count() > 70);
        }
        edge.rehash(9);
        assert_ne!(picks(&edge), before);
        edge.withdraw(2);
        assert!(!picks(&edge).contains(&2));
        edge.announce(2);
        edge.rehash(0);
        assert_eq!(picks(&edge), before);
    }
}
