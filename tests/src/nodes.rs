//! The nodes of every test: one service, one client, LBs and servers by number.

use std::net::Ipv6Addr;

use srh::hmac::{Key, Keys};
use srh::Locator;

/// The service.
pub const VIP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x80, 0, 0, 0, 0, 1);
/// The service's port.
pub const VIP_PORT: u16 = 80;
/// The client.
pub const CLIENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 1);

/// Number and secret of the key with which everybody signs, where anybody does: printable, because
/// `ip sr hmac` takes nothing else.
pub const KEY: (u32, &[u8; 32]) = (7, b"a secret of exactly 32 bytes, ok");
/// The key that comes after it.
pub const NEXT_KEY: (u32, &[u8; 32]) = (8, b"the next one: also 32 bytes long");

/// Keys of which the first signs.
pub fn keys(list: &[(u32, &[u8; 32])]) -> Keys {
    let each = list.iter().map(|(id, secret)| Key::new(*id, *secret));
    Keys::new(list[0].0, each.collect()).expect("the first one is among them")
}

/// The locator of LB `n`.
pub fn lb(n: u16) -> Locator {
    Locator::of(Ipv6Addr::new(0xfd00, 0x1b, n, 0, 0, 0, 0, 0))
}

/// The locator of server `n`.
pub fn server(n: u16) -> Locator {
    Locator::of(Ipv6Addr::new(0xfd00, 0x5e, n, 0, 0, 0, 0, 0))
}
