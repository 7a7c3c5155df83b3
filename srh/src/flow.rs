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
        for (bytes, word) in key.chunks_mut(8).zip(self.key_words()) {
            bytes.copy_from_slice(&word.to_le_bytes()[..bytes.len()]);
        }
        key
    }

    /// [`Flow::key`] in little-endian words, zeros behind it: put together in registers, for who hashes it at once.
    #[inline]
    pub fn key_words(&self) -> [u64; Self::KEY_BYTES.div_ceil(8)] {
        let client = u128::from_le_bytes(self.client.octets());
        let vip = u128::from_le_bytes(self.vip.octets());
        let port = |port: u16| u64::from(port.swap_bytes());
        [
            u64::from(self.protocol) | (client << 8) as u64,
            (client >> 56) as u64,
            (client >> 120) as u64 | port(self.client_port) << 8 | (vip << 24) as u64,
            (vip >> 40) as u64,
            (vip >> 104) as u64 | port(self.vip_port) << 24,
        ]
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
