//! Why a scoreboard could not be read, in words an operator can act on.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::layout::{Geometry, KNOWN};

/// Why there is no board to read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing is there: Apache does not run, or the path is not its `ScoreBoardFile`.
    #[error(
        "no scoreboard: {tried}; is Apache running, and is this its ScoreBoardFile or PidFile?"
    )]
    NotRunning {
        /// What was looked for, where.
        tried: String,
    },
    /// Apache is just creating it; look again in a moment.
    #[error("{path}: the scoreboard is being created")]
    NotReady {
        /// The object.
        path: PathBuf,
    },
    /// APR names its objects after absolute paths.
    #[error("{path}: the path of a scoreboard must be absolute: take ScoreBoardFile, joined to ServerRoot or DefaultRuntimeDir if it is relative")]
    NotAbsolute {
        /// The path given.
        path: PathBuf,
    },
    /// The operating system said no.
    #[error("{path}: cannot {action}: {reason}{}", remedy(.kind))]
    Access {
        /// What was accessed.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The error's kind.
        kind: io::ErrorKind,
        /// The error's text.
        reason: String,
    },
    /// A pid file that holds no pid.
    #[error("{path}: no pid in it, but {content:?}")]
    BadPidFile {
        /// The file.
        path: PathBuf,
        /// Its first bytes.
        content: String,
    },
    /// The process runs, but none of its shared mappings is a scoreboard.
    #[error("process {pid}: none of its {} shared mappings is a scoreboard of a known layout{}; is it the parent of an Apache 2.4?", .mappings.len(), list(.mappings))]
    NoScoreboard {
        /// The process.
        pid: u32,
        /// Each mapping, and why it is none.
        mappings: Vec<String>,
    },
    /// Its size fits no layout known here.
    #[error("{path}: unknown scoreboard layout: seen {seen}; {}", known(.seen))]
    UnknownLayout {
        /// The object.
        path: PathBuf,
        /// What its header says.
        seen: Seen,
    },
    /// The size fits a layout, the contents don't.
    #[error("{path}: has the size of the layout of httpd {layout}, but {what}: not an Apache scoreboard, or of a version not known here")]
    Implausible {
        /// The object.
        path: PathBuf,
        /// The layout its size fits.
        layout: &'static str,
        /// The first field that cannot be.
        what: String,
    },
    /// A mapped board lost its tail; it was let go.
    #[error("{path}: shrank from {needed_bytes} to {bytes} bytes while in use; somebody truncated it. Restart Apache")]
    Shrunk {
        /// The object.
        path: PathBuf,
        /// What its layout needs.
        needed_bytes: u64,
        /// What is left.
        bytes: u64,
    },
}

impl Error {
    /// Wraps what the operating system said about `path`.
    pub(crate) fn access(path: &Path, action: &'static str, error: &io::Error) -> Error {
        Error::Access {
            path: path.to_path_buf(),
            action,
            kind: error.kind(),
            reason: error.to_string(),
        }
    }

    /// True for "not there (yet)", as opposed to "there, but refused".
    pub fn is_absence(&self) -> bool {
        matches!(self, Error::NotRunning { .. } | Error::NotReady { .. })
    }
}

/// What the header of an unknown board says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Size of the object.
    pub bytes: u64,
    /// Size according to APR's header, its own 8 bytes included; a System V segment has no such header.
    pub header_bytes: Option<u64>,
    /// `ServerLimit`.
    pub server_limit: u32,
    /// `ThreadLimit`.
    pub thread_limit: u32,
    /// The running generation.
    pub generation: u32,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, ", self.bytes)?;
        if let Some(header_bytes) = self.header_bytes {
            write!(f, "APR's header says {header_bytes}, ")?;
        }
        write!(
            f,
            "ServerLimit {}, ThreadLimit {}, generation {}",
            self.server_limit, self.thread_limit, self.generation
        )
    }
}

fn remedy(kind: &io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::PermissionDenied => {
            " (scoreboards belong to root, mode 0600, and so do Apache's /proc entries: run as root)"
        }
        _ => "",
    }
}

fn list(mappings: &[String]) -> String {
    if mappings.is_empty() {
        return String::new();
    }
    format!(" ({})", mappings.join("; "))
}

/// What each known layout would need for the limits that were seen.
fn known(seen: &Seen) -> String {
    let sizes: Vec<String> = KNOWN
        .iter()
        .map(|layout| {
            match Geometry::within(seen.memory(), layout, seen.server_limit, seen.thread_limit) {
                Some(geometry) => format!("httpd {}: {} bytes", layout.httpd, geometry.bytes()),
                None => format!("httpd {}: no such limits", layout.httpd),
            }
        })
        .collect();
    format!("known for these limits: {}", sizes.join(", "))
}
