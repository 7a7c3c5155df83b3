//! Apache's scoreboard, read from shared memory: how many workers are busy, how many idle, at this moment.
//!
//! Apache (httpd 2.4, with the prefork, worker or event MPM) keeps a table in shared memory in which every worker notes what it is
//! doing. This crate finds that table, recognises its layout, maps it read-only and counts, without a system call and
//! without a lock.
//!
//! ```text
//! Target --locate--> Found --Board::map--> Board --counts()--> Counts        on every SYN
//!    \______________________ Watcher::check() ______________________/        every 100 to 200 ms
//! ```
//!
//! - [`locate()`] finds the memory: from a `ScoreBoardFile`, a pid file, or the parent's pid.
//! - [`layout`] knows the layouts of httpd 2.4 on 64-bit Linux, and refuses every other.
//! - [`Board`] is the mapping. [`Board::counts`] is what the packet path calls.
//! - [`Watcher`] notices, off the packet path, that Apache was restarted, stopped or killed. A mapping alone cannot: after a stop and a start
//!   the name is the same and the memory another one, and the kept mapping goes silently stale.
//! - [`Snapshot`] and [`render()`] show a board to people.
//!
//! # Memory that somebody else owns
//!
//! Apache writes while we read, so every load is an atomic one of a single field, never a Rust reference to a struct. Fields of one
//! record may come from different moments; a count is therefore a good estimate and never a bad offset: the limits that offsets are computed from
//! are read once, before mapping.
//!
//! If the memory shrank under the mapping, reading it would end the process with SIGBUS. Apache never shrinks a board: it
//! creates, sizes, zeroes and then fills in the limits, and unlinks at the end, which leaves the memory of existing mappings alone (a System V
//! segment can't shrink at all). So a board is only
//! mapped when its limits are there (before that, it is [`Error::NotReady`]) and the object is as large as its
//! layout needs; [`Watcher::check`] looks at the size again and lets go of a board that shrank. What remains is a root-owned file that a third party
//! truncates between two checks; whoever can do that can also end the process.

#![deny(missing_docs)]
#![deny(unsafe_code)]

mod board;
mod count;
mod error;
mod event;
mod found;
mod identify;
mod identity;
pub mod layout;
pub mod locate;
#[allow(unsafe_code)] // the mapping and its loads, and nothing else
mod memory;
mod parent;
mod proc;
pub mod render;
#[allow(unsafe_code)] // System V's calls, and nothing else
mod segment;
mod shm_name;
mod snapshot;
mod status;
pub mod synthetic;
mod watched;
mod watcher;

pub use board::Board;
pub use count::Counts;
pub use error::{Error, Seen};
pub use event::Event;
pub use found::Found;
pub use locate::{locate, Target};
pub use render::render;
pub use shm_name::shm_name;
pub use snapshot::{Mpm, ProcessRow, Snapshot};
pub use status::Status;
pub use watcher::Watcher;
