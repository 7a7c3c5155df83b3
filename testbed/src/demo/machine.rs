//! How busy the real machine was: figures from a saturated one mean nothing.

use std::fs;

use anyhow::{Context, Result};

/// The machine's clock ticks at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    busy: u64,
    all: u64,
}

impl Machine {
    /// Now.
    pub fn now() -> Result<Machine> {
        let text = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
        Machine::parse(&text).context("/proc/stat has no line of all processors")
    }

    /// user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already.
    fn parse(text: &str) -> Option<Machine> {
        let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<u64> = line
            .split_whitespace()
            .take(8)
            .filter_map(|field| field.parse().ok())
            .collect();
        let idle = ticks.get(3)? + ticks.get(4)?;
        let all = ticks.iter().sum();
        Some(Machine {
            busy: all - idle,
            all,
        })
    }

    /// The share of all processors that was busy since then.
    pub fn busy_since(&self) -> Result<f64> {
        let now = Machine::now()?;
        let all = now.all.saturating_sub(self.all).max(1);
        Ok(now.busy.saturating_sub(self.busy) as f64 / all as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_iowait_are_not_busy() {
        let text = "cpu  10 20 30 400 40 5 6 7 99 99\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        let expected = Machine { busy: 78, all: 518 };
        assert_eq!(Machine::parse(text), Some(expected));
        assert_eq!(Machine::parse("cpu0 1 2"), None);
    }
}
