//! Which layout an object has, from its size and its first bytes, before it is mapped.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::{Error, Seen};
use crate::layout::{Geometry, Memory, GENERATION, KNOWN, SERVER_LIMIT, THREAD_LIMIT};

/// The largest object that is taken for a scoreboard: httpd's largest prefork board is a third of it.
const MAX_BYTES: u64 = 256 << 20;

/// Page sizes that Linux uses.
const SMALLEST_PAGE_BYTES: u64 = 4 << 10;
const LARGEST_PAGE_BYTES: u64 = 64 << 10;

/// Reads the header of `file`, which is `bytes` long, and says which layout this is.
///
/// This uses read calls, not the mapping: a half-made object then gives zeros or an error and no SIGBUS.
pub(crate) fn identify(
    file: &File,
    bytes: u64,
    memory: Memory,
    path: &Path,
) -> Result<Geometry, Error> {
    let mut head = vec![0_u8; memory.head_bytes()];
    if bytes >= head.len() as u64 {
        file.read_exact_at(&mut head, 0)
            .map_err(|error| Error::access(path, "read", &error))?;
    }
    identify_head(&head, bytes, memory, path)
}

/// Says which layout an object of `bytes` bytes is that begins with `head` ([`Memory::head_bytes`] long).
pub(crate) fn identify_head(
    head: &[u8],
    bytes: u64,
    memory: Memory,
    path: &Path,
) -> Result<Geometry, Error> {
    let seen = Seen::read(head, bytes, memory);
    if is_being_made(&seen) {
        return Err(Error::NotReady {
            path: path.to_path_buf(),
        });
    }
    fit(&seen).ok_or_else(|| Error::UnknownLayout {
        path: path.to_path_buf(),
        seen,
    })
}

impl Seen {
    fn read(head: &[u8], bytes: u64, memory: Memory) -> Seen {
        let global = &head[memory.size_header_bytes()..];
        Seen {
            bytes,
            header_bytes: (memory == Memory::Mapped).then(|| u64_at(head, 0)),
            server_limit: u32_at(global, SERVER_LIMIT),
            thread_limit: u32_at(global, THREAD_LIMIT),
            generation: u32_at(global, GENERATION),
        }
    }

    pub(crate) fn memory(&self) -> Memory {
        match self.header_bytes {
            Some(_) => Memory::Mapped,
            None => Memory::Segment,
        }
    }
}

/// httpd sizes the object, APR writes the header, httpd zeroes the rest and writes the limits last.
fn is_being_made(seen: &Seen) -> bool {
    let is_large_enough = seen.bytes >= seen.memory().head_bytes() as u64;
    let has_no_limits = seen.server_limit == 0 && seen.thread_limit == 0;
    let is_sized = seen.header_bytes == Some(0) || size_fits(seen);
    seen.bytes == 0 || (is_large_enough && has_no_limits && is_sized)
}

/// The one known layout that these numbers fit.
fn fit(seen: &Seen) -> Option<Geometry> {
    if !size_fits(seen) {
        return None;
    }
    let bytes = seen.header_bytes.unwrap_or(seen.bytes);
    KNOWN
        .iter()
        .filter_map(|layout| {
            Geometry::within(seen.memory(), layout, seen.server_limit, seen.thread_limit)
        })
        .find(|geometry| geometry.bytes() as u64 == bytes)
}

/// Whether object and header agree. A named object and a segment have exactly the board's size; anonymous mapped memory is rounded up to
/// whole pages.
fn size_fits(seen: &Seen) -> bool {
    let header_bytes = seen.header_bytes.unwrap_or(seen.bytes);
    let is_exact = seen.bytes == header_bytes;
    let is_rounded = seen.bytes % SMALLEST_PAGE_BYTES == 0
        && seen.bytes > header_bytes
        && seen.bytes - header_bytes < LARGEST_PAGE_BYTES;
    seen.bytes <= MAX_BYTES && (is_exact || is_rounded)
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
