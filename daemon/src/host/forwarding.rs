//! `net.ipv6.conf.all.forwarding`, without which no packet gets from the wire into the
//! daemon, and what switching it on would break.

use std::fs;
use std::io;

use super::nft::Note;

/// Where sysctls are.
const ROOT: &str = "/proc/sys/";
const CONF: &str = "net/ipv6/conf";
const FORWARDING: &str = "net/ipv6/conf/all/forwarding";

/// A sysctl that we want.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sysctl {
    /// Below `/proc/sys`.
    key: String,
    value: &'static str,
    /// What it was before, to be put back at exit; `None` if it was right already. The same as
    /// `value` where it is another sysctl of ours that changes it.
    old: Option<String>,
}

impl Sysctl {
    pub(super) fn text(&self) -> String {
        format!("sysctl {} = {}", self.key.replace('/', "."), self.value)
    }

    pub(super) fn is_present(&self) -> bool {
        read(&self.key).is_ok_and(|value| value == self.value)
    }

    pub(super) fn set(&self) -> io::Result<()> {
        if self.is_present() {
            return Ok(());
        }
        write(&self.key, self.value)
    }

    /// The note that outlives us.
    pub(super) fn note(&self) -> Option<String> {
        self.old.as_ref().map(|old| format!("{}={old}", self.key))
    }

    /// Puts the old value back, unless somebody has changed it, or another daemon needs it.
    pub(super) fn restore(&self, others: &[Note]) -> io::Result<()> {
        let needed = others.iter().any(|note| {
            note.text
                .split_once('=')
                .is_some_and(|(key, _)| key == self.key)
        });
        match &self.old {
            Some(old) if !needed && (self.is_present() || *old == self.value) => {
                write(&self.key, old)
            }
            _ => Ok(()),
        }
    }
}

/// What must be set, in this order, given what all daemons here have noted; restored in the
/// reverse order.
///
/// A host that forwards takes no router advertisements where accept_ra is 1, and forgets the default
/// routes that it has from them: such interfaces get 2, "even if forwarding", beforehand.
/// Switching forwarding off for all switches it off for each interface, too: those where
/// it was on by itself are noted, so that they are switched on again.
pub(super) fn wanted(notes: &[Note]) -> io::Result<Vec<Sysctl>> {
    let forwarding = sysctl(FORWARDING.to_owned(), "1", notes)?;
    let mut list = Vec::new();
    if forwarding.old.is_some() {
        for interface in interfaces()? {
            let key = format!("{CONF}/{interface}/accept_ra");
            let noted = noted(&key, notes).is_some();
            if noted || read(&key).is_ok_and(|value| value == "1") {
                list.push(sysctl(key, "2", notes)?);
            }
            let key = format!("{CONF}/{interface}/forwarding");
            let alone = noted_value(&key, notes) == Some("1")
                || (!forwarding.is_present() && read(&key).is_ok_and(|v| v == "1"));
            if alone {
                list.push(Sysctl {
                    key,
                    value: "1",
                    old: Some("1".to_owned()),
                });
            }
        }
    }
    list.push(forwarding);
    Ok(list)
}

fn sysctl(key: String, value: &'static str, notes: &[Note]) -> io::Result<Sysctl> {
    let now = read(&key)?;
    let old = if now == value {
        noted(&key, notes)
    } else {
        Some(now)
    };
    Ok(Sysctl { key, value, old })
}

fn noted(key: &str, notes: &[Note]) -> Option<String> {
    noted_value(key, notes).map(str::to_owned)
}

fn noted_value<'a>(key: &str, notes: &'a [Note]) -> Option<&'a str> {
    let pairs = notes.iter().filter_map(|note| note.text.split_once('='));
    pairs
        .filter(|(noted, _)| *noted == key)
        .map(|(_, value)| value)
        .next()
}

/// The interfaces whose names can be written down in a comment.
fn interfaces() -> io::Result<Vec<String>> {
    let mut list = Vec::new();
    for entry in fs::read_dir(format!("{ROOT}{CONF}"))? {
        let Ok(name) = entry?.file_name().into_string() else {
            continue;
        };
        let plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte));
        if plain && name != "all" && name != "default" && name != "lo" {
            list.push(name);
        }
    }
    list.sort();
    Ok(list)
}

fn read(key: &str) -> io::Result<String> {
    fs::read_to_string(format!("{ROOT}{key}")).map(|text| text.trim().to_owned())
}

fn write(key: &str, value: &str) -> io::Result<()> {
    fs::write(format!("{ROOT}{key}"), value)
}
