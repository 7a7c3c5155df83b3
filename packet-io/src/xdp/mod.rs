//! AF_XDP: packets between a network interface and us without the kernel's network stack.
//!
//! A small XDP program on the interface (`program`) takes what is for VIPs and for our locator; all else goes into the kernel as before: ssh, BGP, neighbour
//! discovery. So this stands *beside* a TUN device and not in its place. What the program leaves (VLAN tags, interfaces that are not named, queues without a socket) still comes by
//! the TUN device, and what can't be sent here (no neighbour known, a longer packet than the interface takes, a local destination) goes out by it: the kernel
//! then looks for the neighbour, and the next packets find it in the [`forwarding`] table.
//!
//! | file | is |
//! | --- | --- |
//! | `memory` | memory shared with the kernel |
//! | `ring` | one end of a ring, with or without a kernel at the other |
//! | `umem` | the frames that packets lie in |
//! | `channel` | four rings and the frames that go round in them |
//! | `socket` | a queue, bound: without copies where the driver can, else with them |
//! | `program` | the XDP program and its addresses |
//! | `port` | an interface: program and sockets |
//! | `lane` | one thread's sockets on all interfaces: packets in and out |
//! | `bare` | sockets without the rest of a driver, for measurements |
//! | `forwarding` | routes and neighbours |
//!
//! [`Interfaces`] are opened, looked at and told addresses by one thread; its [`Lane`]s carry packets, each on a thread of its own: queue `q` is in lane `q` modulo
//! the number of lanes, for receiving and for sending, so that lanes share nothing that they write. [`Xdp`] is both for who has one thread.
//!
//! The program is attached by a BPF link: a process that ends, however it ends, leaves nothing attached.

pub(crate) mod bare;
mod channel;
#[allow(unsafe_code)] // ioctls
mod device;
mod error;
pub mod forwarding;
mod lane;
#[allow(unsafe_code)] // mappings
mod memory;
#[allow(unsafe_code)] // one call
mod options;
mod port;
mod program;
#[allow(unsafe_code)] // counters and slots in shared memory
mod ring;
mod socket;
mod umem;

pub use channel::RingCounts;
pub use error::XdpError;
pub use lane::{Lane, PortStatus, SendCounts, Sent};
pub use port::PortConfig;
pub use program::Prefix;

use std::io;
use std::net::Ipv6Addr;
use std::ops::{Deref, DerefMut};

use forwarding::Publisher;
use port::Port;
use program::Addresses;

/// Interfaces in use. The programs are attached as long as this.
#[derive(Debug)]
pub struct Interfaces {
    ports: Vec<Port>,
    addresses: Addresses,
}

impl Interfaces {
    /// Opens all these interfaces for so many threads, or none. `locator` is the first 8 bytes of our SIDs. Nothing is taken before [`Interfaces::set_addresses`]
    /// but what is for the locator.
    ///
    /// # Errors
    ///
    /// Where an interface is not what it has to be, or has fewer queues than there are to be lanes: each of them has to send and receive by all interfaces.
    pub fn open(
        configs: &[PortConfig],
        locator: [u8; 8],
        routes: &Publisher,
        lanes: usize,
    ) -> Result<(Self, Vec<Lane>), XdpError> {
        let addresses = Addresses::new()
            .map_err(|error| XdpError::at("all interfaces", "make BPF maps", error))?;
        let mut lanes: Vec<Lane> = (0..lanes).map(|_| Lane::new(routes)).collect();
        let mut ports = Vec::new();
        for config in configs {
            ports.push(Port::open(config, locator, &addresses, &mut lanes)?);
        }
        Ok((Interfaces { ports, addresses }, lanes))
    }

    /// What is taken: packets for these VIPs; on interfaces outside the domain, only from addresses outside these prefixes.
    pub fn set_addresses(&mut self, vips: &[Ipv6Addr], domain: &[Prefix]) -> io::Result<()> {
        self.addresses.set(vips, domain)
    }

    /// Their indexes.
    pub fn if_indexes(&self) -> impl Iterator<Item = u32> + '_ {
        self.ports.iter().map(|port| port.device.index)
    }

    /// Is one of the interfaces not what it was: removed, with another address, MTU or number of queues? Then it has to be opened again.
    pub fn is_outdated(&self) -> bool {
        self.ports.iter().any(Port::is_outdated)
    }
}

/// Interfaces in use by one thread, which is a [`Lane`]: it receives and sends.
#[derive(Debug)]
pub struct Xdp {
    // The sockets go before the programs.
    lane: Lane,
    interfaces: Interfaces,
}

impl Xdp {
    /// As [`Interfaces::open`].
    pub fn open(
        configs: &[PortConfig],
        locator: [u8; 8],
        routes: &Publisher,
    ) -> Result<Self, XdpError> {
        let (interfaces, mut lanes) = Interfaces::open(configs, locator, routes, 1)?;
        let lane = lanes.remove(0);
        Ok(Xdp { lane, interfaces })
    }

    /// As [`Interfaces::set_addresses`].
    pub fn set_addresses(&mut self, vips: &[Ipv6Addr], domain: &[Prefix]) -> io::Result<()> {
        self.interfaces.set_addresses(vips, domain)
    }

    /// As [`Interfaces::is_outdated`].
    pub fn is_outdated(&self) -> bool {
        self.interfaces.is_outdated()
    }
}

impl Deref for Xdp {
    type Target = Lane;

    fn deref(&self) -> &Lane {
        &self.lane
    }
}

impl DerefMut for Xdp {
    fn deref_mut(&mut self) -> &mut Lane {
        &mut self.lane
    }
}
