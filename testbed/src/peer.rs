//! One of Apache's workers at the other end of a Unix socket: as much HTTP/1.1 as
//! mod_proxy_http speaks to what stands behind it.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use mio::net::{UnixListener, UnixStream};

/// A request head longer than this is not from our Apache.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;

/// A socket for Apache's workers, who are not root.
pub fn listen(socket: &Path) -> Result<UnixListener> {
    let _ = fs::remove_file(socket);
    let listener = UnixListener::bind(socket)
        .with_context(|| format!("cannot listen on {}", socket.display()))?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// A worker's connection with what was read and not looked at, and what is still to be written.
#[derive(Debug)]
pub struct Peer {
    stream: UnixStream,
    /// Read, not looked at.
    pub input: Vec<u8>,
    /// To be written.
    pub output: Vec<u8>,
}

impl Peer {
    /// Nothing read, nothing to write.
    pub fn new(stream: UnixStream) -> Peer {
        Peer {
            stream,
            input: Vec::new(),
            output: Vec::new(),
        }
    }

    /// Reads what is there, until `input` holds `limit` bytes; false if the peer has gone.
    pub fn read(&mut self, limit: usize) -> bool {
        let mut chunk = [0; 16 * 1024];
        while self.input.len() < limit {
            match self.stream.read(&mut chunk) {
                Ok(0) => return false,
                Ok(n) => self.input.extend_from_slice(&chunk[..n]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return true,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Writes what can be written; false if the peer has gone.
    pub fn flush(&mut self) -> bool {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(n) => drop(self.output.drain(..n)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return true,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// The next whole request head.
    pub fn take_head(&mut self) -> Option<String> {
        let end = self.input.windows(4).position(|w| w == b"\r\n\r\n")?;
        let head: Vec<u8> = self.input.drain(..end + 4).collect();
        Some(String::from_utf8_lossy(&head).into_owned())
    }
}

/// Path and query of a request head.
pub fn target_of(head: &str) -> (&str, &str) {
    let target = head.split(' ').nth(1).unwrap_or_default();
    target.split_once('?').unwrap_or((target, ""))
}

/// The value of a key in a query.
pub fn query_value<'a>(query: &'a str, key: &str) -> Option<&'a str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(k, _)| *k == key).map(|(_, value)| value)
}

/// A whole answer in plain text.
pub fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_and_queries_are_taken_apart() {
        let head = "GET /job?id=7&us=50 HTTP/1.1\r\nHost: x\r\n\r\n";
        assert_eq!(target_of(head), ("/job", "id=7&us=50"));
        assert_eq!(target_of("GET /cores HTTP/1.1"), ("/cores", ""));
        assert_eq!(target_of(""), ("", ""));
        assert_eq!(query_value("id=7&us=50", "us"), Some("50"));
        assert_eq!(query_value("id=7&us=50", "u"), None);
    }
}
