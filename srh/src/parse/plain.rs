//! What nearly every packet of a client is, recognised in a few steps.

use std::net::Ipv6Addr;

use super::{next_header, IPV6_BYTES, TCP_BYTES};

/// Up to the flags of a TCP header right behind an IPv6 header.
const HEAD_BYTES: usize = IPV6_BYTES + 14;

/// A TCP segment right behind an IPv6 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainTcp<'a>(&'a [u8; HEAD_BYTES]);

impl PlainTcp<'_> {
    /// The packet's length: 40 bytes and the payload length.
    #[inline]
    pub fn len_bytes(self) -> usize {
        IPV6_BYTES + usize::from(self.u16_at(4))
    }

    /// Hop limit.
    #[inline]
    pub fn hop_limit(self) -> u8 {
        self.0[7]
    }

    /// Source address.
    #[inline]
    pub fn src(self) -> Ipv6Addr {
        self.address_at(8)
    }

    /// Destination address.
    #[inline]
    pub fn dst(self) -> Ipv6Addr {
        self.address_at(24)
    }

    /// Source port.
    #[inline]
    pub fn src_port(self) -> u16 {
        self.u16_at(IPV6_BYTES)
    }

    /// Destination port.
    #[inline]
    pub fn dst_port(self) -> u16 {
        self.u16_at(IPV6_BYTES + 2)
    }

    /// TCP's control bits.
    #[inline]
    pub fn flags(self) -> u8 {
        self.0[HEAD_BYTES - 1]
    }

    #[inline]
    fn u16_at(self, at: usize) -> u16 {
        u16::from_be_bytes([self.0[at], self.0[at + 1]])
    }

    #[inline]
    fn address_at(self, at: usize) -> Ipv6Addr {
        let mut octets = [0; 16];
        octets.copy_from_slice(&self.0[at..at + 16]);
        Ipv6Addr::from(octets)
    }
}

/// Recognises such a packet; [`packet`](super::packet) says the same about it, and more. What this doesn't recognise may still be a good one.
#[inline]
pub fn plain_tcp(bytes: &[u8]) -> Option<PlainTcp<'_>> {
    let head: &[u8; HEAD_BYTES] = bytes.first_chunk()?;
    let tcp = PlainTcp(head);
    let header = usize::from(head[52] >> 4) * 4;
    let is_plain = head[0] >> 4 == 6
        && head[6] == next_header::TCP
        && header >= TCP_BYTES
        && IPV6_BYTES + header <= tcp.len_bytes()
        && tcp.len_bytes() <= bytes.len();
    is_plain.then_some(tcp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{packet, Tcp};
    use proptest::prelude::*;

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let offset = prop_oneof![5 => Just(5u8), 1 => 0u8..16];
        let payload = prop_oneof![5 => Just(None), 1 => (0u16..90).prop_map(Some)];
        let next = prop_oneof![8 => Just(6u8), 1 => any::<u8>()];
        let version = prop_oneof![8 => Just(6u8), 1 => 0u8..16];
        let rest = prop::collection::vec(any::<u8>(), 0..120);
        (rest, offset, payload, next, version).prop_map(
            |(mut bytes, offset, payload, next, version)| {
                let there = bytes.len().saturating_sub(IPV6_BYTES) as u16;
                let fields = [
                    (0, version << 4),
                    (4, 0),
                    (5, payload.unwrap_or(there) as u8),
                    (6, next),
                    (52, offset << 4),
                ];
                for (at, value) in fields {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = value;
                    }
                }
                bytes
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// And every segment without extension headers is recognised.
        #[test]
        fn the_parser_says_the_same(bytes in bytes()) {
            let plain = plain_tcp(&bytes).map(|tcp| {
                let ports = (tcp.src_port(), tcp.dst_port());
                (tcp.len_bytes(), tcp.hop_limit(), tcp.src(), tcp.dst(), ports, tcp.flags())
            });
            let parsed = packet(&bytes).ok();
            let expected = parsed.filter(|p| p.upper_at == IPV6_BYTES).and_then(|p| {
                let tcp: Tcp = *p.tcp()?;
                Some((p.len, p.hop_limit, p.src, p.dst, (tcp.src_port, tcp.dst_port), tcp.flags))
            });
            prop_assert_eq!(plain, expected);
        }
    }
}
