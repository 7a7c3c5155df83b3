//! What a packet costs the LB's engine, memory to memory, and what its tables cost to build.
//!
//! [`packets`] makes packets, [`case`] and [`flows`] say which come, [`rig`] is an engine with its flows and times one pass over a ring of packets,
//! [`engine`] takes turns between all of them; [`candidates`] times the candidate table. [`show`] prints, [`page`]
//! writes the page.

mod args;
pub mod candidates;
pub mod case;
pub mod engine;
pub mod flows;
pub mod packets;
pub mod page;
pub mod rig;
pub mod show;
pub mod spread;

pub use args::BenchArgs;
