//! Finding Apache's parent process: the board does not name it, and only it keeps the board true.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;

use crate::board::Board;
use crate::error::Error;
use crate::proc::{self, MapsEntry, Process};

/// As many children are asked for their parent at most; one normally answers.
const CHILDREN_ASKED: usize = 8;

/// The parent of the Apache that owns `board`, or `None` if that Apache has none any more: killed, its board left behind.
///
/// A process belongs to this Apache only if it maps this very board for writing, so neither a stale pid file, nor a pid used again, nor a
/// container's pids mislead. The parent is the one that is not listed on the board as a child.
pub(crate) fn find(board: &Board, given_pid: Option<u32>) -> Result<Option<Process>, Error> {
    let mut search = Search {
        board,
        denied: Vec::new(),
    };
    match search.parent(given_pid) {
        Some(parent) => Ok(Process::running(parent)),
        None => search.why_none().map_or(Ok(None), Err),
    }
}

struct Search<'a> {
    board: &'a Board,
    /// Processes that we may not look into. Even root meets some; they matter only if one may be the parent.
    denied: Vec<u32>,
}

impl Search<'_> {
    fn parent(&mut self, given_pid: Option<u32>) -> Option<u32> {
        if let Some(parent) = given_pid.filter(|&pid| self.owns_board(pid)) {
            return Some(parent);
        }
        let mut has_children_here = false;
        for child in self.board.pids().take(CHILDREN_ASKED) {
            if !self.owns_board(child) {
                continue;
            }
            has_children_here = true;
            if let Some(parent) = proc::parent_of(child).filter(|&pid| self.owns_board(pid)) {
                return Some(parent);
            }
        }
        if has_children_here {
            return None; // orphans: their parent is init now
        }
        self.among_all()
    }

    /// Whether the process has the board mapped for writing.
    fn owns_board(&mut self, pid: u32) -> bool {
        match MapsEntry::of(pid) {
            Ok(entries) => entries.iter().any(|entry| {
                entry.is_shared_writable()
                    && self.board.identity().is_of(entry, pid)
                    && entry.bytes >= self.board.geometry().bytes() as u64
            }),
            Err(error) => {
                if error.kind() == io::ErrorKind::PermissionDenied {
                    self.denied.push(pid);
                }
                false
            }
        }
    }

    /// No child is known here by the pid on the board: before the first child starts, or in another pid namespace.
    fn among_all(&mut self) -> Option<u32> {
        let children: HashSet<u32> = self.board.pids().collect();
        proc::all_pids()
            .into_iter()
            .filter(|&pid| self.owns_board(pid))
            .find(|&pid| proc::own_pid_of(pid).is_none_or(|own| !children.contains(&own)))
    }

    /// Why "no parent" may not mean "killed": a process with the name of Apache's children that we may not look into, or no child
    /// yet, so that nothing proves that Apache ever got going.
    fn why_none(&self) -> Option<Error> {
        let mut pids = self.board.pids().peekable();
        if pids.peek().is_none() {
            return Some(Error::NotReady {
                path: self.board.path().to_path_buf(),
            });
        }
        let names: HashSet<String> = pids.filter_map(proc::name_of).collect();
        let suspect = self
            .denied
            .iter()
            .find(|&&pid| proc::name_of(pid).is_some_and(|name| names.contains(&name)))?;
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        Some(Error::access(&maps_path(*suspect), "read", &denied))
    }
}

fn maps_path(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/maps"))
}
