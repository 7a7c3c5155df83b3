//! The socket in the file system: a stale one is replaced, a live one respected.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use mio::net::UnixListener;

use super::error::ControlError;

/// Owner and group may talk to the daemon.
const MODE: u32 = 0o660;

/// The socket's file, removed when the daemon ends, unless another has taken its place.
pub(super) struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl SocketFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode);
        if ours {
            // A socket that cannot be removed is recognised as stale by the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens on `path`.
pub(super) fn listen(path: &Path) -> Result<(UnixListener, SocketFile), ControlError> {
    refuse_what_is_in_use(path)?;
    let made = make(path).map_err(|error| ControlError::Bind {
        path: path.to_owned(),
        error,
    })?;
    let inode = made.1;
    Ok((
        made.0,
        SocketFile {
            path: path.to_owned(),
            inode,
        },
    ))
}

fn refuse_what_is_in_use(path: &Path) -> Result<(), ControlError> {
    let Ok(file) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !file.file_type().is_socket() {
        return Err(ControlError::NotASocket(path.to_owned()));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // It listens, or its backlog is full, or it is not for us: somebody is there.
        _ => Err(ControlError::AlreadyRunning(path.to_owned())),
    }
}

/// Binds beside the path, sets the mode and moves the socket into place: nobody sees it
/// with another mode, and a stale one is replaced in the same step.
fn make(path: &Path) -> io::Result<(UnixListener, u64)> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let _ = fs::remove_file(&beside);
    let listener = UnixListener::bind(&beside)?;
    let placed = fs::set_permissions(&beside, fs::Permissions::from_mode(MODE))
        .and_then(|()| fs::symlink_metadata(&beside))
        .and_then(|file| fs::rename(&beside, path).map(|()| file.ino()));
    if placed.is_err() {
        let _ = fs::remove_file(&beside);
    }
    Ok((listener, placed?))
}
