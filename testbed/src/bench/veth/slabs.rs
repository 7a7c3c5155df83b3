//! Where the kernel keeps memory for packets while somebody measures.
//!
//! One processor allocates socket buffers, the other one frees them. The kernel gives pages that have become empty back, and takes new ones a moment later: on a virtual
//! machine whose host takes free pages away, that was a third of the time and most of the spread. So it keeps them, as a machine does that forwards
//! all day.

use std::fs;
use std::path::PathBuf;

/// What socket buffers and their bytes are allocated from.
const CACHES: [&str; 2] = ["skbuff_head_cache", "skbuff_small_head"];
/// Empty pages that are kept: more than ever are in use.
const KEPT: &str = "4096";

/// The settings as they were; they are so again when this value goes.
#[derive(Debug)]
pub struct Slabs(Vec<(PathBuf, String)>);

impl Slabs {
    /// Has pages kept, where the kernel lets itself be told.
    pub fn keep() -> Slabs {
        let set = CACHES.iter().filter_map(|cache| {
            let path = PathBuf::from(format!("/sys/kernel/slab/{cache}/min_partial"));
            let before = fs::read_to_string(&path).ok()?;
            fs::write(&path, KEPT).ok()?;
            Some((path, before.trim().to_owned()))
        });
        Slabs(set.collect())
    }
}

impl Drop for Slabs {
    fn drop(&mut self) {
        for (path, before) in &self.0 {
            if let Err(error) = fs::write(path, before) {
                eprintln!("{}: {before} again: {error}", path.display());
            }
        }
    }
}
