//! Memory that is shared with the kernel, or with a test that stands in for it.

#[cfg(test)]
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};

use rustix::mm::{madvise, mmap, mmap_anonymous, munmap, Advice, MapFlags, ProtFlags};

/// Some memory that somebody else reads and writes at the same time: nothing here makes a reference into it.
#[derive(Debug)]
pub(super) struct Memory {
    base: NonNull<u8>,
    len_bytes: usize,
    owner: Owner,
}

#[derive(Debug)]
enum Owner {
    Mapping,
    #[cfg(test)]
    Heap(#[expect(dead_code, reason = "keeps the memory alive")] Box<[UnsafeCell<u64>]>),
}

// SAFETY: the memory belongs to this value alone and moves with it; it is not bound to a thread.
unsafe impl Send for Memory {}
// SAFETY: through `&Memory` only copies in and out are possible, and addresses for atomics. Copies of bytes that somebody else writes meanwhile
// are what the rings prevent; if they fail, a packet is wrong and no reference is, as there are none.
unsafe impl Sync for Memory {}

impl Memory {
    /// Part of a socket that the kernel shares: a ring.
    pub fn of_socket(socket: BorrowedFd<'_>, len_bytes: usize, offset: u64) -> io::Result<Self> {
        // SAFETY: a new mapping, at a place that the kernel chooses: it touches nothing that is there.
        let base = unsafe {
            mmap(
                ptr::null_mut(),
                len_bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED | MapFlags::POPULATE,
                socket,
                offset,
            )?
        };
        Memory::mapped(base, len_bytes)
    }

    /// Pages of our own, all zero, there from the beginning; huge ones where the kernel has some: packets lie far apart, one or two to an ordinary page.
    pub fn pages(len_bytes: usize) -> io::Result<Self> {
        // SAFETY: as above.
        let base = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                len_bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )?
        };
        let memory = Memory::mapped(base, len_bytes)?;
        // SAFETY: the mapping is ours and new; this is advice about pages, and leaves what is in them.
        let _ = unsafe { madvise(base, len_bytes, Advice::LinuxHugepage) };
        // SAFETY: all of it is ours, writable, and known to nobody else yet.
        unsafe { ptr::write_bytes(base.cast::<u8>(), 0, len_bytes) };
        Ok(memory)
    }

    fn mapped(base: *mut c_void, len_bytes: usize) -> io::Result<Self> {
        Ok(Memory {
            base: NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?,
            len_bytes,
            owner: Owner::Mapping,
        })
    }

    /// Ordinary memory, for rings without a kernel.
    #[cfg(test)]
    pub fn heap(len_bytes: usize) -> Self {
        let cells: Box<[UnsafeCell<u64>]> = (0..len_bytes.div_ceil(8))
            .map(|_| UnsafeCell::new(0))
            .collect();
        Memory {
            base: NonNull::from(&*cells).cast(),
            len_bytes,
            owner: Owner::Heap(cells),
        }
    }

    /// How long it is.
    pub fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// Where it begins, for the kernel.
    pub fn address(&self) -> u64 {
        self.base.as_ptr() as u64
    }

    /// The address of `count` values of `T` from `offset` on, if they are inside and aligned.
    pub fn place<T>(&self, offset: usize, count: usize) -> Option<NonNull<T>> {
        let end = size_of::<T>().checked_mul(count)?.checked_add(offset)?;
        if end > self.len_bytes {
            return None;
        }
        // SAFETY: `offset` is at most the length, as was just seen.
        let place: NonNull<T> = unsafe { self.base.add(offset) }.cast();
        place.is_aligned().then_some(place)
    }

    /// Copies bytes from `offset` on; false if they are not all inside.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> bool {
        let Some(from) = self.place::<u8>(offset, into.len()) else {
            return false;
        };
        // SAFETY: the bytes are inside the memory, which lives as long as `self`; `into` is somebody's own, and so elsewhere.
        unsafe { ptr::copy_nonoverlapping(from.as_ptr(), into.as_mut_ptr(), into.len()) };
        true
    }

    /// Copies bytes to `offset` and on; false, and nothing is written, if they do not all fit.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> bool {
        let Some(to) = self.place::<u8>(offset, bytes.len()) else {
            return false;
        };
        // SAFETY: as for reading; the memory is mapped writable, or consists of cells.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to.as_ptr(), bytes.len()) };
        true
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if matches!(self.owner, Owner::Mapping) {
            // SAFETY: the mapping is ours, of this length, and whoever uses it holds this value.
            let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len_bytes) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_inside_or_not_aligned_has_no_place() {
        let all = [Memory::heap(64), Memory::pages(4096).unwrap()];
        for memory in &all {
            let len = memory.len_bytes();
            assert!(memory.place::<u64>(len - 8, 1).is_some());
            assert!(memory.place::<u64>(len - 8, 2).is_none());
            assert!(memory.place::<u64>(4, 1).is_none(), "not aligned");
            assert!(memory.place::<u64>(0, usize::MAX).is_none());
            assert!(memory.place::<u8>(usize::MAX, 1).is_none());
            let mut bytes = [9; 4];
            assert!(memory.read(len - 4, &mut bytes));
            assert_eq!(bytes, [0; 4]);
            assert!(memory.write(len - 4, &[1, 2, 3, 4]));
            assert!(memory.read(len - 4, &mut bytes));
            assert_eq!(bytes, [1, 2, 3, 4]);
            assert!(!memory.write(len - 3, &[5; 4]));
            assert!(!memory.read(len, &mut bytes));
        }
    }
}
