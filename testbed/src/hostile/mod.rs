//! Floods from spoofed sources while legitimate connections run, on real kernels.
//!
//! A flood of SYNs or ACKs at full rate leaves the client's namespace, each packet from another source. It goes to the VIP, or, to know
//! what it costs the machine in any case, to an address that the LBs' kernels discard. Beside it run connections whose every byte is checked.
//! Three promises: none of them fails, the daemons' memory is bounded, and the throughput under the flood is at least 0.8 of that beside
//! the discarded one, both over the processor time that the testbed had besides the generator ([`share`]).

mod client;
mod fetch;
mod flood;
mod ground;
mod legit;
mod memory;
mod packets;
pub mod processors;
mod report;
mod share;
mod show;
mod stage;

pub use flood::{Flood, Sent};
pub use legit::{Group, Legit, Served};
pub use memory::{ByNode, Memory};
pub use packets::{Kind, Packets, SPOOFED};
pub use report::{Aim, Knocks, Phase, Report, Spread};
pub use show::{markdown, picture};
pub use stage::{argument, Hostile};
