//! The processor time that the inside had: on a machine that others use as well, throughput alone says little.

use std::fs;

use anyhow::{Context, Result};

use crate::machine::Machine;

/// The kernel's unit of processor time in `/proc` (USER_HZ).
const TICKS_PER_S: f64 = 100.0;

/// Processor time up to one moment, in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Of the processes that were asked for, and of this one.
    ours: u64,
    /// Of their processors, in all.
    all: u64,
    /// The same, with nothing to do.
    idle: u64,
    /// The same, busy with interrupts' work, whoever was interrupted.
    softirq: u64,
}

impl Share {
    /// Now. A process that has ended counts no more: those asked for have to outlast the measurement, and to stay on these processors.
    pub fn now(pids: &[u32], processors: &[usize]) -> Result<Share> {
        let own = std::process::id();
        let times = pids.iter().chain([&own]).filter_map(|pid| {
            let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            processor_ticks(&text)
        });
        let machine = Machine::of(processors)?;
        Ok(Share {
            ours: times.sum(),
            all: machine.all_ticks(),
            idle: machine.idle_ticks(),
            softirq: machine.softirq_ticks(),
        })
    }

    /// Seconds of processor time since then: what was ours, or nobody's and so ours to take; and what others took.
    pub fn seconds_since(&self, pids: &[u32], processors: &[usize]) -> Result<(f64, f64)> {
        let now = Share::now(pids, processors)?;
        let ours = (now.ours)
            .checked_sub(self.ours)
            .context("a process of the testbed has ended")?;
        let passed = Share {
            ours,
            all: now.all.saturating_sub(self.all),
            idle: now.idle.saturating_sub(self.idle),
            softirq: now.softirq.saturating_sub(self.softirq),
        };
        let others = passed.of_others();
        Ok((
            (passed.all as f64 - others) / TICKS_PER_S,
            others / TICKS_PER_S,
        ))
    }

    /// What other processes took. A packet's way through the kernel is charged to whoever it interrupts, and it interrupts ours and
    /// others in proportion to their time: that part of the others' time is ours.
    fn of_others(&self) -> f64 {
        let busy = self.all.saturating_sub(self.idle);
        let others = busy.saturating_sub(self.ours) as f64;
        others * (1.0 - self.softirq as f64 / busy.max(1) as f64)
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
    fn others_are_who_is_neither_ours_nor_idle_nor_interrupts() {
        let rows = [
            ("all of it ours", [800, 800, 0, 300], 0.0),
            ("half of it idle", [400, 800, 400, 100], 0.0),
            ("others without interrupts", [300, 800, 100, 0], 400.0),
            (
                "a quarter of the busy time is interrupts' work",
                [400, 800, 0, 200],
                300.0,
            ),
        ];
        for (what, [ours, all, idle, softirq], expected) in rows {
            let share = Share {
                ours,
                all,
                idle,
                softirq,
            };
            assert_eq!(share.of_others(), expected, "{what}");
        }
    }
}
