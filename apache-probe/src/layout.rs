//! Where things lie in a scoreboard, for each httpd 2.4 that laid them out differently.
//!
//! ```text
//! 0   size header    8 bytes: APR's, the size of the whole object (mmap kinds of shared memory, named, anonymous or file)
//! 8   global_score   server_limit @0, thread_limit @4, running_generation @8, restart_time @16
//!     process_score  [server_limit]                pid @0, generation @4, quiescing @8, not_accepting @9, connections @12
//!     worker_score   [server_limit * thread_limit] pid @12, generation @16, status @20
//! ```
//!
//! These offsets are the same in every 2.4 on a 64-bit system; what changed is the size of each record, as fields were appended
//! (bucket in 2.4.17, protocol in 2.4.19, times, duration and client64 in 2.4.35, wait_io in 2.4.63) and as each record came to be
//! padded to 8 bytes. The limits and the object's size together name one layout (a test proves that no two fit), and the contents
//! must then be plausible. Whatever fits none is refused.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::{Error, Seen};

/// APR's header before the board proper.
pub(crate) const SIZE_HEADER_BYTES: usize = 8;

const SERVER_LIMIT: usize = SIZE_HEADER_BYTES;
const THREAD_LIMIT: usize = SIZE_HEADER_BYTES + 4;
const GENERATION: usize = SIZE_HEADER_BYTES + 8;
const RESTART_TIME: usize = SIZE_HEADER_BYTES + 16;
/// All of the above in one read.
const HEAD_BYTES: usize = SIZE_HEADER_BYTES + 24;

/// httpd's own ceilings on ServerLimit (prefork's is the highest) and ThreadLimit.
const MAX_SERVER_LIMIT: u32 = 200_000;
const MAX_THREAD_LIMIT: u32 = 100_000;

/// The largest object that is taken for a scoreboard: httpd's largest prefork board is a third of it.
const MAX_BYTES: u64 = 256 << 20;

/// Page sizes that Linux uses.
const SMALLEST_PAGE_BYTES: u64 = 4 << 10;
const LARGEST_PAGE_BYTES: u64 = 64 << 10;

/// The record sizes of some httpd versions (64-bit).
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    /// Which versions.
    pub httpd: &'static str,
    /// Size of `global_score`.
    pub global_bytes: usize,
    /// Distance from one `process_score` to the next.
    pub process_bytes: usize,
    /// Distance from one `worker_score` to the next.
    pub worker_bytes: usize,
}

/// Every layout known here, newest first.
pub const KNOWN: [Layout; 7] = [
    Layout {
        httpd: "2.4.35 and later, padded",
        global_bytes: 56,
        process_bytes: 40,
        worker_bytes: 336,
    },
    Layout {
        httpd: "2.4.35 to 2.4.62, unpadded",
        global_bytes: 56,
        process_bytes: 36,
        worker_bytes: 336,
    },
    Layout {
        httpd: "2.4.19 to 2.4.34, padded",
        global_bytes: 24,
        process_bytes: 40,
        worker_bytes: 264,
    },
    Layout {
        httpd: "2.4.19 to 2.4.34, unpadded",
        global_bytes: 24,
        process_bytes: 36,
        worker_bytes: 264,
    },
    Layout {
        httpd: "2.4.17 to 2.4.18, padded",
        global_bytes: 24,
        process_bytes: 40,
        worker_bytes: 248,
    },
    Layout {
        httpd: "2.4.17 to 2.4.18, unpadded",
        global_bytes: 24,
        process_bytes: 36,
        worker_bytes: 248,
    },
    Layout {
        httpd: "2.4.1 to 2.4.16",
        global_bytes: 24,
        process_bytes: 32,
        worker_bytes: 248,
    },
];

/// A layout with its limits: every offset that is ever read.
///
/// The limits are read once, before the board is mapped, and never from the mapping again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    layout: &'static Layout,
    server_limit: u32,
    thread_limit: u32,
    processes: usize,
    workers: usize,
    bytes: usize,
}

impl Geometry {
    /// The geometry of `layout` with these limits; `None` if httpd would not allow them or the sizes overflow.
    pub fn new(layout: &'static Layout, server_limit: u32, thread_limit: u32) -> Option<Geometry> {
        if !(1..=MAX_SERVER_LIMIT).contains(&server_limit)
            || !(1..=MAX_THREAD_LIMIT).contains(&thread_limit)
        {
            return None;
        }
        let servers = usize::try_from(server_limit).ok()?;
        let threads = usize::try_from(thread_limit).ok()?;
        let processes = SIZE_HEADER_BYTES + layout.global_bytes;
        let workers = processes.checked_add(servers.checked_mul(layout.process_bytes)?)?;
        let worker_bytes = servers
            .checked_mul(threads)?
            .checked_mul(layout.worker_bytes)?;
        let bytes = workers.checked_add(worker_bytes)?;
        Some(Geometry {
            layout,
            server_limit,
            thread_limit,
            processes,
            workers,
            bytes,
        })
    }

    /// The record sizes.
    pub fn layout(&self) -> &'static Layout {
        self.layout
    }

    /// `ServerLimit`: slots for processes.
    pub fn server_limit(&self) -> u32 {
        self.server_limit
    }

    /// `ThreadLimit`: slots for workers in each process; 1 with prefork.
    pub fn thread_limit(&self) -> u32 {
        self.thread_limit
    }

    /// Size of the whole object, APR's header included.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) const GENERATION: usize = GENERATION;
    pub(crate) const RESTART_TIME: usize = RESTART_TIME;

    /// Where the record of the process in `slot` begins.
    #[inline]
    pub(crate) fn process(&self, slot: u32) -> ProcessAt {
        debug_assert!(slot < self.server_limit);
        ProcessAt(self.processes + slot as usize * self.layout.process_bytes)
    }

    /// Where the record of worker `thread` of the process in `slot` begins.
    #[inline]
    pub(crate) fn worker(&self, slot: u32, thread: u32) -> WorkerAt {
        debug_assert!(slot < self.server_limit && thread < self.thread_limit);
        let index = slot as usize * self.thread_limit as usize + thread as usize;
        WorkerAt(self.workers + index * self.layout.worker_bytes)
    }
}

/// The offset of a `process_score`; its methods give its fields'.
#[derive(Clone, Copy)]
pub(crate) struct ProcessAt(usize);

impl ProcessAt {
    pub(crate) fn pid(self) -> usize {
        self.0
    }
    pub(crate) fn generation(self) -> usize {
        self.0 + 4
    }
    pub(crate) fn quiescing(self) -> usize {
        self.0 + 8
    }
    pub(crate) fn not_accepting(self) -> usize {
        self.0 + 9
    }
    pub(crate) fn connections(self) -> usize {
        self.0 + 12
    }
}

/// The offset of a `worker_score`; its methods give its fields'.
#[derive(Clone, Copy)]
pub(crate) struct WorkerAt(usize);

impl WorkerAt {
    pub(crate) fn pid(self) -> usize {
        self.0 + 12
    }
    pub(crate) fn generation(self) -> usize {
        self.0 + 16
    }
    pub(crate) fn status(self) -> usize {
        self.0 + 20
    }
}

/// Reads the header of `file`, which is `bytes` long, and says which layout this is.
///
/// This uses read calls, not the mapping: a half-made object then gives zeros or an error and no SIGBUS.
pub(crate) fn identify(file: &File, bytes: u64, path: &Path) -> Result<Geometry, Error> {
    if bytes < HEAD_BYTES as u64 {
        return Err(small(file, bytes, path));
    }
    let mut head = [0_u8; HEAD_BYTES];
    file.read_exact_at(&mut head, 0)
        .map_err(|error| Error::access(path, "read", &error))?;
    let seen = Seen {
        bytes,
        header_bytes: u64_at(&head, 0),
        server_limit: u32_at(&head, SERVER_LIMIT),
        thread_limit: u32_at(&head, THREAD_LIMIT),
        generation: u32_at(&head, GENERATION),
    };
    // httpd sizes the object, APR writes the header, httpd zeroes the rest and writes the limits last.
    let is_being_made = seen.header_bytes == 0 || size_fits(&seen);
    if is_being_made && seen.server_limit == 0 && seen.thread_limit == 0 {
        return Err(Error::NotReady {
            path: path.to_path_buf(),
        });
    }
    fit(&seen).ok_or_else(|| Error::UnknownLayout {
        path: path.to_path_buf(),
        seen,
    })
}

/// An object too small for any board: just created, or the file in which a System V APR keeps the segment's size.
fn small(file: &File, bytes: u64, path: &Path) -> Error {
    let mut head = [0_u8; HEAD_BYTES];
    let read = file.read_at(&mut head, 0).unwrap_or(0);
    let size = u64_at(&head, 0);
    if bytes == 8 && read == 8 && size > 8 && size <= MAX_BYTES {
        return Error::SystemV {
            what: format!("{} (8 bytes: the size of a segment)", path.display()),
        };
    }
    if bytes == 0 {
        return Error::NotReady {
            path: path.to_path_buf(),
        };
    }
    Error::UnknownLayout {
        path: path.to_path_buf(),
        seen: Seen {
            bytes,
            header_bytes: size,
            server_limit: 0,
            thread_limit: 0,
            generation: 0,
        },
    }
}

/// The one known layout that these numbers fit.
fn fit(seen: &Seen) -> Option<Geometry> {
    if !size_fits(seen) {
        return None;
    }
    KNOWN
        .iter()
        .filter_map(|layout| Geometry::new(layout, seen.server_limit, seen.thread_limit))
        .find(|geometry| geometry.bytes as u64 == seen.header_bytes)
}

/// Whether object and header agree. A named object has the size that the header says; anonymous memory is rounded up to whole pages.
fn size_fits(seen: &Seen) -> bool {
    let is_named = seen.bytes == seen.header_bytes;
    let is_rounded = seen.bytes % SMALLEST_PAGE_BYTES == 0
        && seen.bytes > seen.header_bytes
        && seen.bytes - seen.header_bytes < LARGEST_PAGE_BYTES;
    seen.bytes <= MAX_BYTES && (is_named || is_rounded)
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    let mut field = [0; 4];
    field.copy_from_slice(&bytes[offset..offset + 4]);
    u32::from_ne_bytes(field)
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    let mut field = [0; 8];
    field.copy_from_slice(&bytes[offset..offset + 8]);
    u64::from_ne_bytes(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_layouts_have_the_same_size_for_the_same_limits() {
        let limits = (1..=300).chain([512, 1000, 4096, 20_000, 200_000]);
        for servers in limits {
            for threads in (1..=130).chain([256, 1000, 20_000]) {
                let mut sizes: Vec<usize> = KNOWN
                    .iter()
                    .filter_map(|layout| Geometry::new(layout, servers, threads))
                    .map(|geometry| geometry.bytes())
                    .collect();
                assert_eq!(sizes.len(), KNOWN.len());
                sizes.sort_unstable();
                sizes.dedup();
                assert_eq!(sizes.len(), KNOWN.len(), "{servers} x {threads}");
            }
        }
    }

    #[test]
    fn limits_that_httpd_would_not_allow_have_no_geometry() {
        for (servers, threads) in [
            (0, 1),
            (1, 0),
            (MAX_SERVER_LIMIT + 1, 1),
            (1, u32::MAX),
            (u32::MAX, u32::MAX),
        ] {
            assert_eq!(Geometry::new(&KNOWN[0], servers, threads), None);
        }
    }

    #[test]
    fn the_last_field_of_the_last_worker_is_inside() {
        for layout in &KNOWN {
            let geometry = Geometry::new(layout, 16, 64).unwrap();
            let last = geometry.worker(15, 63);
            assert!(last.status() < geometry.bytes());
            assert_eq!(last.0 + layout.worker_bytes, geometry.bytes());
            assert_eq!(
                geometry.process(15).0 + layout.process_bytes,
                geometry.worker(0, 0).0
            );
        }
    }
}
