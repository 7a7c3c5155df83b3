//! The nodes of every test: one service, one client, LBs and servers by number.

use std::net::Ipv6Addr;

use srh::Locator;

/// The service.
pub const VIP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x80, 0, 0, 0, 0, 1);
/// The service's port.
pub const VIP_PORT: u16 = 80;
/// The client.
pub const CLIENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 1);

/// The locator of LB `n`.
pub fn lb(n: u16) -> Locator {
    Locator::of(Ipv6Addr::new(0xfd00, 0x1b, n, 0, 0, 0, 0, 0))
}

/// The locator of server `n`.
pub fn server(n: u16) -> Locator {
    Locator::of(Ipv6Addr::new(0xfd00, 0x5e, n, 0, 0, 0, 0, 0))
}
