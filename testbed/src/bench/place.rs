//! Where a benchmark with the real daemon takes place: network namespaces and a folder, that go again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{anyhow, Context, Result};
use rustix::fd::AsFd;
use rustix::thread::{move_into_link_name_space, LinkNameSpaceType};

use super::veth::leftovers;
use crate::netns;
use crate::plan::run_dir;
use crate::process::kill_all;
use crate::shell;

/// Network namespaces and a folder. They go with this value; what a killed run leaves goes as [`leftovers`] says.
#[derive(Debug)]
pub struct Place {
    /// For files.
    pub folder: PathBuf,
    /// The namespaces, in the order that they were asked for.
    pub namespaces: Vec<String>,
}

impl Place {
    /// Makes a namespace for each of these words, and the folder. [`leftovers`] knows the words.
    pub fn build(words: &[String]) -> Result<Place> {
        let name = leftovers::name(std::process::id());
        let place = Place {
            folder: run_dir(&name),
            namespaces: words.iter().map(|word| format!("{name}-{word}")).collect(),
        };
        // From here on the guard cleans up, whatever happens.
        leftovers::claim(&place.folder)?;
        for namespace in &place.namespaces {
            shell::run("ip", &["netns", "add", namespace])?;
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        kill_all(&netns::processes_in(&self.namespaces));
        for namespace in &self.namespaces {
            if !Path::new(netns::NAMES).join(namespace).exists() {
                continue;
            }
            if let Err(error) = netns::remove(namespace) {
                eprintln!("{error:#}");
            }
        }
        // Last, as it says whose the rest is.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Moves this thread into a network namespace.
pub fn enter(namespace: &str) -> Result<()> {
    let path = Path::new(netns::NAMES).join(namespace);
    let file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
        .with_context(|| format!("entering {}", path.display()))
}

/// Does something in a network namespace, on a thread of its own: what it makes there stays there.
pub fn inside<T: Send>(namespace: &str, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let there = scope.spawn(|| enter(namespace).and_then(|()| work()));
        there.join().map_err(|_| anyhow!("a thread panicked"))?
    })
}
