//! What threads of ours share, run by shuttle in every order that a scheduler could choose, at tiny sizes. The code is the very code of
//! the crates, with shuttle's locks and threads in the place of the standard library's.
//!
//! docs/fuzzing.md lists everything that runs at the same time, and where each is checked.

/// In the place of `packet_io`'s own `sync`.
mod sync {
    pub use shuttle::sync::{Arc, Mutex, MutexGuard};
    pub use std::sync::PoisonError;
}

pub use packet_io::{Driver, PacketBuf};

mod guard;
#[path = "../../../packet-io/src/memory.rs"]
pub mod memory;
mod swarm;
mod wire;
