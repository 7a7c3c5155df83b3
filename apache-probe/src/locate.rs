//! Finding the memory that holds a running Apache's scoreboard.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::found::{Found, Object};
use crate::identify::{identify, identify_head};
use crate::identity::Identity;
use crate::layout::Memory;
use crate::memory::Mapping;
use crate::proc::{MapsEntry, Process};
use crate::segment::{Segment, SIZE_FILE_BYTES};
use crate::shm_name::shm_name;

/// Where Linux shows POSIX shared-memory objects.
const SHM_DIR: &str = "/dev/shm";

/// Which Apache is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    score_board_file: Option<PathBuf>,
    pid_file: Option<PathBuf>,
    pid: Option<u32>,
    is_parent_ignored: bool,
}

impl Target {
    /// The Apache whose configuration says `ScoreBoardFile path` (absolute).
    pub fn score_board_file(path: impl Into<PathBuf>) -> Target {
        Target {
            score_board_file: Some(path.into()),
            ..Target::default()
        }
    }

    /// The Apache whose configuration says `PidFile path`; needed where there is no `ScoreBoardFile`.
    pub fn pid_file(path: impl Into<PathBuf>) -> Target {
        Target {
            pid_file: Some(path.into()),
            ..Target::default()
        }
    }

    /// The Apache whose parent process is `pid`.
    pub fn pid(pid: u32) -> Target {
        Target {
            pid: Some(pid),
            ..Target::default()
        }
    }

    /// Adds the pid file to a `ScoreBoardFile`: the board is found by its own name, the parent by its pid.
    pub fn with_pid_file(mut self, path: impl Into<PathBuf>) -> Target {
        self.pid_file = Some(path.into());
        self
    }

    /// Judges by the board's name alone and never looks for the parent process. For boards whose processes cannot be seen
    /// from here (a pid namespace of one's own) or that have none (tests). A killed Apache then looks alive.
    pub fn ignoring_parent(mut self) -> Target {
        self.is_parent_ignored = true;
        self
    }

    pub(crate) fn is_parent_ignored(&self) -> bool {
        self.is_parent_ignored
    }

    /// The parent's pid as far as it is given: directly, or in the pid file.
    pub(crate) fn given_pid(&self) -> Result<Option<u32>, Error> {
        match (self.pid, &self.pid_file) {
            (Some(pid), _) => Ok(Some(pid)),
            (None, Some(path)) => read_pid_file(path).map(Some),
            (None, None) => Ok(None),
        }
    }
}

/// Finds and opens the scoreboard of `target`.
pub fn locate(target: &Target) -> Result<Found, Error> {
    if let Some(path) = &target.score_board_file {
        return by_score_board_file(path);
    }
    match target.given_pid()? {
        Some(pid) => by_pid(pid),
        None => Err(Error::NotRunning {
            tried: "neither ScoreBoardFile nor PidFile nor pid is given".to_string(),
        }),
    }
}

/// The POSIX object that APR makes of `path`, else the file at `path` or the segment that it stands for.
fn by_score_board_file(path: &Path) -> Result<Found, Error> {
    let name = shm_name(path).ok_or_else(|| Error::NotAbsolute {
        path: path.to_path_buf(),
    })?;
    let object = Path::new(SHM_DIR).join(name);
    for candidate in [&object, path] {
        if let Some(found) = open_named(candidate)? {
            return Ok(found);
        }
    }
    Err(Error::NotRunning {
        tried: format!(
            "neither {} nor a file at {}",
            object.display(),
            path.display()
        ),
    })
}

/// Opens an object by its own name; `None` if there is none.
fn open_named(path: &Path) -> Result<Option<Found>, Error> {
    match fs::metadata(path) {
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(Error::access(path, "look at", &error)),
        // Opening a FIFO or a device could block or do something: only files are opened.
        Ok(metadata) if !metadata.is_file() => {
            return Err(Error::access(
                path,
                "use",
                &io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"),
            ))
        }
        Ok(metadata) if metadata.len() == SIZE_FILE_BYTES => return named_segment(path).map(Some),
        Ok(_) => {}
    }
    match File::open(path) {
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(Error::access(path, "open", &error)),
        Ok(file) => recognise(file, path, Memory::Mapped).map(|found| Some(found.named(path))),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn recognise(file: File, path: &Path, memory: Memory) -> Result<Found, Error> {
    let metadata = file
        .metadata()
        .map_err(|error| Error::access(path, "look at", &error))?;
    let geometry = identify(&file, metadata.len(), memory, path)?;
    Ok(Found {
        object: Object::File(file),
        path: path.to_path_buf(),
        is_named: false,
        identity: Identity::of_file(&metadata),
        geometry,
    })
}

/// The segment that the 8 bytes at `path` stand for. Without one here they are a stale file (the host was rebooted), or Apache lives
/// in another IPC namespace.
fn named_segment(path: &Path) -> Result<Found, Error> {
    let access = |error: io::Error| Error::access(path, "attach the System V segment of", &error);
    let segment = Segment::of_file(path).map_err(access)?.ok_or_else(|| Error::NotRunning {
        tried: format!(
            "{} names a System V segment that is not in this IPC namespace (a PidFile alone would find it in another)",
            path.display()
        ),
    })?;
    let memory = Memory::Segment;
    let mut head = vec![0; memory.head_bytes()];
    if segment.bytes >= head.len() as u64 {
        Mapping::attach(&segment)
            .map_err(access)?
            .copy_head(&mut head);
    }
    Ok(Found {
        path: path.to_path_buf(),
        is_named: true,
        identity: Identity::of_segment(&segment),
        geometry: identify_head(&head, segment.bytes, memory, path)?,
        object: Object::Segment(segment),
    })
}

/// The one shared, writable mapping of process `pid` that is a scoreboard: APR's other shared memory (session caches, slots)
/// does not fit a known layout.
fn by_pid(pid: u32) -> Result<Found, Error> {
    if Process::running(pid).is_none() {
        return Err(Error::NotRunning {
            tried: format!("no process {pid}"),
        });
    }
    let maps_path = PathBuf::from(format!("/proc/{pid}/maps"));
    let entries = MapsEntry::of(pid).map_err(|error| Error::access(&maps_path, "read", &error))?;
    let mut others = Vec::new();
    let mut better_reason = None;
    for entry in entries
        .iter()
        .filter(|entry| entry.is_shared_writable() && entry.offset_bytes == 0)
    {
        match open_mapping(pid, entry) {
            Ok(found) => return Ok(found),
            Err(error) => {
                others.push(format!("{} of {} bytes", entry.name, entry.bytes));
                if explains_absence(&error) {
                    better_reason = Some(error);
                }
            }
        }
    }
    Err(better_reason.unwrap_or(Error::NoScoreboard {
        pid,
        mappings: others,
    }))
}

/// Says more than "none of its mappings is a scoreboard".
fn explains_absence(error: &Error) -> bool {
    match error {
        Error::NotReady { .. } => true,
        Error::Access { kind, .. } => *kind == io::ErrorKind::PermissionDenied,
        _ => false,
    }
}

fn open_mapping(pid: u32, entry: &MapsEntry) -> Result<Found, Error> {
    let path = entry.map_file(pid);
    let file = File::open(&path).map_err(|error| Error::access(&path, "open", &error))?;
    // Through the process's own view, segments too: that needs no id and works across IPC namespaces.
    if entry.is_segment() {
        let mut found = recognise(file, &path, Memory::Segment)?;
        found.identity = Identity::of_attached(entry, pid);
        return Ok(found);
    }
    let found = recognise(file, &path, Memory::Mapped)?;
    // A name that still leads to this object is better to watch than the process's own view of it.
    match found.identity.bytes_at(Path::new(&entry.name)) {
        Some(_) => Ok(found.named(Path::new(&entry.name))),
        None => Ok(found),
    }
}

fn read_pid_file(path: &Path) -> Result<u32, Error> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if is_absent(&error) => {
            return Err(Error::NotRunning {
                tried: format!("no pid file at {}", path.display()),
            })
        }
        Err(error) => return Err(Error::access(path, "read", &error)),
    };
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(32)]);
    // Apache creates the file empty and then writes the number.
    if text.trim().is_empty() {
        return Err(Error::NotReady {
            path: path.to_path_buf(),
        });
    }
    match text.trim().parse() {
        Ok(pid) if pid != 0 => Ok(pid),
        _ => Err(Error::BadPidFile {
            path: path.to_path_buf(),
            content: text.into_owned(),
        }),
    }
}
