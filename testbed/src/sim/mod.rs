//! The deterministic world: the real engines of LBs and servers, real candidate tables and smoltcp's
//! TCP at both ends, joined by links that delay, lose, repeat and reorder, in virtual time.
//!
//! A [`Scenario`] is plain data. It says everything that will happen; what is random inside a run
//! (delays, losses) is drawn from its seed. The same scenario gives the same trace, byte for byte.

mod aging;
mod arrive;
pub mod dialogue;
pub mod edge;
mod faults;
pub mod hosts;
pub mod links;
mod look;
pub mod nodes;
pub mod outcome;
pub mod pool;
pub mod queue;
pub mod rows;
pub mod run;
pub mod scenario;
pub mod tally;
pub mod tcp;
pub mod trace;
pub mod watch;
pub mod world;

pub use dialogue::{Act, ConnectionSpec, Side, Turn};
pub use outcome::{Cause, ConnectionResult, End, Outcome, Violation};
pub use run::{run, run_with, Options};
pub use scenario::{
    Clock, Fault, LbSpec, Link, Links, PoolChange, PoolVersion, Scenario, ServerSpec, What,
};
