//! Network devices, and the addresses on `lo`.

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use netlink_packet_core::NLM_F_EXCL;
use netlink_packet_route::address::{
    AddressAttribute, AddressHeaderFlags, AddressMessage, AddressProtocol, AddressScope,
};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use netlink_packet_route::route::{RouteAttribute, RouteMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::netlink::Netlink;
use super::route;

/// A device as it is.
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) up: bool,
    pub(super) mtu_bytes: u32,
}

/// The device `name`; an error of ENODEV where there is none.
pub(super) fn find(netlink: &mut Netlink, name: &str) -> io::Result<Link> {
    let mut message = LinkMessage::default();
    message
        .attributes
        .push(LinkAttribute::IfName(name.to_owned()));
    let answers = netlink.get(RouteNetlinkMessage::GetLink(message))?;
    let link = answers.into_iter().find_map(|answer| match answer {
        RouteNetlinkMessage::NewLink(link) => Some(link),
        _ => None,
    });
    let link = link.ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))?;
    let mtu_bytes = link
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::Mtu(mtu) => Some(*mtu),
            _ => None,
        });
    Ok(Link {
        index: link.header.index,
        up: link.header.flags.contains(LinkFlags::Up),
        mtu_bytes: mtu_bytes.unwrap_or(0),
    })
}

/// The TUN device that a route leads to, if there is a process that serves it: without one, a
/// device that was made to stay has no carrier.
pub(super) fn served_tun(netlink: &mut Netlink, to: &RouteMessage) -> io::Result<Option<String>> {
    let Some(index) = to.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    }) else {
        return Ok(None);
    };
    let mut request = LinkMessage::default();
    request.header.index = index;
    let answers = match netlink.get(RouteNetlinkMessage::GetLink(request)) {
        // It has gone since the route was read.
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Ok(None),
        answers => answers?,
    };
    let served = answers.into_iter().find_map(|answer| match answer {
        RouteNetlinkMessage::NewLink(link) if is_served_tun(&link) => Some(link),
        _ => None,
    });
    let attributes = served.into_iter().flat_map(|link| link.attributes);
    let mut names = attributes.filter_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name),
        _ => None,
    });
    Ok(names.next())
}

fn is_served_tun(link: &LinkMessage) -> bool {
    let is_tun = |attribute: &LinkAttribute| matches!(attribute, LinkAttribute::LinkInfo(infos) if infos.contains(&LinkInfo::Kind(InfoKind::Tun)));
    link.header.flags.contains(LinkFlags::LowerUp) && link.attributes.iter().any(is_tun)
}

/// Sets the MTU and brings the device up.
pub(super) fn bring_up(netlink: &mut Netlink, name: &str, mtu_bytes: u32) -> io::Result<()> {
    // A TUN device needs no link-local address, and the daemon no multicast reports from it.
    // If the kernel lacks the switch they are just packets that are not for us.
    let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/addr_gen_mode"), "1");
    let mut message = LinkMessage::default();
    message.header.index = find(netlink, name)?.index;
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message.attributes.push(LinkAttribute::Mtu(mtu_bytes));
    netlink.change(RouteNetlinkMessage::SetLink(message), 0)
}

fn address_message(netlink: &mut Netlink, addr: Ipv6Addr) -> io::Result<AddressMessage> {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet6;
    message.header.prefix_len = 128;
    message.header.flags = AddressHeaderFlags::Nodad;
    message.header.scope = AddressScope::Universe;
    message.header.index = find(netlink, "lo")?.index;
    message
        .attributes
        .push(AddressAttribute::Address(IpAddr::V6(addr)));
    message
        .attributes
        .push(AddressAttribute::Local(IpAddr::V6(addr)));
    Ok(message)
}

/// Puts an address on `lo` unless it is there; one that we add carries our protocol number.
pub(super) fn add_address(netlink: &mut Netlink, addr: Ipv6Addr, protocol: u8) -> io::Result<()> {
    let mut message = address_message(netlink, addr)?;
    message
        .attributes
        .push(AddressAttribute::Protocol(AddressProtocol::Other(protocol)));
    netlink.add(RouteNetlinkMessage::NewAddress(message), NLM_F_EXCL)?;
    wait_until_local(netlink, addr)
}

/// The kernel makes an address a local one a moment after it has said yes. Until then packets for a VIP
/// would be forwarded to where they came from.
fn wait_until_local(netlink: &mut Netlink, addr: Ipv6Addr) -> io::Result<()> {
    const PAUSE: Duration = Duration::from_millis(5);
    const TRIES: usize = 400;
    for _ in 0..TRIES {
        if route::is_local(netlink, addr)? {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    let text = "the kernel has taken the address but does not treat it as its own; is lo up?";
    Err(io::Error::new(io::ErrorKind::TimedOut, text))
}

/// Takes an address from `lo`.
pub(super) fn remove_address(netlink: &mut Netlink, addr: Ipv6Addr) -> io::Result<()> {
    let message = address_message(netlink, addr)?;
    netlink.remove(RouteNetlinkMessage::DelAddress(message))
}

/// The addresses on `lo`, each with whether it carries our protocol number.
pub(super) fn addresses(netlink: &mut Netlink, protocol: u8) -> io::Result<Vec<(Ipv6Addr, bool)>> {
    let lo = find(netlink, "lo")?.index;
    let mut request = AddressMessage::default();
    request.header.family = AddressFamily::Inet6;
    request.header.index = lo;
    let answers = netlink.dump(RouteNetlinkMessage::GetAddress(request))?;
    let on_lo = answers.into_iter().filter_map(|answer| match answer {
        RouteNetlinkMessage::NewAddress(message) if message.header.index == lo => {
            Some(message.attributes)
        }
        _ => None,
    });
    let ours = AddressAttribute::Protocol(AddressProtocol::Other(protocol));
    let list = on_lo.filter_map(|attributes| {
        let addr = attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(IpAddr::V6(addr)) => Some(*addr),
            _ => None,
        })?;
        Some((addr, attributes.contains(&ours)))
    });
    Ok(list.collect())
}
