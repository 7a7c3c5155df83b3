//! One thing that a daemon needs of its host.

use std::fmt;
use std::io;
use std::net::Ipv6Addr;

use netlink_packet_route::route::RouteMessage;
use netlink_packet_route::rule::RuleMessage;

use super::netlink::Netlink;
use super::{link, route, rule, Route, Rule};

/// One thing that a daemon needs of its host, apart from filter and sysctls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A TUN device (made by whoever reads and writes it) that is up.
    Link {
        /// Its name.
        dev: String,
        /// Its MTU.
        mtu_bytes: u32,
    },
    /// A route.
    Route(Route),
    /// A rule.
    Rule(Rule),
    /// A VIP on `lo`.
    Address(Ipv6Addr),
}

impl Item {
    pub(super) fn install(&self, netlink: &mut Netlink, protocol: u8) -> io::Result<()> {
        match self {
            Item::Link { dev, mtu_bytes } => link::bring_up(netlink, dev, *mtu_bytes),
            Item::Route(route) => route.install(netlink),
            Item::Rule(rule) => rule.install(netlink),
            Item::Address(addr) => link::add_address(netlink, *addr, protocol),
        }
    }

    /// Takes it away, as far as a stop does: devices go with their owner, VIPs stay.
    pub(super) fn remove(&self, netlink: &mut Netlink) -> io::Result<()> {
        match self {
            Item::Link { .. } | Item::Address(_) => Ok(()),
            Item::Route(route) => route.remove(netlink),
            Item::Rule(rule) => rule.remove(netlink),
        }
    }

    /// Is it there, as wanted?
    pub(super) fn is_present(&self, netlink: &mut Netlink, found: &Found) -> bool {
        match self {
            Item::Link { dev, mtu_bytes } => {
                link::find(netlink, dev).is_ok_and(|link| link.up && link.mtu_bytes == *mtu_bytes)
            }
            Item::Route(route) => found.routes.iter().any(|found| route.is(found, netlink)),
            Item::Rule(rule) => found.rules.iter().any(|found| rule.is(found)),
            Item::Address(addr) => found.has_address(*addr),
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Link { dev, mtu_bytes } => write!(f, "link {dev} up mtu {mtu_bytes}"),
            Item::Route(route) => route.fmt(f),
            Item::Rule(rule) => rule.fmt(f),
            Item::Address(addr) => write!(f, "address {addr}/128 dev lo"),
        }
    }
}

/// What the kernel has of ours.
pub(super) struct Found {
    pub(super) routes: Vec<RouteMessage>,
    pub(super) rules: Vec<RuleMessage>,
    /// Addresses on `lo`; whether we have put it there.
    pub(super) addresses: Vec<(Ipv6Addr, bool)>,
}

impl Found {
    pub(super) fn look(netlink: &mut Netlink, protocol: u8) -> io::Result<Self> {
        Ok(Found {
            routes: route::ours(netlink, protocol)?,
            rules: rule::ours(netlink, protocol)?,
            addresses: link::addresses(netlink, protocol)?,
        })
    }

    pub(super) fn has_address(&self, addr: Ipv6Addr) -> bool {
        self.addresses.iter().any(|&(found, _)| found == addr)
    }
}
