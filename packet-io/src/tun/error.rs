//! What can go wrong with a TUN device, and what to do about it.

use std::io;

/// Why there is no TUN device.
#[derive(Debug, thiserror::Error)]
pub enum TunError {
    /// The kernel would not take such a name.
    #[error(
        "`{name}` cannot be the name of a TUN device: 1 to 15 letters, digits, `.`, `_` or `-`, not `.` or `..`"
    )]
    Name {
        /// The name asked for.
        name: String,
    },
    /// IPv6 does not work over such links.
    #[error("TUN device {name}: an MTU of {mtu_bytes} is below IPv6's minimum of 1280")]
    Mtu {
        /// The device's name.
        name: String,
        /// The MTU asked for.
        mtu_bytes: u16,
    },
    /// The kernel has no TUN driver, or the container does not show it.
    #[error(
        "there is no TUN driver at /dev/net/tun ({source}): load it (`modprobe tun`); a container needs the device passed on (`--device /dev/net/tun`)"
    )]
    NoDriver {
        /// What opening it said.
        source: io::Error,
    },
    /// The process may not open the driver.
    #[error(
        "not allowed to open /dev/net/tun ({source}): run as root; a container needs the device passed on (`--device /dev/net/tun`)"
    )]
    DriverForbidden {
        /// What opening it said.
        source: io::Error,
    },
    /// The process may not create network devices.
    #[error("not allowed to create TUN device {name}: run as root, or grant CAP_NET_ADMIN")]
    Forbidden {
        /// The device's name.
        name: String,
    },
    /// There is such a device already.
    #[error(
        "a network device {name} exists already: another daemon runs with this name, or it belongs to something else; stop that one, or give another name (`tun = ...`)"
    )]
    Taken {
        /// The device's name.
        name: String,
    },
    /// A kernel without IPv6.
    #[error("TUN device {name}: this kernel has IPv6 switched off ({path} is missing); boot without ipv6.disable=1")]
    NoIpv6 {
        /// The device's name.
        name: String,
        /// What is missing.
        path: String,
    },
    /// IPv6 is off on new devices, and that can't be changed.
    #[error(
        "TUN device {name}: IPv6 is off on it and {path} cannot be written ({source}); set net.ipv6.conf.default.disable_ipv6=0 from outside (a container: `--sysctl`)"
    )]
    Ipv6Off {
        /// The device's name.
        name: String,
        /// What could not be written.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Anything else.
    #[error("TUN device {name}: cannot {action}: {source}")]
    Other {
        /// The device's name.
        name: String,
        /// What was tried.
        action: String,
        /// What the kernel said.
        source: io::Error,
    },
}

/// What was being done when the kernel said no.
pub(super) enum Step {
    Create,
    NonBlocking,
    Mtu(u16),
    QueueLength,
    Queue,
    Up,
}

impl TunError {
    /// The error of `step` for the device `name`.
    pub(super) fn at(step: Step, name: &str, source: io::Error) -> Self {
        let name = name.to_owned();
        let action = match (step, source.raw_os_error()) {
            (Step::Create, Some(libc::EPERM | libc::EACCES)) => {
                return TunError::Forbidden { name }
            }
            // EBUSY: a TUN device that a process holds; EINVAL: a device of another kind
            (Step::Create, Some(libc::EBUSY | libc::EINVAL | libc::EEXIST)) => {
                return TunError::Taken { name }
            }
            (Step::Create, _) => "create it".to_owned(),
            (Step::NonBlocking, _) => "make it non-blocking".to_owned(),
            (Step::Mtu(mtu_bytes), _) => format!("set its MTU to {mtu_bytes}"),
            (Step::QueueLength, _) => "set its queue length".to_owned(),
            (Step::Queue, _) => "open one more queue of it".to_owned(),
            (Step::Up, _) => "set it up".to_owned(),
        };
        TunError::Other {
            name,
            action,
            source,
        }
    }

    /// The error of opening the driver itself.
    pub(super) fn opening(source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::PermissionDenied => TunError::DriverForbidden { source },
            _ => TunError::NoDriver { source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(step: Step, errno: i32) -> String {
        TunError::at(step, "srlb-x", io::Error::from_raw_os_error(errno)).to_string()
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        assert!(at(Step::Create, libc::EPERM).contains("CAP_NET_ADMIN"));
        for errno in [libc::EBUSY, libc::EINVAL] {
            let text = at(Step::Create, errno);
            assert!(
                text.contains("srlb-x") && text.contains("another name"),
                "{text}"
            );
        }
        assert!(at(Step::Mtu(1500), libc::EINVAL).contains("MTU to 1500"));
        let opening = |errno| TunError::opening(io::Error::from_raw_os_error(errno)).to_string();
        assert!(opening(libc::ENOENT).contains("modprobe tun"));
        assert!(opening(libc::ENODEV).contains("modprobe tun"));
        assert!(opening(libc::EPERM).contains("--device"));
        assert!(opening(libc::EACCES).contains("root"));
    }
}
