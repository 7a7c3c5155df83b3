//! Is the net tight? Each row of the engines' state tables and each limit of the protocol is altered in
//! turn, in all LBs or all servers of a world, and the swarm has to find out.
//!
//! A mutant that can't be found carries the reason in the source, next to the rule that makes it.

mod ground;
mod lb;
mod limits;
mod report;
mod search;
mod server;
mod show;
#[cfg(test)]
mod tests;

pub use ground::Ground;
pub use report::Report;
pub use search::{search, Fate, Found};
pub use show::table;

use crate::sim::rows::Row;
use crate::sim::Options;

/// An altered protocol.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// What was altered.
    pub name: String,
    /// The row that was altered, if it is one.
    pub row: Option<Row>,
    /// How worlds are run: all as it should be but for that.
    pub options: Options,
    /// Why no world can show it, if none can.
    pub reason: Option<&'static str>,
}

/// What is done to a row of a state table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The packet is dropped, and the state stays as it is.
    Removed,
    /// The packet goes its way, and the state stays as it is.
    Unwritten,
    /// What the row drops gets through.
    LetThrough,
}

impl Change {
    /// All of them.
    pub const ALL: [Change; 3] = [Change::Removed, Change::Unwritten, Change::LetThrough];

    fn words(self) -> &'static str {
        match self {
            Change::Removed => "removed",
            Change::Unwritten => "not written",
            Change::LetThrough => "let through",
        }
    }
}

/// All mutants, in the order of the tables.
pub fn all() -> Vec<Mutant> {
    let mut all = lb::mutants();
    all.extend(server::mutants());
    all.extend(limits::mutants());
    all
}
