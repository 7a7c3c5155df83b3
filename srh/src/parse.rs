//! The one parser: raw bytes in, offsets and checked values out.
//!
//! Offsets count from the first byte of the IPv6 header. The IPv6 payload length bounds
//! everything: bytes behind it (Ethernet padding) are never looked at.

mod carried;
mod error;
mod plain;

use std::net::Ipv6Addr;

use crate::flow::Flow;
use crate::hmac;

pub(crate) use carried::ONE_SRH_BYTES;
pub use carried::{carried_tcp, CarriedTcp};
pub use error::ParseError;
pub use plain::{plain_tcp, PlainTcp};

/// Length of the fixed IPv6 header (RFC 8200 section 3).
pub const IPV6_BYTES: usize = 40;
/// Length of an SRH without its segments and TLVs (RFC 8754 section 2).
pub const SRH_FIXED_BYTES: usize = 8;
/// Length of one segment.
pub const SEGMENT_BYTES: usize = 16;
/// Length of a TCP header without options.
pub const TCP_BYTES: usize = 20;
/// Extension headers that one packet may have before it is refused. An SRH doesn't count: what is taken
/// in from a client is not refused by the next node because one was inserted.
pub const MAX_EXTENSION_HEADERS: usize = 8;

/// IP protocol and extension header numbers (IANA).
pub mod next_header {
    /// Hop-by-Hop Options.
    pub const HOP_BY_HOP: u8 = 0;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 in IPv6.
    pub const IPV6: u8 = 41;
    /// Routing header.
    pub const ROUTING: u8 = 43;
    /// Fragment header.
    pub const FRAGMENT: u8 = 44;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// Nothing follows.
    pub const NONE: u8 = 59;
    /// Destination Options.
    pub const DESTINATION: u8 = 60;
}

const ROUTING_TYPE_0: u8 = 0;
const ROUTING_TYPE_SRH: u8 = 4;
const TLV_PAD1: u8 = 0;

/// A Segment Routing Header that has been checked (RFC 8754 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Srh {
    /// Offset of its first byte.
    pub at: usize,
    /// Its length in bytes.
    pub len: usize,
    /// Offset of the Next Header byte that announces it.
    pub announced_at: usize,
    /// What follows it.
    pub next_header: u8,
    /// Segments Left: at most `last_entry + 1`.
    pub segments_left: u8,
    /// Last Entry: index of the last segment, which is inside the header.
    pub last_entry: u8,
    /// Offset of the HMAC TLV, if there is one.
    pub hmac_at: Option<usize>,
}

impl Srh {
    /// How many segments are in the header.
    pub fn segments(&self) -> usize {
        usize::from(self.last_entry) + 1
    }

    /// Segment `i` as numbered on the wire: 0 is the final destination.
    /// `None` outside the list.
    pub fn segment(&self, packet: &[u8], i: usize) -> Option<Ipv6Addr> {
        if i >= self.segments() {
            return None;
        }
        address(packet, self.at + SRH_FIXED_BYTES + SEGMENT_BYTES * i)
    }

    /// The segment visited first: in the insert encoding the sender's own SID.
    pub fn first_visited(&self, packet: &[u8]) -> Option<Ipv6Addr> {
        self.segment(packet, usize::from(self.last_entry))
    }

    /// Number of the key in the HMAC TLV, if there is one.
    pub fn hmac_key(&self, packet: &[u8]) -> Option<u32> {
        let id = packet.get(self.hmac_at? + 4..)?.first_chunk()?;
        Some(u32::from_be_bytes(*id))
    }

    /// The final destination.
    pub fn final_destination(&self, packet: &[u8]) -> Option<Ipv6Addr> {
        self.segment(packet, 0)
    }
}

/// A Fragment header (RFC 8200 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Offset of this fragment's data, in bytes.
    pub offset: u16,
    /// Do more fragments follow?
    pub more: bool,
    /// Which packet it is a fragment of.
    pub id: u32,
    /// How many bytes of that packet it carries.
    pub data_len: u16,
}

impl Fragment {
    /// Is it the whole packet (an atomic fragment, RFC 6946)?
    pub fn is_whole(&self) -> bool {
        !self.more && self.offset == 0
    }
}

/// A TCP header (RFC 9293 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number (meaningful with [`Tcp::ACK`]).
    pub ack: u32,
    /// The eight control bits.
    pub flags: u8,
    /// Length of the header with its options, in bytes.
    pub header_len: usize,
    /// Length of the data, in bytes.
    pub data_len: usize,
}

impl Tcp {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronize sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// The acknowledgement number is significant.
    pub const ACK: u8 = 0x10;

    /// Are all the bits of `mask` set?
    pub fn has(&self, mask: u8) -> bool {
        self.flags & mask == mask
    }

    /// A SYN that opens a connection: SYN without ACK or RST.
    pub fn is_syn(&self) -> bool {
        self.flags & (Self::SYN | Self::ACK | Self::RST) == Self::SYN
    }

    /// The second packet of a handshake: SYN with ACK.
    pub fn is_syn_ack(&self) -> bool {
        self.flags & (Self::SYN | Self::ACK | Self::RST) == Self::SYN | Self::ACK
    }
}

/// An ICMPv6 head (RFC 4443 section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// The four bytes behind the checksum: MTU, pointer, or identifier and number.
    pub value: u32,
}

impl Icmp {
    /// Destination Unreachable.
    pub const UNREACHABLE: u8 = 1;
    /// Packet Too Big.
    pub const PACKET_TOO_BIG: u8 = 2;
    /// Time Exceeded.
    pub const TIME_EXCEEDED: u8 = 3;
    /// Parameter Problem.
    pub const PARAMETER_PROBLEM: u8 = 4;
    /// Echo Request.
    pub const ECHO_REQUEST: u8 = 128;
    /// Echo Reply.
    pub const ECHO_REPLY: u8 = 129;

    /// Error messages have types below 128.
    pub fn is_error(&self) -> bool {
        self.kind < 128
    }
}

/// What comes behind the IPv6 header and its extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upper {
    /// A TCP segment.
    Tcp(Tcp),
    /// A UDP datagram: source and destination port.
    Udp {
        /// Source port.
        src_port: u16,
        /// Destination port.
        dst_port: u16,
    },
    /// An ICMPv6 message.
    Icmp(Icmp),
    /// Another IPv6 packet.
    Ipv6,
    /// Part of a packet, without its transport header.
    LaterFragment(u8),
    /// Something else, by its protocol number.
    Other(u8),
}

/// An IPv6 packet, as far as it has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The packet's length: 40 bytes and the payload length.
    pub len: usize,
    /// Traffic class.
    pub traffic_class: u8,
    /// Flow label, 20 bits.
    pub flow_label: u32,
    /// Hop limit.
    pub hop_limit: u8,
    /// Source address.
    pub src: Ipv6Addr,
    /// Destination address: with an SRH the active segment.
    pub dst: Ipv6Addr,
    /// Offset behind a Hop-by-Hop Options header, or 40: where an SRH is to be inserted.
    pub insert_at: usize,
    /// Offset of the Next Header byte that says what stands at `insert_at`.
    pub insert_announced_at: usize,
    /// The Segment Routing Header.
    pub srh: Option<Srh>,
    /// The Fragment header.
    pub fragment: Option<Fragment>,
    /// What is carried.
    pub upper: Upper,
    /// Offset of what is carried.
    pub upper_at: usize,
}

impl Packet {
    /// Is this a fragment of something larger? (An atomic fragment, RFC 6946, is not.)
    #[inline]
    pub fn is_fragment(&self) -> bool {
        self.fragment.is_some_and(|f| !f.is_whole())
    }

    /// The TCP header, if it is TCP.
    #[inline]
    pub fn tcp(&self) -> Option<&Tcp> {
        match &self.upper {
            Upper::Tcp(tcp) => Some(tcp),
            _ => None,
        }
    }

    /// Source and destination port of TCP or UDP, with the protocol number.
    #[inline]
    fn ports(&self) -> Option<(u8, u16, u16)> {
        match self.upper {
            Upper::Tcp(t) => Some((next_header::TCP, t.src_port, t.dst_port)),
            Upper::Udp { src_port, dst_port } => Some((next_header::UDP, src_port, dst_port)),
            _ => None,
        }
    }

    /// The flow of a packet that a client has sent to `vip` (its final destination).
    #[inline]
    pub fn flow_from_client(&self, vip: Ipv6Addr) -> Option<Flow> {
        let (protocol, client_port, vip_port) = self.ports()?;
        Some(Flow {
            protocol,
            client: self.src,
            client_port,
            vip,
            vip_port,
        })
    }

    /// The flow of a packet that a server has sent, as the VIP, to `client` (its final destination).
    #[inline]
    pub fn flow_from_server(&self, client: Ipv6Addr) -> Option<Flow> {
        let (protocol, vip_port, client_port) = self.ports()?;
        Some(Flow {
            protocol,
            client,
            client_port,
            vip: self.src,
            vip_port,
        })
    }
}

/// Takes a packet apart. Bytes behind its payload length are ignored.
#[inline]
pub fn packet(bytes: &[u8]) -> Result<Packet, ParseError> {
    let walk = Walk::new(bytes, Whole::Yes)?;
    // Nearly all have no extension header, and need not be walked along in memory.
    let upper = match walk.next_header {
        next_header::TCP => walk.tcp().map(Upper::Tcp)?,
        next_header::IPV6 => Upper::Ipv6,
        _ => return Walk::new(bytes, Whole::Yes)?.run(),
    };
    Ok(walk.end(upper))
}

/// Takes apart a packet that an ICMPv6 error quotes: its end may be missing, and of the
/// transport header only the ports need to be there (RFC 4443 section 2.4 c).
/// Values of fields that are not there read as zero.
pub fn quoted(bytes: &[u8]) -> Result<Packet, ParseError> {
    Walk::new(bytes, Whole::No)?.run()
}

/// What a Parameter Problem, code 0, about an SRH is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Who sent the packet.
    pub src: Ipv6Addr,
    /// Whose SID it was sent to.
    pub dst: Ipv6Addr,
    /// Length of the packet.
    pub len: usize,
    /// Offset of what is wrong: the Segments Left field, or the HMAC TLV.
    pub pointer: u32,
}

/// RFC 8754 section 4.3.1.1 asks for a Parameter Problem, code 0, that points to Segments Left
/// where that or Last Entry is impossible: what it has to say if `error`, which [`packet`] gave for these
/// bytes, is one of the two.
pub fn segments_left_complaint(bytes: &[u8], error: ParseError) -> Option<Complaint> {
    if !matches!(
        error,
        ParseError::SrhLastEntry | ParseError::SrhSegmentsLeft
    ) {
        return None;
    }
    let mut walk = Walk::new(bytes, Whole::Yes).ok()?;
    let (src, dst, len) = (walk.packet.src, walk.packet.dst, walk.packet.len);
    if src.is_unspecified() || src.is_multicast() {
        return None;
    }
    for _ in 0..=MAX_EXTENSION_HEADERS {
        match walk.next_header {
            next_header::HOP_BY_HOP | next_header::DESTINATION => walk.step().ok()?,
            next_header::FRAGMENT => {
                walk.fragment().ok()?;
            }
            next_header::ROUTING => {
                let at = walk.at;
                if walk.routing() == Err(error) {
                    let pointer = (at + 3) as u32;
                    return Some(Complaint {
                        src,
                        dst,
                        len,
                        pointer,
                    });
                }
            }
            _ => return None,
        }
    }
    None
}

#[derive(Clone, Copy, PartialEq)]
enum Whole {
    Yes,
    No,
}

/// The way along the header chain.
struct Walk<'a> {
    /// The packet and nothing else.
    bytes: &'a [u8],
    whole: Whole,
    packet: Packet,
    next_header: u8,
    announced_at: usize,
    at: usize,
}

impl<'a> Walk<'a> {
    #[inline]
    fn new(bytes: &'a [u8], whole: Whole) -> Result<Self, ParseError> {
        let head = bytes.get(..IPV6_BYTES).ok_or(ParseError::Ipv6Truncated)?;
        if head[0] >> 4 != 6 {
            return Err(ParseError::NotIpv6);
        }
        let mut len = IPV6_BYTES + usize::from(u16::from_be_bytes([head[4], head[5]]));
        if len > bytes.len() {
            if whole == Whole::Yes {
                return Err(ParseError::PayloadLength);
            }
            len = bytes.len();
        }
        let first = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        Ok(Walk {
            bytes: &bytes[..len],
            whole,
            next_header: head[6],
            announced_at: 6,
            at: IPV6_BYTES,
            packet: Packet {
                len,
                traffic_class: (first >> 20) as u8,
                flow_label: first & 0xf_ffff,
                hop_limit: head[7],
                src: address(bytes, 8).ok_or(ParseError::Ipv6Truncated)?,
                dst: address(bytes, 24).ok_or(ParseError::Ipv6Truncated)?,
                insert_at: IPV6_BYTES,
                insert_announced_at: 6,
                srh: None,
                fragment: None,
                upper: Upper::Other(next_header::NONE),
                upper_at: IPV6_BYTES,
            },
        })
    }

    #[inline]
    fn run(mut self) -> Result<Packet, ParseError> {
        for i in 0..=MAX_EXTENSION_HEADERS + 1 {
            let others = i - usize::from(self.packet.srh.is_some());
            if others > MAX_EXTENSION_HEADERS {
                break;
            }
            match self.next_header {
                next_header::HOP_BY_HOP if i > 0 => return Err(ParseError::HopByHopNotFirst),
                next_header::HOP_BY_HOP => {
                    self.step()?;
                    self.packet.insert_at = self.at;
                    self.packet.insert_announced_at = self.announced_at;
                }
                next_header::DESTINATION => self.step()?,
                next_header::ROUTING => self.routing()?,
                next_header::FRAGMENT => {
                    if self.fragment()? {
                        let upper = Upper::LaterFragment(self.next_header);
                        return Ok(self.end(upper));
                    }
                }
                _ => {
                    let upper = self.upper()?;
                    return Ok(self.end(upper));
                }
            }
        }
        Err(ParseError::TooManyExtensions)
    }

    #[inline]
    fn end(mut self, upper: Upper) -> Packet {
        self.packet.upper = upper;
        self.packet.upper_at = self.at;
        self.packet
    }

    /// Steps over an extension header with a length in units of 8 bytes behind its first 8.
    fn step(&mut self) -> Result<(), ParseError> {
        let head = self
            .bytes
            .get(self.at..self.at + 8)
            .ok_or(ParseError::ExtensionTruncated)?;
        let len = (usize::from(head[1]) + 1) * 8;
        if self.at + len > self.bytes.len() {
            return Err(ParseError::ExtensionTruncated);
        }
        self.go_to_next(head[0], len);
        Ok(())
    }

    fn go_to_next(&mut self, next_header: u8, len: usize) {
        self.next_header = next_header;
        self.announced_at = self.at;
        self.at += len;
    }

    fn routing(&mut self) -> Result<(), ParseError> {
        let head = self
            .bytes
            .get(self.at..self.at + 8)
            .ok_or(ParseError::ExtensionTruncated)?;
        match (head[2], head[3]) {
            (ROUTING_TYPE_0, _) => Err(ParseError::RoutingType0),
            (ROUTING_TYPE_SRH, _) => {
                let srh = self.srh(head)?;
                self.packet.srh = Some(srh);
                self.go_to_next(srh.next_header, srh.len);
                Ok(())
            }
            (_, 0) => self.step(),
            _ => Err(ParseError::RoutingUnknown),
        }
    }

    /// The checks of RFC 8754 section 4.3.1.1, before anybody uses a segment.
    fn srh(&self, head: &[u8]) -> Result<Srh, ParseError> {
        if self.packet.srh.is_some() {
            return Err(ParseError::SrhTwice);
        }
        let len = (usize::from(head[1]) + 1) * 8;
        if self.at + len > self.bytes.len() {
            return Err(ParseError::SrhTruncated);
        }
        let room_for = (len - SRH_FIXED_BYTES) / SEGMENT_BYTES;
        if room_for == 0 {
            return Err(ParseError::SrhNoSegment);
        }
        let (segments_left, last_entry) = (head[3], head[4]);
        if usize::from(last_entry) >= room_for {
            return Err(ParseError::SrhLastEntry);
        }
        if u16::from(segments_left) > u16::from(last_entry) + 1 {
            return Err(ParseError::SrhSegmentsLeft);
        }
        let tlvs_at = self.at + SRH_FIXED_BYTES + SEGMENT_BYTES * (usize::from(last_entry) + 1);
        Ok(Srh {
            at: self.at,
            len,
            announced_at: self.announced_at,
            next_header: head[0],
            segments_left,
            last_entry,
            hmac_at: self.tlvs(tlvs_at, self.at + len)?,
        })
    }

    /// Walks the TLVs between two offsets; returns where the HMAC TLV is.
    fn tlvs(&self, mut at: usize, end: usize) -> Result<Option<usize>, ParseError> {
        let mut hmac_at = None;
        while at < end {
            if self.bytes[at] == TLV_PAD1 {
                at += 1;
                continue;
            }
            if at + 2 > end {
                return Err(ParseError::SrhTlvTruncated);
            }
            let len = usize::from(self.bytes[at + 1]);
            if at + 2 + len > end {
                return Err(ParseError::SrhTlvTruncated);
            }
            if self.bytes[at] == hmac::TLV_TYPE && hmac_at.is_none() {
                // 2 bytes of D bit and reserved ones, 4 of key id, then the HMAC itself.
                if !(14..=38).contains(&len) || (len - 6) % 8 != 0 {
                    return Err(ParseError::SrhHmacLength);
                }
                hmac_at = Some(at);
            }
            at += 2 + len;
        }
        Ok(hmac_at)
    }

    /// Reads a Fragment header; true if it is not the first fragment.
    fn fragment(&mut self) -> Result<bool, ParseError> {
        let head = self
            .bytes
            .get(self.at..self.at + 8)
            .ok_or(ParseError::FragmentTruncated)?;
        let word = u16::from_be_bytes([head[2], head[3]]);
        let data_len = self.bytes.len() - self.at - 8;
        let fragment = Fragment {
            offset: word & !7,
            more: word & 1 != 0,
            id: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            // A packet's length is that of an IPv6 header and 16 bits.
            data_len: data_len as u16,
        };
        let uneven = fragment.more && data_len % 8 != 0;
        let too_far = usize::from(fragment.offset) + data_len > usize::from(u16::MAX);
        if self.whole == Whole::Yes && (uneven || too_far) {
            return Err(ParseError::FragmentLength);
        }
        self.packet.fragment = Some(fragment);
        self.go_to_next(head[0], 8);
        Ok(fragment.offset != 0)
    }

    #[inline]
    fn upper(&self) -> Result<Upper, ParseError> {
        match self.next_header {
            next_header::TCP => self.tcp().map(Upper::Tcp),
            next_header::UDP => self.udp(),
            next_header::ICMPV6 => self.icmp().map(Upper::Icmp),
            next_header::IPV6 => Ok(Upper::Ipv6),
            other => Ok(Upper::Other(other)),
        }
    }

    /// The first `N` bytes of the transport header. In a quotation, what is missing behind
    /// the first `needed` bytes reads as zero.
    #[inline]
    fn transport<const N: usize>(&self, needed: usize) -> Option<[u8; N]> {
        let there = self.bytes.get(self.at..)?;
        let needed = if self.whole == Whole::Yes { N } else { needed };
        if there.len() < needed {
            return None;
        }
        let mut head = [0; N];
        let n = there.len().min(N);
        head[..n].copy_from_slice(&there[..n]);
        Some(head)
    }

    #[inline]
    fn tcp(&self) -> Result<Tcp, ParseError> {
        let head: [u8; TCP_BYTES] = self.transport(4).ok_or(ParseError::TcpTruncated)?;
        let mut header_len = usize::from(head[12] >> 4) * 4;
        let there = self.bytes.len() - self.at;
        if self.whole == Whole::No {
            header_len = header_len.min(there);
        } else if header_len < TCP_BYTES || header_len > there {
            return Err(ParseError::TcpDataOffset);
        }
        Ok(Tcp {
            src_port: u16::from_be_bytes([head[0], head[1]]),
            dst_port: u16::from_be_bytes([head[2], head[3]]),
            seq: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            ack: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
            flags: head[13],
            header_len,
            data_len: there - header_len,
        })
    }

    fn udp(&self) -> Result<Upper, ParseError> {
        let head: [u8; 8] = self.transport(4).ok_or(ParseError::UdpTruncated)?;
        let len = usize::from(u16::from_be_bytes([head[4], head[5]]));
        // Of the first fragment of a datagram only a part is here.
        let bounded = self.whole == Whole::Yes && !self.packet.is_fragment();
        if bounded && (len < 8 || self.at + len > self.bytes.len()) {
            return Err(ParseError::UdpLength);
        }
        Ok(Upper::Udp {
            src_port: u16::from_be_bytes([head[0], head[1]]),
            dst_port: u16::from_be_bytes([head[2], head[3]]),
        })
    }

    fn icmp(&self) -> Result<Icmp, ParseError> {
        let head: [u8; 8] = self.transport(4).ok_or(ParseError::IcmpTruncated)?;
        Ok(Icmp {
            kind: head[0],
            code: head[1],
            value: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
        })
    }
}

#[inline]
fn address(bytes: &[u8], at: usize) -> Option<Ipv6Addr> {
    let octets: [u8; 16] = bytes.get(at..at + 16)?.try_into().ok()?;
    Some(Ipv6Addr::from(octets))
}
