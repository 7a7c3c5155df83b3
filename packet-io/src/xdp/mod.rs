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
//! | `forwarding` | routes and neighbours |
//!
//! The program is attached by a BPF link: a process that ends, however it ends, leaves nothing attached.

mod channel;
#[allow(unsafe_code)] // ioctls
mod device;
mod error;
pub mod forwarding;
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
pub use port::PortConfig;
pub use program::Prefix;

use std::io;
use std::net::Ipv6Addr;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use srh::Frame;

use crate::PacketBuf;
use forwarding::{Publisher, Reader};
use port::Port;
use program::Addresses;

/// Where the hop limit is in an IPv6 header.
const HOP_LIMIT: usize = 7;

/// Interfaces in use, each with all its queues. One thread's.
#[derive(Debug)]
pub struct Xdp {
    ports: Vec<Port>,
    addresses: Addresses,
    routes: Reader,
    /// Where the next batch begins, so that no interface waits for the others for ever.
    first: usize,
    counts: SendCounts,
}

/// Packets that the kernel has to send in our place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendCounts {
    /// There was no route, or no neighbour, that we know of.
    pub no_neighbour: u64,
    /// The way leads over an interface that is not one of ours.
    pub other_interface: u64,
    /// The interface doesn't take packets of that length, or the hop limit is used up.
    pub not_taken: u64,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is on its way; [`Xdp::flush`] makes sure.
    Yes,
    /// There was no room in the ring: it is lost.
    Lost,
    /// The kernel has to send it.
    ByKernel,
}

/// How an interface is used, and what happened there.
#[derive(Clone, Copy, Debug)]
pub struct PortStatus<'a> {
    /// The interface's name.
    pub name: &'a str,
    /// Does its driver run the program, or the kernel behind it?
    pub native: bool,
    /// Are packets copied between driver and us?
    pub copies: bool,
    /// How many queues there are.
    pub queues: usize,
    /// Did the kernel say at the last call that it is down?
    pub down: bool,
    /// What we have counted.
    pub counts: RingCounts,
    /// Packets that the kernel dropped because they came faster than we took them.
    pub rx_ring_full: u64,
    /// Packets that the kernel dropped because there was no free frame.
    pub fill_empty: u64,
    /// Packets that the kernel dropped for other reasons.
    pub rx_dropped: u64,
}

impl Xdp {
    /// Opens all these interfaces, or none. `locator` is the first 8 bytes of our SIDs. Nothing is taken before [`Xdp::set_addresses`] but what is for the locator.
    pub fn open(
        configs: &[PortConfig],
        locator: [u8; 8],
        routes: &Publisher,
    ) -> Result<Self, XdpError> {
        let addresses = Addresses::new()
            .map_err(|error| XdpError::at("all interfaces", "make BPF maps", error))?;
        let mut ports = Vec::new();
        for config in configs {
            ports.push(Port::open(config, locator, &addresses)?);
        }
        Ok(Xdp {
            ports,
            addresses,
            routes: routes.reader(),
            first: 0,
            counts: SendCounts::default(),
        })
    }

    /// What is taken: packets for these VIPs; on interfaces outside the domain, only from addresses outside these prefixes.
    pub fn set_addresses(&mut self, vips: &[Ipv6Addr], domain: &[Prefix]) -> io::Result<()> {
        self.addresses.set(vips, domain)
    }

    /// As [`crate::Driver::receive`]; it never fails: an interface that goes down may come back.
    pub fn receive(&mut self, into: &mut [PacketBuf]) -> usize {
        let mut filled = 0;
        let ports = self.ports.len();
        for at in 0..ports {
            let port = &mut self.ports[(self.first + at) % ports];
            filled += port.receive(&mut into[filled..]);
        }
        self.first = self.first.wrapping_add(1);
        filled
    }

    /// Puts a packet into the ring of the interface that its way leads over. This is forwarding, and takes one from the hop limit, as the kernel's would.
    pub fn send(&mut self, packet: &PacketBuf) -> Sent {
        let bytes = packet.bytes();
        let (Some(start), Some(to)) = (bytes.first_chunk::<8>(), bytes.get(24..40)) else {
            return Sent::Lost;
        };
        let mut octets = [0; 16];
        octets.copy_from_slice(to);
        // The flow label is the flow's hash on what we encapsulate; on the rest it is what its sender chose for the flow.
        let spread = u32::from_be_bytes([0, bytes[1] & 0x0f, bytes[2], bytes[3]]);
        let Some(hop) = self.routes.table().find(octets.into(), spread) else {
            self.counts.no_neighbour += 1;
            return Sent::ByKernel;
        };
        let mut ports = self.ports.iter_mut();
        let Some(port) = ports.find(|port| port.device.index == hop.if_index) else {
            self.counts.other_interface += 1;
            return Sent::ByKernel;
        };
        // With a hop limit that is used up an error is due, which the kernel sends.
        if !port.takes(bytes.len()) || start[HOP_LIMIT] <= 1 {
            self.counts.not_taken += 1;
            return Sent::ByKernel;
        }
        hop.set_used();
        let mut head = [0; 14 + 8];
        head[..14].copy_from_slice(&hop.ethernet());
        head[14..].copy_from_slice(start);
        head[14 + HOP_LIMIT] -= 1;
        match port.send(spread, &head, &bytes[8..]) {
            true => Sent::Yes,
            false => Sent::Lost,
        }
    }

    /// Sends what is in the rings. To be called after each batch.
    pub fn flush(&mut self) {
        for port in &mut self.ports {
            port.flush();
        }
    }

    /// The descriptors to wait for: readable when there is something to receive.
    pub fn raw_fds(&self) -> impl Iterator<Item = RawFd> + '_ {
        let sockets = self.ports.iter().flat_map(|port| &port.sockets);
        sockets.map(|socket| socket.as_fd().as_raw_fd())
    }

    /// The longest packet that one of the interfaces takes.
    pub fn mtu_bytes(&self) -> u32 {
        let mtus = self.ports.iter().map(|port| port.device.mtu_bytes);
        mtus.max().unwrap_or(0)
    }

    /// What the kernel had to send.
    pub fn send_counts(&self) -> SendCounts {
        self.counts
    }

    /// Indexes of the interfaces.
    pub fn if_indexes(&self) -> impl Iterator<Item = u32> + '_ {
        self.ports.iter().map(|port| port.device.index)
    }

    /// Is one of the interfaces not what it was: removed, with another address, MTU or number of queues? Then it has to be opened again.
    pub fn is_outdated(&self) -> bool {
        self.ports.iter().any(Port::is_outdated)
    }

    /// Each interface.
    pub fn status(&self) -> impl Iterator<Item = PortStatus<'_>> {
        self.ports.iter().map(|port| {
            let of_kernel: Vec<_> = port
                .sockets
                .iter()
                .filter_map(|socket| socket.statistics().ok())
                .collect();
            PortStatus {
                name: &port.name,
                native: port.native,
                copies: port.sockets.iter().any(|socket| !socket.zero_copy),
                queues: port.sockets.len(),
                down: port.sockets.iter().any(|socket| socket.down),
                counts: port.counts(),
                rx_ring_full: of_kernel.iter().filter_map(|s| s.rx_ring_full).sum(),
                fill_empty: of_kernel
                    .iter()
                    .filter_map(|s| s.rx_fill_ring_empty_descs)
                    .sum(),
                rx_dropped: of_kernel.iter().map(|s| s.rx_dropped).sum(),
            }
        })
    }
}
