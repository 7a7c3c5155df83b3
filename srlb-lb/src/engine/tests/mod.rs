//! The engine on real packets: packet in, exact bytes out, entry before and after.
//!
//! Packets are put together by [`build`], which shares no code with `srh`; checksums come from
//! `etherparse`.

mod answers;
mod anything;
mod batches;
mod build;
mod drops;
mod engines;
mod errors;
mod fragments;
mod health;
mod lifetimes;
mod looks;
mod maglev;
mod opinions;
mod oracle;
mod packets;
mod pools;
mod races;
mod recovery;
mod rounds;
mod rows;
mod selections;
mod udp;
mod unpinned;
pub(super) mod world;
