//! A wire in memory: two drivers, each receives what the other transmits.

use crate::{Driver, PacketBuf};
use srh::Frame;
use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Batch;

    fn packets(ids: std::ops::Range<u8>) -> Vec<PacketBuf> {
        ids.map(|id| PacketBuf::from_slice(&[id; 40])).collect()
    }

    fn ids(batch: &Batch) -> Vec<u8> {
        batch.packets().iter().map(|p| p.bytes()[0]).collect()
    }

    #[test]
    fn what_one_end_sends_the_other_receives_in_order_and_in_batches() {
        let (mut a, mut b) = pair(100);
        assert_eq!(a.transmit(&packets(0..5)).unwrap(), 5);
        assert_eq!(b.transmit(&packets(10..12)).unwrap(), 2);
        assert_eq!((a.waiting(), b.waiting()), (2, 5));

        let mut batch = Batch::new(3, 1500);
        assert_eq!(batch.receive(&mut b).unwrap(), 3);
        assert_eq!(ids(&batch), [0, 1, 2]);
        assert_eq!(batch.receive(&mut b).unwrap(), 2);
        assert_eq!(ids(&batch), [3, 4]);
        assert_eq!(batch.receive(&mut b).unwrap(), 0);
        assert!(batch.packets_mut().is_empty());
        assert_eq!(batch.receive(&mut a).unwrap(), 2);
        assert_eq!(ids(&batch), [10, 11]);
    }

    #[test]
    fn a_full_wire_loses_what_does_not_fit() {
        let (mut a, mut b) = pair(3);
        assert_eq!(a.transmit(&packets(0..5)).unwrap(), 3);
        assert_eq!(a.transmit(&packets(5..6)).unwrap(), 0);
        let mut batch = Batch::new(Batch::PACKETS, 1500);
        batch.receive(&mut b).unwrap();
        assert_eq!(ids(&batch), [0, 1, 2]);
        assert_eq!(a.transmit(&packets(6..7)).unwrap(), 1);
    }

    #[test]
    fn a_packet_too_long_for_the_buffer_is_cut() {
        let (mut a, mut b) = pair(3);
        a.transmit(&packets(7..8)).unwrap();
        let mut batch = Batch::new(1, 16);
        batch.receive(&mut b).unwrap();
        assert_eq!(batch.packets()[0].bytes(), [7; 16]);
    }

    #[test]
    fn headroom_is_there_again_on_the_other_side() {
        let (mut a, mut b) = pair(3);
        let mut packet = PacketBuf::from_slice(&[1; 40]);
        packet.push_front(200).unwrap();
        a.transmit(&[packet]).unwrap();
        let mut batch = Batch::new(1, 1500);
        batch.receive(&mut b).unwrap();
        let got = &mut batch.packets_mut()[0];
        assert_eq!(got.len(), 240);
        got.push_front(PacketBuf::HEADROOM_BYTES).unwrap();
    }
}
