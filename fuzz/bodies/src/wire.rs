//! Packets written the slow way: vectors put together, nothing of `srh::rewrite`. The oracle that
//! rewrites are compared with, and the packets that engines are fed.

use std::net::Ipv6Addr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Protocol and extension header numbers.
pub mod number {
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
    /// Destination Options.
    pub const DESTINATION: u8 = 60;
}

/// The fixed IPv6 header, without what the chain of headers decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Traffic class.
    pub traffic_class: u8,
    /// Flow label, 20 bits.
    pub flow_label: u32,
    /// Hop limit.
    pub hop_limit: u8,
    /// Source.
    pub src: Ipv6Addr,
    /// Destination.
    pub dst: Ipv6Addr,
}

/// A packet as a list of headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The fixed header.
    pub head: Head,
    /// Extension headers: the number that announces each, and its bytes (the first one, Next Header, is
    /// written when the chain becomes bytes).
    pub extensions: Vec<(u8, Vec<u8>)>,
    /// What the payload is.
    pub protocol: u8,
    /// What is carried.
    pub payload: Vec<u8>,
}

impl Chain {
    /// The packet. A payload length that doesn't fit is cut to 16 bits.
    pub fn bytes(&self) -> Vec<u8> {
        let mut numbers: Vec<u8> = self.extensions.iter().map(|(n, _)| *n).collect();
        numbers.push(self.protocol);
        let mut rest = Vec::new();
        for ((_, header), follows) in self.extensions.iter().zip(&numbers[1..]) {
            rest.push(*follows);
            rest.extend(&header[1..]);
        }
        rest.extend(&self.payload);
        let head = &self.head;
        let word = 6u32 << 28 | u32::from(head.traffic_class) << 20 | head.flow_label & 0xf_ffff;
        let mut bytes = word.to_be_bytes().to_vec();
        bytes.extend((rest.len() as u16).to_be_bytes());
        bytes.extend([numbers[0], head.hop_limit]);
        bytes.extend(head.src.octets());
        bytes.extend(head.dst.octets());
        bytes.extend(rest);
        bytes
    }

    /// Where an SRH is put in: behind Hop-by-Hop Options, else first.
    fn place(&self) -> usize {
        usize::from(matches!(
            self.extensions.first(),
            Some((number::HOP_BY_HOP, _))
        ))
    }

    /// With an SRH, on its way to the second of `visited`: (sender, nodes, final destination).
    pub fn inserted(&self, visited: &[Ipv6Addr], signer: Option<&Signer>) -> Chain {
        let mut chain = self.clone();
        let header = signed_srh(self.head.src, visited.len() as u8 - 2, visited, signer);
        chain
            .extensions
            .insert(self.place(), (number::ROUTING, header));
        chain.head.dst = visited[1];
        chain
    }

    /// Inside another packet from `src` along `visited`. The first of them is the destination only, unless the list
    /// is signed: then it is in the list as well.
    pub fn encapsulated(
        &self,
        src: Ipv6Addr,
        visited: &[Ipv6Addr],
        flow_label: u32,
        signer: Option<&Signer>,
    ) -> Chain {
        let left = visited.len() - 1;
        let listed = if signer.is_some() {
            visited
        } else {
            &visited[1..]
        };
        let header = (!listed.is_empty())
            .then(|| (number::ROUTING, signed_srh(src, left as u8, listed, signer)));
        Chain {
            head: Head {
                traffic_class: self.head.traffic_class,
                flow_label,
                hop_limit: 64,
                src,
                dst: visited[0],
            },
            extensions: header.into_iter().collect(),
            protocol: number::IPV6,
            payload: self.bytes(),
        }
    }

    /// One segment further: `left` is what Segments Left becomes.
    pub fn advanced(&self, left: u8, dst: Ipv6Addr) -> Chain {
        let mut chain = self.clone();
        for (number, header) in &mut chain.extensions {
            if *number == number::ROUTING && header[2] == 4 {
                header[3] = left;
            }
        }
        chain.head.hop_limit -= 1;
        chain.head.dst = dst;
        chain
    }
}

/// An SRH of `visited` (order of the visit), with TLVs that fill units of eight bytes.
pub fn srh(left: u8, visited: &[Ipv6Addr], tlvs: &[u8]) -> Vec<u8> {
    let len = (visited.len() * 16 + tlvs.len()) / 8;
    let mut bytes = vec![0, len as u8, 4, left, visited.len() as u8 - 1, 0, 0, 0];
    visited.iter().rev().for_each(|a| bytes.extend(a.octets()));
    bytes.extend(tlvs);
    bytes
}

/// What signs a segment list (RFC 8754 section 2.1.2).
#[derive(Clone, Debug)]
pub struct Signer {
    /// The key's number.
    pub id: u32,
    /// The key.
    pub secret: Vec<u8>,
    /// Is it Linux's text that is signed?
    pub linux: bool,
}

impl Signer {
    /// The HMAC TLV for an SRH that has everything else.
    fn tlv(&self, src: Ipv6Addr, srh: &[u8]) -> Vec<u8> {
        let head = [0, 0];
        let mut text = src.octets().to_vec();
        text.extend(&srh[4..6]);
        if !self.linux {
            text.extend(head);
        }
        text.extend(self.id.to_be_bytes());
        text.extend(&srh[8..]);
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("any length");
        mac.update(&text);
        let digest = mac.finalize().into_bytes();
        [&[5, 38], &head[..], &self.id.to_be_bytes(), &digest].concat()
    }
}

/// An SRH, signed if there is something to sign with.
fn signed_srh(src: Ipv6Addr, left: u8, visited: &[Ipv6Addr], signer: Option<&Signer>) -> Vec<u8> {
    let mut header = srh(left, visited, &[]);
    if let Some(signer) = signer {
        header[5] = if signer.linux { 8 } else { 0 };
        let tlv = signer.tlv(src, &header);
        header[1] += 5;
        header.extend(tlv);
    }
    header
}

/// An options header of `8 + 8 * more` bytes, all of it PadN.
pub fn options(more: u8) -> Vec<u8> {
    let mut bytes = vec![0, more, 1, 4 + 8 * more];
    bytes.resize(8 + 8 * usize::from(more), 0);
    bytes
}

/// A Fragment header.
pub fn fragment(offset: u16, more: bool, id: u32) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    bytes.extend((offset & !7 | u16::from(more)).to_be_bytes());
    bytes.extend(id.to_be_bytes());
    bytes
}

/// What a TCP header says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp {
    /// Source and destination port.
    pub ports: (u16, u16),
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Control bits.
    pub flags: u8,
    /// With an MSS option of this value.
    pub mss: Option<u16>,
}

impl Tcp {
    /// A segment with `data`, its checksum zero: see [`seal`].
    pub fn bytes(&self, data: &[u8]) -> Vec<u8> {
        let mut bytes = self.ports.0.to_be_bytes().to_vec();
        bytes.extend(self.ports.1.to_be_bytes());
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.ack.to_be_bytes());
        let words = 5 + u8::from(self.mss.is_some());
        bytes.extend([words << 4, self.flags, 0xff, 0xff, 0, 0, 0, 0]);
        if let Some(mss) = self.mss {
            bytes.extend([2, 4]);
            bytes.extend(mss.to_be_bytes());
        }
        bytes.extend(data);
        bytes
    }
}

/// A UDP datagram, its checksum zero.
pub fn udp(ports: (u16, u16), data: &[u8]) -> Vec<u8> {
    let mut bytes = ports.0.to_be_bytes().to_vec();
    bytes.extend(ports.1.to_be_bytes());
    bytes.extend((8 + data.len() as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(data);
    bytes
}

/// An ICMPv6 message, its checksum zero.
pub fn icmp(kind: u8, code: u8, value: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, code, 0, 0];
    bytes.extend(value.to_be_bytes());
    bytes.extend(body);
    bytes
}

/// Writes the checksum of a TCP, UDP or ICMPv6 payload between two addresses.
pub fn seal(protocol: u8, src: Ipv6Addr, dst: Ipv6Addr, payload: &mut [u8]) {
    let at = match protocol {
        number::TCP => 16,
        number::UDP => 6,
        number::ICMPV6 => 2,
        _ => return,
    };
    if payload.len() < at + 2 {
        return;
    }
    payload[at..at + 2].fill(0);
    let sum = checksum(protocol, src, dst, payload);
    payload[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

/// The Internet checksum, one word after the other. Zero over what holds a right one.
pub fn checksum(protocol: u8, src: Ipv6Addr, dst: Ipv6Addr, payload: &[u8]) -> u16 {
    let mut all = src.octets().to_vec();
    all.extend(dst.octets());
    all.extend((payload.len() as u32).to_be_bytes());
    all.extend([0, 0, 0, protocol]);
    all.extend(payload);
    if all.len() % 2 == 1 {
        all.push(0);
    }
    let mut sum = 0u32;
    for word in all.chunks(2) {
        sum += u32::from(word[0]) << 8 | u32::from(word[1]);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
