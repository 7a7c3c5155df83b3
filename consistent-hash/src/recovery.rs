//! Recovery lists: for each bucket, every server that may own a flow of that bucket.

use std::sync::Arc;

use crate::table::Table;
use crate::Error;

/// What one generation adds.
pub(crate) struct Layer {
    pub(crate) table: Arc<Table>,
    /// Whose places in it count, by the servers' numbers. Who counts here counts in all newer layers.
    pub(crate) counts: Vec<bool>,
}

/// All recovery lists of one VIP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecoveryLists {
    /// Where each bucket's list starts, and at the end where the last one ends.
    starts: Vec<u32>,
    servers: Vec<u16>,
}

impl RecoveryLists {
    /// What the layers say for each bucket, newest first, in hunting order, each server once.
    pub(crate) fn of_layers(buckets: u32, layers: &[Layer]) -> Result<Self, Error> {
        let of_one = layers.first().map_or(0, |layer| layer.table.entries());
        let mut lists = RecoveryLists {
            starts: Vec::with_capacity(buckets as usize + 1),
            servers: Vec::with_capacity(of_one + of_one / 4),
        };
        lists.starts.push(0);
        let changes = changes(buckets, layers);
        for (bucket, changes) in (0..buckets).zip(changes) {
            // Most buckets stay as they are when the pool changes. Who counts in an older layer counts in a newer one, so the newest alone says it then.
            match changes {
                true => lists.add(bucket, layers),
                false => lists.add(bucket, &layers[..layers.len().min(1)]),
            }
            let end = u32::try_from(lists.servers.len()).map_err(|_| Error::RecoveryTooLong)?;
            lists.starts.push(end);
        }
        Ok(lists)
    }

    fn add(&mut self, bucket: u32, layers: &[Layer]) {
        let start = self.servers.len();
        let mut newer: &[u16] = &[];
        for layer in layers {
            let candidates = layer.table.candidates(bucket);
            if candidates == newer {
                continue;
            }
            newer = candidates;
            for &server in candidates {
                if layer.counts[usize::from(server)] && !self.servers[start..].contains(&server) {
                    self.servers.push(server);
                }
            }
        }
    }

    /// Where the list of this bucket starts and ends.
    pub(crate) fn bounds(&self, bucket: u32) -> &[u32] {
        &self.starts[bucket as usize..][..2]
    }

    pub(crate) fn of(&self, bucket: u32) -> &[u16] {
        let bucket = bucket as usize;
        let (start, end) = (self.starts[bucket], self.starts[bucket + 1]);
        &self.servers[start as usize..end as usize]
    }
}

/// Whether the layers differ in a bucket, for each.
fn changes(buckets: u32, layers: &[Layer]) -> Vec<bool> {
    let mut changes = vec![false; buckets as usize];
    for pair in layers.windows(2) {
        let [newer, older] = [0, 1].map(|n| &*pair[n].table);
        match (newer.width(), older.width()) {
            (1, 1) => mark::<1>(&mut changes, newer, older),
            (2, 2) => mark::<2>(&mut changes, newer, older),
            _ => {
                for (bucket, change) in (0..buckets).zip(&mut changes) {
                    *change |= newer.candidates(bucket) != older.candidates(bucket);
                }
            }
        }
    }
    changes
}

/// The same for two tables of this width: no call for each bucket, and several at a time.
fn mark<const WIDTH: usize>(changes: &mut [bool], newer: &Table, older: &Table) {
    let lists = [newer, older].map(|table| table.all().chunks_exact(WIDTH));
    let [newer, older] = lists;
    for (change, (newer, older)) in changes.iter_mut().zip(newer.zip(older)) {
        let differs = (0..WIDTH).fold(false, |any, n| any | (newer[n] != older[n]));
        *change |= differs;
    }
}
