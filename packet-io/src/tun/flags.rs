//! The one flag of a device that the TUN crate does not set.

use std::io;
use std::net::{Ipv6Addr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};

/// Says that `name` carries no multicast: then the kernel joins, and reports, fewer groups on it.
pub(super) fn clear_multicast(name: &str) -> io::Result<()> {
    // any socket of this namespace will do to ask for a device's flags
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?;
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: 0 },
    };
    // the last byte stays 0: it ends the name
    let room = request.ifr_name[..libc::IFNAMSIZ - 1].iter_mut();
    room.zip(name.bytes())
        .for_each(|(to, from)| *to = from as libc::c_char);
    device_ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &mut request)?;
    // SAFETY: the call above succeeded, so the kernel has written this member of the union.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    request.ifr_ifru.ifru_flags = flags & !(libc::IFF_MULTICAST as libc::c_short);
    device_ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &mut request)
}

/// An ioctl of the SIOC[GS]IF family.
fn device_ioctl(socket: RawFd, code: libc::c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: both codes that this module uses read and write one `ifreq`, and `request` is one, borrowed for
    // the whole call; its name ends with a zero byte.
    let outcome = unsafe { libc::ioctl(socket, code as _, std::ptr::from_mut(request)) };
    match outcome {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
