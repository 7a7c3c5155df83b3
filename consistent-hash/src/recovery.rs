//! Recovery lists: for each bucket, every server that may own a flow of that bucket.

use crate::table::Table;
use crate::Error;

/// Lists that grow, one per bucket, in one arena.
///
/// While generations are added the lists are chains: thousands of buckets grow by an entry now and then, which
/// a vector each would pay for with as many allocations.
pub(crate) struct Chains {
    /// First and last link of each bucket's chain; `NONE` where it is empty.
    ends: Vec<(u32, u32)>,
    links: Vec<Link>,
}

struct Link {
    server: u16,
    next: u32,
}

const NONE: u32 = u32::MAX;

impl Chains {
    pub(crate) fn new(buckets: u32) -> Self {
        Chains {
            ends: vec![(NONE, NONE); buckets as usize],
            links: Vec::new(),
        }
    }

    /// Appends what `table` says for each bucket, in hunting order, without those already there and those not `wanted`.
    /// Generations are added newest first.
    pub(crate) fn add(&mut self, table: &Table, wanted: impl Fn(u16) -> bool) -> Result<(), Error> {
        for bucket in 0..table.buckets() {
            for &server in table.candidates(bucket) {
                if wanted(server) && !self.chain(bucket).any(|there| there == server) {
                    self.append(bucket, server)?;
                }
            }
        }
        Ok(())
    }

    fn chain(&self, bucket: u32) -> impl Iterator<Item = u16> + '_ {
        let mut at = self.ends[bucket as usize].0;
        std::iter::from_fn(move || {
            let link = self.links.get(at as usize)?;
            at = link.next;
            Some(link.server)
        })
    }

    fn append(&mut self, bucket: u32, server: u16) -> Result<(), Error> {
        let new = u32::try_from(self.links.len()).unwrap_or(NONE);
        if new == NONE {
            return Err(Error::RecoveryTooLong);
        }
        self.links.push(Link { server, next: NONE });
        let (first, last) = &mut self.ends[bucket as usize];
        match self.links.get_mut(*last as usize) {
            Some(link) => link.next = new,
            None => *first = new,
        }
        *last = new;
        Ok(())
    }

    /// The lists as they are kept: one behind the other.
    pub(crate) fn pack(&self) -> RecoveryLists {
        let buckets = u32::try_from(self.ends.len()).expect("bucket numbers are 32 bits wide");
        let mut lists = RecoveryLists {
            starts: Vec::with_capacity(self.ends.len() + 1),
            servers: Vec::with_capacity(self.links.len()),
        };
        lists.starts.push(0);
        for bucket in 0..buckets {
            lists.servers.extend(self.chain(bucket));
            let end = u32::try_from(lists.servers.len()).expect("append has counted them");
            lists.starts.push(end);
        }
        lists
    }
}

/// All recovery lists of one VIP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecoveryLists {
    /// Where each bucket's list starts, and at the end where the last one ends.
    starts: Vec<u32>,
    servers: Vec<u16>,
}

impl RecoveryLists {
    pub(crate) fn of(&self, bucket: u32) -> &[u16] {
        let bucket = bucket as usize;
        let (start, end) = (self.starts[bucket], self.starts[bucket + 1]);
        &self.servers[start as usize..end as usize]
    }
}
