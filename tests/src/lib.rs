//! What the tests across crates share: names of nodes, packets, samples of everything that we
//! put on the wire, and the handling of tools and network namespaces.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod kernel_node;
pub mod netns;
pub mod nodes;
pub mod packets;
pub mod samples;
pub mod tools;
pub mod wire;
pub mod world;
