//! One legitimate connection: from a chosen address, one file, every byte checked.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};
use rustix::net::{self, sockopt, AddressFamily, SocketFlags, SocketType};

use crate::apache::pattern;

/// How long a connection may take to stand, and then be silent, before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The file that is asked for, with its contents.
#[derive(Clone, Debug)]
pub struct Wanted {
    path: &'static str,
    body: Vec<u8>,
}

impl Wanted {
    /// The large file of every server.
    pub fn large() -> Wanted {
        Wanted {
            path: crate::apache::BIG_FILE,
            body: pattern(crate::apache::BIG_FILE_BYTES),
        }
    }
}

/// A connection that stands.
#[derive(Debug)]
pub struct Connection(TcpStream);

/// Opens one.
pub fn connect(source: Ipv6Addr, target: SocketAddr) -> Result<Connection> {
    let socket = net::socket_with(
        AddressFamily::INET6,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    for timeout in [sockopt::Timeout::Recv, sockopt::Timeout::Send] {
        // The one for sending bounds the handshake as well.
        sockopt::set_socket_timeout(&socket, timeout, Some(PATIENCE))?;
    }
    net::bind(&socket, &SocketAddrV6::new(source, 0, 0, 0))
        .with_context(|| format!("cannot send from {source}"))?;
    net::connect(&socket, &target).context("no connection")?;
    Ok(Connection(TcpStream::from(socket)))
}

impl Connection {
    /// Sends the request's first half; the server waits for the rest.
    pub fn begin(&mut self, wanted: &Wanted) -> Result<()> {
        let text = format!("GET {} HTTP/1.1\r\nHost: ", wanted.path);
        Ok(self.0.write_all(text.as_bytes())?)
    }

    /// Sends the rest and takes in the answer; what arrives is added to `arrived`.
    pub fn finish(&mut self, wanted: &Wanted, arrived: &AtomicU64) -> Result<()> {
        self.0
            .write_all(b"srlb\r\nConnection: close\r\n\r\n")
            .context("cannot ask")?;
        let mut answer = Vec::with_capacity(wanted.body.len() + 1024);
        let mut chunk = [0; 64 * 1024];
        loop {
            match self.0.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => {
                    answer.extend_from_slice(&chunk[..n]);
                    arrived.fetch_add(n as u64, Ordering::Relaxed);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => bail!("after {} bytes: {error}", answer.len()),
            }
        }
        let head = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let body = head.map_or(&[][..], |at| &answer[at + 4..]);
        ensure!(answer.starts_with(b"HTTP/1.1 200 "), "not \"200 OK\"");
        ensure!(
            body == wanted.body,
            "{} bytes, not the {} right ones",
            body.len(),
            wanted.body.len()
        );
        Ok(())
    }
}

/// Connects, asks, and checks the answer.
pub fn fetch(
    source: Ipv6Addr,
    target: SocketAddr,
    wanted: &Wanted,
    arrived: &AtomicU64,
) -> Result<()> {
    let mut connection = connect(source, target)?;
    connection.begin(wanted)?;
    connection.finish(wanted, arrived)
}

/// An address of its own for each newcomer.
pub fn newcomer(number: u64) -> Ipv6Addr {
    Ipv6Addr::from(u128::from(NEWCOMERS) + u128::from(number))
}

/// Newcomers' addresses begin here: clients that no LB has ever seen.
pub const NEWCOMERS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 0);
