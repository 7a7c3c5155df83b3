//! Floods from spoofed sources while legitimate connections run, on real kernels.

pub mod flood;
pub mod packets;

pub use flood::{Flood, Sent};
pub use packets::{Kind, SPOOFED};
