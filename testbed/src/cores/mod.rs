//! Emulated processor cores: what makes queueing real on a machine with few cores.
//!
//! Eight servers with two cores each cannot be had from two real cores by CPU quota: a
//! quota divides what is there. So a job does not burn its service time, it *holds a core
//! lock* for it: each server has one helper process with two locks and a FIFO queue. An
//! Apache worker hands its request over and stays busy until the answer, queued or
//! running, exactly as if it computed; what it costs the real machine is the request alone.

mod queue;
mod server;

pub use queue::Cores;
pub use server::serve;
