//! The value that the tests keep.

use std::num::NonZeroU64;

use flow_table::{Packed, Value};
use packet_io::Instant;

/// An entry that says itself when it ends and what it is worth; 12 bytes like the LB's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    pub id: u32,
    pub ends_s: u32,
    pub rank: u32,
}

impl Entry {
    pub fn new(id: u32, ends_s: u32, rank: u32) -> Self {
        Entry { id, ends_s, rank }
    }
}

impl Value for Entry {
    fn expired(&self, now: Instant) -> bool {
        now >= Instant::from_secs(u64::from(self.ends_s))
    }

    fn keep_rank(&self, _now: Instant) -> u64 {
        u64::from(self.rank)
    }
}

/// In a shared table: 24 bits each of number and end, 15 of rank, and one that is never zero.
impl Packed for Entry {
    fn pack(self) -> NonZeroU64 {
        assert!(self.id < 1 << 24 && self.ends_s < 1 << 24 && self.rank < 1 << 15);
        let bits =
            u64::from(self.id) << 40 | u64::from(self.ends_s) << 16 | u64::from(self.rank) << 1;
        NonZeroU64::MIN | bits
    }

    fn unpack(bits: u64) -> Self {
        Entry {
            id: (bits >> 40) as u32,
            ends_s: (bits >> 16) as u32 & 0xff_ffff,
            rank: (bits >> 1) as u32 & 0x7fff,
        }
    }
}
