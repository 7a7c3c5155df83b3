//! IPv6 and Segment Routing headers: one parser, one rewriter, the registry of
//! SR functions, and the keys that name flows.
//!
//! Everything here works on plain bytes and knows no policy, no table and no I/O.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod carry;
pub mod checksum;
pub mod describe;
pub mod flow;
pub mod frame;
pub mod gre;
pub mod hmac;
pub mod icmp;
pub mod parse;
pub mod plain;
mod quote;
pub mod rewrite;
pub mod sid;
pub mod tcp;

pub use carry::{Encoding, Segments, Sender};
pub use describe::Describe;
pub use flow::Flow;
pub use frame::{Frame, NoHeadroom};
pub use sid::{Function, Locator, Sid};
