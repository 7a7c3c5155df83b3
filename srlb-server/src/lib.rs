//! The server router: the virtual router on a server, between the NIC and the
//! application. It decides whether the application takes a new flow, tells the LB, and finds
//! out which flows are its own.
//!
//! [`engine`] is the protocol, without a clock, a socket or randomness of its own; [`policy`]
//! decides about offers. The binary `srlb-server` puts them on a host.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod engine;
pub mod policy;

pub use engine::{Engine, EngineConfig};
