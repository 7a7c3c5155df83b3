//! Where things lie in a scoreboard, for each httpd 2.4 that laid them out differently.
//!
//! ```text
//!     size header    8 bytes: APR's, the size of the whole object; not in a System V segment, whose size the kernel knows
//!     global_score   server_limit @0, thread_limit @4, running_generation @8, restart_time @16
//!     process_score  [server_limit]                pid @0, generation @4, quiescing @8, not_accepting @9, connections @12
//!     worker_score   [server_limit * thread_limit] pid @12, generation @16, status @20
//! ```
//!
//! These offsets are the same in every 2.4 on a 64-bit system; what changed is the size of each record, as fields were appended
//! (bucket in 2.4.17, protocol in 2.4.19, times, duration and client64 in 2.4.35, wait_io in 2.4.63) and as each record came to be
//! padded to 8 bytes. The limits and the object's size together name one layout (a test proves that no two fit), and the contents
//! must then be plausible. Whatever fits none is refused.

pub(crate) const SERVER_LIMIT: usize = 0;
pub(crate) const THREAD_LIMIT: usize = 4;
pub(crate) const GENERATION: usize = 8;
pub(crate) const RESTART_TIME: usize = 16;
/// All of the above in one read.
const GLOBAL_HEAD_BYTES: usize = 24;

/// What kind of memory APR was built to share; it decides whether APR's size header stands before the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// `mmap`: a POSIX object, a file, or anonymous memory.
    Mapped,
    /// `shmget`: a System V segment.
    Segment,
}

impl Memory {
    /// APR's header before the board proper.
    pub const fn size_header_bytes(self) -> usize {
        match self {
            Memory::Mapped => 8,
            Memory::Segment => 0,
        }
    }

    /// Header and limits: what is read first.
    pub(crate) const fn head_bytes(self) -> usize {
        self.size_header_bytes() + GLOBAL_HEAD_BYTES
    }
}

/// httpd's own ceilings on ServerLimit (prefork's is the highest) and ThreadLimit.
const MAX_SERVER_LIMIT: u32 = 200_000;
const MAX_THREAD_LIMIT: u32 = 100_000;

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
    memory: Memory,
    server_limit: u32,
    thread_limit: u32,
    processes: usize,
    workers: usize,
    bytes: usize,
}

impl Geometry {
    /// The geometry of `layout` with these limits in mapped memory; `None` if httpd would not allow them or the sizes overflow.
    pub fn new(layout: &'static Layout, server_limit: u32, thread_limit: u32) -> Option<Geometry> {
        Geometry::within(Memory::Mapped, layout, server_limit, thread_limit)
    }

    /// The same in any kind of memory.
    pub fn within(
        memory: Memory,
        layout: &'static Layout,
        server_limit: u32,
        thread_limit: u32,
    ) -> Option<Geometry> {
        if !(1..=MAX_SERVER_LIMIT).contains(&server_limit)
            || !(1..=MAX_THREAD_LIMIT).contains(&thread_limit)
        {
            return None;
        }
        let servers = usize::try_from(server_limit).ok()?;
        let threads = usize::try_from(thread_limit).ok()?;
        let processes = memory.size_header_bytes() + layout.global_bytes;
        let workers = processes.checked_add(servers.checked_mul(layout.process_bytes)?)?;
        let worker_bytes = servers
            .checked_mul(threads)?
            .checked_mul(layout.worker_bytes)?;
        let bytes = workers.checked_add(worker_bytes)?;
        Some(Geometry {
            layout,
            memory,
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

    /// What kind of memory it is in.
    pub fn memory(&self) -> Memory {
        self.memory
    }

    /// Size of the whole object, APR's header included.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn server_limit_at(&self) -> usize {
        self.memory.size_header_bytes() + SERVER_LIMIT
    }

    pub(crate) fn thread_limit_at(&self) -> usize {
        self.memory.size_header_bytes() + THREAD_LIMIT
    }

    #[inline]
    pub(crate) fn generation_at(&self) -> usize {
        self.memory.size_header_bytes() + GENERATION
    }

    pub(crate) fn restart_time_at(&self) -> usize {
        self.memory.size_header_bytes() + RESTART_TIME
    }

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
