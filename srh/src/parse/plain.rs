//! What nearly every packet of a client is, recognised in a few steps.

use std::net::Ipv6Addr;

use super::{next_header, IPV6_BYTES, TCP_BYTES};

/// Up to the flags of a TCP header right behind an IPv6 header.
const HEAD_BYTES: usize = IPV6_BYTES + 14;

/// A TCP segment right behind an IPv6 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainTcp {
    /// The packet's length: 40 bytes and the payload length.
    pub len: usize,
    /// Source address.
    pub src: Ipv6Addr,
    /// Destination address.
    pub dst: Ipv6Addr,
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// TCP's control bits.
    pub flags: u8,
}

/// Recognises such a packet; [`packet`](super::packet) says the same about it, and more. What this doesn't recognise may still be a good one.
#[inline]
pub fn plain_tcp(bytes: &[u8]) -> Option<PlainTcp> {
    let head: &[u8; HEAD_BYTES] = bytes.first_chunk()?;
    let payload = usize::from(u16::from_be_bytes([head[4], head[5]]));
    let header = usize::from(head[52] >> 4) * 4;
    let is_plain = head[0] >> 4 == 6
        && head[6] == next_header::TCP
        && (TCP_BYTES..=payload).contains(&header)
        && IPV6_BYTES + payload <= bytes.len();
    if !is_plain {
        return None;
    }
    let address = |at: usize| {
        let mut octets = [0; 16];
        octets.copy_from_slice(&head[at..at + 16]);
        Ipv6Addr::from(octets)
    };
    Some(PlainTcp {
        len: IPV6_BYTES + payload,
        src: address(8),
        dst: address(24),
        src_port: u16::from_be_bytes([head[40], head[41]]),
        dst_port: u16::from_be_bytes([head[42], head[43]]),
        flags: head[53],
    })
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
            let plain = plain_tcp(&bytes);
            let parsed = packet(&bytes).ok();
            let expected = parsed.filter(|p| p.upper_at == IPV6_BYTES).and_then(|p| {
                let tcp: Tcp = *p.tcp()?;
                Some(PlainTcp {
                    len: p.len,
                    src: p.src,
                    dst: p.dst,
                    src_port: tcp.src_port,
                    dst_port: tcp.dst_port,
                    flags: tcp.flags,
                })
            });
            prop_assert_eq!(plain, expected);
        }
    }
}
