//! Which memory is which: a restarted Apache's board has the name of the old one, or none at all.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::proc::{ipc_namespace_of, MapsEntry};
use crate::segment::Segment;

/// Tells a new object from an old one of the same name. Neither an inode nor a segment's id is used again while a mapping holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    File { device: u64, inode: u64 },
    Segment { ipc_namespace: u64, id: u64 },
}

impl Identity {
    pub(crate) fn of_file(metadata: &Metadata) -> Identity {
        Identity::File {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }

    /// Of a segment in this process's own namespace.
    pub(crate) fn of_segment(segment: &Segment) -> Identity {
        Identity::Segment {
            ipc_namespace: ipc_namespace_of(std::process::id()).unwrap_or(0),
            id: segment.id as u64,
        }
    }

    /// Of the segment that process `pid` has attached.
    pub(crate) fn of_attached(entry: &MapsEntry, pid: u32) -> Identity {
        Identity::Segment {
            ipc_namespace: ipc_namespace_of(pid).unwrap_or(0),
            id: entry.inode,
        }
    }

    /// Whether a mapping of process `pid` is of this object.
    pub(crate) fn is_of(&self, entry: &MapsEntry, pid: u32) -> bool {
        match *self {
            Identity::File { inode, .. } => !entry.is_segment() && entry.inode == inode,
            Identity::Segment { id, .. } => {
                entry.is_segment()
                    && entry.inode == id
                    && Identity::of_attached(entry, pid) == *self
            }
        }
    }

    /// The object's size, if it is what the name at `path` leads to.
    pub(crate) fn bytes_at(&self, path: &Path) -> Option<u64> {
        match self {
            Identity::File { .. } => {
                let metadata = fs::metadata(path).ok()?;
                (Identity::of_file(&metadata) == *self).then_some(metadata.len())
            }
            Identity::Segment { .. } => {
                let segment = Segment::of_file(path).ok()??;
                (Identity::of_segment(&segment) == *self).then_some(segment.bytes)
            }
        }
    }
}
