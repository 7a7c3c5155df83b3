//! What a driver is.

use crate::PacketBuf;
use std::io;
use std::os::fd::RawFd;

/// Something that packets come from and go to. No call blocks.
pub trait Driver {
    /// Takes in up to `into.len()` packets, into the first of these buffers, and says how many.
    ///
    /// 0: there is none now. Until a call has returned 0 there may be more, so who waits for readiness
    /// by edge goes on calling until then. A packet longer than its buffer arrives cut: its own
    /// length field tells.
    ///
    /// An error is about the device, and says that there will be no more packets.
    fn receive(&mut self, into: &mut [PacketBuf]) -> io::Result<usize>;

    /// Sends `packets` in order, each once, and says how many were taken. What the device does not take at
    /// once (its queue is full, it is down, it does not like the packet) is lost, as on any
    /// wire: the caller counts the rest and goes on.
    ///
    /// An error is about the device, and says that it will never take a packet again.
    fn transmit(&mut self, packets: &[PacketBuf]) -> io::Result<usize>;

    /// The descriptor to wait for, if the driver has one: readable when there is something to
    /// [`Driver::receive`].
    fn raw_fd(&self) -> Option<RawFd>;
}

impl<D: Driver + ?Sized> Driver for Box<D> {
    fn receive(&mut self, into: &mut [PacketBuf]) -> io::Result<usize> {
        (**self).receive(into)
    }

    fn transmit(&mut self, packets: &[PacketBuf]) -> io::Result<usize> {
        (**self).transmit(packets)
    }

    fn raw_fd(&self) -> Option<RawFd> {
        (**self).raw_fd()
    }
}
