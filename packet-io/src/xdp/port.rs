//! An interface with our program, and how a socket for each of its queues comes into a lane.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::device::{self, Device};
use super::error::XdpError;
use super::lane::{Lane, Strip};
use super::program::{Addresses, Place, Program, MAX_QUEUES};
use super::socket::{Failed, Socket, FRAMES, LOCK_MEMORY};
use super::umem::{Umem, FRAME_BYTES};
use crate::bpf::numbers::xdp::{GENERIC, NATIVE};

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
    pub name: Arc<str>,
    pub device: Device,
    /// The program stays attached as long as this.
    _link: OwnedFd,
}

impl Port {
    /// Opens an interface, and gives each lane its part of it.
    pub fn open(
        config: &PortConfig,
        locator: [u8; 8],
        addresses: &Addresses,
        lanes: &mut [Lane],
    ) -> Result<Self, XdpError> {
        let name = config.name.as_str();
        let device = check(config, lanes.len())?;
        let place = Place {
            mac: device.mac,
            locator,
            in_domain: config.in_domain,
        };
        let program = Program::load(place, addresses)
            .map_err(|error| XdpError::at(name, "load its XDP program", error))?;
        let (link, native) = attach(&program, name, device.index)?;
        let mut sockets = open_sockets(&device)
            .map_err(|(queue, failed)| socket_error(name, queue, device.queues, failed))?;
        for (queue, socket) in (0..).zip(&mut sockets) {
            program
                .set_socket(queue, socket.as_fd())
                .map_err(|error| XdpError::at(name, "give its program a socket", error))?;
            if config.busy_poll_us > 0 {
                socket
                    .set_busy_poll(config.busy_poll_us)
                    .map_err(|error| XdpError::at(name, "switch to busy polling", error))?;
            }
        }
        let name: Arc<str> = name.into();
        let dealt = dealt(sockets, lanes.len());
        for (lane, sockets) in lanes.iter_mut().zip(dealt) {
            lane.add(Strip {
                name: Arc::clone(&name),
                if_index: device.index,
                mtu_bytes: device.mtu_bytes,
                native,
                sockets,
            });
        }
        Ok(Port {
            name,
            device,
            _link: link,
        })
    }

    /// Is the interface another one than when it was opened?
    pub fn is_outdated(&self) -> bool {
        !device::look(&self.name).is_ok_and(|device| device == self.device)
    }
}

/// One for each in turn, round and round.
fn dealt<T>(items: Vec<T>, hands: usize) -> Vec<Vec<T>> {
    let mut dealt: Vec<Vec<T>> = (0..hands).map(|_| Vec::new()).collect();
    for (number, item) in items.into_iter().enumerate() {
        dealt[number % hands].push(item);
    }
    dealt
}

/// Is there such an interface, and can it be what it is to be?
fn check(config: &PortConfig, lanes: usize) -> Result<Device, XdpError> {
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
        _ if (device.queues as usize) < lanes => Err(XdpError::Workers {
            name: name(),
            queues: device.queues,
            workers: lanes,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_dealt_in_turn() {
        assert_eq!(dealt(vec![0, 1, 2, 3, 4], 2), [vec![0, 2, 4], vec![1, 3]]);
        assert_eq!(dealt(vec![0, 1], 1), [[0, 1]]);
    }
}
