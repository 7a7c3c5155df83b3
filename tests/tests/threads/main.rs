//! What threads of ours share, run by shuttle in every order that a scheduler could choose, at tiny sizes. The code is the very code of
//! the crates, with shuttle's locks and threads in the place of the standard library's.
//!
//! docs/fuzzing.md lists everything that runs at the same time, and where each is checked.

/// In the place of the crates' own `sync`.
mod sync {
    pub use shuttle::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    pub use shuttle::sync::{Arc, Mutex, MutexGuard};
    pub use std::sync::PoisonError;
}

/// Where the LB's code has it.
mod contract {
    pub use srlb_lb::engine::contract::Limits;
}

pub use packet_io::{Driver, PacketBuf};

mod guard;
#[path = "../../../srlb-lb/src/engine/health/mod.rs"]
#[expect(dead_code, reason = "what no test here needs")]
mod health;
#[path = "../../../packet-io/src/memory.rs"]
pub mod memory;
mod opinions;
#[path = "../../../srlb-lb/src/engine/sketch/slot.rs"]
mod slot;
mod swarm;
mod syns;
mod wire;
