//! Memory for a table: taken once, zero, touched, on large pages where there are some.

use std::ffi::c_void;
use std::fs;
use std::io;
use std::ops::Deref;
use std::ptr::{self, NonNull};

use rustix::mm::{self, Advice, MapFlags, ProtFlags};

use super::word::Line;

/// A large page of x86-64, and of arm64 with pages of 4 KB.
const LARGE_PAGE_BYTES: usize = 2 << 20;
/// The smallest page that Linux has.
const PAGE_BYTES: usize = 4_096;

/// On which pages memory lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// All of it on pages of 2 MB that the administrator has set aside (`vm.nr_hugepages`).
    Reserved,
    /// So many bytes of it on pages of 2 MB, from the kernel's own stock (transparent huge pages).
    Transparent(usize),
    /// On the machine's ordinary pages.
    Ordinary,
}

/// Zeroed memory, owned: given back when it is dropped.
pub struct Memory {
    place: Place,
    pages: Pages,
}

enum Place {
    Mapped(Mapping),
    Heap(Box<[Line]>),
}

/// An anonymous mapping, and where in it our lines begin.
struct Mapping {
    start: NonNull<c_void>,
    len: usize,
    lines: NonNull<Line>,
    count: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread; its lines are atomics, and `Line` is Sync.
unsafe impl Send for Mapping {}
// SAFETY: as above; shared access gives out `&[Line]` alone.
unsafe impl Sync for Mapping {}

impl Memory {
    /// Memory for `bytes` bytes, rounded up to whole lines: large pages if there are any, and if
    /// the memory is as large as one; ordinary ones else. All of it is touched, so that no packet pays for it later.
    ///
    /// # Errors
    ///
    /// Where the kernel has no such amount of memory.
    pub fn map(bytes: usize) -> io::Result<Self> {
        let count = bytes.div_ceil(size_of::<Line>()).max(1);
        let is_large = bytes >= LARGE_PAGE_BYTES;
        let (mapping, is_reserved) = match is_large.then(|| Mapping::new(count, true)) {
            Some(Ok(mapping)) => (mapping, true),
            _ => (Mapping::new(count, false)?, false),
        };
        mapping.touch();
        let pages = match is_reserved {
            true => Pages::Reserved,
            false if is_large => mapping.pages(),
            false => Pages::Ordinary,
        };
        let place = Place::Mapped(mapping);
        Ok(Memory { place, pages })
    }

    /// The same from the heap, without large pages: for small tables and for tests.
    pub fn plain(bytes: usize) -> Self {
        let count = bytes.div_ceil(size_of::<Line>()).max(1);
        let lines = (0..count).map(|_| Line::zero()).collect();
        Memory {
            place: Place::Heap(lines),
            pages: Pages::Ordinary,
        }
    }

    /// Which pages it got.
    pub fn pages(&self) -> Pages {
        self.pages
    }
}

impl Deref for Memory {
    type Target = [Line];

    fn deref(&self) -> &[Line] {
        match &self.place {
            Place::Mapped(mapping) => mapping.lines(),
            Place::Heap(lines) => lines,
        }
    }
}

impl Mapping {
    fn new(count: usize, reserved: bool) -> io::Result<Self> {
        let too_large = || io::Error::from(io::ErrorKind::OutOfMemory);
        // One large page more, so that there is a boundary of one to begin at.
        let room = count.checked_mul(size_of::<Line>());
        let len = room
            .and_then(|room| room.checked_next_multiple_of(LARGE_PAGE_BYTES))
            .and_then(|room| room.checked_add(LARGE_PAGE_BYTES))
            .ok_or_else(too_large)?;
        let (len, flags) = match reserved {
            true => (
                len - LARGE_PAGE_BYTES,
                MapFlags::PRIVATE | MapFlags::HUGETLB | MapFlags::HUGE_2MB,
            ),
            false => (len, MapFlags::PRIVATE),
        };
        // SAFETY: the kernel picks a place where nothing is mapped, so no other object is affected.
        let start = unsafe {
            mm::mmap_anonymous(
                ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                flags,
            )
        }?;
        let skip = start.align_offset(LARGE_PAGE_BYTES);
        let skip = if reserved {
            0
        } else {
            skip.min(LARGE_PAGE_BYTES)
        };
        let start = NonNull::new(start).ok_or_else(too_large)?;
        // SAFETY: skip is at most one large page, and the mapping is longer than that.
        let lines = unsafe { start.byte_add(skip) };
        if !reserved && room >= Some(LARGE_PAGE_BYTES) {
            // SAFETY: the range is inside the mapping that was just made, and the advice changes no content. It is
            // only advice: where the kernel has no transparent huge pages, ordinary ones do.
            _ = unsafe { mm::madvise(lines.as_ptr(), len - skip, Advice::LinuxHugepage) };
        }
        Ok(Mapping {
            start,
            len,
            lines: lines.cast(),
            count,
        })
    }

    fn lines(&self) -> &[Line] {
        // SAFETY: `lines` is aligned to a page and `count` lines behind it are inside the mapping, which lives as long as
        // `self`. Zeros are a valid `Line`. Nobody has it mutably: it is handed out here alone.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr(), self.count) }
    }

    fn touch(&self) {
        use std::sync::atomic::Ordering;
        let pages = self.lines().iter().step_by(PAGE_BYTES / size_of::<Line>());
        pages.for_each(|line| line.0[0].store(0, Ordering::Relaxed));
    }

    /// How much of the mapping lies on transparent huge pages, as the kernel says. It counts neighbours of the same kind
    /// as one area, so it may say too much where a process has several.
    fn pages(&self) -> Pages {
        let maps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
        match huge_bytes(&maps, self.lines.as_ptr() as usize) {
            None | Some(0) => Pages::Ordinary,
            Some(large) => Pages::Transparent(large.min(size_of_val(self.lines()))),
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly what was mapped; `&mut self` says that nobody holds its lines. Failing would leave it mapped.
        _ = unsafe { mm::munmap(self.start.as_ptr(), self.len) };
    }
}

/// `AnonHugePages` of the area with `address` in /proc/self/smaps (proc(5)), in bytes.
fn huge_bytes(smaps: &str, address: usize) -> Option<usize> {
    let holds = |line: &str| {
        let (from, rest) = line.split_once('-')?;
        let to = rest.split(' ').next()?;
        let edge = |hex| usize::from_str_radix(hex, 16).ok();
        Some((edge(from)?..edge(to)?).contains(&address))
    };
    let mut lines = smaps.lines();
    lines.find(|line| holds(line) == Some(true))?;
    let line = lines.find(|line| line.starts_with("AnonHugePages:"))?;
    let kilobytes: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn mapped_memory_is_zero_aligned_and_as_large_as_asked() {
        for bytes in [1, 64, 65, 5_000, 3 << 20] {
            let memory = Memory::map(bytes).unwrap();
            assert_eq!(memory.len(), bytes.div_ceil(64));
            assert_eq!(memory.as_ptr() as usize % 4_096, 0);
            let words = memory.iter().flat_map(|line| &line.0);
            assert!(words.clone().all(|word| word.load(Ordering::Relaxed) == 0));
            words.for_each(|word| word.store(7, Ordering::Relaxed));
            if let Pages::Transparent(large) = memory.pages() {
                assert!(large >= LARGE_PAGE_BYTES);
            }
        }
        assert!(Memory::map(usize::MAX / 2).is_err());
        assert_eq!(Memory::plain(65).len(), 2);
    }

    #[test]
    fn what_the_kernel_says_of_an_area() {
        let smaps = "1000-2000 rw-p 0 00:00 0\nAnonHugePages:   0 kB\n\
                     200000-600000 rw-p 0 00:00 0\nRss: 4096 kB\nAnonHugePages:      2048 kB\n";
        assert_eq!(huge_bytes(smaps, 0x400000), Some(2 << 20));
        assert_eq!(huge_bytes(smaps, 0x1000), Some(0));
        assert_eq!(huge_bytes(smaps, 0x2000), None);
    }
}
