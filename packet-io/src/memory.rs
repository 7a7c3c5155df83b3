//! A wire in memory: two drivers, each receives what the other transmits.

use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};
use crate::{Driver, PacketBuf};
use srh::Frame;
use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;

/// One direction of the wire.
type Queue = Arc<Mutex<VecDeque<PacketBuf>>>;

/// One end of a wire in memory; made by [`pair`].
#[derive(Debug)]
pub struct MemoryDriver {
    inbox: Queue,
    outbox: Queue,
    capacity_packets: usize,
}

/// Both ends of a wire that holds up to `capacity_packets` in each direction. What is sent beyond that is lost.
pub fn pair(capacity_packets: usize) -> (MemoryDriver, MemoryDriver) {
    let (there, back) = (Queue::default(), Queue::default());
    let end = |inbox: &Queue, outbox: &Queue| MemoryDriver {
        inbox: Arc::clone(inbox),
        outbox: Arc::clone(outbox),
        capacity_packets,
    };
    (end(&back, &there), end(&there, &back))
}

impl MemoryDriver {
    /// How many packets wait to be received here.
    pub fn waiting(&self) -> usize {
        lock(&self.inbox).len()
    }
}

impl Driver for MemoryDriver {
    fn receive(&mut self, into: &mut [PacketBuf]) -> io::Result<usize> {
        let mut inbox = lock(&self.inbox);
        let n = inbox.len().min(into.len());
        for (buf, packet) in into.iter_mut().zip(inbox.drain(..n)) {
            buf.copy_from(packet.bytes());
        }
        Ok(n)
    }

    fn transmit(&mut self, packets: &[PacketBuf]) -> io::Result<usize> {
        let mut outbox = lock(&self.outbox);
        let room = self.capacity_packets.saturating_sub(outbox.len());
        let taken = &packets[..packets.len().min(room)];
        outbox.extend(taken.iter().map(|p| PacketBuf::from_slice(p.bytes())));
        Ok(taken.len())
    }

    fn raw_fd(&self) -> Option<RawFd> {
        None
    }
}

/// A queue is whole after each step, so the panic of another thread that held it does no harm.
fn lock(queue: &Queue) -> MutexGuard<'_, VecDeque<PacketBuf>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}
