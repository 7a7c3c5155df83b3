//! What a search for a scoreboard comes back with.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::identity::Identity;
use crate::layout::Geometry;
use crate::memory::Mapping;
use crate::segment::Segment;

/// A scoreboard's memory, opened and recognised, not yet mapped.
#[derive(Debug)]
pub struct Found {
    pub(crate) object: Object,
    pub(crate) path: PathBuf,
    pub(crate) is_named: bool,
    pub(crate) identity: Identity,
    pub(crate) geometry: Geometry,
}

/// What can be mapped.
#[derive(Debug)]
pub(crate) enum Object {
    File(File),
    Segment(Segment),
}

impl Found {
    /// The object that was found: under `/dev/shm`, a file (a segment's `ScoreBoardFile` too), or an entry of `/proc/PID/map_files`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its layout and limits.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Whether the path is the object's own name, which vanishes when Apache stops and returns when it starts.
    pub fn is_named(&self) -> bool {
        self.is_named
    }

    pub(crate) fn map(&self) -> io::Result<Mapping> {
        match &self.object {
            Object::File(file) => Mapping::new(file, self.geometry.bytes()),
            Object::Segment(segment) => Mapping::attach(segment),
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// The same under its own name.
    pub(crate) fn named(mut self, path: &Path) -> Found {
        self.path = path.to_path_buf();
        self.is_named = true;
        self
    }
}
