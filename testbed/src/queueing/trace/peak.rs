//! The busiest seconds of a stream.

/// Over so many seconds.
pub const OVER_S: usize = 12;

/// How many queries come within [`OVER_S`] seconds at most: an upper bound, from whole seconds.
#[derive(Clone, Debug, Default)]
pub struct Peak {
    /// One more than seconds, because a window begins anywhere.
    seconds: [u64; OVER_S + 1],
    second: u64,
    inside: u64,
    most: u64,
}

impl Peak {
    /// One more query, not earlier than those before.
    pub fn add(&mut self, at_us: u64) {
        let second = at_us / 1_000_000;
        let size = self.seconds.len() as u64;
        for next in (self.second + 1..=second).take(self.seconds.len()) {
            let place = (next % size) as usize;
            self.inside -= std::mem::take(&mut self.seconds[place]);
        }
        self.second = second;
        self.seconds[(second % size) as usize] += 1;
        self.inside += 1;
        self.most = self.most.max(self.inside);
    }

    /// As a rate: queries a second.
    pub fn qps(&self) -> f64 {
        self.most as f64 / OVER_S as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_counts_however_quiet_the_rest_is() {
        let mut peak = Peak::default();
        (0..1_000).for_each(|n| peak.add(n * 1_000_000));
        assert_eq!(peak.most, 13);
        (0..240).for_each(|_| peak.add(5_000_000_000));
        assert_eq!(
            peak.most, 240,
            "nothing is left of what was before the pause"
        );
        peak.add(5_013_000_000);
        (0..245).for_each(|_| peak.add(5_013_500_000));
        assert_eq!(peak.most, 246);
        assert_eq!(peak.qps(), 20.5);
    }
}
