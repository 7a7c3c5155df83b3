//! What a packet costs the LB's engine, memory to memory, and what its tables cost to build.
//!
//! [`packets`] makes packets, [`case`] and [`flows`] say which come, [`rig`] is an engine with its flows and times one pass over a ring of packets,
//! [`engine`] takes turns between all of them; [`workers`] sets one worker against two, [`candidates`] times the candidate table, [`full`] fills the largest flow table,
//! [`instructions`] counts, [`profile`] says where the time of what is too slow goes. All of it is [`results`], [`target`] judges them, [`show`] prints, [`page`]
//! writes the page. [`veth`] measures packets a second of the whole load balancer, over veth pairs, [`reload`] how soon its packets see another pool: both in
//! a [`place`], with a daemon that is [`running`].

mod args;
pub mod candidates;
pub mod case;
pub mod engine;
pub mod flows;
pub mod full;
pub mod grid;
pub mod instructions;
pub mod machine;
pub mod packets;
pub mod page;
pub mod place;
mod plots;
pub mod profile;
pub mod reload;
pub mod results;
pub mod rig;
pub mod running;
mod setup;
pub mod show;
pub mod spread;
pub mod target;
pub mod veth;
pub mod workers;

pub use args::{BenchArgs, On};
