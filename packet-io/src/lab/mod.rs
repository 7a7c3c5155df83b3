//! For measurements and nothing else: no daemon uses what is in here.
//!
//! | file | is |
//! | --- | --- |
//! | `generator` | frames sent into a veth pair as fast as the kernel can: a BPF program that the kernel runs over and over |
//! | `pass` | has a veth end take frames as a network card does, for the kernel's stack |
//! | `sink` | counts what arrives at an interface, and drops it before the kernel makes anything of it |
//! | `taker` | gives all IPv6 to a socket |
//! | [`Forwarder`] | as little as forwarding by AF_XDP can be: addresses changed where the frame lies, and out |

mod generator;
mod pass;
mod sink;
mod taker;

pub use crate::xdp::bare::Forwarder;
pub use generator::{Frames, Generator, Order};
pub use pass::Pass;
pub use sink::{Arrived, Shape, Sink};
pub(crate) use taker::Taker;
