//! Many worlds, each made from a seed: which of them break a promise, and would anybody notice if a
//! rule of the protocol were another one?
//!
//! [`scenario`] makes a world from a seed, [`worlds`] runs many of them on several threads, [`tally`] adds up,
//! [`replay`] shows one. [`mutants`] alters the protocol.

mod args;
mod faults;
mod flavour;
mod hurry;
pub mod mutants;
mod nodes;
pub mod one;
pub(crate) mod parallel;
#[cfg(test)]
mod parallel_tests;
mod pools;
pub mod replay;
mod scenario;
pub mod show;
mod sync;
mod talks;
pub mod tally;
#[cfg(test)]
mod tests;
mod weights;
pub mod worlds;

pub use args::SwarmArgs;
pub use faults::{is_lb_change, is_pool_change};
pub use scenario::{hurried, scenario};
