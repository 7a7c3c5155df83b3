//! TCP at both ends: smoltcp's sockets, and around them what a kernel does that smoltcp leaves to its user.

pub mod content;
pub mod endpoint;
pub mod isn;
pub mod kernel;
pub mod listener;
pub mod live;
pub mod path_mtu;
pub mod player;
pub mod port;
pub mod report;
pub mod segment;
