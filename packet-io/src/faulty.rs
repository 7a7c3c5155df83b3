//! A driver around another that treats packets as a bad network does: it loses, doubles and
//! reorders them. The same seed and the same packets give the same faults.

use crate::{Driver, PacketBuf};
use srh::Frame;
use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;

/// How bad one direction is. Probabilities lie in 0..=1; the default is a perfect wire.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// Probability that a packet is lost.
    pub loss: f64,
    /// Probability that a packet which is not lost arrives twice.
    pub duplication: f64,
    /// Probability that a packet (or its double) is held back while others overtake it.
    pub reordering: f64,
    /// By how many packets one that is held back is overtaken at most.
    pub reorder_depth: u32,
}

/// What has been done so far, in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Packets that went in.
    pub packets: u64,
    /// Packets lost.
    pub lost: u64,
    /// Packets that were doubled.
    pub duplicated: u64,
    /// Packets that came out behind one that went in later.
    pub reordered: u64,
}

/// A driver with faults around another driver.
///
/// A packet held back comes out at the latest when [`Driver::receive`] finds that the driver inside has
/// nothing; so nothing is stuck as long as somebody polls.
#[derive(Debug)]
pub struct Faulty<D> {
    inner: D,
    receiving: Mangler,
    transmitting: Mangler,
}

impl<D: Driver> Faulty<D> {
    /// Puts faults around `inner`, other ones for each direction.
    pub fn new(inner: D, seed: u64, receiving: Faults, transmitting: Faults) -> Self {
        let mut seeds = Rng(seed);
        Faulty {
            inner,
            receiving: Mangler::new(receiving, seeds.next()),
            transmitting: Mangler::new(transmitting, seeds.next()),
        }
    }

    /// What was done to received packets.
    pub fn received(&self) -> FaultCounts {
        self.receiving.counts
    }

    /// What was done to transmitted packets.
    pub fn transmitted(&self) -> FaultCounts {
        self.transmitting.counts
    }

    /// The driver inside.
    pub fn inner(&self) -> &D {
        &self.inner
    }

    /// The driver inside. Packets that are held back are lost.
    pub fn into_inner(self) -> D {
        self.inner
    }

    /// Lets out what may leave on the transmitting side; says how many the driver inside refused.
    fn push_out(&mut self) -> io::Result<usize> {
        let ready = self.transmitting.ready.make_contiguous();
        let refused = ready.len() - self.inner.transmit(ready)?;
        self.transmitting.ready.clear();
        Ok(refused)
    }
}

impl<D: Driver> Driver for Faulty<D> {
    fn receive(&mut self, into: &mut [PacketBuf]) -> io::Result<usize> {
        // Returning 0 means that there is no more, so a batch that is lost whole is followed by another.
        while self.receiving.ready.is_empty() && !into.is_empty() {
            let n = self.inner.receive(into)?;
            for packet in &into[..n] {
                self.receiving.pass(packet);
            }
            if n == 0 {
                self.receiving.release_all();
                self.transmitting.release_all();
                self.push_out()?;
                break;
            }
        }
        let ready = &mut self.receiving.ready;
        let n = ready.len().min(into.len());
        for (buf, packet) in into.iter_mut().zip(ready.drain(..n)) {
            buf.copy_from(packet.bytes());
        }
        Ok(n)
    }

    fn transmit(&mut self, packets: &[PacketBuf]) -> io::Result<usize> {
        for packet in packets {
            self.transmitting.pass(packet);
        }
        let refused = self.push_out()?;
        Ok(packets.len().saturating_sub(refused))
    }

    fn raw_fd(&self) -> Option<RawFd> {
        self.inner.raw_fd()
    }
}

/// A packet that waits for others to overtake it.
#[derive(Debug)]
struct Held {
    packet: PacketBuf,
    /// Which packet of this direction it was.
    number: u64,
    /// How many more packets have to pass.
    left: u64,
}

/// The faults of one direction.
#[derive(Debug)]
struct Mangler {
    faults: Faults,
    rng: Rng,
    held: Vec<Held>,
    ready: VecDeque<PacketBuf>,
    /// The highest packet number that has come out.
    newest_out: u64,
    counts: FaultCounts,
}

impl Mangler {
    fn new(faults: Faults, seed: u64) -> Self {
        Mangler {
            faults,
            rng: Rng(seed),
            held: Vec::new(),
            ready: VecDeque::new(),
            newest_out: 0,
            counts: FaultCounts::default(),
        }
    }

    /// Takes one packet in; what is to come out now is added to `ready`.
    fn pass(&mut self, packet: &PacketBuf) {
        self.counts.packets += 1;
        if self.rng.chance(self.faults.loss) {
            self.counts.lost += 1;
            return;
        }
        let number = self.counts.packets;
        let double = self.rng.chance(self.faults.duplication);
        self.counts.duplicated += u64::from(double);
        for _ in 0..1 + usize::from(double) {
            let hold = self.faults.reorder_depth > 0 && self.rng.chance(self.faults.reordering);
            // one more than asked: the packet's own turn counts too
            let left = match hold {
                true => 2 + self.rng.below(u64::from(self.faults.reorder_depth)),
                false => 0,
            };
            let packet = PacketBuf::from_slice(packet.bytes());
            match hold {
                true => self.held.push(Held {
                    packet,
                    number,
                    left,
                }),
                false => self.let_out(packet, number),
            }
        }
        self.count_down();
    }

    /// A packet has passed: those held back have one less to wait for.
    fn count_down(&mut self) {
        for held in &mut self.held {
            held.left -= 1;
        }
        let (due, held) = self.held.drain(..).partition(|h| h.left == 0);
        self.held = held;
        self.let_all_out(due);
    }

    fn release_all(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.let_all_out(held);
    }

    fn let_all_out(&mut self, due: Vec<Held>) {
        for held in due {
            self.let_out(held.packet, held.number);
        }
    }

    fn let_out(&mut self, packet: PacketBuf, number: u64) {
        self.counts.reordered += u64::from(number < self.newest_out);
        self.newest_out = self.newest_out.max(number);
        self.ready.push_back(packet);
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and good enough to throw dice for a test.
#[derive(Debug)]
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// True with probability `p`. Always draws, so that one fault's rate does not move the others.
    fn chance(&mut self, p: f64) -> bool {
        let unit = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        unit < p
    }

    /// A number in 0..`n`; `n` is at least 1.
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{pair, MemoryDriver};
    use crate::Batch;

    fn packet(id: u32) -> PacketBuf {
        PacketBuf::from_slice(&id.to_be_bytes())
    }

    fn receive_all(driver: &mut impl Driver) -> Vec<u32> {
        let mut batch = Batch::new(8, 1500);
        let mut ids = Vec::new();
        while batch.receive(driver).unwrap() > 0 {
            let bytes = batch
                .packets()
                .iter()
                .map(|p| p.bytes().try_into().unwrap());
            ids.extend(bytes.map(u32::from_be_bytes));
        }
        ids
    }

    /// Sends `n` packets through faults on the sender's side; what arrives.
    fn run(seed: u64, faults: Faults, n: u32) -> (Vec<u32>, FaultCounts) {
        let (near, mut far) = pair(10_000);
        let mut faulty = Faulty::new(near, seed, Faults::default(), faults);
        for id in 0..n {
            assert_eq!(faulty.transmit(&[packet(id)]).unwrap(), 1);
        }
        assert_eq!(receive_all(&mut faulty), [0u32; 0]);
        (receive_all(&mut far), faulty.transmitted())
    }

    #[test]
    fn without_faults_nothing_changes() {
        let (got, counts) = run(1, Faults::default(), 100);
        assert_eq!(got, (0..100).collect::<Vec<_>>());
        let expected = FaultCounts {
            packets: 100,
            ..FaultCounts::default()
        };
        assert_eq!(counts, expected);
    }

    #[test]
    fn loss_alone_leaves_gaps_and_the_order() {
        let faults = Faults {
            loss: 0.3,
            ..Faults::default()
        };
        let (got, counts) = run(2, faults, 1000);
        assert_eq!(got.len() as u64, 1000 - counts.lost);
        assert!((200..400).contains(&counts.lost), "{counts:?}");
        assert!(got.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn duplication_alone_doubles() {
        let faults = Faults {
            duplication: 0.2,
            ..Faults::default()
        };
        let (got, counts) = run(3, faults, 1000);
        assert_eq!(got.len() as u64, 1000 + counts.duplicated);
        assert!((100..300).contains(&counts.duplicated), "{counts:?}");
        assert!(got.is_sorted());
    }

    #[test]
    fn reordering_alone_keeps_every_packet_and_moves_none_further_than_asked() {
        for depth in [1, 4] {
            let faults = Faults {
                reordering: 0.3,
                reorder_depth: depth,
                ..Faults::default()
            };
            let (got, counts) = run(4, faults, 1000);
            assert!(counts.reordered > 50, "{counts:?}");
            assert!(!got.is_sorted());
            for (at, id) in got.iter().enumerate() {
                let overtaken_by = got[..at].iter().filter(|other| *other > id).count();
                assert!(overtaken_by as u32 <= depth, "{id} by {overtaken_by}");
            }
            let mut sorted = got;
            sorted.sort_unstable();
            assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_seed_decides_everything() {
        let faults = Faults {
            loss: 0.1,
            duplication: 0.1,
            reordering: 0.2,
            reorder_depth: 5,
        };
        assert_eq!(run(5, faults, 500), run(5, faults, 500));
        assert_ne!(run(5, faults, 500).0, run(6, faults, 500).0);
    }

    #[test]
    fn receiving_has_faults_of_its_own_and_ends_with_zero_only_when_drained() {
        let faults = Faults {
            loss: 0.9,
            duplication: 0.5,
            reordering: 0.5,
            reorder_depth: 3,
        };
        let (near, mut far): (MemoryDriver, MemoryDriver) = pair(10_000);
        for id in 0..5_000 {
            far.transmit(&[packet(id)]).unwrap();
        }
        let mut faulty = Faulty::new(near, 7, faults, Faults::default());
        let got = receive_all(&mut faulty);
        let counts = faulty.received();
        assert_eq!(faulty.inner().waiting(), 0);
        assert_eq!(counts.packets, 5_000);
        assert_eq!(got.len() as u64, 5_000 - counts.lost + counts.duplicated);
        assert!(
            counts.lost > 4_000 && counts.duplicated > 0 && counts.reordered > 0,
            "{counts:?}"
        );
        assert_eq!(faulty.transmitted(), FaultCounts::default());
    }

    #[test]
    fn losing_everything_ends_too() {
        let faults = Faults {
            loss: 1.0,
            ..Faults::default()
        };
        let (got, counts) = run(8, faults, 100);
        assert_eq!((got.len(), counts.lost), (0, 100));
    }

    #[test]
    fn a_refusal_of_the_driver_inside_is_passed_on() {
        let (near, _far) = pair(2);
        let mut faulty = Faulty::new(near, 9, Faults::default(), Faults::default());
        let packets: Vec<_> = (0..5).map(packet).collect();
        assert_eq!(faulty.transmit(&packets).unwrap(), 2);
    }

    #[test]
    fn no_buffer_means_no_packet() {
        let (near, mut far) = pair(2);
        far.transmit(&[packet(1)]).unwrap();
        let mut faulty = Faulty::new(near, 9, Faults::default(), Faults::default());
        assert_eq!(faulty.receive(&mut []).unwrap(), 0);
        assert_eq!(receive_all(&mut faulty), [1]);
    }
}
