//! bpf(2) and the one ioctl, nothing else.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

const MAP_CREATE: libc::c_int = 0;
const MAP_LOOKUP: libc::c_int = 1;
const MAP_UPDATE: libc::c_int = 2;
const MAP_DELETE: libc::c_int = 3;
const PROG_LOAD: libc::c_int = 5;
const PROG_TEST_RUN: libc::c_int = 10;
const LINK_CREATE: libc::c_int = 28;

const MAP_TYPE_ARRAY: u32 = 2;
const ATTACH_XDP: u32 = 37;
/// The program knows that a packet may lie in several buffers.
const XDP_HAS_FRAGS: u32 = 1 << 5;
/// `_IOR('T', 225, int)`
const TUN_SET_FILTER: u32 = 0x8004_54e1;
/// Room for what the verifier says.
const LOG_BYTES: usize = 64 << 10;

/// The head of the kernel's `union bpf_attr`; what is not said is 0.
type Attr = [u64; 16];

fn bpf(command: libc::c_int, attr: &mut Attr) -> io::Result<i32> {
    // SAFETY: `attr` is as long as we say. What its pointers lead to is alive during the call and as long as the command needs:
    // the functions below see to it, and nothing else calls this.
    let answer =
        unsafe { libc::syscall(libc::SYS_bpf, command, attr.as_mut_ptr(), size_of::<Attr>()) };
    match answer {
        0.. => Ok(answer as i32),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Two numbers of 32 bits as they lie in memory.
fn pair(first: u32, second: u32) -> u64 {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&first.to_ne_bytes());
    bytes[4..].copy_from_slice(&second.to_ne_bytes());
    u64::from_ne_bytes(bytes)
}

fn owned(fd: i32) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for us; nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// An array of `entries` times `N` numbers, all 0.
pub(crate) fn array<const N: usize>(entries: u32) -> io::Result<OwnedFd> {
    let mut attr: Attr = [0; 16];
    attr[0] = pair(MAP_TYPE_ARRAY, size_of::<u32>() as u32);
    attr[1] = pair(size_of::<[u64; N]>() as u32, entries);
    bpf(MAP_CREATE, &mut attr).map(owned)
}

/// What a map is.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum MapKind {
    /// Exact keys.
    Hash = 1,
    /// Numbers from 0 on, all there from the beginning.
    Array = 2,
    /// Prefixes: a key is a length of 32 bits and then the prefix.
    Prefixes = 11,
    /// AF_XDP sockets, by queue.
    Sockets = 17,
}

/// A map for keys and values of these sizes.
pub(crate) fn map(
    kind: MapKind,
    key_bytes: usize,
    value_bytes: usize,
    entries: u32,
) -> io::Result<OwnedFd> {
    const NO_PREALLOCATION: u32 = 1;
    let flags = match kind {
        // Kernels take it in no other way.
        MapKind::Prefixes => NO_PREALLOCATION,
        MapKind::Hash | MapKind::Array | MapKind::Sockets => 0,
    };
    let mut attr: Attr = [0; 16];
    attr[0] = pair(kind as u32, key_bytes as u32);
    attr[1] = pair(value_bytes as u32, entries);
    attr[2] = pair(flags, 0);
    bpf(MAP_CREATE, &mut attr).map(owned)
}

/// Writes an entry of a map that was made with keys and values of these sizes.
pub(crate) fn put<const K: usize, const V: usize>(
    map: &OwnedFd,
    key: &[u8; K],
    value: &[u8; V],
) -> io::Result<()> {
    let mut attr: Attr = [0; 16];
    attr[0] = pair(map.as_raw_fd() as u32, 0);
    attr[1] = key.as_ptr() as u64;
    attr[2] = value.as_ptr() as u64;
    bpf(MAP_UPDATE, &mut attr).map(drop)
}

/// Takes an entry out of a map that was made with keys of this size.
pub(crate) fn take_out<const K: usize>(map: &OwnedFd, key: &[u8; K]) -> io::Result<()> {
    let mut attr: Attr = [0; 16];
    attr[0] = pair(map.as_raw_fd() as u32, 0);
    attr[1] = key.as_ptr() as u64;
    bpf(MAP_DELETE, &mut attr).map(drop)
}

/// Attaches an XDP program to an interface. It stays as long as the descriptor that is returned, and a process that is killed leaves nothing.
pub(crate) fn attach_xdp(program: &OwnedFd, if_index: u32, flags: u32) -> io::Result<OwnedFd> {
    let mut attr: Attr = [0; 16];
    attr[0] = pair(program.as_raw_fd() as u32, if_index);
    attr[1] = pair(ATTACH_XDP, flags);
    bpf(LINK_CREATE, &mut attr).map(owned)
}

/// Reads the first entry of an array made with the same `N`.
pub(crate) fn read<const N: usize>(array: &OwnedFd) -> io::Result<[u64; N]> {
    let mut value = [0; N];
    at_first(MAP_LOOKUP, array, &mut value)?;
    Ok(value)
}

/// Writes the first entry of an array made with the same `N`.
pub(crate) fn write<const N: usize>(array: &OwnedFd, mut value: [u64; N]) -> io::Result<()> {
    at_first(MAP_UPDATE, array, &mut value)
}

fn at_first(command: libc::c_int, array: &OwnedFd, value: &mut [u64]) -> io::Result<()> {
    let key = 0_u32;
    let mut attr: Attr = [0; 16];
    attr[0] = pair(array.as_raw_fd() as u32, 0);
    attr[1] = std::ptr::from_ref(&key) as u64;
    attr[2] = value.as_mut_ptr() as u64;
    bpf(command, &mut attr).map(drop)
}

/// What a program is for.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum ProgramKind {
    SocketFilter = 1,
    Xdp = 6,
}

/// Loads a program. The verifier's words are in the error.
pub(crate) fn load(kind: ProgramKind, program: &[u64]) -> io::Result<OwnedFd> {
    let license = CString::from(c"Apache-2.0");
    let mut attr: Attr = [0; 16];
    attr[0] = pair(kind as u32, program.len() as u32);
    attr[1] = program.as_ptr() as u64;
    attr[2] = license.as_ptr() as u64;
    if let ProgramKind::Xdp = kind {
        attr[5] = pair(0, XDP_HAS_FRAGS);
        attr[8] = pair(0, ATTACH_XDP);
    }
    let error = match bpf(PROG_LOAD, &mut attr) {
        Ok(fd) => return Ok(owned(fd)),
        Err(error) => error,
    };
    let mut log = vec![0_u8; LOG_BYTES];
    attr[3] = pair(1, LOG_BYTES as u32);
    attr[4] = log.as_mut_ptr() as u64;
    if let Ok(fd) = bpf(PROG_LOAD, &mut attr) {
        return Ok(owned(fd));
    }
    let len = log.iter().position(|&byte| byte == 0).unwrap_or(0);
    let said = String::from_utf8_lossy(&log[..len]);
    let text = format!("{error} {}", said.trim());
    Err(io::Error::new(error.kind(), text.trim_end()))
}

/// Runs a program once on an Ethernet frame and returns its answer.
pub(crate) fn run(program: &OwnedFd, frame: &[u8]) -> io::Result<u32> {
    let mut attr: Attr = [0; 16];
    attr[0] = pair(program.as_raw_fd() as u32, 0);
    attr[1] = pair(frame.len() as u32, 0);
    attr[2] = frame.as_ptr() as u64;
    attr[4] = pair(1, 0);
    bpf(PROG_TEST_RUN, &mut attr)?;
    let bytes = attr[0].to_ne_bytes();
    Ok(u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]))
}

/// Runs an XDP program `times` times, in batches, on frames of the kernel's own that begin as `frame`, and does with each what the program answers, as a driver would.
pub(crate) fn run_live(program: &OwnedFd, frame: &[u8], times: u32, batch: u32) -> io::Result<()> {
    const LIVE_FRAMES: u32 = 1 << 1;
    let mut attr: Attr = [0; 16];
    attr[0] = pair(program.as_raw_fd() as u32, 0);
    attr[1] = pair(frame.len() as u32, 0);
    attr[2] = frame.as_ptr() as u64;
    attr[4] = pair(times, 0);
    attr[8] = pair(LIVE_FRAMES, 0);
    attr[9] = pair(batch, 0);
    bpf(PROG_TEST_RUN, &mut attr).map(drop)
}

/// Puts a program in front of a TUN device's queue.
pub(crate) fn attach(tun: RawFd, program: &OwnedFd) -> io::Result<()> {
    let program: libc::c_int = program.as_raw_fd();
    // SAFETY: this ioctl reads one int, which lives through the call.
    let outcome = unsafe { libc::ioctl(tun, TUN_SET_FILTER as _, std::ptr::from_ref(&program)) };
    match outcome {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
