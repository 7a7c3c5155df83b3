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

use std::mem;

use crate::board::Board;
use crate::error::Error;
use crate::event::Event;
use crate::locate::Target;
use crate::snapshot::Snapshot;
use crate::watched::{Sighting, Watched};

/// After a refusal this many checks don't look: a look may read a whole board or all of `/proc`.
const CHECKS_BETWEEN_REFUSALS: u32 = 10;

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
            State::Up(watched) => Some(watched.board()),
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
            State::Up(watched) => Some(Snapshot::of(watched.board(), watched.parent_pid())),
            State::Killed(watched) => Some(Snapshot::of(watched.board(), None)),
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
            Ok(watched) if watched.parent_pid().is_some() || self.target.is_parent_ignored() => {
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
        (State::Killed(watched), Sighting::Gone(_)) if !watched.is_named() => {
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
