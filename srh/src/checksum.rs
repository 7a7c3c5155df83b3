//! The Internet checksum (RFC 1071) over an IPv6 pseudo-header (RFC 8200 section 8.1).

use std::net::Ipv6Addr;

use crate::parse::{next_header, Packet, Upper, IPV6_BYTES};
use crate::rewrite::SRC;

/// A one's complement sum under way, of words in little-endian order: in whichever order bytes are taken, their sum is the right one with its bytes in
/// that order (RFC 1071 section 2). 2^16 is 1 in one's complement, so it does not count how many words of 16 bits are added at once; in 128 bits
/// one carry a word is all that it takes.
#[derive(Clone, Copy, Default)]
struct Sum(u128);

const WORD_BYTES: usize = 8;

impl Sum {
    /// What a checksum between two addresses covers, but for the rest of the pseudo-header.
    #[inline]
    fn between(src: Ipv6Addr, dst: Ipv6Addr, payload: &[u8]) -> Self {
        let mut sum = Sum::default();
        sum.add(&src.octets());
        sum.add(&dst.octets());
        sum.add(payload);
        sum
    }

    #[inline(always)]
    fn add(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        // Four words at a time, which leaves a loop less to do.
        while let Some((four, behind)) = rest.split_first_chunk::<{ 4 * WORD_BYTES }>() {
            for word in four.chunks_exact(WORD_BYTES) {
                self.add_up_to_a_word(word);
            }
            rest = behind;
        }
        while let Some((word, behind)) = rest.split_first_chunk::<WORD_BYTES>() {
            self.add_up_to_a_word(word);
            rest = behind;
        }
        match bytes.last_chunk::<WORD_BYTES>() {
            _ if rest.is_empty() => {}
            // With those before them shifted out.
            Some(last) => {
                let before = 8 * (WORD_BYTES - rest.len());
                self.0 += u128::from(u64::from_le_bytes(*last) >> before);
            }
            None => self.add_up_to_a_word(rest),
        }
    }

    #[inline(always)]
    fn add_up_to_a_word(&mut self, bytes: &[u8]) {
        let word = bytes.try_into().map(u64::from_le_bytes);
        let fewer = |_| {
            bytes
                .iter()
                .rev()
                .fold(0, |word, &byte| word << 8 | u64::from(byte))
        };
        self.0 += u128::from(word.unwrap_or_else(fewer));
    }

    /// Is it the number of which all 16 bits are one, with `more` added to it? That is a multiple of 2^16 - 1, and not 0 where there is a protocol.
    #[inline(always)]
    fn is_all_ones(mut self, more: u64) -> bool {
        self.0 += u128::from(fold(more).swap_bytes());
        let (sum, carry) = (self.0 as u64).overflowing_add((self.0 >> 64) as u64);
        (sum + u64::from(carry)) % 0xffff == 0
    }

    /// As a number, with `more` added to it.
    #[inline]
    fn get(self, more: u64) -> u16 {
        let (sum, carry) = (self.0 as u64).overflowing_add((self.0 >> 64) as u64);
        let sum = (sum >> 32) + (sum & 0xffff_ffff) + u64::from(carry);
        // Now it fits in 34 bits, and a swap of its folded bytes makes it one of words in network order.
        fold(u64::from(fold(sum).swap_bytes()) + more)
    }
}

/// A sum of at most 48 bits in 16.
#[inline]
fn fold(sum: u64) -> u16 {
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    ((sum >> 16) + (sum & 0xffff)) as u16
}

/// The checksum of `payload` (its own checksum field included as it stands: zero it to
/// compute; a sum of 0 means that it is right) between two addresses.
#[inline]
pub fn over(src: Ipv6Addr, dst: Ipv6Addr, protocol: u8, payload: &[u8]) -> u16 {
    !Sum::between(src, dst, payload).get(head_of(payload.len(), protocol))
}

/// Is the checksum right of what is right behind its IPv6 header, and goes to where that says? `packet` begins with that header and ends with the
/// payload. For who asks for every new flow.
#[inline(always)]
pub fn is_right_plain(packet: &[u8], protocol: u8) -> bool {
    let mut sum = Sum::default();
    // The addresses are the header's end.
    sum.add(packet.get(SRC.start..).unwrap_or_default());
    sum.is_all_ones(head_of(packet.len().saturating_sub(IPV6_BYTES), protocol))
}

/// The same between two addresses.
#[inline]
pub fn is_right_over(src: Ipv6Addr, dst: Ipv6Addr, protocol: u8, payload: &[u8]) -> bool {
    Sum::between(src, dst, payload).is_all_ones(head_of(payload.len(), protocol))
}

/// What a pseudo-header has beside the addresses.
#[inline]
fn head_of(payload_bytes: usize, protocol: u8) -> u64 {
    payload_bytes as u64 + u64::from(protocol)
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
    is_right_over(packet.src, dst, protocol, payload)
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

    /// With its checksum (in the first bytes behind the header) a packet is right, and with any bit more or less it isn't.
    fn is_told_from_wrong(mut packet: Vec<u8>) {
        let Some(field) = packet.get_mut(IPV6_BYTES..IPV6_BYTES + 2) else {
            return;
        };
        field.fill(0);
        let address =
            |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&packet[at..at + 16]).unwrap());
        let (src, dst) = (address(8), address(24));
        let sum = by_words(src, dst, 6, &packet[IPV6_BYTES..]);
        packet[IPV6_BYTES..IPV6_BYTES + 2].copy_from_slice(&sum.to_be_bytes());
        assert!(is_right_plain(&packet, 6));
        assert!(is_right_over(src, dst, 6, &packet[IPV6_BYTES..]));
        let at = IPV6_BYTES + packet.len() % 7 % (packet.len() - IPV6_BYTES);
        packet[at] ^= 1 << (packet.len() % 8);
        assert!(!is_right_plain(&packet, 6) && !is_right_over(src, dst, 6, &packet[IPV6_BYTES..]));
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
                    let head = [&[7; SRC.start][..], &src.octets(), &dst.octets()].concat();
                    let packet = [&head, payload].concat();
                    assert_eq!(is_right_plain(&packet, 6), expected == 0, "{len} bytes");
                    assert_eq!(is_right_over(src, dst, 6, payload), expected == 0);
                    is_told_from_wrong(packet);
                }
            }
        }
    }
}
