//! From what the kernel says to a table.

use std::collections::HashMap;
use std::io;
use std::net::Ipv6Addr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteMetric,
    RouteNextHopFlags, RouteType,
};
use netlink_packet_route::rule::{RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use packet_io::xdp::forwarding::{Hop, Table, Via};

use crate::host::netlink::Netlink;

/// Interface and address.
pub(super) type Neighbour = (u32, Ipv6Addr);

/// Tables that rules lead to on every host: local, main, default.
const USUAL_TABLES: [u32; 3] = [255, 254, 253];

/// What was read.
pub(super) struct Read {
    pub table: Table,
    pub stale: Vec<Neighbour>,
    /// Why the kernel has to decide about every packet.
    pub problem: Option<String>,
}

/// Reads all that matters to these interfaces.
pub(super) fn read(netlink: &mut Netlink, interfaces: &[u32]) -> io::Result<Read> {
    let mut read = Read {
        table: Table::default(),
        stale: Vec::new(),
        problem: None,
    };
    let mut request = RuleMessage::default();
    request.header.family = AddressFamily::Inet6;
    let rules = netlink.dump(RouteNetlinkMessage::GetRule(request))?;
    if rules.iter().any(is_unusual_rule) {
        let text =
            "there are rules (ip -6 rule) beyond the usual ones: the kernel sends everything";
        read.problem = Some(text.to_owned());
        return Ok(read);
    }
    let links = netlink.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
    let macs = macs(links, interfaces);
    let mut request = NeighbourMessage::default();
    request.header.family = AddressFamily::Inet6;
    let neighbours = netlink.dump(RouteNetlinkMessage::GetNeighbour(request))?;
    add_neighbours(&mut read, neighbours, &macs);
    let mut request = RouteMessage::default();
    request.header.address_family = AddressFamily::Inet6;
    request.header.table = RouteHeader::RT_TABLE_MAIN;
    let routes = netlink.dump(RouteNetlinkMessage::GetRoute(request))?;
    add_routes(&mut read.table, routes);
    Ok(read)
}

/// Has the kernel use a neighbour, as if it had sent something to it itself.
pub(super) fn use_neighbour(
    netlink: &mut Netlink,
    (if_index, address): Neighbour,
) -> io::Result<()> {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet6;
    message.header.ifindex = if_index;
    message.header.flags = NeighbourFlags::Use;
    let address = NeighbourAttribute::Destination(NeighbourAddress::Inet6(address));
    message.attributes.push(address);
    netlink.change(
        RouteNetlinkMessage::NewNeighbour(message),
        NLM_F_CREATE | NLM_F_REPLACE,
    )
}

/// A rule that may send our packets by another table. Rules about marks don't: our packets carry none.
fn is_unusual_rule(answer: &RouteNetlinkMessage) -> bool {
    let RouteNetlinkMessage::NewRule(rule) = answer else {
        return false;
    };
    let attributes = &rule.attributes;
    let table = attributes.iter().find_map(|attribute| match attribute {
        RuleAttribute::Table(table) => Some(*table),
        _ => None,
    });
    let table = table.unwrap_or(rule.header.table.into());
    let by_mark = attributes
        .iter()
        .any(|attribute| matches!(attribute, RuleAttribute::FwMark(mark) if *mark != 0));
    !by_mark && !USUAL_TABLES.contains(&table)
}

/// Hardware addresses of those of the interfaces that are up.
fn macs(links: Vec<RouteNetlinkMessage>, interfaces: &[u32]) -> HashMap<u32, [u8; 6]> {
    let ours = links.into_iter().filter_map(|answer| match answer {
        RouteNetlinkMessage::NewLink(link) => Some(link),
        _ => None,
    });
    let ours = ours.filter(|link| interfaces.contains(&link.header.index));
    let up = ours.filter(|link| {
        let needed = LinkFlags::Up | LinkFlags::LowerUp;
        link.header.flags.contains(needed)
    });
    up.filter_map(|link| {
        let mac = link.attributes.iter().find_map(|a| match a {
            LinkAttribute::Address(bytes) => bytes.as_slice().try_into().ok(),
            _ => None,
        });
        Some((link.header.index, mac?))
    })
    .collect()
}

fn add_neighbours(
    read: &mut Read,
    answers: Vec<RouteNetlinkMessage>,
    macs: &HashMap<u32, [u8; 6]>,
) {
    for answer in answers {
        let RouteNetlinkMessage::NewNeighbour(message) = answer else {
            continue;
        };
        let known = matches!(
            message.header.state,
            NeighbourState::Reachable
                | NeighbourState::Stale
                | NeighbourState::Delay
                | NeighbourState::Probe
                | NeighbourState::Permanent
        );
        let if_index = message.header.ifindex;
        let Some(source) = macs.get(&if_index).filter(|_| known) else {
            continue;
        };
        let address = message.attributes.iter().find_map(|a| match a {
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)) => Some(*address),
            _ => None,
        });
        let mac = message.attributes.iter().find_map(|a| match a {
            NeighbourAttribute::LinkLayerAddress(bytes) => <[u8; 6]>::try_from(&bytes[..]).ok(),
            _ => None,
        });
        if let (Some(address), Some(mac)) = (address, mac) {
            read.table
                .set_hop(Hop::new(if_index, address, mac, *source));
            if message.header.state == NeighbourState::Stale {
                read.stale.push((if_index, address));
            }
        }
    }
}

/// The best route of each prefix. Two of the same worth are the kernel's business, as is all that is more than "by this neighbour".
fn add_routes(table: &mut Table, answers: Vec<RouteNetlinkMessage>) {
    let mut best: HashMap<(Ipv6Addr, u8), (u32, Vec<Via>)> = HashMap::new();
    for answer in answers {
        let RouteNetlinkMessage::NewRoute(route) = answer else {
            continue;
        };
        let Some((prefix, priority)) = read_prefix(&route) else {
            continue;
        };
        let ways = ways(&route);
        best.entry(prefix)
            .and_modify(|(other_priority, other_ways)| {
                if priority < *other_priority {
                    (*other_priority, *other_ways) = (priority, ways.clone());
                } else if priority == *other_priority {
                    other_ways.clear();
                }
            })
            .or_insert((priority, ways));
    }
    for ((prefix, len), (_, ways)) in best {
        table.set_route(prefix, len, ways);
    }
}

/// Destination and priority of a route of the main table.
fn read_prefix(route: &RouteMessage) -> Option<((Ipv6Addr, u8), u32)> {
    let mut table = u32::from(route.header.table);
    let mut prefix = Ipv6Addr::UNSPECIFIED;
    let mut priority = 0;
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::Destination(RouteAddress::Inet6(address)) => prefix = *address,
            RouteAttribute::Priority(number) => priority = *number,
            _ => {}
        }
    }
    let here = table == u32::from(RouteHeader::RT_TABLE_MAIN)
        && !route.header.flags.contains(RouteFlags::Cloned);
    here.then_some(((prefix, route.header.destination_prefix_length), priority))
}

/// Ways of the same worth; none where the kernel has to decide.
fn ways(route: &RouteMessage) -> Vec<Via> {
    let plain = route.header.kind == RouteType::Unicast
        && route.header.source_prefix_length == 0
        && !route
            .header
            .flags
            .intersects(RouteFlags::Dead | RouteFlags::Linkdown);
    if !plain || !route.attributes.iter().all(is_plain) {
        return Vec::new();
    }
    let several = route.attributes.iter().find_map(|a| match a {
        RouteAttribute::MultiPath(hops) => Some(hops),
        _ => None,
    });
    let Some(several) = several else {
        return via(None, &route.attributes).into_iter().collect();
    };
    let dead = RouteNextHopFlags::Dead | RouteNextHopFlags::Linkdown;
    let living = several.iter().filter(|hop| !hop.flags.intersects(dead));
    let mut ways = Vec::new();
    for hop in living {
        match via(Some(hop.interface_index), &hop.attributes) {
            // The kernel counts weights from 0.
            Some(way) if hop.attributes.iter().all(is_plain) => {
                ways.extend(std::iter::repeat_n(way, usize::from(hop.hops) + 1));
            }
            _ => return Vec::new(),
        }
    }
    ways
}

fn via(if_index: Option<u32>, attributes: &[RouteAttribute]) -> Option<Via> {
    let named = attributes.iter().find_map(|a| match a {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    });
    let if_index = named.or(if_index)?;
    let gateway = attributes.iter().find_map(|a| match a {
        RouteAttribute::Gateway(RouteAddress::Inet6(address)) => Some(*address),
        _ => None,
    });
    Some(match gateway {
        Some(gateway) => Via::Gateway(if_index, gateway),
        None => Via::Link(if_index),
    })
}

/// Does the attribute ask for no more than a next hop?
fn is_plain(attribute: &RouteAttribute) -> bool {
    match attribute {
        RouteAttribute::Encap(_) | RouteAttribute::EncapType(_) | RouteAttribute::Via(_) => false,
        // What is longer has to be refused with the route's MTU.
        RouteAttribute::Metrics(all) => !all.iter().any(|m| matches!(m, RouteMetric::Mtu(_))),
        _ => true,
    }
}
