//! The queueing simulator: Poisson streams and traces of queries against the real engines of LBs and server routers and
//! real candidate tables, in virtual time.
//!
//! ```text
//! client -> LB engine -> server engine [-> server engine] -> accept queue -> worker -> core
//!    ^_______ LB engine <-- SYN-ACK, FIN or RST ________________________________________|
//! ```
//!
//! Of a query's packets those exist that decide something: SYN, SYN-ACK, the client's ACK (its request with it), the
//! FIN behind the answer and the client's own. They carry no data, and no packet gets lost: that is [`crate::sim`]'s subject. Memory
//! grows with what is in flight, not with the number of queries, and a trace is read while its queries come. The same scenario gives
//! the same outcome.

pub mod args;
mod buffers;
pub mod bursts;
mod cores;
pub mod day;
mod flights;
pub mod histogram;
pub(crate) mod lb;
pub(crate) mod packets;
pub mod result;
pub mod scenario;
pub(crate) mod server;
pub mod service;
pub mod show;
pub mod tally;
#[cfg(test)]
mod tests;
pub mod trace;
pub mod workload;
mod world;

pub use args::SimulateArgs;
pub use day::Day;
pub use result::{Outcome, Sample};
pub use scenario::{Balancing, Discipline, Hunt, Network, Scenario, ServerSpec};
pub use service::ServiceTime;
pub use trace::{Trace, TraceError};
pub use workload::{Arrivals, Class, Job, Services};
pub use world::{run, Ended, RunError};
