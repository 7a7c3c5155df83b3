//! The codec against rows, golden bytes, naive oracles and arbitrary input.

mod arbitrary;
mod build;
mod checksums;
mod golden;
mod hmac;
mod icmp;
mod oracle;
mod refusals;
mod rewrite;
mod rows;
mod segments;
mod tcp;
