//! A token bucket in handed-in time: for ICMPv6 that we send, and for socket look-ups.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

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

/// A [`RateLimit`] of several threads: what one of them has saved up, or gives back, another may use. No thread waits for another one.
#[derive(Debug)]
pub struct SharedRateLimit {
    rate_pps: AtomicU32,
    saved_millionths: AtomicU64,
    /// Up to when is saved up, in microseconds. Who moves it on saves up what was earned in between.
    last: AtomicU64,
}

impl SharedRateLimit {
    /// As [`RateLimit::new`].
    pub fn new(rate_pps: u32) -> Self {
        SharedRateLimit {
            rate_pps: AtomicU32::new(rate_pps),
            saved_millionths: AtomicU64::new(u64::from(rate_pps) * 1_000_000),
            last: AtomicU64::new(0),
        }
    }

    /// From now on so many may pass a second. It is full then, unless that is what it was.
    pub fn set_rate(&self, rate_pps: u32) {
        if self.rate_pps.swap(rate_pps, Relaxed) != rate_pps {
            let full = u64::from(rate_pps) * 1_000_000;
            self.saved_millionths.store(full, Relaxed);
        }
    }

    fn save_up(&self, millionths: u64) {
        let full = u64::from(self.rate_pps.load(Relaxed)) * 1_000_000;
        let more = |saved: u64| Some(saved.saturating_add(millionths).min(full));
        let _ = self.saved_millionths.fetch_update(Relaxed, Relaxed, more);
    }

    /// May one event pass at `now`? At the limit's edge a thread may hear no because another is just about to save something up.
    pub fn allow(&self, now: Instant) -> bool {
        self.allow_up_to(1, now) != 0
    }

    /// How many of so many events may pass at `now`. They count as if they had passed: what doesn't come is to be given back.
    pub fn allow_up_to(&self, events: u32, now: Instant) -> u32 {
        let (last, now) = (self.last.load(Relaxed), now.micros());
        let is_later = now > last;
        if is_later
            && self
                .last
                .compare_exchange(last, now, Relaxed, Relaxed)
                .is_ok()
        {
            let rate_pps = u64::from(self.rate_pps.load(Relaxed));
            self.save_up((now - last).saturating_mul(rate_pps));
        }
        let passing = |saved: u64| u64::from(events).min(saved / 1_000_000);
        let less = |saved: u64| match passing(saved) {
            0 => None,
            passing => Some(saved - passing * 1_000_000),
        };
        let taken = self.saved_millionths.fetch_update(Relaxed, Relaxed, less);
        taken.map_or(0, |saved| passing(saved) as u32)
    }

    /// As [`RateLimit::give_back`].
    pub fn give_back(&self, events: u32) {
        self.save_up(u64::from(events) * 1_000_000);
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

    /// One thread can't tell it from the other one, whatever it does.
    #[test]
    fn shared_by_nobody_it_is_the_same() {
        for rate_pps in [0, 1, 3, 1_000] {
            let (mut one, shared) = (RateLimit::new(rate_pps), SharedRateLimit::new(rate_pps));
            let mut micros = 0_u64;
            for step in 0..5_000_u64 {
                micros += step * step * 7_919 % 1_700;
                let now = Instant::from_micros(micros.saturating_sub(step % 3));
                assert_eq!(one.allow(now), shared.allow(now), "{rate_pps}, {now:?}");
                if step % 11 == 0 {
                    one.give_back(step as u32 % 4);
                    shared.give_back(step as u32 % 4);
                }
            }
        }
    }

    #[test]
    fn several_at_once_pass_as_one_by_one() {
        let limit = SharedRateLimit::new(10);
        assert_eq!(limit.allow_up_to(4, Instant::ZERO), 4);
        assert_eq!(limit.allow_up_to(64, Instant::ZERO), 6);
        assert_eq!(limit.allow_up_to(64, Instant::ZERO), 0);
        limit.give_back(5);
        assert_eq!(limit.allow_up_to(3, Instant::ZERO), 3);
        assert!(limit.allow(Instant::ZERO) && limit.allow(Instant::ZERO));
        assert!(!limit.allow(Instant::ZERO));
        assert_eq!(limit.allow_up_to(64, Instant::from_millis(250)), 2);
    }

    #[test]
    fn threads_together_pass_no_more_than_one_would() {
        const RATE_PPS: u32 = 50;
        const SECONDS: u64 = 20;
        let limit = SharedRateLimit::new(RATE_PPS);
        let work = || {
            let instants = (0..SECONDS * 1_000).map(Instant::from_millis);
            instants.filter(|&now| limit.allow(now)).count()
        };
        let passed = std::thread::scope(|scope| {
            let others: Vec<_> = (0..3).map(|_| scope.spawn(work)).collect();
            let others = others.into_iter().map(|other| other.join().unwrap());
            work() + others.sum::<usize>()
        });
        // Whoever is slow finds nothing earned since: those who were fast had it.
        let most = SECONDS as usize * RATE_PPS as usize + RATE_PPS as usize;
        assert!((RATE_PPS as usize..=most).contains(&passed), "{passed}");
    }

    #[test]
    fn another_rate_begins_full_and_the_same_one_changes_nothing() {
        let limit = SharedRateLimit::new(2);
        let passed = || (0..9).filter(|_| limit.allow(Instant::ZERO)).count();
        assert_eq!(passed(), 2);
        limit.set_rate(2);
        assert_eq!(passed(), 0);
        limit.set_rate(5);
        assert_eq!(passed(), 5);
    }
}
