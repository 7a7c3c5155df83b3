//! A token bucket in handed-in time: for ICMPv6 that we send, and for socket look-ups.

use packet_io::Instant;

/// Lets `rate_pps` events a second pass, and as many at once.
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    rate_pps: u32,
    /// Events saved up, in millionths, so that no event is lost to rounding.
    saved_millionths: u64,
    last: Instant,
}

impl RateLimit {
    /// A limit of `rate_pps` events a second; 0 lets nothing pass. It starts full.
    pub fn new(rate_pps: u32) -> Self {
        RateLimit {
            rate_pps,
            saved_millionths: u64::from(rate_pps) * 1_000_000,
            last: Instant::ZERO,
        }
    }

    /// May one event pass at `now`?
    pub fn allow(&mut self, now: Instant) -> bool {
        let full = u64::from(self.rate_pps) * 1_000_000;
        let micros = now.since(self.last).as_micros() as u64;
        let earned = micros.saturating_mul(u64::from(self.rate_pps));
        self.saved_millionths = self.saved_millionths.saturating_add(earned).min(full);
        self.last = self.last.max(now);
        if self.saved_millionths < 1_000_000 {
            return false;
        }
        self.saved_millionths -= 1_000_000;
        true
    }

    /// So many of the events that passed don't count; more than a second's worth is never saved up.
    pub fn give_back(&mut self, events: u32) {
        let full = u64::from(self.rate_pps) * 1_000_000;
        let saved = self.saved_millionths + u64::from(events) * 1_000_000;
        self.saved_millionths = saved.min(full);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(limit: &mut RateLimit, at: Instant, tries: usize) -> usize {
        (0..tries).filter(|_| limit.allow(at)).count()
    }

    #[test]
    fn a_burst_passes_then_the_rate() {
        let mut limit = RateLimit::new(10);
        assert_eq!(passed(&mut limit, Instant::from_secs(5), 100), 10);
        assert_eq!(passed(&mut limit, Instant::from_millis(5_099), 100), 0);
        assert_eq!(passed(&mut limit, Instant::from_millis(5_100), 100), 1);
        assert_eq!(passed(&mut limit, Instant::from_secs(60), 100), 10);
    }

    #[test]
    fn what_is_given_back_passes_again_up_to_a_second_s_worth() {
        let mut limit = RateLimit::new(10);
        assert_eq!(passed(&mut limit, Instant::ZERO, 100), 10);
        limit.give_back(3);
        assert_eq!(passed(&mut limit, Instant::ZERO, 100), 3);
        limit.give_back(u32::MAX);
        assert_eq!(passed(&mut limit, Instant::ZERO, 100), 10);
    }

    #[test]
    fn zero_lets_nothing_pass_and_time_may_stand_still_or_jump() {
        assert_eq!(passed(&mut RateLimit::new(0), Instant::from_secs(9), 3), 0);
        let mut limit = RateLimit::new(1);
        assert!(limit.allow(Instant::from_micros(u64::MAX)));
        assert!(!limit.allow(Instant::ZERO));
    }
}
