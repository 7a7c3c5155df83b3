//! One mapped board, and whether it is still the board of a living Apache.

use std::path::{Path, PathBuf};

use crate::board::Board;
use crate::error::Error;
use crate::event::Event;
use crate::locate::{locate, Target};
use crate::parent;
use crate::proc::Process;

/// What a look around finds.
pub(crate) enum Sighting {
    Same,
    RestartInPlace(Event),
    Alive(Watched),
    LeftBehind(Watched),
    Gone(Error),
    Refused(Error),
}

/// A mapped board with what must stay true of it.
#[derive(Debug)]
pub(crate) struct Watched {
    board: Board,
    /// The object's own name; anonymous memory has none.
    name: Option<PathBuf>,
    /// The parent process, if it is known and alive.
    parent: Option<Process>,
    generation: u32,
    restart_time_us: u64,
}

/// What is at a board's name now.
enum AtName {
    ThisBoard { bytes: u64 },
    NothingOrAnother,
}

impl Watched {
    pub(crate) fn find(target: &Target) -> Result<Watched, Error> {
        let found = locate(target)?;
        let board = Board::map(&found)?;
        let parent = if target.is_parent_ignored() {
            None
        } else {
            // A missing or stale pid file does not matter here: the board's own children lead to the parent as well.
            parent::find(&board, target.given_pid().ok().flatten())?
        };
        Ok(Watched {
            name: found.is_named().then(|| found.path().to_path_buf()),
            parent,
            generation: board.generation(),
            restart_time_us: board.restart_time_us(),
            board,
        })
    }

    pub(crate) fn board(&self) -> &Board {
        &self.board
    }

    pub(crate) fn parent_pid(&self) -> Option<u32> {
        self.parent.map(|parent| parent.pid)
    }

    pub(crate) fn is_named(&self) -> bool {
        self.name.is_some()
    }

    /// Whether this board is still the one; `Gone` means: search again.
    pub(crate) fn look(&mut self) -> Sighting {
        // The parent before the name: a parent that stops cleanly unlinks the name and then dies. The other way round a stop between
        // the two looks would pass for a kill.
        let is_parent_dead = self.parent.is_some_and(|parent| !parent.is_alive());
        match self.name.as_deref().map(|name| self.at(name)) {
            Some(AtName::NothingOrAnother) => self.gone(),
            Some(AtName::ThisBoard { bytes }) if bytes < self.board.geometry().bytes() as u64 => {
                Sighting::Refused(self.shrunk(bytes))
            }
            // Both tell a death the same way; what the search then finds tells the rest (see `step`).
            Some(AtName::ThisBoard { .. }) | None if is_parent_dead => self.gone(),
            _ => self.look_inside(),
        }
    }

    /// The board is in place; what does it say?
    fn look_inside(&mut self) -> Sighting {
        let unknown = self.board.counts().unknown;
        if unknown > 0 {
            return Sighting::Refused(Error::Implausible {
                path: self.board.path().to_path_buf(),
                layout: self.board.geometry().layout().httpd,
                what: format!("{unknown} workers have a status that httpd does not have"),
            });
        }
        self.restart_in_place()
            .map_or(Sighting::Same, Sighting::RestartInPlace)
    }

    /// A SIGHUP or SIGUSR1 since the last look. Both raise the generation first. After a SIGHUP the board is then emptied and the restart
    /// time set, before new children start; so the first new child without a new time tells the graceful one.
    fn restart_in_place(&mut self) -> Option<Event> {
        let generation = self.board.generation();
        let restart_time_us = self.board.restart_time_us();
        if restart_time_us != self.restart_time_us {
            self.restart_time_us = restart_time_us;
            self.generation = generation;
            return Some(Event::HardRestart { generation });
        }
        if generation != self.generation && self.has_child_of(generation) {
            self.generation = generation;
            return Some(Event::GracefulRestart { generation });
        }
        None
    }

    fn has_child_of(&self, generation: u32) -> bool {
        (0..self.board.geometry().server_limit()).any(|slot| {
            self.board.pid(slot) != 0 && self.board.process_generation(slot) == generation
        })
    }

    fn at(&self, name: &Path) -> AtName {
        match self.board.identity().bytes_at(name) {
            Some(bytes) => AtName::ThisBoard { bytes },
            None => AtName::NothingOrAnother,
        }
    }

    pub(crate) fn is_still_there(&self) -> bool {
        self.name
            .as_deref()
            .is_some_and(|name| matches!(self.at(name), AtName::ThisBoard { .. }))
    }

    fn gone(&self) -> Sighting {
        Sighting::Gone(Error::NotRunning {
            tried: format!("{} is no longer in use", self.board.path().display()),
        })
    }

    fn shrunk(&self, bytes: u64) -> Error {
        Error::Shrunk {
            path: self.board.path().to_path_buf(),
            needed_bytes: self.board.geometry().bytes() as u64,
            bytes,
        }
    }

    /// Whether the parent, which is dead, went without cleaning up. A clean stop unlinks the name; anonymous memory has none, but a clean stop
    /// leaves no children on it.
    pub(crate) fn died_unclean(&self) -> bool {
        match self.name {
            Some(_) => self.is_still_there(),
            None => self.board.pids().next().is_some(),
        }
    }
}
