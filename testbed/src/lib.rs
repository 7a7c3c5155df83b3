//! Network namespaces with real Apache servers, load and the demo.
//!
//! ```text
//!  client ── edge (ECMP) ──┬── lb1 .. lbL      srlb-lb
//!                fabric    └── s1 .. sS        srlb-server, Apache, two emulated cores
//! ```
//!
//! [`plan`] says who is where, [`topology`] builds it, [`testbed`] holds it and
//! [`teardown`] removes it; [`load`] and [`traffic`] are the clients, [`cores`] the servers' work, [`demo`] the whole play.
//! [`sim`] is the same protocol without any of these: in virtual time, in one process. [`queueing`] asks what it does for
//! response times, and [`model`] what they would be with infinitely many servers.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod apache;
pub mod bench;
pub mod candidates;
pub mod child;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod cores;
pub mod counters;
pub mod daemons;
pub mod demo;
pub mod failover;
pub mod hmac;
pub mod hostile;
pub mod load;
pub mod machine;
pub mod model;
pub mod netns;
pub mod opener;
pub mod peer;
pub mod plan;
pub mod process;
pub mod provenance;
pub mod queueing;
pub mod records;
pub mod reproduce;
pub mod rng;
pub mod settings;
pub mod shell;
pub mod signals;
pub mod sim;
pub mod sockets;
pub mod state;
pub mod svg;
pub mod swarm;
pub mod teardown;
pub mod testbed;
pub mod tools;
pub mod topology;
pub mod traffic;
