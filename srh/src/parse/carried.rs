//! What nearly every packet of a server to a load balancer is, recognised in a few steps.

use std::net::Ipv6Addr;

use super::{next_header, plain_tcp, IPV6_BYTES, ROUTING_TYPE_SRH, TCP_BYTES};
use super::{SEGMENT_BYTES, SRH_FIXED_BYTES};
use crate::carry::Encoding;
use crate::checksum;

/// Of an SRH with sender, function and final destination.
pub(crate) const ONE_SRH_BYTES: usize = SRH_FIXED_BYTES + 3 * SEGMENT_BYTES;
/// Where the segments begin.
const LIST: usize = IPV6_BYTES + SRH_FIXED_BYTES;
/// Where the function's SID stands in it: one segment is left.
const HERE: usize = LIST + SEGMENT_BYTES;
/// What such an SRH has behind the number of what follows: its length, its type, Segments Left, Last Entry.
const SRH_SHAPE: [u8; 4] = [(ONE_SRH_BYTES / 8 - 1) as u8, ROUTING_TYPE_SRH, 1, 2];

/// A TCP segment without options of IPv6's that carries one function, unsigned, and ends where its outermost header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CarriedTcp<'a> {
    encoding: Encoding,
    packet: &'a [u8],
}

impl<'a> CarriedTcp<'a> {
    /// How the function is written on it.
    #[inline]
    pub fn encoding(self) -> Encoding {
        self.encoding
    }

    /// The packet's length, with the function.
    #[inline]
    pub fn len_bytes(self) -> usize {
        self.packet.len()
    }

    /// The function's SID.
    #[inline]
    pub fn function(self) -> Ipv6Addr {
        self.address_at(24)
    }

    /// Who says it.
    #[inline]
    pub fn sender(self) -> Ipv6Addr {
        self.address_at(match self.encoding {
            Encoding::Encap => 8,
            Encoding::Insert => LIST + 2 * SEGMENT_BYTES,
        })
    }

    /// Source address of the segment.
    #[inline]
    pub fn src(self) -> Ipv6Addr {
        self.address_at(match self.encoding {
            Encoding::Encap => IPV6_BYTES + 8,
            Encoding::Insert => 8,
        })
    }

    /// Its final destination.
    #[inline]
    pub fn dst(self) -> Ipv6Addr {
        self.address_at(match self.encoding {
            Encoding::Encap => IPV6_BYTES + 24,
            Encoding::Insert => LIST,
        })
    }

    /// The segment, from its TCP header on.
    #[inline]
    pub fn segment(self) -> &'a [u8] {
        &self.packet[tcp_at(self.encoding)..]
    }

    /// Is its checksum right?
    #[inline(always)]
    pub fn has_right_checksum(self) -> bool {
        let (packet, tcp) = (&self.packet[IPV6_BYTES..], next_header::TCP);
        match self.encoding {
            Encoding::Encap => checksum::is_right_plain(packet, tcp),
            Encoding::Insert => {
                checksum::is_right_over(self.src(), self.dst(), tcp, self.segment())
            }
        }
    }

    /// Source port.
    #[inline]
    pub fn src_port(self) -> u16 {
        let head = self.head();
        u16::from_be_bytes([head[0], head[1]])
    }

    /// Destination port.
    #[inline]
    pub fn dst_port(self) -> u16 {
        let head = self.head();
        u16::from_be_bytes([head[2], head[3]])
    }

    /// TCP's acknowledgement number.
    #[inline]
    pub fn ack(self) -> u32 {
        let head = self.head();
        u32::from_be_bytes([head[8], head[9], head[10], head[11]])
    }

    /// TCP's control bits.
    #[inline]
    pub fn flags(self) -> u8 {
        self.head()[13]
    }

    #[inline(always)]
    fn head(self) -> [u8; TCP_BYTES] {
        // It was there when the segment was recognised.
        self.segment().first_chunk().copied().unwrap_or_default()
    }

    #[inline]
    fn address_at(self, at: usize) -> Ipv6Addr {
        let mut octets = [0; 16];
        octets.copy_from_slice(&self.packet[at..at + 16]);
        Ipv6Addr::from(octets)
    }
}

/// Where the TCP header begins.
const fn tcp_at(encoding: Encoding) -> usize {
    match encoding {
        Encoding::Encap => 2 * IPV6_BYTES,
        Encoding::Insert => IPV6_BYTES + ONE_SRH_BYTES,
    }
}

/// Recognises such a packet; [`packet`](super::packet) says the same about it, and more. What this doesn't recognise may still be a good one.
#[inline]
pub fn carried_tcp(bytes: &[u8]) -> Option<CarriedTcp<'_>> {
    let head: &[u8; IPV6_BYTES] = bytes.first_chunk()?;
    let len = IPV6_BYTES + usize::from(u16::from_be_bytes([head[4], head[5]]));
    let packet = bytes.get(..len).filter(|_| head[0] >> 4 == 6)?;
    let encoding = match head[6] {
        next_header::IPV6 => {
            let inner = plain_tcp(&packet[IPV6_BYTES..])?;
            (IPV6_BYTES + inner.len_bytes() == len).then_some(Encoding::Encap)
        }
        next_header::ROUTING => {
            let srh: &[u8; ONE_SRH_BYTES] = packet[IPV6_BYTES..].first_chunk()?;
            let segment = &packet[tcp_at(Encoding::Insert)..];
            let header = usize::from(segment.get(12)? >> 4) * 4;
            let is_whole = header >= TCP_BYTES && header <= segment.len();
            let is_ours = srh[0] == next_header::TCP && srh[1..5] == SRH_SHAPE;
            // The list has to say that it is here.
            let is_here = packet[HERE..HERE + SEGMENT_BYTES] == head[24..];
            (is_whole && is_ours && is_here).then_some(Encoding::Insert)
        }
        _ => None,
    }?;
    Some(CarriedTcp { encoding, packet })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{packet, Upper};
    use proptest::prelude::*;

    /// A packet in one of the encodings, with some bytes changed that decide what it is.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let places = [
            0usize, 4, 5, 6, 30, 40, 41, 42, 43, 44, 45, 46, 70, 92, 100, 108, 109,
        ];
        let value = prop_oneof![0u8..8, any::<u8>(), Just(0x50), Just(0x60)];
        let changed = prop::collection::vec((prop::sample::select(places.to_vec()), value), 0..3);
        let rest = prop::collection::vec(any::<u8>(), 150);
        (any::<bool>(), rest, 95usize..150, changed).prop_map(
            |(is_encap, mut bytes, len, changed)| {
                let fields: &[(usize, u8)] = match is_encap {
                    true => &[(6, 41), (40, 0x60), (46, 6), (92, 0x50)],
                    false => &[
                        (6, 43),
                        (40, 6),
                        (41, 6),
                        (42, 4),
                        (43, 1),
                        (44, 2),
                        (108, 0x50),
                    ],
                };
                if !is_encap {
                    bytes.copy_within(24..40, HERE);
                }
                let lengths = [(0, 0x60), (4, 0), (5, len as u8 - 40)];
                let inner = is_encap.then_some([(44, 0), (45, len as u8 - 80)]);
                let all = fields.iter().copied().chain(lengths);
                for (at, value) in all.chain(inner.into_iter().flatten()).chain(changed) {
                    bytes[at] = value;
                }
                bytes
            },
        )
    }

    /// Encoding and length; function, sender, source and destination; ports; acknowledgement number and flags.
    type Said = (Encoding, usize, [Ipv6Addr; 4], [u16; 2], (u32, u8));

    /// What the parser says of such a packet.
    fn expected(bytes: &[u8]) -> Option<Said> {
        let outer = packet(bytes).ok()?;
        let (encoding, sender, inner, dst) = match (outer.upper, outer.srh) {
            (Upper::Ipv6, None) if outer.upper_at == IPV6_BYTES => {
                let inner = packet(&bytes[IPV6_BYTES..outer.len]).ok()?;
                let is_plain = inner.upper_at == IPV6_BYTES && IPV6_BYTES + inner.len == outer.len;
                let inner = Some(inner).filter(|_| is_plain)?;
                (Encoding::Encap, outer.src, inner, inner.dst)
            }
            (_, Some(srh)) => {
                let is_one = (srh.at, srh.len, srh.segments_left) == (IPV6_BYTES, ONE_SRH_BYTES, 1);
                let is_plain = outer.upper_at == IPV6_BYTES + ONE_SRH_BYTES && srh.last_entry == 2;
                let is_here = srh.segment(bytes, 1) == Some(outer.dst);
                let is_ours = is_one && is_plain && is_here;
                let sender = srh.first_visited(bytes).filter(|_| is_ours)?;
                (
                    Encoding::Insert,
                    sender,
                    outer,
                    srh.final_destination(bytes)?,
                )
            }
            _ => return None,
        };
        let tcp = inner.tcp()?;
        let addresses = [outer.dst, sender, inner.src, dst];
        let ports = [tcp.src_port, tcp.dst_port];
        Some((encoding, outer.len, addresses, ports, (tcp.ack, tcp.flags)))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// And every one of the kind is recognised.
        #[test]
        fn the_parser_says_the_same(bytes in bytes()) {
            let carried = carried_tcp(&bytes).map(|tcp| {
                let addresses = [tcp.function(), tcp.sender(), tcp.src(), tcp.dst()];
                let ports = [tcp.src_port(), tcp.dst_port()];
                (tcp.encoding(), tcp.len_bytes(), addresses, ports, (tcp.ack(), tcp.flags()))
            });
            prop_assert_eq!(carried, expected(&bytes));
        }
    }
}
