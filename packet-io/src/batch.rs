//! Reusable buffers for a driver's batches.

use crate::{Driver, PacketBuf};
use std::io;

/// Buffers that are allocated once and received into again and again.
#[derive(Debug)]
pub struct Batch {
    bufs: Vec<PacketBuf>,
    filled: usize,
}

impl Batch {
    /// How many packets a batch holds unless somebody knows better.
    pub const PACKETS: usize = 64;

    /// `packets` buffers that take in up to `capacity_bytes` each.
    pub fn new(packets: usize, capacity_bytes: usize) -> Self {
        Batch {
            bufs: vec![PacketBuf::with_capacity(capacity_bytes); packets],
            filled: 0,
        }
    }

    /// Receives what there is, up to the number of buffers, in place of the batch before.
    pub fn receive(&mut self, driver: &mut (impl Driver + ?Sized)) -> io::Result<usize> {
        self.filled = 0;
        self.filled = driver.receive(&mut self.bufs)?;
        Ok(self.filled)
    }

    /// The packets of this batch.
    pub fn packets(&self) -> &[PacketBuf] {
        &self.bufs[..self.filled]
    }

    /// The packets of this batch, to be worked on in place.
    pub fn packets_mut(&mut self) -> &mut [PacketBuf] {
        &mut self.bufs[..self.filled]
    }
}
