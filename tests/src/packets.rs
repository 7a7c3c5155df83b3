//! TCP packets as client and application would send them, with checksums that etherparse made.

use std::net::Ipv6Addr;

use etherparse::{IpNumber, Ipv6FlowLabel, Ipv6Header, PacketBuilder, TcpHeader};
use srh::parse::{Packet, Tcp};

use crate::nodes::{CLIENT, VIP, VIP_PORT};

/// A TCP segment on IPv6, to be changed field by field.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Source address.
    pub src: Ipv6Addr,
    /// Destination address.
    pub dst: Ipv6Addr,
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Control bits, see [`Tcp`].
    pub flags: u8,
    /// Options, padded to units of four bytes by the writer.
    pub options: Vec<u8>,
    /// Data.
    pub data: Vec<u8>,
    /// Hop limit.
    pub hop_limit: u8,
}

/// What the client sends to the service.
pub fn from_client(port: u16, flags: u8, seq: u32, ack: u32) -> Segment {
    Segment {
        src: CLIENT,
        dst: VIP,
        src_port: port,
        dst_port: VIP_PORT,
        seq,
        ack,
        flags,
        options: Vec::new(),
        data: Vec::new(),
        hop_limit: 63,
    }
}

/// What the application sends to the client.
pub fn from_vip(port: u16, flags: u8, seq: u32, ack: u32) -> Segment {
    Segment {
        src: VIP,
        dst: CLIENT,
        src_port: VIP_PORT,
        dst_port: port,
        hop_limit: 64,
        ..from_client(port, flags, seq, ack)
    }
}

impl Segment {
    /// The same with an MSS option.
    pub fn mss(mut self, bytes: u16) -> Self {
        self.options.extend([2, 4]);
        self.options.extend(bytes.to_be_bytes());
        self
    }

    /// The same with data.
    pub fn data(mut self, data: &[u8]) -> Self {
        self.data = data.to_vec();
        self
    }

    /// The bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut tcp = TcpHeader::new(self.src_port, self.dst_port, self.seq, 64_800);
        tcp.acknowledgment_number = self.ack;
        tcp.fin = self.flags & Tcp::FIN != 0;
        tcp.syn = self.flags & Tcp::SYN != 0;
        tcp.rst = self.flags & Tcp::RST != 0;
        tcp.psh = self.flags & 0x08 != 0;
        tcp.ack = self.flags & Tcp::ACK != 0;
        tcp.set_options_raw(&self.options)
            .expect("options of at most 40 bytes");
        let mut ip = Ipv6Header {
            source: self.src.octets(),
            destination: self.dst.octets(),
            next_header: IpNumber::TCP,
            hop_limit: self.hop_limit,
            flow_label: Ipv6FlowLabel::try_new(0x1_2345).expect("20 bits"),
            ..Ipv6Header::default()
        };
        ip.set_payload_length(tcp.header_len() + self.data.len())
            .expect("a payload of at most 65,535 bytes");
        tcp.checksum = tcp
            .calc_checksum_ipv6(&ip, &self.data)
            .expect("a segment that fits");
        let mut bytes = Vec::new();
        ip.write(&mut bytes).expect("vectors take all");
        tcp.write(&mut bytes).expect("vectors take all");
        bytes.extend(&self.data);
        bytes
    }
}

/// A datagram of the client for the service.
pub fn datagram_from_client(port: u16, data: &[u8]) -> Vec<u8> {
    datagram((CLIENT, port), (VIP, VIP_PORT), data)
}

/// A datagram of the application for the client.
pub fn datagram_from_vip(port: u16, data: &[u8]) -> Vec<u8> {
    datagram((VIP, VIP_PORT), (CLIENT, port), data)
}

fn datagram(from: (Ipv6Addr, u16), to: (Ipv6Addr, u16), data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv6(from.0.octets(), to.0.octets(), 63)
        .udp(from.1, to.1)
        .write(&mut bytes, data)
        .expect("a datagram that fits");
    bytes
}

/// Parses what must be right.
#[track_caller]
pub fn parse(bytes: &[u8]) -> Packet {
    srh::parse::packet(bytes).expect("a packet that parses")
}

/// The MSS that a segment announces, read by a parser that isn't ours.
pub fn mss(bytes: &[u8]) -> Option<u16> {
    let packet = parse(bytes);
    let (tcp, _) = etherparse::TcpHeader::from_slice(&bytes[packet.upper_at..]).ok()?;
    tcp.options_iterator().find_map(|option| match option {
        Ok(etherparse::TcpOptionElement::MaximumSegmentSize(bytes)) => Some(bytes),
        _ => None,
    })
}
