//! What surrounds a TUN device on the host: its name, the driver, and IPv6's settings.

use super::{flags, TunError};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

const DRIVER: &str = "/dev/net/tun";
/// The devices of this thread's network namespace; unlike /sys/class/net never another's.
const DEVICES: &str = "/proc/thread-self/net/dev";
/// How often, and after what pause, a name that is taken is asked for again.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(50);
/// What keeps the kernel from sending on the device by itself.
const QUIET: [(&str, &str); 5] = [
    // Older MLD does not report the end of a membership that was never reported (next line).
    ("force_mld_version", "1"),
    // A router is a member of groups and says so. Whether packets are forwarded depends on
    // all/forwarding and force_forwarding alone; and without IFF_MULTICAST (below) the device stays no
    // member when somebody writes all/forwarding.
    ("forwarding", "0"),
    // no link-local address: nothing has a source to send from
    ("addr_gen_mode", "1"),
    ("accept_ra", "0"),
    ("router_solicitations", "0"),
];

/// Is `name` one that means itself? The kernel would fill in a number for `%d`.
pub(super) fn check_name(name: &str) -> Result<(), TunError> {
    let fits = (1..=15).contains(&name.len()) && name != "." && name != "..";
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match fits && name.chars().all(plain) {
        true => Ok(()),
        false => Err(TunError::Name { name: name.into() }),
    }
}

/// Can the driver be opened? Asked beforehand, since the same error means other things later. Where
/// there is no such file the TUN crate tries to make it.
pub(super) fn check_tun_driver() -> Result<(), TunError> {
    match fs::File::options().read(true).write(true).open(DRIVER) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(TunError::opening(e)),
        Ok(_) => Ok(()),
    }
}

/// Waits, a second at most, until no device has this name. A daemon that was killed a moment ago may still be
/// on its way out; any other device stays, and is not ours to take.
pub(super) fn wait_until_free(name: &str) -> Result<(), TunError> {
    for _ in 0..TRIES {
        if !exists(name) {
            return Ok(());
        }
        thread::sleep(PAUSE);
    }
    Err(TunError::Taken { name: name.into() })
}

fn exists(name: &str) -> bool {
    let devices = fs::read_to_string(DEVICES).unwrap_or_default();
    let mut names = devices.lines().filter_map(|line| line.split_once(':'));
    names.any(|(device, _)| device.trim() == name)
}

/// Switches IPv6 on for the device, and off what the kernel would send on it by itself. To be called
/// before the device is up.
pub(super) fn prepare_ipv6(name: &str) -> Result<(), TunError> {
    let path = setting(name, "disable_ipv6");
    match write_if_other(&path, "0") {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            return Err(TunError::NoIpv6 {
                name: name.into(),
                path: path.display().to_string(),
            })
        }
        Err(source) => {
            let path = path.display().to_string();
            return Err(TunError::Ipv6Off {
                name: name.into(),
                path,
                source,
            });
        }
        Ok(()) => {}
    }
    // What can't be set here (a container with /proc/sys read-only) costs a few packets that the
    // engines drop and count, so it is no error.
    for (key, value) in QUIET {
        let _ = write_if_other(&setting(name, key), value);
    }
    let _ = flags::clear_multicast(name);
    Ok(())
}

fn setting(name: &str, key: &str) -> PathBuf {
    ["/proc/sys/net/ipv6/conf", name, key].iter().collect()
}

/// Writes a setting unless it has that value: /proc/sys may be read-only and right.
fn write_if_other(path: &PathBuf, value: &str) -> io::Result<()> {
    match fs::read_to_string(path)?.trim() == value {
        true => Ok(()),
        false => fs::write(path, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_kernel_would_read_otherwise_are_refused() {
        for name in ["srlb-lb0", "a", "tun0.1_x", "123456789012345"] {
            check_name(name).unwrap();
        }
        for name in [
            "",
            ".",
            "..",
            "tun%d",
            "a b",
            "a/b",
            "a:b",
            "1234567890123456",
            "t\u{fc}n",
        ] {
            let error = check_name(name).unwrap_err().to_string();
            assert!(error.contains("1 to 15"), "{name}: {error}");
        }
    }

    #[test]
    fn a_device_that_is_there_is_seen_and_another_is_not() {
        assert!(exists("lo"));
        assert!(!exists("l"));
        assert!(!exists("srlb-nothing"));
        wait_until_free("srlb-nothing").unwrap();
        assert!(matches!(wait_until_free("lo"), Err(TunError::Taken { .. })));
    }
}
