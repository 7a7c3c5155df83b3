//! How busy the real machine was: figures from a saturated one mean nothing.

use std::fs;

use anyhow::{Context, Result};

/// The machine's clock ticks at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    busy: u64,
    softirq: u64,
    all: u64,
}

impl Machine {
    /// Now.
    pub fn now() -> Result<Machine> {
        Machine::parse(&stat()?, "cpu").context("/proc/stat has no line of all processors")
    }

    /// Now, of some processors only.
    pub fn of(processors: &[usize]) -> Result<Machine> {
        let text = stat()?;
        let mut sum = Machine::default();
        for number in processors {
            let one = Machine::parse(&text, &format!("cpu{number}"))
                .with_context(|| format!("/proc/stat has no line of processor {number}"))?;
            sum.busy += one.busy;
            sum.softirq += one.softirq;
            sum.all += one.all;
        }
        Ok(sum)
    }

    /// Ticks in all.
    pub fn all_ticks(&self) -> u64 {
        self.all
    }

    /// Ticks of work that interrupts left behind, such as a packet's way through the kernel.
    pub fn softirq_ticks(&self) -> u64 {
        self.softirq
    }

    /// Ticks in which some processor had nothing to do.
    pub fn idle_ticks(&self) -> u64 {
        self.all - self.busy
    }

    /// user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already.
    fn parse(text: &str, name: &str) -> Option<Machine> {
        let is_it = |line: &&str| line.split(' ').next() == Some(name);
        let line = text.lines().find(is_it)?;
        let ticks: Vec<u64> = line
            .split_whitespace()
            .skip(1)
            .take(8)
            .filter_map(|field| field.parse().ok())
            .collect();
        let idle = ticks.get(3)? + ticks.get(4)?;
        let all = ticks.iter().sum();
        Some(Machine {
            busy: all - idle,
            softirq: *ticks.get(6)?,
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

fn stat() -> Result<String> {
    fs::read_to_string("/proc/stat").context("cannot read /proc/stat")
}

/// Processors, memory and kernel, in words.
pub fn shape() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let field = |text: &str| -> Option<u64> {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let kib = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| field(&text));
    let memory = kib.map_or("unknown memory".into(), |kib| {
        format!("{} GiB", kib.div_ceil(1 << 20))
    });
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel: Vec<&str> = kernel.trim().split('.').take(2).collect();
    format!(
        "{processors} processors, {memory}, Linux {}",
        kernel.join(".")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_iowait_are_not_busy() {
        let text = "cpu  10 20 30 400 40 5 6 7 99 99\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        let expected = Machine {
            busy: 78,
            softirq: 6,
            all: 518,
        };
        assert_eq!(Machine::parse(text, "cpu"), Some(expected));
        let expected = Machine {
            busy: 6,
            softirq: 1,
            all: 8,
        };
        assert_eq!(Machine::parse(text, "cpu0"), Some(expected));
        assert_eq!(Machine::parse(text, "cpu1"), None);
        assert_eq!(Machine::parse("cpu0 1 2", "cpu0"), None);
    }
}
