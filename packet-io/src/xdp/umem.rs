//! UMEM: the memory that packets lie in, cut into frames of one size.
//!
//! One UMEM serves all sockets of an LB. Each socket has a part of the frames for itself and gets back what it gave away, over its own fill and completion rings: so
//! sockets on different cores share no list and no lock.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use rustix::net::xdp::{XdpUmemReg, XdpUmemRegFlags};

use super::memory::Memory;

/// Bytes of a frame. The kernel keeps 256 of them in front of a packet, so a packet of 1,792 bytes lies in one.
pub(super) const FRAME_BYTES: u32 = 2_048;

/// The memory of all frames.
#[derive(Debug)]
pub(super) struct Umem {
    memory: Memory,
}

impl Umem {
    /// Room for `frames`.
    pub fn new(frames: u32) -> io::Result<Arc<Self>> {
        let len = frames as usize * FRAME_BYTES as usize;
        let memory = Memory::pages(len)?;
        Ok(Arc::new(Umem { memory }))
    }

    /// What the kernel is told.
    pub fn registration(&self) -> XdpUmemReg {
        XdpUmemReg {
            addr: self.memory.address(),
            len: self.memory.len_bytes() as u64,
            chunk_size: FRAME_BYTES,
            headroom: 0,
            flags: XdpUmemRegFlags::empty(),
            tx_metadata_len: 0,
        }
    }

    /// Copies what lies at an address of the kernel; false if that is not inside.
    #[inline]
    pub fn read(&self, address: u64, into: &mut [u8]) -> bool {
        usize::try_from(address).is_ok_and(|at| self.memory.read(at, into))
    }

    /// Writes to such an address; false if that is not inside.
    #[inline]
    pub fn write(&self, address: u64, bytes: &[u8]) -> bool {
        usize::try_from(address).is_ok_and(|at| self.memory.write(at, bytes))
    }
}

/// The frames that one socket may use and has not given away.
#[derive(Debug)]
pub(super) struct Frames {
    range: Range<u64>,
    free: Vec<u64>,
}

impl Frames {
    /// The frames with these numbers, all free.
    pub fn new(numbers: Range<u32>) -> Self {
        let address = |number: u32| u64::from(number) * u64::from(FRAME_BYTES);
        Frames {
            range: address(numbers.start)..address(numbers.end),
            free: numbers.rev().map(address).collect(),
        }
    }

    /// Takes one.
    #[inline]
    pub fn take(&mut self) -> Option<u64> {
        self.free.pop()
    }

    /// Gives one back, by any address inside. One that is not ours is not taken.
    #[inline]
    pub fn give(&mut self, address: u64) {
        if self.range.contains(&address) {
            self.free.push(address - address % u64::from(FRAME_BYTES));
        }
    }

    /// Are all of them free?
    pub fn is_whole(&self) -> bool {
        self.free.len() as u64 * u64::from(FRAME_BYTES) == self.range.end - self.range.start
    }

    /// How many are free.
    pub fn free(&self) -> usize {
        self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_by_any_address_inside_and_only_ours() {
        let mut frames = Frames::new(4..6);
        let (first, second) = (frames.take().unwrap(), frames.take().unwrap());
        assert_eq!((first, second), (4 * 2_048, 5 * 2_048));
        assert_eq!(frames.take(), None);
        frames.give(0);
        frames.give(6 * 2_048);
        assert_eq!(frames.free(), 0, "not ours");
        frames.give(second + 256);
        assert_eq!(frames.take(), Some(second));
    }

    #[test]
    fn nothing_is_read_or_written_outside() {
        let umem = Umem::new(2).unwrap();
        let mut four = [0; 4];
        assert!(umem.write(4_092, &[1, 2, 3, 4]));
        assert!(umem.read(4_092, &mut four));
        assert_eq!(four, [1, 2, 3, 4]);
        assert!(!umem.write(4_093, &four));
        assert!(!umem.read(u64::MAX, &mut four));
    }
}
