//! Processes by identity, not by number: a pid alone may have become somebody else's.

use std::fs;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::process::{
    pidfd_open, pidfd_send_signal, waitpid, Pid, PidfdFlags, Signal, WaitOptions,
};
use serde::{Deserialize, Serialize};

/// A pid together with the moment when that process started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcessId {
    /// The number.
    pub pid: u32,
    /// Clock ticks from boot to its start.
    pub start_ticks: u64,
}

/// `/proc/PID/stat`: the state letter and the start time.
fn stat(pid: u32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold spaces and parentheses of its own.
    let rest = text.rsplit_once(')')?.1;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let start_ticks = fields.nth(18)?.parse().ok()?;
    Some((state, start_ticks))
}

impl ProcessId {
    /// The process that has this number now.
    pub fn of(pid: u32) -> Option<ProcessId> {
        let (_, start_ticks) = stat(pid)?;
        Some(ProcessId { pid, start_ticks })
    }

    /// This very process.
    pub fn own() -> ProcessId {
        ProcessId::of(std::process::id()).unwrap_or(ProcessId {
            pid: std::process::id(),
            start_ticks: 0,
        })
    }

    /// Does it still run? A zombie does not.
    pub fn is_alive(&self) -> bool {
        stat(self.pid).is_some_and(|(state, start)| start == self.start_ticks && state != 'Z')
    }

    /// A handle that stays on this process, or nothing if it is gone.
    fn handle(&self) -> Option<std::os::fd::OwnedFd> {
        let pid = Pid::from_raw(i32::try_from(self.pid).ok()?)?;
        let handle = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // Looked at after the handle was taken: from here on the number cannot change hands.
        self.is_alive().then_some(handle)
    }

    /// Sends a signal; false if the process is gone.
    pub fn signal(&self, signal: Signal) -> bool {
        self.handle()
            .is_some_and(|handle| pidfd_send_signal(handle, signal).is_ok())
    }

    /// Takes note of its end, if it was our child: until then its number stays taken, and whoever looks
    /// for it by that number believes that it still runs.
    pub fn reap(&self) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if stat(self.pid).is_some_and(|(_, start)| start == self.start_ticks) {
            // Not our child: somebody else's to take note of.
            let _ = waitpid(pid, WaitOptions::NOHANG);
        }
    }

    /// Waits until it has ended; false if it has not by then.
    pub fn wait_gone(&self, timeout: Duration) -> bool {
        let Some(handle) = self.handle() else {
            return true;
        };
        let timeout = Timespec::try_from(timeout).ok();
        let mut fds = [PollFd::from_borrowed_fd(handle.as_fd(), PollFlags::IN)];
        // An interrupted wait is answered by a look.
        match poll(&mut fds, timeout.as_ref()) {
            Ok(n) if n > 0 => true,
            _ => !self.is_alive(),
        }
    }
}

/// Ends processes: asks all of them, waits, and kills those who did not listen.
pub fn end_all(processes: &[ProcessId], grace: Duration) {
    for process in processes {
        process.signal(Signal::TERM);
    }
    let until = std::time::Instant::now() + grace;
    for process in processes {
        let left = until.saturating_duration_since(std::time::Instant::now());
        if !process.wait_gone(left) {
            process.signal(Signal::KILL);
        }
    }
    kill_all(processes);
}

/// Kills processes at once and waits until they are gone.
pub fn kill_all(processes: &[ProcessId]) {
    for process in processes {
        process.signal(Signal::KILL);
    }
    for process in processes {
        process.wait_gone(Duration::from_secs(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_is_recognised_and_ended() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let id = ProcessId::of(child.id()).unwrap();
        assert!(id.is_alive());
        let impostor = ProcessId {
            start_ticks: id.start_ticks + 1,
            ..id
        };
        assert!(!impostor.is_alive());
        assert!(
            !impostor.signal(Signal::KILL),
            "another process's pid is not ours to kill"
        );
        assert!(id.is_alive());
        end_all(&[id], Duration::from_secs(5));
        assert!(!id.is_alive());
        child.wait().unwrap();
        assert!(id.wait_gone(Duration::ZERO));
    }
}
