//! The load: a Poisson stream of real TCP connections, open loop, one request each.

mod connection;
mod engine;
mod http;
mod record;
mod report;
mod schedule;

pub use engine::{run, Params, Progress};
pub use record::{Outcome, Record};
pub use report::{percentile_ms, render, sorted_times_ms, Summary};
pub use schedule::{Arrival, Length, Schedule, Sources};
