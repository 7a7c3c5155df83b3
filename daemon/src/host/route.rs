//! Routes.

use std::fmt;
use std::io;
use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::link;
use super::netlink::Netlink;

/// The table that every host has.
const MAIN_TABLE: u32 = RouteHeader::RT_TABLE_MAIN as u32;
/// The kernel's own default for IPv6.
const USUAL_METRIC: u32 = 1024;
/// So high that any other route to the same prefix goes first.
const LAST_METRIC: u32 = 0x7fff_ffff;

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// Out of a device.
    Dev(String),
    /// Nowhere, and the sender is told.
    Unreachable,
    /// Nowhere, silently.
    Blackhole,
}

/// A route that we want.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its destination.
    pub dest: Ipv6Net,
    /// Where it leads.
    pub via: Via,
    /// The table that it is in.
    pub table: u32,
    /// Its metric.
    pub metric: u32,
    /// Its protocol number, by which it is known as ours.
    pub protocol: u8,
}

impl Route {
    /// The route out of `dev` while the daemon lives. It vanishes with the TUN device.
    pub fn out_of(dest: Ipv6Net, dev: &str, protocol: u8) -> Self {
        Route {
            dest,
            via: Via::Dev(dev.to_owned()),
            table: MAIN_TABLE,
            metric: USUAL_METRIC,
            protocol,
        }
    }

    /// What is in force when the daemon was killed, so that packets for `dest` do not follow the
    /// default route, back to where they came from.
    pub fn guard(dest: Ipv6Net, via: Via, protocol: u8) -> Self {
        Route {
            dest,
            via,
            table: MAIN_TABLE,
            metric: LAST_METRIC,
            protocol,
        }
    }

    /// The same route in another table.
    pub fn in_table(self, table: u32) -> Self {
        Route { table, ..self }
    }

    fn message(&self, netlink: &mut Netlink) -> io::Result<RouteMessage> {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet6;
        message.header.destination_prefix_length = self.dest.prefix_len();
        message.header.table = u8::try_from(self.table).unwrap_or(0);
        message.header.protocol = RouteProtocol::from(self.protocol);
        message.header.scope = RouteScope::Universe;
        message.header.kind = self.kind();
        message
            .attributes
            .push(RouteAttribute::Destination(RouteAddress::Inet6(
                self.dest.network(),
            )));
        message.attributes.push(RouteAttribute::Table(self.table));
        message
            .attributes
            .push(RouteAttribute::Priority(self.metric));
        if let Via::Dev(dev) = &self.via {
            message
                .attributes
                .push(RouteAttribute::Oif(link::find(netlink, dev)?.index));
        }
        Ok(message)
    }

    fn kind(&self) -> RouteType {
        match self.via {
            Via::Dev(_) => RouteType::Unicast,
            Via::Unreachable => RouteType::Unreachable,
            Via::Blackhole => RouteType::BlackHole,
        }
    }

    pub(super) fn install(&self, netlink: &mut Netlink) -> io::Result<()> {
        let message = self.message(netlink)?;
        netlink.change(
            RouteNetlinkMessage::NewRoute(message),
            NLM_F_CREATE | NLM_F_REPLACE,
        )
    }

    pub(super) fn remove(&self, netlink: &mut Netlink) -> io::Result<()> {
        let message = match self.message(netlink) {
            // The device has gone, and its routes with it.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Ok(()),
            message => message?,
        };
        netlink.remove(RouteNetlinkMessage::DelRoute(message))
    }

    /// Is `found` this route?
    pub(super) fn is(&self, found: &RouteMessage, netlink: &mut Netlink) -> bool {
        let Ok(wanted) = self.message(netlink) else {
            return false;
        };
        let same = |pick: fn(&RouteAttribute) -> bool| {
            wanted.attributes.iter().find(|a| pick(a)) == found.attributes.iter().find(|a| pick(a))
        };
        found.header.kind == wanted.header.kind
            && found.header.protocol == wanted.header.protocol
            && found.header.destination_prefix_length == wanted.header.destination_prefix_length
            && (self.dest.prefix_len() == 0
                || same(|a| matches!(a, RouteAttribute::Destination(_))))
            && same(|a| matches!(a, RouteAttribute::Table(_)))
            && same(|a| matches!(a, RouteAttribute::Priority(_)))
            && (self.kind() != RouteType::Unicast || same(|a| matches!(a, RouteAttribute::Oif(_))))
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("route ")?;
        match &self.via {
            Via::Dev(_) => {}
            Via::Unreachable => f.write_str("unreachable ")?,
            Via::Blackhole => f.write_str("blackhole ")?,
        }
        match self.dest.prefix_len() {
            0 => f.write_str("default")?,
            _ => write!(f, "{}", self.dest)?,
        }
        if let Via::Dev(dev) = &self.via {
            write!(f, " dev {dev}")?;
        }
        if self.table != MAIN_TABLE {
            write!(f, " table {}", self.table)?;
        }
        write!(f, " proto {}", self.protocol)?;
        if self.metric != USUAL_METRIC {
            write!(f, " metric {}", self.metric)?;
        }
        Ok(())
    }
}

/// All routes with our protocol number.
pub(super) fn ours(netlink: &mut Netlink, protocol: u8) -> io::Result<Vec<RouteMessage>> {
    let mut request = RouteMessage::default();
    request.header.address_family = AddressFamily::Inet6;
    request.header.protocol = RouteProtocol::from(protocol);
    let answers = netlink.dump(RouteNetlinkMessage::GetRoute(request))?;
    let routes = answers.into_iter().filter_map(|answer| match answer {
        RouteNetlinkMessage::NewRoute(route) => Some(route),
        _ => None,
    });
    Ok(routes
        .filter(|route| route.header.protocol == RouteProtocol::from(protocol))
        .collect())
}

/// Does this host take packets for `addr` itself?
pub(super) fn is_local(netlink: &mut Netlink, addr: Ipv6Addr) -> io::Result<bool> {
    let mut request = RouteMessage::default();
    request.header.address_family = AddressFamily::Inet6;
    request.header.destination_prefix_length = 128;
    request
        .attributes
        .push(RouteAttribute::Destination(RouteAddress::Inet6(addr)));
    let answers = match netlink.get(RouteNetlinkMessage::GetRoute(request)) {
        // There is no route at all, or one of ours that leads nowhere.
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EINVAL)
            ) =>
        {
            return Ok(false)
        }
        answers => answers?,
    };
    let local = |answer: &RouteNetlinkMessage| matches!(answer, RouteNetlinkMessage::NewRoute(route) if route.header.kind == RouteType::Local);
    Ok(answers.iter().any(local))
}

/// Takes away a route that a dump has shown.
pub(super) fn remove_found(netlink: &mut Netlink, found: &RouteMessage) -> io::Result<()> {
    let mut message = RouteMessage::default();
    message.header = found.header.clone();
    message.header.flags = Default::default();
    let identity = |attribute: &&RouteAttribute| {
        matches!(
            attribute,
            RouteAttribute::Destination(_)
                | RouteAttribute::Table(_)
                | RouteAttribute::Priority(_)
                | RouteAttribute::Oif(_)
        )
    };
    message.attributes = found.attributes.iter().filter(identity).cloned().collect();
    netlink.remove(RouteNetlinkMessage::DelRoute(message))
}
