//! ICMPv6 that we write ourselves: errors, echo replies, echo requests (RFC 4443).

use std::net::Ipv6Addr;

use crate::checksum;
use crate::frame::{Frame, NoHeadroom};
use crate::parse::{next_header, Icmp, Packet, Upper, IPV6_BYTES};

pub use crate::quote::{quoted_flow, Quoted};

/// No error message is longer than the minimum IPv6 MTU (RFC 4443 section 2.4 c).
pub const MIN_MTU_BYTES: usize = 1280;
/// Length of an ICMPv6 head.
pub const ICMP_BYTES: usize = 8;
const HOP_LIMIT: u8 = 64;
/// RFC 4861 section 4.5.
const REDIRECT: u8 = 137;

/// An error message to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// Who says it.
    pub src: Ipv6Addr,
    /// To whom.
    pub dst: Ipv6Addr,
    /// Type, see [`Icmp`].
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// MTU or pointer.
    pub value: u32,
}

/// May an error be sent about this packet? Not about an error or a redirect, nor to somebody
/// who isn't one node (RFC 4443 section 2.4 e).
pub fn may_report(packet: &Packet) -> bool {
    let about_error = match packet.upper {
        Upper::Icmp(icmp) => icmp.is_error() || icmp.kind == REDIRECT,
        Upper::LaterFragment(protocol) => protocol == next_header::ICMPV6,
        _ => false,
    };
    !about_error
        && !packet.src.is_unspecified()
        && !packet.src.is_multicast()
        && !packet.dst.is_multicast()
}

/// Turns the frame into an error message that quotes it. It has been parsed before, so that
/// its IPv6 header is there.
pub fn error(frame: &mut impl Frame, error: &Error) -> Result<(), NoHeadroom> {
    let head = frame.bytes();
    let quoted = IPV6_BYTES + usize::from(u16::from_be_bytes([head[4], head[5]]));
    let added = IPV6_BYTES + ICMP_BYTES;
    frame.push_front(added)?;
    frame.truncate(MIN_MTU_BYTES.min(added + quoted));
    let bytes = frame.bytes_mut();
    let payload = bytes.len() - IPV6_BYTES;
    write_ipv6(bytes, error.src, error.dst, payload);
    let message = &mut bytes[IPV6_BYTES..];
    message[0] = error.kind;
    message[1] = error.code;
    message[4..8].copy_from_slice(&error.value.to_be_bytes());
    seal(bytes, error.src, error.dst);
    Ok(())
}

/// Turns an echo request into its reply, from the address that was asked.
pub fn echo_reply(frame: &mut impl Frame, packet: &Packet) {
    frame.truncate(packet.len);
    // Without the extension headers of the request: they were for the way here.
    let head = packet.upper_at - IPV6_BYTES;
    frame.pull_front(head);
    let bytes = frame.bytes_mut();
    let payload = bytes.len() - IPV6_BYTES;
    write_ipv6(bytes, packet.dst, packet.src, payload);
    bytes[IPV6_BYTES] = Icmp::ECHO_REPLY;
    bytes[IPV6_BYTES + 1] = 0;
    seal(bytes, packet.dst, packet.src);
}

/// Writes an echo request without data (48 bytes).
pub fn echo_request(src: Ipv6Addr, dst: Ipv6Addr, identifier: u16, number: u16) -> [u8; 48] {
    let mut bytes = [0; IPV6_BYTES + ICMP_BYTES];
    write_ipv6(&mut bytes, src, dst, ICMP_BYTES);
    bytes[40] = Icmp::ECHO_REQUEST;
    bytes[44..46].copy_from_slice(&identifier.to_be_bytes());
    bytes[46..48].copy_from_slice(&number.to_be_bytes());
    seal(&mut bytes, src, dst);
    bytes
}

fn write_ipv6(bytes: &mut [u8], src: Ipv6Addr, dst: Ipv6Addr, payload: usize) {
    bytes[..4].copy_from_slice(&[0x60, 0, 0, 0]);
    bytes[4..6].copy_from_slice(&(payload as u16).to_be_bytes());
    bytes[6] = next_header::ICMPV6;
    bytes[7] = HOP_LIMIT;
    bytes[8..24].copy_from_slice(&src.octets());
    bytes[24..40].copy_from_slice(&dst.octets());
}

fn seal(bytes: &mut [u8], src: Ipv6Addr, dst: Ipv6Addr) {
    let message = &mut bytes[IPV6_BYTES..];
    message[2..4].fill(0);
    let checksum = checksum::over(src, dst, next_header::ICMPV6, message);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
}
