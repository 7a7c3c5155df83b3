//! The Internet checksum (RFC 1071) over an IPv6 pseudo-header (RFC 8200 section 8.1).

use std::net::Ipv6Addr;

use crate::parse::{next_header, Packet, Upper};

/// The one's complement sum of `bytes`, added to `sum` and not yet folded.
#[inline]
fn add(mut sum: u64, bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(8);
    let rest = words.remainder();
    // what chunks_exact promises
    let value = |word: &[u8]| word.try_into().map_or(0, u64::from_be_bytes);
    // In 128 bits one carry a word is all that it takes.
    let total: u128 = words.map(|word| u128::from(value(word))).sum();
    sum += halves(total as u64) + (total >> 64) as u64;
    let mut pairs = rest.chunks_exact(2);
    for pair in &mut pairs {
        sum += u64::from(u16::from_be_bytes([pair[0], pair[1]]));
    }
    if let [last] = pairs.remainder() {
        sum += u64::from(*last) << 8;
    }
    sum
}

/// Both halves of eight bytes. 2^16 is 1 in one's complement, so it does not count how many words of 16 bits are added at once; and the sum
/// of the halves of a packet's words is far from what 64 bits hold.
#[inline]
fn halves(word: u64) -> u64 {
    (word >> 32) + (word & 0xffff_ffff)
}

#[inline]
fn add_address(sum: u64, address: Ipv6Addr) -> u64 {
    let bits = address.to_bits();
    sum + halves((bits >> 64) as u64) + halves(bits as u64)
}

#[inline]
fn fold(mut sum: u64) -> u16 {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// The checksum of `payload` (its own checksum field included as it stands: zero it to
/// compute; a sum of 0 means that it is right) between two addresses.
#[inline]
pub fn over(src: Ipv6Addr, dst: Ipv6Addr, protocol: u8, payload: &[u8]) -> u16 {
    let mut sum = add_address(0, src);
    sum = add_address(sum, dst);
    sum += payload.len() as u64 + u64::from(protocol);
    !fold(add(sum, payload))
}

/// A checksum after one 16-bit word under it has changed (RFC 1624, equation 3).
pub fn adjust(checksum: u16, old: u16, new: u16) -> u16 {
    !fold(u64::from(!checksum) + u64::from(!old) + u64::from(new))
}

/// Is the transport checksum of a packet right? With an SRH that has segments left the
/// pseudo-header holds the final destination. True for what carries no checksum that we know,
/// and for fragments, of which only the receiver can tell.
pub fn is_right(bytes: &[u8], packet: &Packet) -> bool {
    let protocol = match packet.upper {
        Upper::Tcp(_) => next_header::TCP,
        Upper::Udp { .. } => next_header::UDP,
        Upper::Icmp(_) => next_header::ICMPV6,
        _ => return true,
    };
    if packet.is_fragment() {
        return true;
    }
    let dst = match &packet.srh {
        Some(srh) if srh.segments_left > 0 => srh.final_destination(bytes).unwrap_or(packet.dst),
        _ => packet.dst,
    };
    let mut payload = &bytes[packet.upper_at..packet.len];
    if let Upper::Udp { .. } = packet.upper {
        // UDP has a length of its own, and that counts (RFC 8200 section 8.1).
        let len = usize::from(u16::from_be_bytes([payload[4], payload[5]]));
        payload = payload.get(..len).unwrap_or(payload);
    }
    over(packet.src, dst, protocol, payload) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As RFC 1071 says it: 16 bits at a time, carries added where they come up.
    fn by_words(src: Ipv6Addr, dst: Ipv6Addr, protocol: u8, payload: &[u8]) -> u16 {
        let len = (payload.len() as u32).to_be_bytes();
        let head = [&src.octets()[..], &dst.octets(), &len, &[0, 0, 0, protocol]].concat();
        let mut sum = 0u16;
        for words in [&head[..], payload] {
            for pair in words.chunks(2) {
                let word = u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
                let (added, carry) = sum.overflowing_add(word);
                sum = added + u16::from(carry);
            }
        }
        !sum
    }

    #[test]
    fn any_length_is_summed_as_words_are() {
        let all = Ipv6Addr::from_bits(u128::MAX);
        let some: Ipv6Addr = "2001:db8:1234:5678:9abc:def0:8765:4321".parse().unwrap();
        let bytes =
            |seed: u8| (0..200u8).map(move |n| n.wrapping_mul(seed).wrapping_add(seed >> 3));
        let payloads = [
            vec![0; 200],
            vec![0xff; 200],
            bytes(37).collect(),
            bytes(251).collect(),
        ];
        for payload in &payloads {
            for len in 0..=payload.len() {
                for (src, dst) in [(some, all), (all, all), (some, some)] {
                    let payload = &payload[..len];
                    let expected = by_words(src, dst, 6, payload);
                    assert_eq!(over(src, dst, 6, payload), expected, "{len} bytes");
                }
            }
        }
    }
}
