//! Where the kernel keeps memory for packets while somebody measures.
//!
//! One processor allocates socket buffers, the other one frees them. The kernel gives pages that have become empty back, and takes new ones a moment later: on a virtual
//! machine whose host takes free pages away, that was a third of the time and most of the spread. So it keeps them, as a machine does that forwards
//! all day.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// What socket buffers and their bytes are allocated from.
const CACHES: [&str; 2] = ["skbuff_head_cache", "skbuff_small_head"];
/// Empty pages that are kept: more than ever are in use.
const KEPT: &str = "4096";
/// The settings as they were before anybody measured, for whoever comes after one that was killed. It goes with the next boot, as they do.
const RECORD: &str = "/run/srlb-bench-slabs.json";

/// Caches and their settings as they were; they are so again when this value goes.
#[derive(Debug)]
pub struct Slabs {
    before: BTreeMap<String, String>,
    record: PathBuf,
    caches: PathBuf,
}

impl Slabs {
    /// Has pages kept, where the kernel lets itself be told.
    pub fn keep() -> Result<Slabs> {
        Slabs::keep_in(Path::new("/sys/kernel/slab"), Path::new(RECORD))
    }

    /// Sets back what a killed run has left; false if there is none.
    pub fn restore() -> Result<bool> {
        let slabs = Slabs {
            before: recorded(Path::new(RECORD))?.unwrap_or_default(),
            record: PathBuf::from(RECORD),
            caches: PathBuf::from("/sys/kernel/slab"),
        };
        // Whether there is anything to set back decides itself when it goes.
        Ok(!slabs.before.is_empty())
    }

    fn keep_in(caches: &Path, record: &Path) -> Result<Slabs> {
        let mut before = recorded(record)?.unwrap_or_default();
        for cache in CACHES {
            // What another run has set is not what was before.
            if let (false, Ok(value)) = (
                before.contains_key(cache),
                fs::read_to_string(setting(caches, cache)),
            ) {
                before.insert(cache.to_owned(), value.trim().to_owned());
            }
        }
        let slabs = Slabs {
            before,
            record: record.to_owned(),
            caches: caches.to_owned(),
        };
        if slabs.before.is_empty() {
            return Ok(slabs);
        }
        // First said, then done: killed in between, the settings are what is said. Renamed, so that nobody reads half of it.
        let draft = record.with_extension(std::process::id().to_string());
        let text = serde_json::to_string(&slabs.before)?;
        fs::write(&draft, text)
            .and_then(|()| fs::rename(&draft, record))
            .with_context(|| format!("writing {}", record.display()))?;
        for cache in slabs.before.keys() {
            // Not every kernel has it changed; it is a help, no need.
            let _ = fs::write(setting(caches, cache), KEPT);
        }
        Ok(slabs)
    }
}

impl Drop for Slabs {
    fn drop(&mut self) {
        let mut is_done = true;
        for (cache, before) in &self.before {
            let path = setting(&self.caches, cache);
            if let Err(error) = fs::write(&path, before) {
                eprintln!("{}: {before} again: {error}", path.display());
                is_done = false;
            }
        }
        if is_done {
            let _ = fs::remove_file(&self.record);
        }
    }
}

fn setting(caches: &Path, cache: &str) -> PathBuf {
    caches.join(cache).join("min_partial")
}

/// What is recorded, if anything is. Only of our caches: a file's words become a path.
fn recorded(record: &Path) -> Result<Option<BTreeMap<String, String>>> {
    let text = match fs::read(record) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| format!("reading {}", record.display()))?,
    };
    let mut before: BTreeMap<String, String> =
        serde_json::from_slice(&text).with_context(|| format!("reading {}", record.display()))?;
    before.retain(|cache, _| CACHES.contains(&cache.as_str()));
    Ok(Some(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings in a folder instead of the kernel.
    struct Scene(tempfile::TempDir);

    impl Scene {
        fn new() -> Scene {
            let folder = tempfile::tempdir().unwrap();
            for cache in CACHES {
                fs::create_dir(folder.path().join(cache)).unwrap();
                fs::write(setting(folder.path(), cache), "5\n").unwrap();
            }
            Scene(folder)
        }

        fn keep(&self) -> Slabs {
            Slabs::keep_in(self.0.path(), &self.record()).unwrap()
        }

        fn record(&self) -> PathBuf {
            self.0.path().join("record.json")
        }

        fn assert(&self, value: &str, is_recorded: bool) {
            for cache in CACHES {
                let now = fs::read_to_string(setting(self.0.path(), cache)).unwrap();
                assert_eq!(now.trim(), value, "{cache}");
            }
            assert_eq!(self.record().exists(), is_recorded);
        }
    }

    #[test]
    fn settings_are_again_what_they_were() {
        let scene = Scene::new();
        let slabs = scene.keep();
        scene.assert(KEPT, true);
        drop(slabs);
        scene.assert("5", false);
    }

    #[test]
    fn what_a_killed_run_has_set_is_not_taken_for_what_was_before() {
        let scene = Scene::new();
        std::mem::forget(scene.keep());
        scene.assert(KEPT, true);
        drop(scene.keep());
        scene.assert("5", false);
    }

    #[test]
    fn two_runs_at_once_leave_what_was_before_whoever_ends_first() {
        let scene = Scene::new();
        let (one, other) = (scene.keep(), scene.keep());
        drop(one);
        drop(other);
        scene.assert("5", false);
    }

    #[test]
    fn a_record_is_no_way_to_write_elsewhere() {
        let scene = Scene::new();
        fs::write(
            scene.record(),
            r#"{"../other": "1", "skbuff_head_cache": "7"}"#,
        )
        .unwrap();
        let slabs = scene.keep();
        assert_eq!(slabs.before.len(), CACHES.len());
        assert_eq!(slabs.before["skbuff_head_cache"], "7");
    }
}
