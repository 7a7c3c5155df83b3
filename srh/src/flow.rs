//! What names a flow: protocol, client address and port, VIP and port.

use std::fmt;
use std::net::Ipv6Addr;

/// One flow, seen from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// IP protocol number: 6 TCP, 17 UDP.
    pub protocol: u8,
    /// The client's address.
    pub client: Ipv6Addr,
    /// The client's port.
    pub client_port: u16,
    /// The service's virtual address.
    pub vip: Ipv6Addr,
    /// The service's port.
    pub vip_port: u16,
}

impl Flow {
    /// How many bytes [`Flow::key`] has.
    pub const KEY_BYTES: usize = 37;

    /// The flow as bytes, the input of every hash over flows: protocol (1), client (16),
    /// client port (2, network order), VIP (16), VIP port (2, network order).
    #[inline]
    pub fn key(&self) -> [u8; Self::KEY_BYTES] {
        let mut key = [0; Self::KEY_BYTES];
        key[0] = self.protocol;
        key[1..17].copy_from_slice(&self.client.octets());
        key[17..19].copy_from_slice(&self.client_port.to_be_bytes());
        key[19..35].copy_from_slice(&self.vip.octets());
        key[35..37].copy_from_slice(&self.vip_port.to_be_bytes());
        key
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            6 => "tcp",
            17 => "udp",
            _ => "ip",
        };
        write!(
            f,
            "{protocol} [{}]:{} -> [{}]:{}",
            self.client, self.client_port, self.vip, self.vip_port
        )
    }
}
