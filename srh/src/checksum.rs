//! The Internet checksum (RFC 1071) over an IPv6 pseudo-header (RFC 8200 section 8.1).

use std::net::Ipv6Addr;

use crate::parse::{next_header, Packet, Upper};

/// The one's complement sum of `bytes`, added to `sum` and not yet folded.
fn add(mut sum: u64, bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(2);
    for word in &mut words {
        sum += u64::from(u16::from_be_bytes([word[0], word[1]]));
    }
    if let [last] = words.remainder() {
        sum += u64::from(*last) << 8;
    }
    sum
}

fn fold(mut sum: u64) -> u16 {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// The checksum of `payload` (its own checksum field included as it stands: zero it to
/// compute; a sum of 0 means that it is right) between two addresses.
pub fn over(src: Ipv6Addr, dst: Ipv6Addr, protocol: u8, payload: &[u8]) -> u16 {
    let mut sum = add(0, &src.octets());
    sum = add(sum, &dst.octets());
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
