//! A read-only view of memory that other processes write, and single loads from it. All unsafe code is here and in `segment.rs`.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicU8, Ordering};

use crate::segment::{self, Segment};

/// A shared, read-only mapping of a file's first bytes or of a System V segment, let go of on drop.
///
/// Loads are relaxed atomic loads: the compiler may neither tear, repeat nor invent them, and no reference to the memory's
/// contents ever exists. A load outside the mapping or off its alignment panics; the caller's offsets come from a
/// [`crate::layout::Geometry`] that was checked against the length.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
    origin: Origin,
}

/// How it came to be, and so how it ends.
#[derive(Debug)]
enum Origin {
    Mapped,
    Attached,
}

// SAFETY: the mapping belongs to this value alone (it is let go of only by its Drop), it is never written through, and its loads
// are atomic; nothing about it is tied to the thread that made it.
unsafe impl Send for Mapping {}
// SAFETY: `&Mapping` offers atomic loads only, which any number of threads may do at once.
unsafe impl Sync for Mapping {}

/// Memory of which single fields can be loaded, each atomically and none in any order with another.
pub(crate) trait Loads {
    /// The byte at `offset`.
    fn load_u8(&self, offset: usize) -> u8;
    /// The 32-bit number in native order at `offset`, which is a multiple of 4.
    fn load_u32(&self, offset: usize) -> u32;
}

impl Loads for Mapping {
    #[inline]
    fn load_u8(&self, offset: usize) -> u8 {
        Mapping::load_u8(self, offset)
    }

    #[inline]
    fn load_u32(&self, offset: usize) -> u32 {
        Mapping::load_u32(self, offset)
    }
}

impl Mapping {
    /// Maps the first `len` bytes of `file`. The caller has checked that the file has them.
    pub(crate) fn new(file: &File, len: usize) -> io::Result<Mapping> {
        // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory; the descriptor is open for the
        // duration of the call. MAP_POPULATE takes the page faults now, not on the first packet.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                libc::PROT_READ,
                libc::MAP_SHARED | libc::MAP_POPULATE,
                file.as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast::<u8>())
            .ok_or_else(|| io::Error::other("mmap answered with a null address"))?;
        Ok(Mapping {
            start,
            len,
            origin: Origin::Mapped,
        })
    }

    /// Attaches a segment. Its pages come with the first look at them, which is the check of its contents.
    pub(crate) fn attach(segment: &Segment) -> io::Result<Mapping> {
        let len = usize::try_from(segment.bytes).map_err(io::Error::other)?;
        Ok(Mapping {
            start: segment.attach()?,
            len,
            origin: Origin::Attached,
        })
    }

    /// Fills `bytes` from the mapping's start.
    pub(crate) fn copy_head(&self, bytes: &mut [u8]) {
        for (offset, byte) in bytes.iter_mut().enumerate() {
            *byte = self.load_u8(offset);
        }
    }

    /// The byte at `offset`.
    #[inline]
    pub(crate) fn load_u8(&self, offset: usize) -> u8 {
        assert!(offset < self.len, "load outside the mapping");
        // SAFETY: inside the mapping (asserted), which lives as long as `self` and is readable; a u8 has no alignment.
        unsafe { AtomicU8::from_ptr(self.start.as_ptr().add(offset)) }.load(Ordering::Relaxed)
    }

    /// The 32-bit number in native order at `offset`.
    #[inline]
    pub(crate) fn load_u32(&self, offset: usize) -> u32 {
        self.check(offset, 4);
        // SAFETY: all four bytes are inside the mapping and the address is aligned (both checked: a mapping starts on a page).
        unsafe { AtomicU32::from_ptr(self.start.as_ptr().add(offset).cast()) }
            .load(Ordering::Relaxed)
    }

    /// The 64-bit number in native order at `offset`.
    #[inline]
    pub(crate) fn load_u64(&self, offset: usize) -> u64 {
        self.check(offset, 8);
        // SAFETY: all eight bytes are inside the mapping and the address is aligned (both checked: a mapping starts on a page).
        unsafe { AtomicU64::from_ptr(self.start.as_ptr().add(offset).cast()) }
            .load(Ordering::Relaxed)
    }

    #[inline]
    fn check(&self, offset: usize, bytes: usize) {
        assert!(
            offset % bytes == 0 && offset < self.len && self.len - offset >= bytes,
            "load outside the mapping or off its alignment"
        );
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        match self.origin {
            // SAFETY: exactly the range that `new` mapped, unmapped once; loads need `&self`, so none is under way or can follow.
            Origin::Mapped => unsafe {
                libc::munmap(self.start.as_ptr().cast(), self.len);
            },
            Origin::Attached => segment::release(self.start),
        }
    }
}
