//! Sockets without the rest of a driver, for measurements ([`crate::lab`]).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use super::channel::FEW;
use super::device::{self, Device};
use super::error::XdpError;
use super::socket::{Failed, Socket, FRAMES, RING_SLOTS};
use super::umem::Umem;
use crate::lab::Taker;
use crate::PacketBuf;

/// A socket on the only queue of an interface.
#[derive(Debug)]
pub(crate) struct Listener {
    device: Device,
    socket: Socket,
}

impl Listener {
    pub fn open(name: &str) -> Result<Self, XdpError> {
        let device = look(name)?;
        let socket = Umem::new(FRAMES)
            .map_err(|error| ("make room for packets", error))
            .and_then(|umem| Socket::first(&umem, device.index, 0))
            .map_err(|failed| refused(name, failed))?;
        Ok(Listener { device, socket })
    }

    pub fn if_index(&self) -> u32 {
        self.device.index
    }

    /// As a driver's.
    pub fn receive(&mut self, into: &mut [PacketBuf]) -> usize {
        self.socket.channel.receive(into)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// As little as forwarding by AF_XDP can be: what comes in by one interface gets other hardware addresses where it lies, and goes out by the other one. Nothing is
/// copied but what the kernel copies, nothing is looked up, no header but Ethernet's is read or written.
#[derive(Debug)]
pub struct Forwarder {
    umem: Arc<Umem>,
    inner: Socket,
    outer: Socket,
    /// Destination and source of what goes out.
    macs: [u8; 12],
    /// Frames that are free, those that came back last on top.
    spare: Vec<u64>,
    /// How many the kernel has for packets to come.
    given: u32,
    forwarded: u64,
    _link: OwnedFd,
}

impl Forwarder {
    /// Takes all IPv6 that comes by the interface `from`, and sends it to `next_hop` by the interface `by`. Both have one queue, and are in this thread's
    /// network namespace. All frames go round, as in the kernel's own example; or few, as in our driver while it is calm: they stay in the caches.
    pub fn open(from: &str, by: &str, next_hop: [u8; 6], few: bool) -> Result<Self, XdpError> {
        let (device, out) = (look(from)?, look(by)?);
        let at = |action| move |error| XdpError::at(from, action, error);
        let program = Taker::load().map_err(at("load its XDP program"))?;
        let link = program
            .attach(device.index)
            .map_err(at("attach its XDP program"))?;
        let umem = Umem::new(2 * FRAMES).map_err(at("make room for packets"))?;
        let inner =
            Socket::first(&umem, device.index, 0).map_err(|failed| refused(from, failed))?;
        let outer = inner
            .further(&umem, out.index, 0, FRAMES..2 * FRAMES)
            .map_err(|failed| refused(by, failed))?;
        program
            .set_socket(inner.as_fd())
            .map_err(at("give its program a socket"))?;
        let mut macs = [0; 12];
        macs[..6].copy_from_slice(&next_hop);
        macs[6..].copy_from_slice(&out.mac);
        Ok(Forwarder {
            umem,
            inner,
            outer,
            macs,
            spare: Vec::with_capacity(FRAMES as usize),
            given: if few { FEW } else { RING_SLOTS },
            forwarded: 0,
            _link: link,
        })
    }

    /// Forwards what there is, up to `packets`, and says how many there were.
    pub fn turn(&mut self, packets: usize) -> usize {
        let (from, to) = (&mut self.inner.channel.rings, &mut self.outer.channel.rings);
        let mut taken = 0;
        while taken < packets {
            let Some(desc) = from.rx.pop() else { break };
            taken += 1;
            self.umem.write(desc.addr, &self.macs);
            match to.tx.push(desc) {
                true => self.forwarded += 1,
                false => self.spare.push(desc.addr),
            }
        }
        if taken > 0 {
            from.rx.release();
            self.outer.kick_tx();
        } else {
            self.inner.kick_rx();
        }
        let (from, to) = (&mut self.inner.channel.rings, &mut self.outer.channel.rings);
        while let Some(frame) = to.completion.pop() {
            self.spare.push(frame);
        }
        to.completion.release();
        let wanted = self.given.saturating_sub(from.fill.waiting()) as usize;
        let kept = self.spare.len().saturating_sub(wanted);
        if kept < self.spare.len() {
            for frame in self.spare.drain(kept..) {
                from.fill.push(frame);
            }
            from.fill.publish();
        }
        taken
    }

    /// Packets that were put into the ring to go.
    pub fn forwarded(&self) -> u64 {
        self.forwarded
    }

    /// The descriptor to wait for: readable when there is something to forward.
    pub fn raw_fd(&self) -> RawFd {
        self.inner.as_fd().as_raw_fd()
    }
}

fn look(name: &str) -> Result<Device, XdpError> {
    device::look(name).map_err(|error| XdpError::at(name, "find it", error))
}

fn refused(name: &str, (action, error): Failed) -> XdpError {
    XdpError::at(name, action, io::Error::other(error))
}
