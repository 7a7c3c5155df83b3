//! The value that the tests keep.

use flow_table::Value;
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
