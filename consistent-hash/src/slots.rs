//! The table while it is being filled.

use crate::walk::{Open, Walk};

/// `width` slots for each bucket, and which buckets have some left.
pub(crate) struct Slots {
    entries: Vec<u16>,
    width: usize,
    /// Slots taken, per bucket; empty where a bucket has but one.
    taken: Vec<u8>,
    open: Open,
    /// Free slots in all.
    free: usize,
}

impl Slots {
    pub(crate) fn new(buckets: usize, width: usize) -> Self {
        Slots {
            entries: vec![0; buckets * width],
            width,
            taken: vec![0; if width > 1 { buckets } else { 0 }],
            open: Open::all(u32::try_from(buckets).expect("bucket numbers are 32 bits wide")),
            free: buckets * width,
        }
    }

    /// Free slots in all.
    pub(crate) fn free(&self) -> usize {
        self.free
    }

    /// Whether every bucket has all its candidates.
    pub(crate) fn done(&self) -> bool {
        self.free == 0
    }

    /// One turn of algorithm 3: `server` goes along its permutation to the first bucket that is not full and takes the next
    /// place there. False if its permutation is exhausted.
    pub(crate) fn turn(&mut self, server: u16, walk: &mut impl Walk) -> bool {
        match walk.seek(&self.open) {
            Some(bucket) => {
                self.take(bucket, server);
                true
            }
            None => false,
        }
    }

    fn take(&mut self, bucket: u32, server: u16) {
        let at = bucket as usize;
        self.free -= 1;
        if self.width == 1 {
            self.entries[at] = server;
            self.open.close_if(bucket, true);
            return;
        }
        let choice = self.taken[at];
        self.entries[at * self.width + usize::from(choice)] = server;
        self.taken[at] = choice + 1;
        self.open
            .close_if(bucket, usize::from(choice) + 1 == self.width);
    }

    /// The finished table, bucket after bucket.
    pub(crate) fn into_entries(self) -> Vec<u16> {
        self.entries
    }
}
