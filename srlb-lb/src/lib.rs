//! The load balancer: hunts new flows, pins the ones that a server took, recovers the rest.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod config;
pub mod engine;
pub mod pool;
pub mod run;
mod sync;
