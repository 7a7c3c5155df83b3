//! What we change or make of TCP segments: the MSS option of a SYN-ACK, an empty ACK, a segment that asks for a number.

use crate::checksum;
use crate::flow::Flow;
use crate::frame::Frame;
use crate::parse::{next_header, Packet, Tcp, IPV6_BYTES, TCP_BYTES};

const OPTION_END: u8 = 0;
const OPTION_NOP: u8 = 1;
const OPTION_MSS: u8 = 2;

/// Lowers the MSS option of a SYN or SYN-ACK to `max_bytes` if it is above; true if it was.
/// A segment without the option is left alone: the peer then assumes 1,220 (RFC 9293 section
/// 3.7.1), which fits every header of ours.
pub fn clamp_mss(frame: &mut impl Frame, packet: &Packet, max_bytes: u16) -> bool {
    let Some(tcp) = packet.tcp() else {
        return false;
    };
    let bytes = frame.bytes_mut();
    let head = packet.upper_at;
    // Of a quoted segment the options need not be there.
    let options = bytes.get(head + TCP_BYTES..head + tcp.header_len);
    let Some(at) = options.and_then(mss_at) else {
        return false;
    };
    let at = head + TCP_BYTES + at;
    let old = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    if old <= max_bytes {
        return false;
    }
    bytes[at..at + 2].copy_from_slice(&max_bytes.to_be_bytes());
    let checksum = u16::from_be_bytes([bytes[head + 16], bytes[head + 17]]);
    // An option may start at an odd offset: then its value lies across two checksum words.
    let new = if (at - head) % 2 == 0 {
        checksum::adjust(checksum, old, max_bytes)
    } else {
        checksum::adjust(checksum, old.swap_bytes(), max_bytes.swap_bytes())
    };
    bytes[head + 16..head + 18].copy_from_slice(&new.to_be_bytes());
    true
}

/// Offset of the MSS value in the options.
fn mss_at(options: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < options.len() {
        match options[at] {
            OPTION_END => return None,
            OPTION_NOP => at += 1,
            kind => {
                let len = usize::from(*options.get(at + 1)?);
                if len < 2 || at + len > options.len() {
                    return None;
                }
                if kind == OPTION_MSS && len == 4 {
                    return Some(at + 2);
                }
                at += len;
            }
        }
    }
    None
}

/// Bytes of a [`question`].
pub const QUESTION_BYTES: usize = IPV6_BYTES + TCP_BYTES;

/// A segment from the flow's client without flags, data or options, at sequence number 0.
///
/// A socket in SYN-RECEIVED answers it with an ACK that tells its initial number, as it lies outside the window (RFC 9293
/// section 3.10.7.4, first check); one in 65,536 lies within, and is ignored for having no ACK. Listeners and sockets in
/// all other states drop it, or answer with an ACK that changes nothing.
pub fn question(flow: &Flow) -> [u8; QUESTION_BYTES] {
    const HOP_LIMIT: u8 = 64;
    let mut out = [0; QUESTION_BYTES];
    let (ip, tcp) = out.split_at_mut(IPV6_BYTES);
    ip[0] = 6 << 4;
    ip[4..6].copy_from_slice(&(TCP_BYTES as u16).to_be_bytes());
    ip[6] = next_header::TCP;
    ip[7] = HOP_LIMIT;
    ip[8..24].copy_from_slice(&flow.client.octets());
    ip[24..40].copy_from_slice(&flow.vip.octets());
    tcp[0..2].copy_from_slice(&flow.client_port.to_be_bytes());
    tcp[2..4].copy_from_slice(&flow.vip_port.to_be_bytes());
    tcp[12] = (TCP_BYTES as u8 / 4) << 4;
    let checksum = checksum::over(flow.client, flow.vip, next_header::TCP, tcp);
    tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
    out
}

/// An ACK without data that has the numbers, window and options of `packet`: what carries a
/// function when the packet itself is too long for the header. Written into `out`, whose
/// content it replaces; the length is returned. `None` if it isn't TCP with a whole header, or
/// `out` is too small.
pub fn empty_ack(bytes: &[u8], packet: &Packet, out: &mut [u8]) -> Option<usize> {
    let tcp = packet.tcp().filter(|tcp| tcp.header_len >= TCP_BYTES)?;
    let len = IPV6_BYTES + tcp.header_len;
    let out = out.get_mut(..len)?;
    out[..IPV6_BYTES].copy_from_slice(&bytes[..IPV6_BYTES]);
    out[4..6].copy_from_slice(&(tcp.header_len as u16).to_be_bytes());
    out[6] = next_header::TCP;
    let head = &mut out[IPV6_BYTES..];
    head.copy_from_slice(&bytes[packet.upper_at..packet.upper_at + tcp.header_len]);
    head[13] = Tcp::ACK;
    head[16..18].fill(0);
    // an urgent pointer means nothing without its flag
    head[18..20].fill(0);
    let checksum = checksum::over(packet.src, packet.dst, next_header::TCP, head);
    head[16..18].copy_from_slice(&checksum.to_be_bytes());
    Some(len)
}
