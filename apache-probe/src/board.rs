//! A mapped scoreboard, and how to count on it.

use std::path::{Path, PathBuf};

use crate::count::{count, Counts};
use crate::error::Error;
use crate::found::Found;
use crate::identity::Identity;
use crate::layout::Geometry;
use crate::memory::Mapping;
use crate::status::Status;

/// No Linux pid is larger.
const MAX_PID: u32 = 4 << 20;

/// A scoreboard mapped read-only.
#[derive(Debug)]
pub struct Board {
    memory: Mapping,
    geometry: Geometry,
    path: PathBuf,
    identity: Identity,
}

impl Board {
    /// Maps what [`crate::locate()`] found, and refuses it if its contents cannot be a scoreboard's.
    pub fn map(found: &Found) -> Result<Board, Error> {
        let memory = found
            .map()
            .map_err(|error| Error::access(found.path(), "map", &error))?;
        let board = Board {
            memory,
            geometry: *found.geometry(),
            path: found.path().to_path_buf(),
            identity: found.identity(),
        };
        match board.implausible() {
            None => Ok(board),
            Some(what) => Err(Error::Implausible {
                path: board.path,
                layout: board.geometry.layout().httpd,
                what,
            }),
        }
    }

    /// Counts the workers: no system call, no lock, no allocation; every slot is looked at, also after a free one.
    ///
    /// Sorted as mod_status sorts: a process without a pid or one that is quiescing is skipped, and an idle worker counts only if it
    /// is of the running generation.
    #[inline]
    pub fn counts(&self) -> Counts {
        count(&self.memory, &self.geometry)
    }

    /// Where everything lies.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The object that is mapped.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The running generation: graceful and other restarts count it up.
    pub fn generation(&self) -> u32 {
        self.memory.load_u32(self.geometry.generation_at())
    }

    /// When Apache started or was last restarted by SIGHUP, in microseconds since 1970. Graceful restarts leave it alone.
    pub fn restart_time_us(&self) -> u64 {
        self.memory.load_u64(self.geometry.restart_time_at())
    }

    /// The pid in a process slot; 0 for a free one. In a container it is the container's pid.
    ///
    /// # Panics
    /// If `slot` is not below `ServerLimit`.
    pub fn pid(&self, slot: u32) -> u32 {
        self.memory.load_u32(self.process(slot).pid())
    }

    /// The generation of the process in a slot.
    ///
    /// # Panics
    /// If `slot` is not below `ServerLimit`.
    pub fn process_generation(&self, slot: u32) -> u32 {
        self.memory.load_u32(self.process(slot).generation())
    }

    /// Whether the process in a slot is going down gracefully.
    ///
    /// # Panics
    /// If `slot` is not below `ServerLimit`.
    pub fn is_quiescing(&self, slot: u32) -> bool {
        self.memory.load_u8(self.process(slot).quiescing()) != 0
    }

    /// Whether the process in a slot takes no more connections for now (worker, event).
    ///
    /// # Panics
    /// If `slot` is not below `ServerLimit`.
    pub fn is_not_accepting(&self, slot: u32) -> bool {
        self.memory.load_u8(self.process(slot).not_accepting()) != 0
    }

    /// The connections that an event process holds, idle keep-alives included; it lags by seconds, and is 0 with other MPMs.
    ///
    /// # Panics
    /// If `slot` is not below `ServerLimit`.
    pub fn connections(&self, slot: u32) -> u32 {
        self.memory.load_u32(self.process(slot).connections())
    }

    /// The status of one worker; `None` for a number that httpd does not have.
    ///
    /// # Panics
    /// If `slot` or `thread` is not below its limit.
    pub fn status(&self, slot: u32, thread: u32) -> Option<Status> {
        assert!(slot < self.geometry.server_limit() && thread < self.geometry.thread_limit());
        let worker = self.geometry.worker(slot, thread);
        Status::from_number(self.memory.load_u8(worker.status()))
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// The pids of all child processes.
    pub(crate) fn pids(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.geometry.server_limit())
            .map(|slot| self.pid(slot))
            .filter(|&pid| pid != 0)
    }

    fn process(&self, slot: u32) -> crate::layout::ProcessAt {
        assert!(slot < self.geometry.server_limit());
        self.geometry.process(slot)
    }

    /// The first field that no scoreboard of this layout could hold.
    fn implausible(&self) -> Option<String> {
        let newest = self.newest_generation();
        (0..self.geometry.server_limit()).find_map(|slot| {
            self.implausible_process(slot, newest).or_else(|| {
                (0..self.geometry.thread_limit())
                    .find_map(|thread| self.implausible_worker(slot, thread, newest))
            })
        })
    }

    /// The running generation, or one more: a restart may come between reading this and reading the records.
    fn newest_generation(&self) -> u32 {
        self.generation().saturating_add(1)
    }

    fn implausible_process(&self, slot: u32, newest: u32) -> Option<String> {
        let process = self.geometry.process(slot);
        let checks = [
            ("pid", self.memory.load_u32(process.pid()), MAX_PID),
            (
                "generation",
                self.memory.load_u32(process.generation()),
                newest,
            ),
            (
                "quiescing",
                u32::from(self.memory.load_u8(process.quiescing())),
                1,
            ),
            (
                "not_accepting",
                u32::from(self.memory.load_u8(process.not_accepting())),
                1,
            ),
        ];
        first_above(&checks).map(|(field, value)| format!("process {slot} has {field} {value}"))
    }

    fn implausible_worker(&self, slot: u32, thread: u32, newest: u32) -> Option<String> {
        let worker = self.geometry.worker(slot, thread);
        let checks = [
            ("pid", self.memory.load_u32(worker.pid()), MAX_PID),
            (
                "generation",
                self.memory.load_u32(worker.generation()),
                newest,
            ),
            (
                "status",
                u32::from(self.memory.load_u8(worker.status())),
                Status::IdleKill as u32,
            ),
        ];
        first_above(&checks)
            .map(|(field, value)| format!("worker {thread} of process {slot} has {field} {value}"))
    }
}

/// The first of (name, value, highest allowed) that is too high. Negative numbers look very high here.
fn first_above(checks: &[(&'static str, u32, u32)]) -> Option<(&'static str, u32)> {
    checks
        .iter()
        .find(|(_, value, highest)| value > highest)
        .map(|&(field, value, _)| (field, value))
}
