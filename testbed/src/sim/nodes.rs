//! Who is there, and under which address.

use std::fmt;
use std::net::Ipv6Addr;

use srh::parse::next_header;
use srh::{Flow, Locator};

/// The service.
pub const VIP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x80, 0, 0, 0, 0, 1);
/// Its port.
pub const VIP_PORT: u16 = 80;
/// The prefix of the LBs' locators.
pub const LB_NETWORK: &str = "fd00:1b::/32";
/// The prefix of the servers' locators.
pub const SERVER_NETWORK: &str = "fd00:5e::/32";

/// A node; numbers from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Node {
    /// A client.
    Client(u16),
    /// An LB.
    Lb(u16),
    /// A server.
    Server(u16),
}

/// The address of client `n`.
pub fn client(n: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, n)
}

/// The locator of LB `n`.
pub fn lb(n: u16) -> Locator {
    Locator::of(Ipv6Addr::new(0xfd00, 0x1b, n, 0, 0, 0, 0, 0))
}

/// The locator of server `n`.
pub fn server(n: u16) -> Locator {
    Locator::of(Ipv6Addr::new(0xfd00, 0x5e, n, 0, 0, 0, 0, 0))
}

/// The flow of a client's port to the service.
pub fn flow(client_number: u16, port: u16) -> Flow {
    Flow {
        protocol: next_header::TCP,
        client: client(client_number),
        client_port: port,
        vip: VIP,
        vip_port: VIP_PORT,
    }
}

impl Node {
    /// Who has this address; nobody has a VIP for himself.
    pub fn at(address: Ipv6Addr) -> Option<Node> {
        let [a, b, n, ..] = address.segments();
        match (a, b) {
            (0xfd00, 0x1b) => Some(Node::Lb(n)),
            (0xfd00, 0x5e) => Some(Node::Server(n)),
            (0x2001, 0xdb8) if n == 0xc => Some(Node::Client(address.segments()[7])),
            _ => None,
        }
    }

    /// A number for the trace's hash.
    pub fn code(self) -> u64 {
        match self {
            Node::Client(n) => u64::from(n),
            Node::Lb(n) => 1 << 16 | u64::from(n),
            Node::Server(n) => 2 << 16 | u64::from(n),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Client(n) => write!(f, "c{n}"),
            Node::Lb(n) => write!(f, "lb{n}"),
            Node::Server(n) => write!(f, "s{n}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_nodes_fit() {
        assert_eq!(Node::at(client(7)), Some(Node::Client(7)));
        assert_eq!(Node::at(lb(2).node()), Some(Node::Lb(2)));
        assert_eq!(Node::at(server(3).node()), Some(Node::Server(3)));
        assert_eq!(Node::at(VIP), None);
    }
}
