//! What a watcher reports.

use std::fmt;

use crate::error::Error;

/// What happened since the last [`crate::Watcher::check`].
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
