//! Socket options that rustix doesn't have.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Packets that a driver may take in during one of our calls.
const BUDGET: libc::c_int = 64;

/// Says that our calls do the driver's work, for so long at most.
pub(super) fn prefer_busy_poll(socket: BorrowedFd<'_>, busy_poll_us: u32) -> io::Result<()> {
    let us = libc::c_int::try_from(busy_poll_us).unwrap_or(libc::c_int::MAX);
    for (option, value) in [
        (libc::SO_PREFER_BUSY_POLL, 1),
        (libc::SO_BUSY_POLL, us),
        (libc::SO_BUSY_POLL_BUDGET, BUDGET),
    ] {
        // SAFETY: these options read one int, which lives through the call.
        let outcome = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                std::ptr::from_ref(&value).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        if outcome == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
