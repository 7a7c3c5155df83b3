//! What `/proc` says about a process. Every answer is a snapshot: the process may be gone by the time it is used.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A process that stays recognisable when its pid is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// Start time in clock ticks since boot.
    started_ticks: u64,
}

impl Process {
    /// The process that runs under `pid` now.
    pub(crate) fn running(pid: u32) -> Option<Process> {
        let stat = Stat::read(pid)?;
        stat.is_alive().then_some(Process {
            pid,
            started_ticks: stat.started_ticks,
        })
    }

    /// Whether this very process still runs; a zombie does not.
    pub(crate) fn is_alive(&self) -> bool {
        Process::running(self.pid) == Some(*self)
    }
}

/// The few fields of `/proc/PID/stat` that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    state: u8,
    parent: u32,
    started_ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Stat> {
        // Bytes, since a process may call itself anything.
        let bytes = fs::read(format!("/proc/{pid}/stat")).ok()?;
        Stat::parse(&bytes)
    }

    /// Fields are counted from the last parenthesis: the name before it may hold spaces and parentheses.
    fn parse(bytes: &[u8]) -> Option<Stat> {
        let end_of_name = bytes.iter().rposition(|&byte| byte == b')')?;
        let rest = std::str::from_utf8(&bytes[end_of_name + 1..]).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        Some(Stat {
            state: *fields.next()?.as_bytes().first()?,
            parent: fields.next()?.parse().ok()?,
            started_ticks: fields.nth(17)?.parse().ok()?,
        })
    }

    fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// The parent of a process; `None` if either is unknown. Pid 0 is the parent of a pid namespace's first process.
pub(crate) fn parent_of(pid: u32) -> Option<u32> {
    Stat::read(pid)
        .map(|stat| stat.parent)
        .filter(|&parent| parent != 0)
}

/// The pid by which a process knows itself: in a container, the container's.
pub(crate) fn own_pid_of(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_ascii_whitespace().last()?.parse().ok()
}

/// The IPC namespace of a process, in which its segments' ids and keys mean something.
pub(crate) fn ipc_namespace_of(pid: u32) -> Option<u64> {
    let metadata = fs::metadata(format!("/proc/{pid}/ns/ipc")).ok()?;
    Some(metadata.ino())
}

/// The name of a process's program, which everybody may read.
pub(crate) fn name_of(pid: u32) -> Option<String> {
    let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(String::from_utf8_lossy(&name).trim_end().to_string())
}

/// All pids there are.
pub(crate) fn all_pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// One line of `/proc/PID/maps`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MapsEntry {
    range: String,
    pub(crate) bytes: u64,
    pub(crate) offset_bytes: u64,
    is_writable: bool,
    is_shared: bool,
    pub(crate) inode: u64,
    pub(crate) name: String,
}

impl MapsEntry {
    /// All mappings of a process.
    pub(crate) fn of(pid: u32) -> io::Result<Vec<MapsEntry>> {
        let text = fs::read(format!("/proc/{pid}/maps"))?;
        let text = String::from_utf8_lossy(&text);
        Ok(text.lines().filter_map(MapsEntry::parse).collect())
    }

    fn parse(line: &str) -> Option<MapsEntry> {
        let mut fields = line.splitn(6, ' ');
        let range = fields.next()?.to_string();
        let permissions = fields.next()?.as_bytes();
        let offset_bytes = u64::from_str_radix(fields.next()?, 16).ok()?;
        let _device = fields.next()?;
        let inode = fields.next()?.parse().ok()?;
        let name = fields.next().unwrap_or("").trim_start().to_string();
        let (start, end) = range.split_once('-')?;
        let start = u64::from_str_radix(start, 16).ok()?;
        let end = u64::from_str_radix(end, 16).ok()?;
        Some(MapsEntry {
            bytes: end.checked_sub(start)?,
            offset_bytes,
            is_writable: permissions.get(1) == Some(&b'w'),
            is_shared: permissions.get(3) == Some(&b's'),
            inode,
            name,
            range,
        })
    }

    /// Whether this is a System V segment; its id is the inode then.
    pub(crate) fn is_segment(&self) -> bool {
        self.name.starts_with("/SYSV")
    }

    /// Apache maps its scoreboard shared and writable; a reader's mapping is not writable.
    pub(crate) fn is_shared_writable(&self) -> bool {
        self.is_shared && self.is_writable
    }

    /// The file in `/proc/PID/map_files` through which root can open the object, deleted or not.
    pub(crate) fn map_file(&self, pid: u32) -> PathBuf {
        Path::new("/proc")
            .join(pid.to_string())
            .join("map_files")
            .join(&self.range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_behind_a_hostile_name() {
        let line =
            b"42 (a) R 1 (b c) S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000 200";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(
            (stat.state, stat.parent, stat.started_ticks),
            (b'S', 7, 98765)
        );
    }

    #[test]
    fn truncated_stat_is_no_stat() {
        assert_eq!(Stat::parse(b"42 (httpd) S 7 42"), None);
        assert_eq!(Stat::parse(b""), None);
    }

    #[test]
    fn this_process_runs_and_a_reused_pid_is_another() {
        let me = Process::running(std::process::id()).unwrap();
        assert!(me.is_alive());
        let earlier = Process {
            started_ticks: me.started_ticks.wrapping_sub(1),
            ..me
        };
        assert!(!earlier.is_alive());
    }

    #[test]
    fn a_maps_line_with_spaces_in_its_name() {
        let line =
            "7f00a000-7f00c000 rw-s 00001000 00:01 1234                       /dev/zero (deleted)";
        let entry = MapsEntry::parse(line).unwrap();
        assert_eq!(entry.bytes, 0x2000);
        assert_eq!(entry.offset_bytes, 0x1000);
        assert_eq!(entry.inode, 1234);
        assert_eq!(entry.name, "/dev/zero (deleted)");
        assert!(entry.is_shared_writable());
        assert_eq!(
            entry.map_file(9),
            Path::new("/proc/9/map_files/7f00a000-7f00c000")
        );
    }
}
