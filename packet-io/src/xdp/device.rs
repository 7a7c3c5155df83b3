//! What a network interface says about itself.

use std::io;
use std::net::{Ipv6Addr, UdpSocket};
use std::os::fd::AsRawFd;

/// An interface as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Device {
    pub index: u32,
    pub mac: [u8; 6],
    pub mtu_bytes: u32,
    /// Pairs of queues in use.
    pub queues: u32,
    /// Is it Ethernet?
    pub is_ethernet: bool,
}

/// `struct ethtool_channels`: a command, then the most and the present number of receive, transmit, other and combined queues.
#[repr(C)]
#[derive(Default)]
struct Channels {
    command: u32,
    most: [u32; 4],
    now: [u32; 4],
}

const ETHTOOL_GET_CHANNELS: u32 = 0x3c;

/// Looks at the interface `name` of this thread's network namespace.
pub(super) fn look(name: &str) -> io::Result<Device> {
    let asked = Asked::new(name)?;
    let mut request = asked.request();
    asked.ioctl(libc::SIOCGIFINDEX, &mut request)?;
    // SAFETY: the call above succeeded, so the kernel has written this member of the union; the same goes for those below.
    let index = unsafe { request.ifr_ifru.ifru_ifindex } as u32;
    asked.ioctl(libc::SIOCGIFMTU, &mut request)?;
    // SAFETY: see above.
    let mtu_bytes = unsafe { request.ifr_ifru.ifru_mtu } as u32;
    asked.ioctl(libc::SIOCGIFHWADDR, &mut request)?;
    // SAFETY: see above.
    let hardware = unsafe { request.ifr_ifru.ifru_hwaddr };
    let mut mac = [0; 6];
    for (to, from) in mac.iter_mut().zip(hardware.sa_data) {
        *to = from as u8;
    }
    Ok(Device {
        index,
        mac,
        mtu_bytes,
        queues: asked.queues(),
        is_ethernet: hardware.sa_family == libc::ARPHRD_ETHER,
    })
}

/// A socket to ask with, and the name.
struct Asked {
    socket: UdpSocket,
    name: [libc::c_char; libc::IFNAMSIZ],
}

impl Asked {
    fn new(text: &str) -> io::Result<Self> {
        let mut name = [0; libc::IFNAMSIZ];
        // the last byte stays 0: it ends the name
        if text.len() >= name.len() {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        name.iter_mut()
            .zip(text.bytes())
            .for_each(|(to, from)| *to = from as libc::c_char);
        let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?;
        Ok(Asked { socket, name })
    }

    fn request(&self) -> libc::ifreq {
        libc::ifreq {
            ifr_name: self.name,
            ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: 0 },
        }
    }

    /// An ioctl that reads and writes one `ifreq`, and for ethtool what its pointer leads to.
    fn ioctl(&self, code: libc::c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
        let socket = self.socket.as_raw_fd();
        // SAFETY: all codes of this module read and write one `ifreq`, and `request` is one, borrowed for the whole call; its name ends
        // with a zero byte, and a pointer in it leads to what `queues` holds.
        let outcome = unsafe { libc::ioctl(socket, code as _, std::ptr::from_mut(request)) };
        match outcome {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    /// One where the driver doesn't say.
    fn queues(&self) -> u32 {
        let mut channels = Channels {
            command: ETHTOOL_GET_CHANNELS,
            ..Channels::default()
        };
        let mut request = self.request();
        request.ifr_ifru.ifru_data = std::ptr::from_mut(&mut channels).cast();
        if self.ioctl(libc::SIOCETHTOOL, &mut request).is_err() {
            return 1;
        }
        let [receive, _, _, combined] = channels.now;
        (receive + combined).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_there_and_is_no_ethernet() {
        let lo = look("lo").unwrap();
        assert_eq!((lo.index, lo.is_ethernet, lo.queues), (1, false, 1));
        assert_eq!(lo.mac, [0; 6]);
    }

    #[test]
    fn what_is_not_there_is_said_so() {
        for name in ["srlb-nothing", "a-name-that-is-too-long"] {
            let error = look(name).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ENODEV), "{name}");
        }
    }
}
