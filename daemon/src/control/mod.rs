//! The control socket: how `srlb-lb status`, `trace` and the like talk to a running daemon.
//!
//! A Unix socket that carries JSON, one object per line. A request is
//! `{"cmd": "status", ...}`; the answer is one line, or for `trace` a line per event until one
//! side hangs up. An answer with a key `error` is a refusal.
//!
//! A peer that shuts down its side after a request, as `nc` does, is sent one line, then closed.
//!
//! [`Control`] serves the socket inside the daemon's mio loop and never blocks it: a reader
//! that is too slow loses lines of a stream, and is told how many by `{"lost": n}`.
//! [`Client`] is the blocking other end.

mod client;
mod conn;
mod error;
mod server;
mod socket;

pub use client::{Client, Lines};
pub use error::ControlError;
pub use server::{ConnId, Control, ControlEvent, Request};
