//! How many bytes may pass now, so that a body lasts as long as it is to last.

/// A stall is caught up by at most this much at once.
const BURST_MS: f64 = 500.0;
/// Bytes are let through in portions of this much time: fewer wake-ups.
const PORTION_MS: f64 = 100.0;

/// A token bucket. Times are milliseconds on one clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    bytes_per_ms: f64,
    tokens: f64,
    at_ms: f64,
}

impl Pace {
    /// Begins with one portion.
    pub fn new(bytes_per_s: f64, now_ms: f64) -> Pace {
        let bytes_per_ms = bytes_per_s / 1e3;
        Pace {
            bytes_per_ms,
            tokens: bytes_per_ms * PORTION_MS,
            at_ms: now_ms,
        }
    }

    /// Bytes that may pass now: at least a portion, or none.
    pub fn allows(&mut self, now_ms: f64) -> usize {
        let earned = (now_ms - self.at_ms).max(0.0) * self.bytes_per_ms;
        self.tokens = (self.tokens + earned).min(self.bytes_per_ms * BURST_MS);
        self.at_ms = now_ms;
        if self.tokens + 1e-6 < self.portion() {
            0
        } else {
            self.tokens as usize
        }
    }

    /// So many have passed.
    pub fn passed(&mut self, bytes: usize) {
        self.tokens -= bytes as f64;
    }

    /// When bytes may pass again, if none may now.
    pub fn next_ms(&self) -> f64 {
        self.at_ms + (self.portion() - self.tokens).max(0.0) / self.bytes_per_ms
    }

    fn portion(&self) -> f64 {
        (self.bytes_per_ms * PORTION_MS).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes all that is allowed whenever it is; returns the bytes passed by then.
    fn play(pace: &mut Pace, until_ms: f64) -> usize {
        let (mut now_ms, mut sum) = (0.0, 0);
        while now_ms <= until_ms {
            let bytes = pace.allows(now_ms);
            pace.passed(bytes);
            sum += bytes;
            now_ms = pace.next_ms().max(now_ms + 0.001);
        }
        sum
    }

    #[test]
    fn the_rate_is_kept() {
        for rate in [15.0, 1000.0, 65536.0, 10e6] {
            let sum = play(&mut Pace::new(rate, 0.0), 10_000.0) as f64;
            // Ten seconds, one portion ahead.
            assert!(
                (sum - rate * 10.05).abs() <= rate * 0.06 + 1.0,
                "{sum} at {rate}"
            );
        }
    }

    #[test]
    fn a_stall_is_not_caught_up_in_one_burst() {
        let mut pace = Pace::new(1000.0, 0.0);
        assert_eq!(pace.allows(60_000.0), 500);
        pace.passed(500);
        assert_eq!(pace.allows(60_050.0), 0);
        assert_eq!(pace.next_ms(), 60_100.0);
        assert_eq!(pace.allows(60_100.0), 100);
    }
}
