//! Everything that a board says at one moment, as plain data for people and programs.

use std::fmt;
use std::path::PathBuf;

use crate::board::Board;
use crate::count::Counts;
use crate::proc::MapsEntry;
use crate::status::Status;

/// Apache's multi-processing module, as far as it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mpm {
    /// One worker per process.
    Prefork,
    /// Threads, one per connection.
    Worker,
    /// Threads, and one that holds idle connections.
    Event,
    /// Worker or event: the parent's modules could not be read.
    Threaded,
}

impl fmt::Display for Mpm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mpm::Prefork => "prefork",
            Mpm::Worker => "worker",
            Mpm::Event => "event",
            Mpm::Threaded => "worker or event",
        })
    }
}

/// One process slot that is in use or has workers left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessRow {
    /// Which slot.
    pub slot: u32,
    /// The process; 0 if only old workers are left.
    pub pid: u32,
    /// Its generation.
    pub generation: u32,
    /// Going down gracefully.
    pub is_quiescing: bool,
    /// Full (worker, event).
    pub is_not_accepting: bool,
    /// Connections that an event process holds; lags by seconds.
    pub connections: u32,
    /// Its worker slots; `None` for a number that httpd does not have.
    pub workers: Vec<Option<Status>>,
}

/// A whole board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The object that is mapped.
    pub path: PathBuf,
    /// The httpd versions that have this layout.
    pub layout: &'static str,
    /// The MPM.
    pub mpm: Mpm,
    /// `ServerLimit`.
    pub server_limit: u32,
    /// `ThreadLimit`.
    pub thread_limit: u32,
    /// The running generation.
    pub generation: u32,
    /// Start or last SIGHUP, microseconds since 1970.
    pub restart_time_us: u64,
    /// The parent process, if it is known and alive.
    pub parent_pid: Option<u32>,
    /// The sums, taken in one pass just before the rows.
    pub counts: Counts,
    /// The slots in use, in order.
    pub processes: Vec<ProcessRow>,
}

impl Snapshot {
    /// Reads all of `board`.
    pub fn of(board: &Board, parent_pid: Option<u32>) -> Snapshot {
        let geometry = board.geometry();
        Snapshot {
            path: board.path().to_path_buf(),
            layout: geometry.layout().httpd,
            mpm: guess_mpm(geometry.thread_limit(), parent_pid),
            server_limit: geometry.server_limit(),
            thread_limit: geometry.thread_limit(),
            generation: board.generation(),
            restart_time_us: board.restart_time_us(),
            parent_pid,
            counts: board.counts(),
            processes: (0..geometry.server_limit())
                .map(|slot| row(board, slot))
                .filter(ProcessRow::is_in_use)
                .collect(),
        }
    }

    /// The slots as mod_status draws them, one letter a worker, free process slots included.
    pub fn letters(&self) -> String {
        let mut letters = String::new();
        let mut rows = self.processes.iter().peekable();
        for slot in 0..self.server_limit {
            match rows.next_if(|row| row.slot == slot) {
                Some(row) => letters.push_str(&row.letters()),
                None => letters.extend((0..self.thread_limit).map(|_| Status::Dead.letter())),
            }
        }
        letters
    }
}

impl ProcessRow {
    /// One letter for each worker; `?` for a status that httpd does not have.
    pub fn letters(&self) -> String {
        self.workers
            .iter()
            .map(|status| status.map_or('?', Status::letter))
            .collect()
    }

    fn is_in_use(&self) -> bool {
        self.pid != 0
            || self
                .workers
                .iter()
                .any(|&status| status != Some(Status::Dead))
    }
}

fn row(board: &Board, slot: u32) -> ProcessRow {
    ProcessRow {
        slot,
        pid: board.pid(slot),
        generation: board.process_generation(slot),
        is_quiescing: board.is_quiescing(slot),
        is_not_accepting: board.is_not_accepting(slot),
        connections: board.connections(slot),
        workers: (0..board.geometry().thread_limit())
            .map(|thread| board.status(slot, thread))
            .collect(),
    }
}

/// The parent has its MPM loaded as a module, unless it is built in. Without that, prefork alone always has a ThreadLimit of 1.
fn guess_mpm(thread_limit: u32, parent_pid: Option<u32>) -> Mpm {
    let modules = [
        ("mod_mpm_prefork", Mpm::Prefork),
        ("mod_mpm_worker", Mpm::Worker),
        ("mod_mpm_event", Mpm::Event),
    ];
    let entries = parent_pid
        .and_then(|pid| MapsEntry::of(pid).ok())
        .unwrap_or_default();
    let loaded = entries.iter().find_map(|entry| {
        modules
            .iter()
            .find(|(module, _)| entry.name.contains(module))
            .map(|&(_, mpm)| mpm)
    });
    loaded.unwrap_or(if thread_limit == 1 {
        Mpm::Prefork
    } else {
        Mpm::Threaded
    })
}
