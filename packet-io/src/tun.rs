//! A TUN device: the kernel routes packets to it and takes from it what is to be delivered or forwarded.
//!
//! The device lives as long as its [`Tun`]: a process that dies, however it dies, leaves none behind.
//! It carries IP packets without any header in front (`IFF_NO_PI`) and without offload, so
//! the kernel hands on packets in finished form: segmented, and with whole checksums.
//!
//! Who creates one needs `CAP_NET_ADMIN` in its network namespace. The device gets no address, also
//! no link-local one, and sends nothing by itself as far as the kernel can be told so.

mod error;
#[allow(unsafe_code)]
mod flags;
mod host;

pub use error::TunError;

use crate::guard::Guard;
use crate::{Driver, PacketBuf};
use error::Step;
use srh::Frame;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use tun_rs::{DeviceBuilder, SyncDevice};

/// How many packets wait for us in the kernel at most. The default of 500 is 1 ms of small packets: less
/// than a busy host lets us wait for a turn. More than this would be delay, not help.
const QUEUE_PACKETS: u32 = 2_000;

/// A TUN device that is up, or one of its queues.
pub struct Tun {
    device: SyncDevice,
    name: String,
    mtu_bytes: u16,
}

impl Tun {
    /// The smallest MTU that IPv6 allows (RFC 8200, section 5).
    pub const MIN_MTU_BYTES: u16 = 1280;

    /// Creates the device `name` and sets it up. A device of that name that is there already is never
    /// taken over.
    pub fn create(name: &str, mtu_bytes: u16) -> Result<Self, TunError> {
        Self::open(name, mtu_bytes, false)
    }

    /// The same with so many queues, for as many threads. The kernel chooses a packet's queue by its flow, and the one by which the flow's
    /// packets of the other direction were sent, if it has seen such.
    pub fn create_queues(name: &str, mtu_bytes: u16, queues: usize) -> Result<Vec<Self>, TunError> {
        if queues <= 1 {
            return Ok(vec![Self::create(name, mtu_bytes)?]);
        }
        let first = Self::open(name, mtu_bytes, true)?;
        let mut all = vec![first];
        while all.len() < queues {
            let next = all[0].further()?;
            all.push(next);
        }
        Ok(all)
    }

    /// One more queue of a device that was made for several.
    fn further(&self) -> Result<Self, TunError> {
        let at = |error| TunError::at(Step::Queue, &self.name, error);
        let device = self.device.try_clone().map_err(at)?;
        device.set_nonblocking(true).map_err(at)?;
        Ok(Tun {
            device,
            name: self.name.clone(),
            mtu_bytes: self.mtu_bytes,
        })
    }

    fn open(name: &str, mtu_bytes: u16, multi_queue: bool) -> Result<Self, TunError> {
        host::check_name(name)?;
        if mtu_bytes < Self::MIN_MTU_BYTES {
            return Err(TunError::Mtu {
                name: name.into(),
                mtu_bytes,
            });
        }
        host::check_tun_driver()?;
        host::wait_until_free(name)?;
        let at = |step: Step| move |error: io::Error| TunError::at(step, name, error);
        let device = DeviceBuilder::new()
            .name(name)
            .packet_information(false)
            .offload(false)
            .multi_queue(multi_queue)
            .inherit_enable_state()
            .build_sync()
            .map_err(at(Step::Create))?;
        device
            .set_nonblocking(true)
            .map_err(at(Step::NonBlocking))?;
        device
            .set_mtu(mtu_bytes)
            .map_err(at(Step::Mtu(mtu_bytes)))?;
        device
            .set_tx_queue_len(QUEUE_PACKETS)
            .map_err(at(Step::QueueLength))?;
        host::prepare_ipv6(name)?;
        device.enabled(true).map_err(at(Step::Up))?;
        Ok(Tun {
            device,
            name: name.into(),
            mtu_bytes,
        })
    }

    /// The device's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The MTU that the device was created with: what [`Driver::receive`]'s buffers must take in.
    pub fn mtu_bytes(&self) -> u16 {
        self.mtu_bytes
    }

    /// The device's interface index.
    pub fn if_index(&self) -> io::Result<u32> {
        self.device.if_index()
    }

    /// Puts a guard in front of the queues, in place of one that may be there. It stays as long as the device.
    pub fn set_guard(&self, guard: &Guard) -> io::Result<()> {
        guard.attach(self.device.as_raw_fd())
    }

    /// A handle of the device, which lives as long as that.
    pub fn handle(&self) -> io::Result<TunHandle> {
        self.device.as_fd().try_clone_to_owned().map(TunHandle)
    }

    /// A device that somebody else deleted answers every call with EBADFD; say so.
    fn gone(&self, error: io::Error) -> io::Error {
        let text = format!(
            "TUN device {}: {error}; was it removed by another program?",
            self.name
        );
        io::Error::new(error.kind(), text)
    }
}

/// A TUN device for whoever doesn't read from it.
#[derive(Debug)]
pub struct TunHandle(OwnedFd);

impl TunHandle {
    /// As [`Tun::set_guard`].
    pub fn set_guard(&self, guard: &Guard) -> io::Result<()> {
        guard.attach(self.0.as_raw_fd())
    }
}

impl Driver for Tun {
    fn receive(&mut self, into: &mut [PacketBuf]) -> io::Result<usize> {
        for (n, buf) in into.iter_mut().enumerate() {
            match buf.try_fill(|room| self.device.recv(room)) {
                Ok(()) => {}
                Err(e) if passes(&e) => return Ok(n),
                // what has been received counts; the error comes back with the next call
                Err(_) if n > 0 => return Ok(n),
                Err(e) => return Err(self.gone(e)),
            }
        }
        Ok(into.len())
    }

    fn transmit(&mut self, packets: &[PacketBuf]) -> io::Result<usize> {
        let mut taken = 0;
        for packet in packets {
            match self.device.send(packet.bytes()) {
                Ok(_) => taken += 1,
                Err(e) if e.raw_os_error() == Some(libc::EBADFD) => return Err(self.gone(e)),
                // malformed, device down, no memory: this packet is lost, the next may not be
                Err(_) => {}
            }
        }
        Ok(taken)
    }

    fn raw_fd(&self) -> Option<RawFd> {
        Some(self.device.as_raw_fd())
    }
}

/// Does the error of a read say no more than that there is no packet now? EIO: the device is down.
fn passes(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::EIO)
}
