//! The table while it is being filled.

/// `width` slots for each bucket, and which buckets have none left.
pub(crate) struct Slots {
    entries: Vec<u16>,
    width: usize,
    /// Slots taken, per bucket.
    taken: Vec<u8>,
    /// One bit a bucket, set when it is full. Most of algorithm 3 is skipping full buckets, so this is kept small enough for
    /// the first-level cache.
    full: Vec<u64>,
    /// Free slots in all.
    free: usize,
}

impl Slots {
    pub(crate) fn new(buckets: usize, width: usize) -> Self {
        Slots {
            entries: vec![0; buckets * width],
            width,
            taken: vec![0; buckets],
            full: vec![0; buckets.div_ceil(64)],
            free: buckets * width,
        }
    }

    /// Whether every bucket has all its candidates.
    pub(crate) fn done(&self) -> bool {
        self.free == 0
    }

    /// One turn of algorithm 3: `server` goes along its permutation to the first bucket that is not full and takes the next
    /// place there. False if its permutation is exhausted.
    pub(crate) fn turn(&mut self, server: u16, walk: &mut impl Iterator<Item = u32>) -> bool {
        for bucket in walk {
            let bucket = bucket as usize;
            if self.full[bucket / 64] >> (bucket % 64) & 1 == 0 {
                self.take(bucket, server);
                return true;
            }
        }
        false
    }

    fn take(&mut self, bucket: usize, server: u16) {
        let choice = usize::from(self.taken[bucket]);
        self.entries[bucket * self.width + choice] = server;
        self.taken[bucket] += 1;
        self.free -= 1;
        if choice + 1 == self.width {
            self.full[bucket / 64] |= 1 << (bucket % 64);
        }
    }

    /// The finished table, bucket after bucket.
    pub(crate) fn into_entries(self) -> Vec<u16> {
        self.entries
    }
}
