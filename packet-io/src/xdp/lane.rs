//! One thread's sockets on all interfaces: packets in, packets out.

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::Arc;

use srh::Frame;

use super::channel::RingCounts;
use super::forwarding::{Publisher, Reader};
use super::socket::Socket;
use crate::PacketBuf;

/// Where the hop limit is in an IPv6 header.
const HOP_LIMIT: usize = 7;

/// Some of the queues of all interfaces, at least one of each. One thread's.
#[derive(Debug)]
pub struct Lane {
    strips: Vec<Strip>,
    routes: Reader,
    /// Where the next batch begins, so that no interface waits for the others for ever.
    first: usize,
    counts: SendCounts,
}

/// A lane's part of one interface.
#[derive(Debug)]
pub(super) struct Strip {
    pub name: Arc<str>,
    pub if_index: u32,
    pub mtu_bytes: u32,
    pub native: bool,
    /// One a queue, at least one.
    pub sockets: Vec<Socket>,
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

impl SendCounts {
    /// Both together.
    pub fn plus(self, other: SendCounts) -> SendCounts {
        SendCounts {
            no_neighbour: self.no_neighbour + other.no_neighbour,
            other_interface: self.other_interface + other.other_interface,
            not_taken: self.not_taken + other.not_taken,
        }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is on its way; [`Lane::flush`] makes sure.
    Yes,
    /// There was no room in the ring: it is lost.
    Lost,
    /// The kernel has to send it.
    ByKernel,
}

/// How a lane uses an interface, or several do, and what happened there.
#[derive(Clone, Debug)]
pub struct PortStatus {
    /// The interface's name.
    pub name: Arc<str>,
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

impl PortStatus {
    /// What two lanes say of the same interface.
    pub fn plus(self, other: &PortStatus) -> PortStatus {
        PortStatus {
            copies: self.copies | other.copies,
            queues: self.queues + other.queues,
            down: self.down | other.down,
            counts: self.counts.plus(other.counts),
            rx_ring_full: self.rx_ring_full + other.rx_ring_full,
            fill_empty: self.fill_empty + other.fill_empty,
            rx_dropped: self.rx_dropped + other.rx_dropped,
            ..self
        }
    }
}

impl Lane {
    /// One without interfaces.
    pub(super) fn new(routes: &Publisher) -> Self {
        Lane {
            strips: Vec::new(),
            routes: routes.reader(),
            first: 0,
            counts: SendCounts::default(),
        }
    }

    pub(super) fn add(&mut self, strip: Strip) {
        self.strips.push(strip);
    }

    /// As [`crate::Driver::receive`]; it never fails: an interface that goes down may come back.
    pub fn receive(&mut self, into: &mut [PacketBuf]) -> usize {
        let mut filled = 0;
        let strips = self.strips.len();
        for at in 0..strips {
            let strip = &mut self.strips[(self.first + at) % strips];
            filled += strip.receive(&mut into[filled..]);
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
        let Some(hop) = self.routes.find(octets, spread) else {
            self.counts.no_neighbour += 1;
            return Sent::ByKernel;
        };
        let mut strips = self.strips.iter_mut();
        let Some(strip) = strips.find(|strip| strip.if_index == hop.if_index) else {
            self.counts.other_interface += 1;
            return Sent::ByKernel;
        };
        // With a hop limit that is used up an error is due, which the kernel sends.
        if !strip.takes(bytes.len()) || start[HOP_LIMIT] <= 1 {
            self.counts.not_taken += 1;
            return Sent::ByKernel;
        }
        hop.set_used();
        let mut head = [0; 14 + 8];
        head[..14].copy_from_slice(&hop.ethernet());
        head[14..].copy_from_slice(start);
        head[14 + HOP_LIMIT] -= 1;
        match strip.send(spread, &head, &bytes[8..]) {
            true => Sent::Yes,
            false => Sent::Lost,
        }
    }

    /// Sends what is in the rings. To be called after each batch.
    pub fn flush(&mut self) {
        for strip in &mut self.strips {
            strip.flush();
        }
    }

    /// The descriptors to wait for: readable when there is something to receive.
    pub fn raw_fds(&self) -> impl Iterator<Item = RawFd> + '_ {
        let sockets = self.strips.iter().flat_map(|strip| &strip.sockets);
        sockets.map(|socket| socket.as_fd().as_raw_fd())
    }

    /// The longest packet that one of the interfaces takes.
    pub fn mtu_bytes(&self) -> u32 {
        self.strips
            .iter()
            .map(|strip| strip.mtu_bytes)
            .max()
            .unwrap_or(0)
    }

    /// What the kernel had to send.
    pub fn send_counts(&self) -> SendCounts {
        self.counts
    }

    /// Each interface, always in the same order.
    pub fn status(&self) -> impl Iterator<Item = PortStatus> + '_ {
        self.strips.iter().map(Strip::status)
    }
}

impl Strip {
    /// Takes in packets from the queues, and says how many.
    fn receive(&mut self, into: &mut [PacketBuf]) -> usize {
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
    #[inline]
    fn send<const N: usize>(&mut self, spread: u32, head: &[u8; N], packet: &[u8]) -> bool {
        let queue = match self.sockets.len() {
            1 => 0,
            queues => spread as usize % queues,
        };
        self.sockets[queue].channel.send(head, packet)
    }

    /// Is a packet of that length one for this interface?
    fn takes(&self, packet_bytes: usize) -> bool {
        let fits = packet_bytes <= self.mtu_bytes as usize;
        fits && self.sockets[0].channel.takes(packet_bytes)
    }

    /// Sends what is in the rings.
    fn flush(&mut self) {
        self.sockets.iter_mut().for_each(Socket::flush);
    }

    fn status(&self) -> PortStatus {
        let of_kernel = || {
            let sockets = self.sockets.iter();
            sockets.filter_map(|socket| socket.statistics().ok())
        };
        let counts = self.sockets.iter().map(|socket| socket.channel.counts);
        PortStatus {
            name: Arc::clone(&self.name),
            native: self.native,
            copies: self.sockets.iter().any(|socket| !socket.zero_copy),
            queues: self.sockets.len(),
            down: self.sockets.iter().any(|socket| socket.down),
            counts: counts.fold(RingCounts::default(), RingCounts::plus),
            rx_ring_full: of_kernel().filter_map(|s| s.rx_ring_full).sum(),
            fill_empty: of_kernel().filter_map(|s| s.rx_fill_ring_empty_descs).sum(),
            rx_dropped: of_kernel().map(|s| s.rx_dropped).sum(),
        }
    }
}
