//! What values mean: helpers that turn text into addresses, prefixes and locators, and
//! collect what is wrong with them.

use std::fmt::Display;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use ipnet::Ipv6Net;
use srh::Locator;

use super::document::Document;
use super::error::{ConfigError, ConfigErrors};

/// How long a UDP flow may be silent unless a file says otherwise, in seconds (RFC 4787 section 4.3 recommends
/// five minutes to NATs).
pub const DEFAULT_UDP_IDLE_S: u64 = 300;

/// Collects the problems of one document.
pub struct Check<'a, T> {
    document: &'a Document<T>,
    errors: Vec<ConfigError>,
}

impl<'a, T> Check<'a, T> {
    pub(super) fn new(document: &'a Document<T>) -> Self {
        Check {
            document,
            errors: Vec::new(),
        }
    }

    /// Notes that something is wrong with the key `path`.
    pub fn problem(&mut self, path: &str, problem: impl Into<String>, expected: impl Into<String>) {
        self.errors
            .push(self.document.error(path, problem, expected));
    }

    /// Notes a problem unless `right` holds; says whether it does.
    pub fn require(
        &mut self,
        right: bool,
        path: &str,
        problem: impl Into<String>,
        expected: impl Into<String>,
    ) -> bool {
        if !right {
            self.problem(path, problem, expected);
        }
        right
    }

    /// A locator: an IPv6 prefix of 64 bits, with nothing behind them.
    pub fn locator(&mut self, path: impl Display, text: &str) -> Option<Locator> {
        // A pool has many that are right.
        if let Some(locator) = plain_locator(text) {
            return Some(locator);
        }
        let path = &path.to_string();
        let expected = "an IPv6 prefix of 64 bits, such as fd00:1b:1::/64";
        let net = self.prefix_as(path, text, expected)?;
        if net.prefix_len() != 64 {
            self.problem(path, format!("\"{text}\" is not a /64"), expected);
            return None;
        }
        self.unicast(path, net.network())?;
        Some(Locator::of(net.network()))
    }

    /// An IPv6 prefix, with nothing behind its length.
    pub fn prefix(&mut self, path: &str, text: &str) -> Option<Ipv6Net> {
        self.prefix_as(path, text, "an IPv6 prefix, such as fd00:5e::/32")
    }

    fn prefix_as(&mut self, path: &str, text: &str, expected: &str) -> Option<Ipv6Net> {
        let Ok(net) = text.parse::<Ipv6Net>() else {
            self.problem(path, format!("\"{text}\" is not an IPv6 prefix"), expected);
            return None;
        };
        if net.addr() != net.network() {
            let expected = format!("the prefix itself: {}", net.trunc());
            self.problem(
                path,
                format!("\"{text}\" has bits set behind its length"),
                expected,
            );
            return None;
        }
        Some(net)
    }

    /// A list of prefixes that may not be empty; problems name the element.
    pub fn prefixes(&mut self, path: &str, texts: &[String]) -> Vec<Ipv6Net> {
        self.require(
            !texts.is_empty(),
            path,
            "the list is empty",
            "at least one IPv6 prefix",
        );
        let each = texts.iter().enumerate();
        each.filter_map(|(place, text)| self.prefix(&format!("{path}[{place}]"), text))
            .collect()
    }

    /// A unicast IPv6 address that clients may use: not `::`, loopback, multicast or link-local.
    pub fn address(&mut self, path: &str, text: &str) -> Option<Ipv6Addr> {
        let Ok(addr) = text.parse::<Ipv6Addr>() else {
            self.problem(
                path,
                format!("\"{text}\" is not an IPv6 address"),
                "an address such as 2001:db8:80::1",
            );
            return None;
        };
        self.unicast(path, addr)
    }

    /// A list of addresses that may not be empty nor name one twice; problems name the element.
    pub fn addresses(&mut self, path: &str, texts: &[String]) -> Vec<Ipv6Addr> {
        self.require(
            !texts.is_empty(),
            path,
            "the list is empty",
            "at least one IPv6 address",
        );
        let mut list = Vec::new();
        for (place, text) in texts.iter().enumerate() {
            let path = format!("{path}[{place}]");
            let Some(addr) = self.address(&path, text) else {
                continue;
            };
            if self.require(
                !list.contains(&addr),
                &path,
                format!("{addr} is named twice"),
                "each address once",
            ) {
                list.push(addr);
            }
        }
        list
    }

    fn unicast(&mut self, path: &str, addr: Ipv6Addr) -> Option<Ipv6Addr> {
        let Some(kind) = what_it_is(addr) else {
            return Some(addr);
        };
        self.problem(
            path,
            format!("{addr} is {kind}"),
            "a global or unique-local unicast address",
        );
        None
    }

    /// A number within bounds, both included.
    pub fn within<N: PartialOrd + std::fmt::Display>(
        &mut self,
        path: &str,
        value: N,
        low: N,
        high: N,
    ) -> Option<N> {
        let expected = format!("a number from {low} to {high}");
        let right = value >= low && value <= high;
        self.require(right, path, format!("{value} is out of range"), expected)
            .then_some(value)
    }

    /// The idle timeout of UDP flows on LBs, in seconds.
    pub fn udp_idle_timeout(&mut self, path: &str, value_s: u64) {
        self.within(path, value_s, 10, 86_400);
    }

    /// The name of an instance: it becomes part of the names of host items.
    pub fn name(&mut self, path: impl Display, text: &str) -> bool {
        let right = is_plain_name(text, 32);
        if !right {
            self.problem(
                &path.to_string(),
                format!("\"{text}\" cannot be a name"),
                "1 to 32 letters, digits, '-' or '_', a letter first",
            );
        }
        right
    }

    /// The name of a network device; `suffix_len` letters must still fit behind it.
    pub fn device(&mut self, path: &str, text: &str, suffix_len: usize) -> bool {
        let max = 15 - suffix_len;
        let ok = !text.is_empty() && text.len() <= max && text != "." && text != "..";
        let ok = ok
            && text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"/:\"\\%*".contains(&byte));
        let expected = format!(
            "1 to {max} printable letters without '/', ':', '%', '*' and quotes, such as eth0"
        );
        self.require(
            ok,
            path,
            format!("\"{text}\" cannot be the name of a network device"),
            expected,
        )
    }

    /// A list of network devices that may not be empty.
    pub fn devices(&mut self, path: &str, texts: &[String]) {
        self.require(
            !texts.is_empty(),
            path,
            "the list is empty",
            "at least one network device, such as eth0",
        );
        for (place, text) in texts.iter().enumerate() {
            self.device(&format!("{path}[{place}]"), text, 0);
        }
    }

    /// A path that the file mentions, see [`Document::resolve`].
    pub(super) fn resolve(&self, path: &Path) -> PathBuf {
        self.document.resolve(path)
    }

    /// Takes over problems that were found in another file.
    pub fn take_over(&mut self, errors: ConfigErrors) {
        self.errors.extend(errors.into_list());
    }

    /// Has nothing been found so far?
    pub fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }

    /// All that was found, or `Ok`.
    pub fn finish(self) -> Result<(), ConfigErrors> {
        ConfigErrors::none_or(self.errors)
    }
}

/// Is `text` made of letters, digits, `-` and `_`, with a letter first, and no longer than `max`?
pub fn is_plain_name(text: &str, max: usize) -> bool {
    text.len() <= max
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// A locator in which nothing is wrong.
fn plain_locator(text: &str) -> Option<Locator> {
    let net: Ipv6Net = text.parse().ok()?;
    let network = net.network();
    let is_right = net.prefix_len() == 64 && net.addr() == network && what_it_is(network).is_none();
    is_right.then(|| Locator::of(network))
}

/// What an address is that nobody has alone, or everybody.
fn what_it_is(addr: Ipv6Addr) -> Option<&'static str> {
    if addr.is_unspecified() {
        Some("the unspecified address")
    } else if addr.is_loopback() {
        Some("the loopback address")
    } else if addr.is_multicast() {
        Some("a multicast address")
    } else if addr.is_unicast_link_local() {
        Some("a link-local address")
    } else {
        None
    }
}
