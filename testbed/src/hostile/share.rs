//! The share of the machine that the testbed had: on a machine that others use as well, throughput alone says little.

use std::fs;

use anyhow::{Context, Result};

use crate::machine::Machine;

/// The kernel's unit of processor time in `/proc` (USER_HZ).
const TICKS_PER_S: f64 = 100.0;

/// Processor time up to one moment.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// Of the processes that were asked for, and of this one.
    ours_ticks: u64,
    idle_ticks: u64,
}

impl Share {
    /// Now. A process that has ended counts no more: those asked for have to outlast the measurement.
    pub fn now(pids: &[u32]) -> Result<Share> {
        let mut all = pids.to_vec();
        all.push(std::process::id());
        let times = all.iter().filter_map(|pid| {
            let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            processor_ticks(&text)
        });
        Ok(Share {
            ours_ticks: times.sum(),
            idle_ticks: Machine::now()?.idle_ticks(),
        })
    }

    /// Seconds of processor time since then that were ours, or nobody's and so ours to take.
    pub fn seconds_since(&self, pids: &[u32]) -> Result<f64> {
        let now = Share::now(pids)?;
        let ours = (now.ours_ticks)
            .checked_sub(self.ours_ticks)
            .context("a process of the testbed has ended")?;
        let idle = now.idle_ticks.saturating_sub(self.idle_ticks);
        Ok((ours + idle) as f64 / TICKS_PER_S)
    }
}

/// utime and stime of `/proc/PID/stat`; the name in parentheses may hold anything.
fn processor_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_behind_any_name() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194304 10 0 0 0 30 12 5 6 20 0 1 0 99 0 0";
        assert_eq!(processor_ticks(stat), Some(42));
        assert_eq!(processor_ticks("7 (a) S 1"), None);
    }

    #[test]
    fn time_does_not_go_back() {
        let before = Share::now(&[]).unwrap();
        assert!(before.seconds_since(&[]).unwrap() >= 0.0);
    }
}
