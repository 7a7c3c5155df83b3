//! Packets in, packets out: the packet buffer, virtual time, and the drivers that move packets.
//!
//! A [`Driver`] receives and transmits batches and never blocks:
//!
//! | driver | for |
//! | --- | --- |
//! | [`tun::Tun`] | a TUN device: the kernel does routing and neighbours |
//! | [`xdp::Xdp`] | AF_XDP: packets past the kernel, beside a TUN device for the rest |
//! | [`memory::MemoryDriver`] | tests and the simulator, without root |
//! | [`faulty::Faulty`] | around another driver: loses, doubles and reorders, from a seed |
//!
//! [`pcap`] writes and reads what tshark and tcpdump read and write. Nothing here knows a protocol.
#![deny(unsafe_code)]
#![deny(missing_docs)]

mod batch;
mod bpf;
mod buf;
mod driver;
pub mod faulty;
pub mod guard;
pub mod lab;
pub mod memory;
pub mod pcap;
mod prefetch;
mod sync;
mod time;
pub mod tun;
pub mod xdp;

pub use batch::Batch;
pub use buf::PacketBuf;
pub use driver::Driver;
pub use prefetch::prefetch;
pub use time::Instant;
