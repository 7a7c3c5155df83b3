//! One clock for every process of a testbed.

use rustix::time::{clock_gettime, ClockId};

/// Milliseconds on CLOCK_MONOTONIC. It is the host's, the same in every namespace, so what a
/// client saw can be laid beside what was done to an LB.
pub fn now_ms() -> f64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_from_boot_and_never_back() {
        let (first, second) = (now_ms(), now_ms());
        let text = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime_s: f64 = text.split(' ').next().unwrap().parse().unwrap();
        assert!(first <= second);
        // A suspended machine's uptime runs on, this clock does not.
        assert!(
            second <= (uptime_s + 1.0) * 1e3,
            "{second} against {uptime_s}"
        );
    }
}
