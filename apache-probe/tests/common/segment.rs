//! A made-up board in a System V segment, laid out and named as an APR built with shmget does it (`shmem/unix/shm.c`).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use apache_probe::layout::Memory;

/// The owner's side: the segment exists until it is removed or dropped.
pub struct MadeUpSegment {
    path: PathBuf,
    id: i32,
    start: *mut u8,
    bytes: usize,
}

impl MadeUpSegment {
    /// Makes the segment of the `ScoreBoardFile` at `path`, and the file with its size.
    pub fn create(path: &Path, bytes: usize) -> MadeUpSegment {
        fs::write(path, (bytes as u64).to_ne_bytes()).expect("the size file");
        let flags = libc::IPC_CREAT | libc::IPC_EXCL | 0o600;
        // SAFETY: makes a new segment; no memory of this process is involved.
        let id = unsafe { libc::shmget(key(path), bytes, flags) };
        assert!(id >= 0, "shmget: {}", std::io::Error::last_os_error());
        // SAFETY: at an address of the kernel's choice.
        let start = unsafe { libc::shmat(id, std::ptr::null(), 0) }.cast::<u8>();
        assert!(start as isize != -1, "shmat");
        MadeUpSegment {
            path: path.to_path_buf(),
            id,
            start,
            bytes,
        }
    }

    /// Copies a made-up board out of the file it was written to, without the size header that a segment has not.
    pub fn copy_from(&self, board: &Path) {
        let board = fs::read(board).expect("the board's file");
        self.write(&board[Memory::Mapped.size_header_bytes()..]);
    }

    /// Writes the segment's first bytes.
    pub fn write(&self, bytes: &[u8]) {
        assert!(bytes.len() <= self.bytes && !self.start.is_null());
        // SAFETY: inside the attached segment (asserted), which readers load from with atomics only.
        unsafe {
            self.start
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
        };
    }

    /// What the end of the owner does; the segment stays.
    pub fn detach(&mut self) {
        let start = std::mem::replace(&mut self.start, std::ptr::null_mut());
        if !start.is_null() {
            // SAFETY: attached in `create` and detached once; `write` refuses the null that is left.
            unsafe { libc::shmdt(start.cast()) };
        }
    }

    /// How many processes, or parts of one, have it attached.
    pub fn attachments(&self) -> u64 {
        let mut status = std::mem::MaybeUninit::<libc::shmid_ds>::uninit();
        // SAFETY: IPC_STAT fills in the one shmid_ds it is given, or fails.
        unsafe {
            assert_eq!(
                libc::shmctl(self.id, libc::IPC_STAT, status.as_mut_ptr()),
                0
            );
            status.assume_init().shm_nattch
        }
    }

    /// What a clean stop does: marks the segment for removal, then removes the file.
    pub fn remove(&self) {
        self.remove_segment();
        let _ = fs::remove_file(&self.path);
    }

    /// What a reboot does: the segment is gone, the file is not.
    pub fn remove_segment(&self) {
        // SAFETY: IPC_RMID takes no address.
        unsafe { libc::shmctl(self.id, libc::IPC_RMID, std::ptr::null_mut()) };
    }
}

impl Drop for MadeUpSegment {
    fn drop(&mut self) {
        self.remove();
        self.detach();
    }
}

/// By libc's own ftok, so that ours is judged by it.
fn key(path: &Path) -> i32 {
    let hash = path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0_u32, |hash, &byte| {
            hash.wrapping_mul(33).wrapping_add(u32::from(byte))
        });
    let name = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).expect("no zero byte");
    // SAFETY: a zero-terminated string.
    let key = unsafe { ftok(name.as_ptr(), hash as i32) };
    assert_ne!(
        key,
        -1,
        "ftok of inode {}",
        fs::metadata(path).expect("it").ino()
    );
    key
}

extern "C" {
    fn ftok(path: *const libc::c_char, project: libc::c_int) -> libc::key_t;
}
