//! Noticing, off the packet path, what becomes of an Apache and its scoreboard.
//!
//! ```text
//!           | same board       another board,  board without   nothing      something
//! before    | and parent       parent alive    parent          there        unusable
//! ----------+---------------------------------------------------------------------------
//! (new)     | -                Started         Killed          Stopped      Refused
//! up        | Unchanged,       Restarted       Killed          Stopped      Refused
//!           | or a restart in
//!           | place
//! stopped   | -                Started         Killed          Unchanged    Refused
//! killed    | Unchanged        Restarted       Killed          Stopped (*)  Refused
//! refused   | -                Started         Killed          Stopped      Refused if for another reason
//! ```
//! (*) A named board only. Anonymous memory has no name that could vanish: it stays "killed" until another Apache is found.

use std::fmt;
use std::fs;
use std::mem;
use std::path::{Path, PathBuf};

use crate::board::Board;
use crate::error::Error;
use crate::locate::{locate, Identity, Target};
use crate::parent;
use crate::proc::Process;
use crate::snapshot::Snapshot;

/// After a refusal this many checks don't look: a look may read a whole board or all of `/proc`.
const CHECKS_BETWEEN_REFUSALS: u32 = 10;

/// What happened since the last [`Watcher::check`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing.
    Unchanged,
    /// Apache runs now (or was found running at the first check).
    Started,
    /// Restarted gracefully (SIGUSR1): the same board, a new generation of workers.
    GracefulRestart {
        /// The new generation.
        generation: u32,
    },
    /// Restarted by SIGHUP: the same board, emptied; connections were cut.
    HardRestart {
        /// The new generation.
        generation: u32,
    },
    /// Stopped and started again: a new board, mapped in place of the old one.
    Restarted,
    /// Stopped: its board is gone (or at the first check: it doesn't run).
    Stopped,
    /// The parent is dead and the board is left behind. Its workers may live on, with nobody to replace them.
    Killed,
    /// Something is there that cannot be used as a scoreboard.
    Refused(Error),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Unchanged => write!(f, "unchanged"),
            Event::Started => write!(f, "Apache runs"),
            Event::GracefulRestart { generation } => {
                write!(f, "Apache restarted gracefully, generation {generation}")
            }
            Event::HardRestart { generation } => {
                write!(f, "Apache restarted on SIGHUP, generation {generation}")
            }
            Event::Restarted => write!(f, "Apache was stopped and started again: new scoreboard"),
            Event::Stopped => write!(f, "Apache does not run: no scoreboard"),
            Event::Killed => write!(
                f,
                "Apache's parent process is dead and its scoreboard left behind; end its remaining workers and start it again"
            ),
            Event::Refused(error) => write!(f, "no usable scoreboard: {error}"),
        }
    }
}

/// Keeps the board of one Apache mapped across its restarts.
///
/// One thread calls [`check`](Watcher::check) every 100 to 200 ms and [`board`](Watcher::board) on the packet path.
#[derive(Debug)]
pub struct Watcher {
    target: Target,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Before the first check.
    New,
    Up(Watched),
    Stopped(Error),
    Killed(Watched),
    Refused {
        error: Error,
        checks_to_skip: u32,
    },
}

/// What a look around finds.
enum Sighting {
    Same,
    RestartInPlace(Event),
    Alive(Watched),
    LeftBehind(Watched),
    Gone(Error),
    Refused(Error),
}

impl Watcher {
    /// A watcher that has not looked yet: call [`check`](Watcher::check).
    pub fn new(target: Target) -> Watcher {
        Watcher {
            target,
            state: State::New,
        }
    }

    /// Looks what has become of Apache, and maps its new board if there is one. A few system calls; more when something changed.
    pub fn check(&mut self) -> Event {
        let sighting = self.look();
        let before = mem::replace(&mut self.state, State::New);
        let (event, state) = step(before, sighting);
        self.state = state;
        event
    }

    /// The board of the running Apache; `None` while it is not up.
    #[inline]
    pub fn board(&self) -> Option<&Board> {
        match &self.state {
            State::Up(watched) => Some(&watched.board),
            _ => None,
        }
    }

    /// True while Apache runs with its parent process, as of the last check. An Apache whose parent was killed is not up: its workers
    /// may serve for a while, but it should get nothing new.
    #[inline]
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// Why there is no board, if there is none for a reason that can be told.
    pub fn reason(&self) -> Option<&Error> {
        match &self.state {
            State::Stopped(error) | State::Refused { error, .. } => Some(error),
            State::New | State::Up(_) | State::Killed(_) => None,
        }
    }

    /// Everything on the board, for people: also on one that a killed Apache left behind.
    pub fn snapshot(&self) -> Option<Snapshot> {
        match &self.state {
            State::Up(watched) => {
                let parent_pid = watched.parent.map(|parent| parent.pid);
                Some(Snapshot::of(&watched.board, parent_pid))
            }
            State::Killed(watched) => Some(Snapshot::of(&watched.board, None)),
            _ => None,
        }
    }

    fn look(&mut self) -> Sighting {
        match &mut self.state {
            State::Up(watched) => match watched.look() {
                Sighting::Gone(_) => {}
                sighting => return sighting,
            },
            State::Killed(watched) if watched.is_still_there() => return Sighting::Same,
            State::Refused { checks_to_skip, .. } if *checks_to_skip > 0 => {
                *checks_to_skip -= 1;
                return Sighting::Same;
            }
            _ => {}
        }
        self.search()
    }

    /// Starts over: finds the target's board and its parent.
    fn search(&self) -> Sighting {
        match Watched::find(&self.target) {
            Ok(watched) if watched.parent.is_some() || self.target.is_parent_ignored() => {
                Sighting::Alive(watched)
            }
            Ok(watched) => Sighting::LeftBehind(watched),
            Err(error) if error.is_absence() => Sighting::Gone(error),
            Err(error) => Sighting::Refused(error),
        }
    }
}

/// The table at the top of this file.
fn step(before: State, sighting: Sighting) -> (Event, State) {
    match (before, sighting) {
        (state, Sighting::Same) => (Event::Unchanged, state),
        (state, Sighting::RestartInPlace(event)) => (event, state),
        (State::Up(_) | State::Killed(_), Sighting::Alive(watched)) => {
            (Event::Restarted, State::Up(watched))
        }
        (State::New | State::Stopped(_) | State::Refused { .. }, Sighting::Alive(watched)) => {
            (Event::Started, State::Up(watched))
        }
        (_, Sighting::LeftBehind(watched)) => (Event::Killed, State::Killed(watched)),
        (State::Stopped(_), Sighting::Gone(error)) => (Event::Unchanged, State::Stopped(error)),
        (State::Up(watched), Sighting::Gone(_)) if watched.died_unclean() => {
            (Event::Killed, State::Killed(watched))
        }
        (State::Killed(watched), Sighting::Gone(_)) if watched.name.is_none() => {
            (Event::Unchanged, State::Killed(watched))
        }
        (_, Sighting::Gone(error)) => (Event::Stopped, State::Stopped(error)),
        (before, Sighting::Refused(error)) => {
            let event = match before {
                State::Refused { error: known, .. } if known == error => Event::Unchanged,
                _ => Event::Refused(error.clone()),
            };
            let checks_to_skip = CHECKS_BETWEEN_REFUSALS;
            (
                event,
                State::Refused {
                    error,
                    checks_to_skip,
                },
            )
        }
    }
}

/// A mapped board with what must stay true of it.
#[derive(Debug)]
struct Watched {
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
    fn find(target: &Target) -> Result<Watched, Error> {
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

    /// Whether this board is still the one; `Gone` means: search again.
    fn look(&mut self) -> Sighting {
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
        match fs::metadata(name) {
            Ok(metadata) if Identity::of(&metadata) == self.board.identity() => AtName::ThisBoard {
                bytes: metadata.len(),
            },
            _ => AtName::NothingOrAnother,
        }
    }

    fn is_still_there(&self) -> bool {
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
    fn died_unclean(&self) -> bool {
        match self.name {
            Some(_) => self.is_still_there(),
            None => self.board.pids().next().is_some(),
        }
    }
}
