//! What the two daemons `srlb-lb` and `srlb-server` share as processes: configuration
//! errors, the control socket, the routes and rules that they need on their host, the
//! pieces of an event loop, and counters.
//!
//! No packet is looked at here and no protocol is known; the engines' side of the house
//! uses [`mod@counters`], [`drops`], [`rate`], [`rows`] and [`signed`] alone.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod cli;
pub mod config;
pub mod control;
pub mod counters;
pub mod drops;
pub mod exit;
pub mod forwarding;
pub mod host;
pub mod rate;
pub mod reload;
pub mod rows;
pub mod run;
pub mod signed;
pub mod trace;

pub use counters::{Counter, Counts};
pub use drops::DropReason;
pub use rate::{RateLimit, SharedRateLimit};
pub use rows::{Place, StateTable};
pub use signed::SignedCounts;
