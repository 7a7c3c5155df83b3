//! What one socket does with its four rings and its frames, without a system call.

use std::sync::Arc;

use rustix::net::xdp::{XdpDesc, XdpDescOptions};
use srh::Frame;

use super::ring::{Consumer, Producer};
use super::umem::{Frames, Umem, FRAME_BYTES};
use crate::PacketBuf;

/// Bytes of an Ethernet header without tags.
pub(super) const ETHERNET_BYTES: usize = 14;
/// Bytes of an IPv6 header.
const IPV6_BYTES: usize = 40;
/// Frames that the kernel has for packets to come while few come between two looks. It takes them in turn: all of them would go through the caches before one comes again, which
/// makes a packet dearer by a tenth. Two batches, and half a millisecond at a million packets a second.
pub(super) const FEW: u32 = 512;
/// Looks in a row for which few would have been enough, before it gets no more than that: a second of a moderate load.
const CALM_LOOKS: i32 = 4_096;
/// So many more after they were used up, as by a worker that others keep from its processor: minutes.
const SHORT_LOOKS: i32 = 256 * CALM_LOOKS;
/// The most frames that a packet may lie in: a full IPv6 packet's, as the kernel cuts them.
const MAX_PARTS: usize = 64;

/// What was counted on one socket, or on several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingCounts {
    /// Packets received.
    pub received: u64,
    /// Packets given to the kernel to be sent.
    pub sent: u64,
    /// Packets that came in several frames.
    pub gathered: u64,
    /// Packets dropped because they were longer than our buffers.
    pub too_long: u64,
    /// Packets dropped because there was no IPv6 header behind the Ethernet one, or a descriptor made no sense.
    pub malformed: u64,
    /// Packets not sent because the ring or the frames were used up.
    pub tx_full: u64,
    /// Packets that the interface threw away: they were too long for the other end of a veth, or it had no room.
    pub tx_dropped: u64,
    /// System calls that told the kernel to send.
    pub tx_wakeups: u64,
    /// System calls that told the driver about free frames.
    pub rx_wakeups: u64,
}

impl RingCounts {
    /// Both together.
    pub fn plus(self, other: RingCounts) -> RingCounts {
        RingCounts {
            received: self.received + other.received,
            sent: self.sent + other.sent,
            gathered: self.gathered + other.gathered,
            too_long: self.too_long + other.too_long,
            malformed: self.malformed + other.malformed,
            tx_full: self.tx_full + other.tx_full,
            tx_dropped: self.tx_dropped + other.tx_dropped,
            tx_wakeups: self.tx_wakeups + other.tx_wakeups,
            rx_wakeups: self.rx_wakeups + other.rx_wakeups,
        }
    }
}

/// A socket's rings, from our side.
#[derive(Debug)]
pub(super) struct Rings {
    pub rx: Consumer<XdpDesc>,
    pub tx: Producer<XdpDesc>,
    pub fill: Producer<u64>,
    pub completion: Consumer<u64>,
}

/// The rings with the frames that go round in them.
#[derive(Debug)]
pub(super) struct Channel {
    pub rings: Rings,
    pub counts: RingCounts,
    umem: Arc<Umem>,
    /// Frames for packets that come; the rest of them is in the fill ring, with the kernel, or in `parts`.
    rx_frames: Frames,
    /// Frames for packets that go.
    tx_frames: Frames,
    /// Looks in a row for which few frames with the kernel would have been enough; below 0 after they were used up.
    calm: i32,
    /// Are few ever enough? Only where the kernel copies: a driver without copies has a ring of its own to keep full.
    may_be_few: bool,
    /// The parts of a packet whose end has not come yet.
    parts: Vec<XdpDesc>,
    /// May a packet lie in several frames?
    scatter: bool,
}

impl Channel {
    pub fn new(
        rings: Rings,
        umem: Arc<Umem>,
        rx_frames: Frames,
        tx_frames: Frames,
        scatter: bool,
        may_be_few: bool,
    ) -> Self {
        let mut channel = Channel {
            rings,
            counts: RingCounts::default(),
            umem,
            rx_frames,
            tx_frames,
            calm: 0,
            may_be_few,
            parts: Vec::with_capacity(MAX_PARTS),
            scatter,
        };
        channel.fill();
        channel.calm = 0;
        channel
    }

    /// Gives the kernel frames for packets to come: all that are free; or few, those that were in use a moment ago first, while few have been enough for some time.
    fn fill(&mut self) {
        let size = self.rings.fill.size();
        let there = self.rings.fill.waiting();
        self.calm = match there {
            0 => -SHORT_LOOKS,
            _ if there < FEW / 2 => self.calm.min(0),
            _ => self.calm.saturating_add(1),
        };
        let wanted = match self.may_be_few && self.calm >= CALM_LOOKS {
            true => FEW,
            false => size,
        };
        let room = wanted
            .saturating_sub(there)
            .min(self.rx_frames.free() as u32);
        for _ in 0..room {
            let Some(frame) = self.rx_frames.take() else {
                break;
            };
            self.rings.fill.push(frame);
        }
        if room > 0 {
            self.rings.fill.publish();
        }
    }

    /// Takes in packets, from the IPv6 header on, and says how many.
    pub fn receive(&mut self, into: &mut [PacketBuf]) -> usize {
        let mut filled = 0;
        let mut taken = 0_u32;
        while filled < into.len() {
            let Some(part) = self.rings.rx.pop() else {
                break;
            };
            taken += 1;
            let goes_on = part.options.contains(XdpDescOptions::XDP_PKT_CONTD);
            let whole = match goes_on || !self.parts.is_empty() {
                false => self.take_in(part, &mut into[filled]),
                true => {
                    self.parts.push(part);
                    !goes_on && self.gather(&mut into[filled])
                }
            };
            filled += usize::from(whole);
        }
        if taken > 0 {
            self.rings.rx.release();
            self.fill();
        }
        self.counts.received += filled as u64;
        filled
    }

    /// Copies a packet that lies in one frame, and gives that back; false if it was dropped.
    #[inline]
    fn take_in(&mut self, part: XdpDesc, into: &mut PacketBuf) -> bool {
        let result = packet_bytes(part.len as usize, into).and_then(|len| {
            let from = part.addr.saturating_add(ETHERNET_BYTES as u64);
            into.try_fill(|room| match self.umem.read(from, &mut room[..len]) {
                true => Ok(len),
                false => Err(Reject::Malformed),
            })
        });
        self.rx_frames.give(part.addr);
        self.judge(result, into)
    }

    /// Copies the packet that `parts` make up, and gives its frames back; false if it was dropped.
    fn gather(&mut self, into: &mut PacketBuf) -> bool {
        let total: usize = self.parts.iter().map(|part| part.len as usize).sum();
        let result = packet_bytes(total, into)
            .and_then(|len| into.try_fill(|room| self.copy_parts(&mut room[..len])));
        self.counts.gathered += u64::from(self.parts.len() > 1 && result.is_ok());
        for part in self.parts.drain(..) {
            self.rx_frames.give(part.addr);
        }
        self.judge(result, into)
    }

    /// Finishes a packet that was taken in, or counts why it was not.
    #[inline]
    fn judge(&mut self, result: Result<(), Reject>, into: &mut PacketBuf) -> bool {
        match result {
            Ok(()) => cut_padding(into),
            Err(Reject::TooLong) => self.counts.too_long += 1,
            Err(Reject::Malformed) => self.counts.malformed += 1,
        }
        result.is_ok()
    }

    /// Copies all parts but the Ethernet header, which lies in the first one.
    fn copy_parts(&self, mut into: &mut [u8]) -> Result<usize, Reject> {
        let len = into.len();
        let mut skip = ETHERNET_BYTES;
        for part in &self.parts {
            let part_len = (part.len as usize)
                .checked_sub(skip)
                .ok_or(Reject::Malformed)?;
            let (here, rest) = into
                .split_at_mut_checked(part_len)
                .ok_or(Reject::Malformed)?;
            if !self.umem.read(part.addr.saturating_add(skip as u64), here) {
                return Err(Reject::Malformed);
            }
            into = rest;
            skip = 0;
        }
        Ok(len)
    }

    /// Puts what begins with `head`, a few bytes, and goes on with `packet` into the ring; false, and counted, if there is no room. Nothing goes before [`Channel::publish`].
    #[inline]
    pub fn send<const N: usize>(&mut self, head: &[u8; N], packet: &[u8]) -> bool {
        if N + packet.len() > FRAME_BYTES as usize {
            return self.send_parts(head, packet);
        }
        if self.tx_frames.free() == 0 {
            self.reclaim();
        }
        if self.rings.tx.free(1) == 0 {
            return self.refuse();
        }
        let Some(frame) = self.tx_frames.take() else {
            return self.refuse();
        };
        self.umem.write(frame, head);
        self.umem.write(frame + N as u64, packet);
        self.rings.tx.push(XdpDesc {
            addr: frame,
            len: (N + packet.len()) as u32,
            options: XdpDescOptions::empty(),
        });
        self.counts.sent += 1;
        true
    }

    #[cold]
    fn refuse(&mut self) -> bool {
        self.counts.tx_full += 1;
        false
    }

    /// The same with a packet that needs several frames.
    fn send_parts(&mut self, head: &[u8], packet: &[u8]) -> bool {
        let frame_bytes = FRAME_BYTES as usize;
        let parts = (head.len() + packet.len()).div_ceil(frame_bytes);
        if self.tx_frames.free() < parts {
            self.reclaim();
        }
        let room =
            self.tx_frames.free() >= parts && self.rings.tx.free(parts as u32) >= parts as u32;
        if !self.scatter || !room {
            return self.refuse();
        }
        let (mut rest, mut skip) = (packet, head.len());
        for part in 1..=parts {
            let Some(frame) = self.tx_frames.take() else {
                unreachable!("there were enough");
            };
            let here = rest.len().min(frame_bytes - skip);
            if skip > 0 {
                self.umem.write(frame, head);
            }
            self.umem.write(frame + skip as u64, &rest[..here]);
            let options = match part < parts {
                true => XdpDescOptions::XDP_PKT_CONTD,
                false => XdpDescOptions::empty(),
            };
            self.rings.tx.push(XdpDesc {
                addr: frame,
                len: (skip + here) as u32,
                options,
            });
            rest = &rest[here..];
            skip = 0;
        }
        self.counts.sent += 1;
        true
    }

    /// Has everything that was to be sent been sent, and are its frames back?
    pub fn is_idle(&self) -> bool {
        self.tx_frames.is_whole()
    }

    /// Shows the kernel what is to be sent.
    pub fn publish(&mut self) {
        self.rings.tx.publish();
    }

    /// Takes back the frames of what has been sent.
    pub fn reclaim(&mut self) {
        while let Some(frame) = self.rings.completion.pop() {
            self.tx_frames.give(frame);
        }
        self.rings.completion.release();
    }

    /// May a packet of this many bytes, from the IPv6 header on, be sent?
    pub fn takes(&self, packet_bytes: usize) -> bool {
        self.scatter || ETHERNET_BYTES + packet_bytes <= FRAME_BYTES as usize
    }
}

/// Why a packet is not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reject {
    TooLong,
    Malformed,
}

/// How long a packet is behind its Ethernet header, if that is right for an IPv6 packet and the buffer.
#[inline]
fn packet_bytes(frame_bytes: usize, into: &PacketBuf) -> Result<usize, Reject> {
    match frame_bytes.checked_sub(ETHERNET_BYTES) {
        None => Err(Reject::Malformed),
        Some(len) if len < IPV6_BYTES => Err(Reject::Malformed),
        Some(len) if len > into.capacity_bytes() => Err(Reject::TooLong),
        Some(len) => Ok(len),
    }
}

/// Short packets are padded on Ethernet; the kernel cuts that off before a packet comes to a TUN device, and so do we. A payload length of 0 is a
/// jumbogram's or nothing's, and stays.
fn cut_padding(packet: &mut PacketBuf) {
    let bytes = packet.bytes();
    let payload = u16::from_be_bytes([bytes[4], bytes[5]]);
    if payload != 0 {
        packet.truncate(IPV6_BYTES + usize::from(payload));
    }
}

#[cfg(test)]
mod tests {
    use super::super::ring::fake;
    use super::*;
    use proptest::prelude::*;

    const RING: u32 = 8;
    const HEAD: [u8; ETHERNET_BYTES] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x86, 0xdd];

    /// The kernel's ends, and what it does with them.
    struct Kernel {
        rx: Producer<XdpDesc>,
        tx: Consumer<XdpDesc>,
        fill: Consumer<u64>,
        completion: Producer<u64>,
        umem: Arc<Umem>,
    }

    fn pair(scatter: bool, start: u32) -> (Channel, Kernel) {
        pair_of(RING, scatter, start)
    }

    fn pair_of(slots: u32, scatter: bool, start: u32) -> (Channel, Kernel) {
        let (rx_there, rx) = fake::ring(slots, start);
        let (tx, tx_there) = fake::ring(slots, start);
        let (fill, fill_there) = fake::ring(slots, start);
        let (completion_there, completion) = fake::ring(slots, start);
        let umem = Umem::new(2 * slots).unwrap();
        let rings = Rings {
            rx,
            tx,
            fill,
            completion,
        };
        let channel = Channel::new(
            rings,
            Arc::clone(&umem),
            Frames::new(0..slots),
            Frames::new(slots..2 * slots),
            scatter,
            true,
        );
        let kernel = Kernel {
            rx: rx_there,
            tx: tx_there,
            fill: fill_there,
            completion: completion_there,
            umem,
        };
        (channel, kernel)
    }

    impl Kernel {
        /// A packet comes in, cut into parts of at most `part_bytes`; false if there are not enough frames.
        fn deliver(&mut self, frame: &[u8], part_bytes: usize) -> bool {
            let chunks: Vec<&[u8]> = frame.chunks(part_bytes).collect();
            let mut frames = Vec::new();
            for _ in &chunks {
                match self.fill.pop() {
                    Some(address) => frames.push(address),
                    None => {
                        self.fill.put_back(frames.len() as u32);
                        return false;
                    }
                }
            }
            self.fill.release();
            for (i, (chunk, address)) in chunks.iter().zip(&frames).enumerate() {
                // The kernel keeps room in front.
                let address = address + 256;
                assert!(self.umem.write(address, chunk));
                let last = i + 1 == chunks.len();
                let desc = XdpDesc {
                    addr: address,
                    len: chunk.len() as u32,
                    options: match last {
                        true => XdpDescOptions::empty(),
                        false => XdpDescOptions::XDP_PKT_CONTD,
                    },
                };
                assert!(self.rx.push(desc));
            }
            self.rx.publish();
            true
        }

        /// Sends what is to be sent, and returns whole frames.
        fn transmit(&mut self) -> Vec<Vec<u8>> {
            let (mut all, mut frame) = (Vec::new(), Vec::new());
            while let Some(desc) = self.tx.pop() {
                let mut bytes = vec![0; desc.len as usize];
                assert!(self.umem.read(desc.addr, &mut bytes));
                frame.extend(bytes);
                assert!(self.completion.push(desc.addr));
                if desc.options.is_empty() {
                    all.push(std::mem::take(&mut frame));
                }
            }
            assert_eq!(frame, [], "the last one is whole");
            self.tx.release();
            self.completion.publish();
            all
        }
    }

    fn packet(number: u8, payload: usize) -> Vec<u8> {
        let mut packet = vec![number; IPV6_BYTES + payload];
        packet[4..6].copy_from_slice(&(payload as u16).to_be_bytes());
        packet
    }

    fn framed(packet: &[u8]) -> Vec<u8> {
        [&HEAD[..], packet].concat()
    }

    #[test]
    fn a_packet_in_several_frames_is_one() {
        let (mut channel, mut kernel) = pair(true, 0);
        let long = packet(7, 4_000);
        assert!(kernel.deliver(&framed(&long), 1_792));
        let mut bufs = vec![PacketBuf::with_capacity(9_000); 2];
        assert_eq!(channel.receive(&mut bufs), 1);
        assert_eq!(bufs[0].bytes(), long);
        assert_eq!(channel.counts.gathered, 1);
        assert!(channel.send(&HEAD, &long));
        channel.publish();
        assert_eq!(kernel.transmit(), [framed(&long)]);
    }

    #[test]
    fn few_frames_go_round_until_many_are_needed() {
        const SLOTS: u32 = 4 * FEW;
        let (mut channel, mut kernel) = pair_of(SLOTS, false, 0);
        let mut bufs = vec![PacketBuf::with_capacity(1_500); SLOTS as usize];
        let there = |channel: &mut Channel| channel.rings.fill.waiting();
        let frame = framed(&packet(1, 20));
        assert_eq!(there(&mut channel), SLOTS);
        // Until it is calm, and until those that are too many have been taken.
        for _ in 0..CALM_LOOKS as u32 + SLOTS {
            assert!(kernel.deliver(&frame, 1_792));
            assert_eq!(channel.receive(&mut bufs), 1);
        }
        assert_eq!(there(&mut channel), FEW);
        for come in [1, FEW / 2] {
            for _ in 0..come {
                assert!(kernel.deliver(&frame, 1_792));
            }
            assert_eq!(channel.receive(&mut bufs), come as usize);
            assert_eq!(there(&mut channel), FEW, "{come}");
        }
        for _ in 0..FEW {
            assert!(kernel.deliver(&frame, 1_792));
        }
        assert!(!kernel.deliver(&frame, 1_792), "there are no more");
        assert_eq!(channel.receive(&mut bufs), FEW as usize);
        assert_eq!(there(&mut channel), SLOTS);
        // They were used up: it stays that way for long.
        for _ in 0..2 * CALM_LOOKS as u32 + SLOTS {
            assert!(kernel.deliver(&frame, 1_792));
            assert_eq!(channel.receive(&mut bufs), 1);
        }
        assert_eq!(there(&mut channel), SLOTS);
    }

    #[test]
    fn a_packet_longer_than_a_buffer_is_dropped_whole_and_counted() {
        let (mut channel, mut kernel) = pair(true, 0);
        assert!(kernel.deliver(&framed(&packet(7, 4_000)), 1_792));
        let short = packet(8, 20);
        assert!(kernel.deliver(&framed(&short), 1_792));
        let mut bufs = vec![PacketBuf::with_capacity(1_500); 2];
        assert_eq!(channel.receive(&mut bufs), 1);
        assert_eq!(bufs[0].bytes(), short);
        assert_eq!(channel.counts.too_long, 1);
        // All its frames are with the kernel again.
        assert!(kernel.deliver(&framed(&packet(9, 4_000)), 600));
    }

    #[test]
    fn padding_is_cut_and_what_is_no_ipv6_is_dropped() {
        let (mut channel, mut kernel) = pair(false, 0);
        let short = packet(3, 4);
        let mut padded = framed(&short);
        padded.resize(60, 0xee);
        assert!(kernel.deliver(&padded, 1_792));
        assert!(kernel.deliver(&HEAD, 1_792));
        assert!(kernel.deliver(&framed(&[6; 39]), 1_792));
        let mut bufs = vec![PacketBuf::with_capacity(1_500); 4];
        assert_eq!(channel.receive(&mut bufs), 1);
        assert_eq!(bufs[0].bytes(), short);
        assert_eq!(channel.counts.malformed, 2);
    }

    #[test]
    fn descriptors_outside_the_memory_do_no_harm() {
        let (mut channel, mut kernel) = pair(true, 0);
        for addr in [u64::MAX - 3, 1 << 40] {
            assert!(kernel.rx.push(XdpDesc {
                addr,
                len: 100,
                options: XdpDescOptions::empty(),
            }));
        }
        kernel.rx.publish();
        let mut bufs = vec![PacketBuf::with_capacity(1_500); 4];
        assert_eq!(channel.receive(&mut bufs), 0);
        assert_eq!(channel.counts.malformed, 2);
    }

    #[test]
    fn without_scatter_a_long_packet_is_refused_and_takes_no_frame() {
        let (mut channel, mut kernel) = pair(false, 0);
        assert!(!channel.takes(3_000));
        assert!(!channel.send(&HEAD, &packet(1, 3_000)));
        assert_eq!(channel.counts.tx_full, 1);
        for number in 0..RING as u8 {
            assert!(channel.send(&HEAD, &packet(number, 10)));
        }
        assert!(!channel.send(&HEAD, &packet(99, 10)), "the ring is full");
        channel.publish();
        assert_eq!(kernel.transmit().len(), RING as usize);
        assert!(channel.send(&HEAD, &packet(100, 10)), "frames came back");
    }

    proptest! {
        /// Any order of packets in and out, of any length, over the wrap of all counters: each one whole, once, in order.
        #[test]
        fn packets_go_through_whole_and_in_order(
            steps in proptest::collection::vec((0..3u8, 1..6_000usize), 1..120),
            before_the_wrap in 0..30u32,
        ) {
            let (mut channel, mut kernel) = pair(true, 0_u32.wrapping_sub(before_the_wrap));
            let mut bufs = vec![PacketBuf::with_capacity(9_000); 3];
            let (mut waiting, mut going) = (std::collections::VecDeque::new(), Vec::new());
            for (number, (step, payload)) in steps.into_iter().enumerate() {
                let packet = packet(number as u8, payload);
                match step {
                    0 => if kernel.deliver(&framed(&packet), 1_792) {
                        waiting.push_back(packet);
                    },
                    1 => {
                        let n = channel.receive(&mut bufs);
                        prop_assert_eq!(n, waiting.len().min(bufs.len()));
                        for buf in &bufs[..n] {
                            let expected = waiting.pop_front();
                            prop_assert_eq!(Some(buf.bytes()), expected.as_deref());
                        }
                    }
                    _ => {
                        if channel.send(&HEAD, &packet) {
                            going.push(framed(&packet));
                        }
                        channel.publish();
                        if payload % 2 == 0 {
                            prop_assert_eq!(kernel.transmit(), std::mem::take(&mut going));
                        }
                    }
                }
            }
            prop_assert_eq!(kernel.transmit(), going);
            channel.reclaim();
            prop_assert_eq!(channel.tx_frames.free(), RING as usize);
            while channel.receive(&mut bufs) > 0 {}
            // Every frame is in the fill ring again: none was lost, none came twice.
            let mut all: Vec<u64> = std::iter::from_fn(|| kernel.fill.pop()).collect();
            all.sort_unstable();
            let expected: Vec<u64> = (0..u64::from(RING)).map(|n| n * u64::from(FRAME_BYTES)).collect();
            prop_assert_eq!(all, expected);
        }
    }
}
