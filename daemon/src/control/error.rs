//! What can go wrong with a control socket, in words that say what to do about it.

use std::io;
use std::path::PathBuf;

/// Why a control socket cannot be served or used.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Another daemon serves this socket.
    #[error("control socket {0}: already running: another daemon answers there; stop it, or choose another control_socket")]
    AlreadyRunning(PathBuf),
    /// Something else lies at the socket's path.
    #[error("control socket {0}: there is a file that is no socket; remove it, or choose another control_socket")]
    NotASocket(PathBuf),
    /// The socket cannot be made.
    #[error("control socket {path}: {error}; choose a control_socket in a folder that the daemon may write")]
    Bind {
        /// The socket's path.
        path: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
    /// Nobody serves the socket.
    #[error("no {program} is listening on {path}: is it running? Another socket is chosen with --control or --config")]
    NobodyListens {
        /// The daemon that was looked for.
        program: String,
        /// The socket's path.
        path: PathBuf,
    },
    /// The socket is there, and not for us.
    #[error("{path}: permission denied; use the user that {program} runs as, or root")]
    Forbidden {
        /// The daemon that was looked for.
        program: String,
        /// The socket's path.
        path: PathBuf,
    },
    /// The daemon has refused the request.
    #[error("{program} says: {message}")]
    Refused {
        /// The daemon that was asked.
        program: String,
        /// Its words.
        message: String,
    },
    /// The daemon has hung up before it answered.
    #[error("{program} on {path} has hung up before it answered: was it stopped?")]
    HungUp {
        /// The daemon that was asked.
        program: String,
        /// The socket's path.
        path: PathBuf,
    },
    /// The socket is another program's.
    #[error("{path} is not the control socket of {program}{}; choose another with --control or --config", .other.as_ref().map(|other| format!(" but of {other}")).unwrap_or_default())]
    OtherProgram {
        /// The daemon that was looked for.
        program: String,
        /// The socket's path.
        path: PathBuf,
        /// Who answers there, if it is one of ours.
        other: Option<String>,
    },
    /// Reading or writing failed.
    #[error("{program} on {path}: {error}")]
    Io {
        /// The daemon that was asked.
        program: String,
        /// The socket's path.
        path: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
}
