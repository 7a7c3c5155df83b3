//! An interface with our program and a socket for each of its queues.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::channel::RingCounts;
use super::device::{self, Device};
use super::error::XdpError;
use super::program::{Addresses, Place, Program, MAX_QUEUES};
use super::socket::{Failed, Socket, FRAMES, LOCK_MEMORY};
use super::umem::{Umem, FRAME_BYTES};
use crate::PacketBuf;

/// In the driver, before the kernel has made anything of a packet.
const NATIVE: u32 = 1 << 2;
/// In the kernel, behind any driver.
const GENERIC: u32 = 1 << 1;
/// How often, and after what pause, an interface is asked for again that another program holds: a daemon that was killed a moment ago may still be on its way out.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// What an interface is to be used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortConfig {
    /// The interface's name.
    pub name: String,
    /// May packets for our locator, and from the domain, come from it?
    pub in_domain: bool,
    /// How many queues it must have; all that it has if none is said.
    pub queues: Option<u32>,
    /// The longest packet that is to go over it.
    pub mtu_bytes: u32,
    /// Lets our calls do the driver's work, for up to so many microseconds; 0: interrupts do it.
    pub busy_poll_us: u32,
}

/// An interface in use.
#[derive(Debug)]
pub(super) struct Port {
    pub name: String,
    pub device: Device,
    pub native: bool,
    /// One a queue, at least one.
    pub sockets: Vec<Socket>,
    /// The program stays attached as long as this.
    _link: OwnedFd,
}

impl Port {
    pub fn open(
        config: &PortConfig,
        locator: [u8; 8],
        addresses: &Addresses,
    ) -> Result<Self, XdpError> {
        let name = config.name.as_str();
        let device = check(config)?;
        let place = Place {
            mac: device.mac,
            locator,
            in_domain: config.in_domain,
        };
        let program = Program::load(place, addresses)
            .map_err(|error| XdpError::at(name, "load its XDP program", error))?;
        let (link, native) = attach(&program, name, device.index)?;
        let sockets = open_sockets(&device)
            .map_err(|(queue, failed)| socket_error(name, queue, device.queues, failed))?;
        let mut port = Port {
            name: name.to_owned(),
            device,
            native,
            sockets,
            _link: link,
        };
        for (queue, socket) in (0..).zip(&port.sockets) {
            program
                .set_socket(queue, socket.as_fd())
                .map_err(|error| XdpError::at(name, "give its program a socket", error))?;
        }
        if config.busy_poll_us > 0 {
            for socket in &mut port.sockets {
                socket
                    .set_busy_poll(config.busy_poll_us)
                    .map_err(|error| XdpError::at(name, "switch to busy polling", error))?;
            }
        }
        Ok(port)
    }

    /// Takes in packets from the queues, and says how many.
    pub fn receive(&mut self, into: &mut [PacketBuf]) -> usize {
        let mut filled = 0;
        for socket in &mut self.sockets {
            let n = socket.channel.receive(&mut into[filled..]);
            if n == 0 {
                socket.kick_rx();
            }
            filled += n;
        }
        filled
    }

    /// Puts a packet into a ring, that of its flow, whose hash `spread` is; false if there is no room.
    pub fn send(&mut self, spread: u32, head: &[u8], packet: &[u8]) -> bool {
        let queue = spread as usize % self.sockets.len();
        self.sockets[queue].channel.send(head, packet)
    }

    /// Is a packet of that length one for this interface?
    pub fn takes(&self, packet_bytes: usize) -> bool {
        let fits = packet_bytes <= self.device.mtu_bytes as usize;
        fits && self.sockets[0].channel.takes(packet_bytes)
    }

    /// Sends what is in the rings.
    pub fn flush(&mut self) {
        self.sockets.iter_mut().for_each(Socket::flush);
    }

    /// Is the interface another one than when it was opened?
    pub fn is_outdated(&self) -> bool {
        !device::look(&self.name).is_ok_and(|device| device == self.device)
    }

    pub fn counts(&self) -> RingCounts {
        let all = self.sockets.iter().map(|socket| socket.channel.counts);
        all.fold(RingCounts::default(), RingCounts::plus)
    }
}

/// Is there such an interface, and can it be what it is to be?
fn check(config: &PortConfig) -> Result<Device, XdpError> {
    let name = || config.name.clone();
    let device =
        device::look(&config.name).map_err(|error| XdpError::at(&config.name, "find it", error))?;
    if !device.is_ethernet {
        return Err(XdpError::NotEthernet { name: name() });
    }
    if device.mtu_bytes < config.mtu_bytes {
        return Err(XdpError::Mtu {
            name: name(),
            mtu_bytes: device.mtu_bytes,
            wanted_bytes: config.mtu_bytes,
        });
    }
    match config.queues {
        Some(wanted) if wanted != device.queues => Err(XdpError::Queues {
            name: name(),
            queues: device.queues,
            wanted,
        }),
        _ => Ok(device),
    }
}

/// Attaches in the driver if that can be, and else behind it.
fn attach(program: &Program, name: &str, if_index: u32) -> Result<(OwnedFd, bool), XdpError> {
    let taken =
        |error: &io::Error| matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EEXIST));
    let mut tries = 0;
    loop {
        let error = match program.attach(if_index, NATIVE) {
            Ok(link) => return Ok((link, true)),
            Err(error) if taken(&error) => error,
            Err(_) => match program.attach(if_index, GENERIC) {
                Ok(link) => return Ok((link, false)),
                Err(error) => error,
            },
        };
        if !taken(&error) {
            return Err(match error.raw_os_error() {
                Some(libc::EOPNOTSUPP) => XdpError::NoXdp { name: name.into() },
                _ => XdpError::at(name, "attach its XDP program", error),
            });
        }
        tries += 1;
        if tries == TRIES {
            return Err(XdpError::Attached { name: name.into() });
        }
        thread::sleep(PAUSE);
    }
}

/// A socket for each queue, all over one UMEM.
fn open_sockets(device: &Device) -> Result<Vec<Socket>, (u32, Failed)> {
    let queues = device.queues.min(MAX_QUEUES);
    let umem = Umem::new(queues * FRAMES).map_err(|error| (0, (LOCK_MEMORY, error)))?;
    let mut sockets = vec![first_socket(&umem, device.index).map_err(|failed| (0, failed))?];
    for queue in 1..queues {
        let frames = queue * FRAMES..(queue + 1) * FRAMES;
        let socket = sockets[0].further(&umem, device.index, queue, frames);
        sockets.push(socket.map_err(|failed| (queue, failed))?);
    }
    Ok(sockets)
}

/// The first socket; the kernel needs a moment to take down those of a process that has just died.
fn first_socket(umem: &Arc<Umem>, if_index: u32) -> Result<Socket, Failed> {
    let mut tries = 0;
    loop {
        match Socket::first(umem, if_index, 0) {
            Err((_, error)) if error.raw_os_error() == Some(libc::EBUSY) && tries < TRIES => {
                tries += 1;
                thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
}

fn socket_error(name: &str, queue: u32, queues: u32, (action, error): Failed) -> XdpError {
    let name_owned = name.to_owned();
    match error.raw_os_error() {
        Some(libc::ENOBUFS | libc::ENOMEM) if action == LOCK_MEMORY => XdpError::Locked {
            name: name_owned,
            mib: (u64::from(queues) * u64::from(FRAMES) * u64::from(FRAME_BYTES)) >> 20,
        },
        Some(libc::EBUSY) => XdpError::QueueTaken {
            name: name_owned,
            queue,
        },
        Some(libc::EOPNOTSUPP) => XdpError::NoXdp { name: name_owned },
        _ => XdpError::at(name, action, error),
    }
}
