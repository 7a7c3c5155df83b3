//! System V shared memory, where an APR built with `shmget` keeps its boards.
//!
//! A board with a `ScoreBoardFile` is a segment under the key `ftok(path, hash)`, and the file at that path holds the board's size in 8 bytes,
//! nothing else. Without the directive it is a segment without a key, marked for removal at once, so that it goes with its last process;
//! `/proc/PID/maps` shows it as `/SYSV00000000 (deleted)` with the segment's id as its inode.
//!
//! Ids and keys belong to an IPC namespace. A segment's size never changes, so an attached one can't shrink.

use std::fs::{self, Metadata};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::ptr::{self, NonNull};

use crate::shm_name::ftok_project;

/// Size of the file at a `ScoreBoardFile` path that stands for a segment.
pub(crate) const SIZE_FILE_BYTES: u64 = 8;

/// A segment of this process's IPC namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) id: i32,
    pub(crate) bytes: u64,
}

impl Segment {
    /// The segment that belongs to the file at `path`; `None` if there is none here, or another program's.
    pub(crate) fn of_file(path: &Path) -> io::Result<Option<Segment>> {
        let board_bytes = match fs::read(path)?.try_into() {
            Ok(bytes) => u64::from_ne_bytes(bytes),
            Err(_) => return Ok(None),
        };
        let Some(project) = ftok_project(path) else {
            return Ok(None);
        };
        let Some(id) = id_of(ftok(&fs::metadata(path)?, project))? else {
            return Ok(None);
        };
        let bytes = size_of(id)?;
        Ok((bytes == board_bytes).then_some(Segment { id, bytes }))
    }

    /// Attaches for reading only; what `release` undoes.
    pub(crate) fn attach(&self) -> io::Result<NonNull<u8>> {
        // SAFETY: the kernel chooses the address, so no existing memory is touched.
        let start = unsafe { libc::shmat(self.id, ptr::null(), libc::SHM_RDONLY) };
        if start as isize == -1 {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast::<u8>())
            .ok_or_else(|| io::Error::other("shmat answered with a null address"))?;
        // An attached segment keeps its id, so from here on the size is surely this segment's.
        match size_of(self.id) {
            Ok(bytes) if bytes == self.bytes => Ok(start),
            other => {
                release(start);
                Err(other
                    .err()
                    .unwrap_or_else(|| io::Error::other("another segment has taken its id")))
            }
        }
    }
}

/// Detaches what [`Segment::attach`] returned. Nobody may load from it afterwards.
pub(crate) fn release(start: NonNull<u8>) {
    // SAFETY: `start` came from shmat and is detached once: by the caller's contract nothing refers to it any more.
    unsafe { libc::shmdt(start.as_ptr().cast()) };
}

/// glibc's `ftok`.
fn ftok(metadata: &Metadata, project: u8) -> i32 {
    let key = u32::from(project) << 24
        | (metadata.dev() as u32 & 0xff) << 16
        | (metadata.ino() as u32 & 0xffff);
    key as i32
}

/// The id of the segment under `key`, if there is one.
fn id_of(key: i32) -> io::Result<Option<i32>> {
    // SAFETY: no memory is involved, and without IPC_CREAT nothing is made.
    let id = unsafe { libc::shmget(key, 0, 0) };
    if id >= 0 {
        return Ok(Some(id));
    }
    match io::Error::last_os_error() {
        error if error.kind() == io::ErrorKind::NotFound => Ok(None),
        error => Err(error),
    }
}

fn size_of(id: i32) -> io::Result<u64> {
    let mut status = MaybeUninit::<libc::shmid_ds>::uninit();
    // SAFETY: IPC_STAT writes one shmid_ds to the address given, or fails.
    if unsafe { libc::shmctl(id, libc::IPC_STAT, status.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above succeeded, so all of it is written.
    Ok(unsafe { status.assume_init() }.shm_segsz as u64)
}
