//! Opening client connections without waiting for them, from many addresses and ports.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use anyhow::{bail, Context, Result};
use mio::net::TcpStream;
use rustix::io::Errno;
use rustix::net::{self, sockopt, AddressFamily, SocketFlags, SocketType};

use crate::load::Sources;

/// A taken source port is skipped; so many in a row are no accident.
const MAX_TAKEN_PORTS: usize = 100;

/// Opens connections to one target from sources in rotation.
#[derive(Clone, Debug)]
pub struct Opener {
    /// Whom to connect to.
    pub target: SocketAddr,
    /// Where from.
    pub sources: Sources,
    /// Size asked for of the kernel's buffers, each way; the kernel's own choice otherwise.
    pub buffer_bytes: Option<usize>,
}

impl Opener {
    /// Opens a connection from the next source that is free. The inner error is the
    /// connection's own, the outer one says that no connection can be opened at all.
    pub fn open(&mut self) -> Result<(Option<SocketAddr>, io::Result<TcpStream>)> {
        let mut source = None;
        for _ in 0..MAX_TAKEN_PORTS {
            source = self.sources.take();
            match open(source, self.target, self.buffer_bytes) {
                Err(e) if e.kind() == ErrorKind::AddrInUse && source.is_some() => {}
                Err(e) if e.kind() == ErrorKind::AddrNotAvailable => {
                    let asked = source.map_or("any".to_owned(), |s| s.to_string());
                    return Err(e).context(format!(
                        "cannot send from {asked}: this runs inside the client (`srlb-testbed exec client srlb-testbed ...`) or with --sources any"
                    ));
                }
                opened => return Ok((source, opened)),
            }
        }
        bail!("{MAX_TAKEN_PORTS} source ports in a row are taken, {source:?} the last")
    }
}

/// Opens a connection without waiting for it, from `source` if one is given.
fn open(
    source: Option<SocketAddr>,
    target: SocketAddr,
    buffer_bytes: Option<usize>,
) -> io::Result<TcpStream> {
    let family = match target {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket: OwnedFd = net::socket_with(family, SocketType::STREAM, flags, None)?;
    if let Some(bytes) = buffer_bytes {
        // Before the connection: the window scale is agreed on in the SYN.
        sockopt::set_socket_recv_buffer_size(&socket, bytes)?;
        sockopt::set_socket_send_buffer_size(&socket, bytes)?;
    }
    if let Some(source) = source {
        // The port may still be in TIME_WAIT from a run before.
        sockopt::set_socket_reuseaddr(&socket, true)?;
        net::bind(&socket, &source)?;
    }
    match net::connect(&socket, &target) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(e) => return Err(e.into()),
    }
    Ok(TcpStream::from_std(socket.into()))
}

/// Has the connection come to stand? An error is the connection's.
pub fn connect_done(stream: &TcpStream) -> io::Result<bool> {
    if let Some(e) = stream.take_error()? {
        return Err(e);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == ErrorKind::NotConnected => Ok(false),
        Err(e) => Err(e),
    }
}
