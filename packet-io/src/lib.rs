//! Packets in, packets out: the packet buffer, virtual time, and the drivers.
#![deny(missing_docs)]

mod buf;
mod time;

pub use buf::PacketBuf;
pub use time::Instant;
