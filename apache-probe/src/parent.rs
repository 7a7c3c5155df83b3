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
        denied: None,
    };
    if let Some(parent) = given_pid.filter(|&pid| search.owns_board(pid)) {
        return Ok(Process::running(parent));
    }
    let mut has_children_here = false;
    for child in board.pids().take(CHILDREN_ASKED) {
        if !search.owns_board(child) {
            continue;
        }
        has_children_here = true;
        if let Some(parent) = proc::parent_of(child).filter(|&pid| search.owns_board(pid)) {
            return Ok(Process::running(parent));
        }
    }
    let parent = if has_children_here {
        None // orphans: their parent is init now
    } else {
        search.among_all()
    };
    match (parent, search.denied) {
        (None, Some(denied)) => Err(denied),
        (parent, _) => Ok(parent),
    }
}

struct Search<'a> {
    board: &'a Board,
    /// That a process could not be looked into matters only if the parent is not found.
    denied: Option<Error>,
}

impl Search<'_> {
    /// Whether the process has the board mapped for writing.
    fn owns_board(&mut self, pid: u32) -> bool {
        match MapsEntry::of(pid) {
            Ok(entries) => entries.iter().any(|entry| {
                entry.is_shared_writable()
                    && entry.inode == self.board.identity().inode()
                    && entry.bytes >= self.board.geometry().bytes() as u64
            }),
            Err(error) => {
                if error.kind() == io::ErrorKind::PermissionDenied {
                    let path = PathBuf::from(format!("/proc/{pid}/maps"));
                    self.denied = Some(Error::access(&path, "read", &error));
                }
                false
            }
        }
    }

    /// No child is known here by the pid on the board: before the first child starts, or in another pid namespace.
    fn among_all(&mut self) -> Option<Process> {
        let children: HashSet<u32> = self.board.pids().collect();
        proc::all_pids()
            .into_iter()
            .filter(|&pid| self.owns_board(pid))
            .find(|&pid| proc::own_pid_of(pid).is_none_or(|own| !children.contains(&own)))
            .and_then(Process::running)
    }
}
