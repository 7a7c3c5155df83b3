//! The server router: the virtual router on a server, between the NIC and the
//! application. It decides whether the application takes a new flow, tells the LB, and finds
//! out which flows are its own.
//!
//! [`engine`] is the protocol, without a clock, a socket or randomness of its own; [`policy`]
//! decides about offers. [`run`] puts them on a host: TUN devices, the kernel's sockets
//! ([`sockets`]), Apache's scoreboard ([`apache`]), the control socket.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod apache;
pub mod config;
pub mod engine;
pub mod policy;
pub mod run;
pub mod sockets;

pub use engine::{Engine, EngineConfig};
