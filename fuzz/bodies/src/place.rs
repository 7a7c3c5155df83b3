//! A folder of this thread for files that a target has to write, in memory where that can be had.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

const IN_MEMORY: &str = "/dev/shm";

thread_local! {
    static FOLDER: TempDir = tempfile::Builder::new()
        .prefix("srlb-fuzz-")
        .tempdir_in(IN_MEMORY)
        .or_else(|_| tempfile::tempdir())
        .expect("a folder for files");
}

/// The path of `name` in the folder.
pub fn file(name: &str) -> PathBuf {
    FOLDER.with(|folder| folder.path().join(name))
}

/// Writes a file of the folder, which nobody else may read: a key's has to be so.
pub fn write(name: &str, content: &[u8]) -> PathBuf {
    let path = file(name);
    let mut options = OpenOptions::new();
    let opened = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path);
    let mut file = opened.expect("a file in the folder");
    file.write_all(content).expect("room for the file");
    path
}

/// Takes a file away, if it is there.
pub fn remove(path: &Path) {
    let _ = std::fs::remove_file(path);
}
