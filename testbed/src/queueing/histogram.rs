//! Times in bins whose width is 1/128 of what they hold, or less: any number of queries in a few kilobytes.

/// Bins in which a power of two is cut, as a power of two.
const BITS: u32 = 7;

/// How often which time came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    bins: Vec<u64>,
    count: u64,
}

/// The bin of a time: below 2^(BITS + 1) each has its own.
fn bin(value: u64) -> usize {
    let power = value.max(1).ilog2();
    let shift = power.saturating_sub(BITS);
    ((u64::from(shift) << BITS) + (value >> shift)) as usize
}

/// The first time of a bin.
fn start(bin: usize) -> u64 {
    let bin = bin as u64;
    let shift = (bin >> BITS).saturating_sub(1);
    (bin - (shift << BITS)) << shift
}

impl Histogram {
    /// One more.
    pub fn add(&mut self, value: u64) {
        let bin = bin(value);
        if bin >= self.bins.len() {
            self.bins.resize(bin + 1, 0);
        }
        self.bins[bin] += 1;
        self.count += 1;
    }

    /// All of another one, too.
    pub fn merge(&mut self, other: &Histogram) {
        if other.bins.len() > self.bins.len() {
            self.bins.resize(other.bins.len(), 0);
        }
        for (mine, theirs) in self.bins.iter_mut().zip(&other.bins) {
            *mine += theirs;
        }
        self.count += other.count;
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The time that `percentile` of 100 do not exceed; 0 if there is none.
    pub fn percentile(&self, percentile: f64) -> f64 {
        let wanted = percentile / 100.0 * self.count as f64;
        let mut before = 0.0;
        for (i, &n) in self.bins.iter().enumerate().filter(|(_, &n)| n > 0) {
            let n = n as f64;
            if before + n >= wanted {
                let width = (start(i + 1) - start(i)) as f64;
                return start(i) as f64 + width * (wanted - before) / n;
            }
            before += n;
        }
        0.0
    }

    /// The distribution function: ends of bins, and which share is below each.
    pub fn cdf(&self) -> Vec<(u64, f64)> {
        let mut sum = 0;
        let filled = self.bins.iter().enumerate().filter(|(_, &n)| n > 0);
        filled
            .map(|(i, n)| {
                sum += n;
                (start(i + 1), sum as f64 / self.count as f64)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_lie_behind_one_another_and_are_narrow() {
        for i in 0..5_000 {
            assert_eq!(bin(start(i)), i);
            let (from, to) = (start(i), start(i + 1));
            assert_eq!(bin(to - 1), i);
            assert!(to - from <= (from >> BITS).max(1), "{from}..{to}");
        }
        assert_eq!(start(bin(u64::MAX)) >> 56, 255);
    }

    #[test]
    fn two_together_are_as_one() {
        let of = |range: std::ops::Range<u64>| {
            let mut histogram = Histogram::default();
            range.for_each(|n| histogram.add(n * n));
            histogram
        };
        for (first, second) in [(0..300, 300..900), (300..900, 0..300), (0..0, 0..900)] {
            let mut histogram = of(first);
            histogram.merge(&of(second));
            assert_eq!(histogram, of(0..900));
        }
    }

    #[test]
    fn percentiles_are_as_near_as_bins_are_narrow() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(90.0), 0.0);
        (1..=100_000).for_each(|n| histogram.add(n * 7));
        for percentile in [1.0, 50.0, 90.0, 99.9, 100.0] {
            let exact = percentile / 100.0 * 700_000.0;
            let off = (histogram.percentile(percentile) / exact - 1.0).abs();
            assert!(off < 0.008, "{percentile}: {off}");
        }
        let cdf = histogram.cdf();
        assert_eq!(cdf.last().map(|end| end.1), Some(1.0));
        assert!(cdf.windows(2).all(|p| p[0].0 < p[1].0 && p[0].1 < p[1].1));
    }
}
