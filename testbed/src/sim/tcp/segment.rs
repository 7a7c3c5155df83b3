//! Segments that a kernel sends without a socket, or beside it: resets, challenge ACKs, the ACKs of TIME_WAIT,
//! SYN cookies.

use std::net::Ipv6Addr;

use packet_io::PacketBuf;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    IpProtocol, Ipv6Packet, Ipv6Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
};
use srh::parse::Tcp;
use srh::Flow;

use crate::sim::dialogue::Side;

/// The hop limit of what a host sends.
const HOP_LIMIT: u8 = 64;
/// The window that such a segment tells.
const WINDOW: u16 = 64_000;

/// A segment without data.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// SYN, FIN, RST or none.
    pub control: TcpControl,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number, if it has one.
    pub ack: Option<u32>,
    /// The MSS option.
    pub mss: Option<u16>,
}

impl Segment {
    /// An ACK without data.
    pub fn ack(seq: u32, ack: u32) -> Self {
        Segment {
            control: TcpControl::None,
            seq,
            ack: Some(ack),
            mss: None,
        }
    }

    /// The RST with which a kernel answers a segment that no socket wants (RFC 9293 section 3.10.7.1).
    /// RSTs are not answered.
    pub fn refusal(tcp: &Tcp) -> Option<Self> {
        if tcp.has(Tcp::RST) {
            return None;
        }
        let (seq, ack) = match tcp.has(Tcp::ACK) {
            true => (tcp.ack, None),
            false => {
                let len = tcp.data_len as u32
                    + u32::from(tcp.has(Tcp::SYN))
                    + u32::from(tcp.has(Tcp::FIN));
                (0, Some(tcp.seq.wrapping_add(len)))
            }
        };
        Some(Segment {
            control: TcpControl::Rst,
            seq,
            ack,
            mss: None,
        })
    }

    /// The packet in which `side` of a flow sends it.
    pub fn packet(&self, flow: &Flow, side: Side) -> PacketBuf {
        let ((src, src_port), (dst, dst_port)) = match side {
            Side::Client => ((flow.client, flow.client_port), (flow.vip, flow.vip_port)),
            Side::Server => ((flow.vip, flow.vip_port), (flow.client, flow.client_port)),
        };
        let tcp = TcpRepr {
            src_port,
            dst_port,
            control: self.control,
            seq_number: TcpSeqNumber(self.seq as i32),
            ack_number: self.ack.map(|ack| TcpSeqNumber(ack as i32)),
            window_len: match self.control {
                TcpControl::Rst => 0,
                _ => WINDOW,
            },
            window_scale: None,
            max_seg_size: self.mss,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &[],
        };
        emit(src, dst, &tcp)
    }
}

fn emit(src: Ipv6Addr, dst: Ipv6Addr, tcp: &TcpRepr) -> PacketBuf {
    let ip = Ipv6Repr {
        src_addr: src,
        dst_addr: dst,
        next_header: IpProtocol::Tcp,
        payload_len: tcp.buffer_len(),
        hop_limit: HOP_LIMIT,
    };
    let len = ip.buffer_len() + tcp.buffer_len();
    let mut frame = PacketBuf::with_capacity(len);
    frame.fill(|room| {
        ip.emit(&mut Ipv6Packet::new_unchecked(&mut room[..]));
        let mut segment = TcpPacket::new_unchecked(&mut room[ip.buffer_len()..]);
        let sums = ChecksumCapabilities::default();
        tcp.emit(&mut segment, &src.into(), &dst.into(), &sums);
        len
    });
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::nodes::flow;
    use srh::{parse, Frame};

    fn parsed(segment: &Segment, side: Side) -> (parse::Packet, Tcp) {
        let frame = segment.packet(&flow(1, 4_000), side);
        let packet = parse::packet(frame.bytes()).unwrap();
        assert!(srh::checksum::is_right(frame.bytes(), &packet));
        (packet, *packet.tcp().unwrap())
    }

    #[test]
    fn each_side_sends_from_its_own_end() {
        let ack = Segment::ack(7, u32::MAX);
        let (packet, tcp) = parsed(&ack, Side::Server);
        let flow = flow(1, 4_000);
        assert_eq!(packet.flow_from_server(packet.dst), Some(flow));
        assert_eq!((tcp.flags, tcp.seq, tcp.ack), (Tcp::ACK, 7, u32::MAX));
        let (packet, _) = parsed(&ack, Side::Client);
        assert_eq!(packet.flow_from_client(packet.dst), Some(flow));
    }

    #[test]
    fn what_nobody_wants_is_refused_as_the_rfc_says() {
        let of = |flags, seq, ack, data_len| {
            let tcp = Tcp {
                src_port: 1,
                dst_port: 2,
                seq,
                ack,
                flags,
                header_len: 20,
                data_len,
            };
            Segment::refusal(&tcp).map(|refusal| {
                let (_, tcp) = parsed(&refusal, Side::Server);
                (tcp.flags, tcp.seq, tcp.ack)
            })
        };
        assert_eq!(of(Tcp::SYN, 9, 0, 0), Some((Tcp::RST | Tcp::ACK, 0, 10)));
        assert_eq!(of(Tcp::ACK, 9, 77, 5), Some((Tcp::RST, 77, 0)));
        assert_eq!(of(Tcp::RST, 9, 0, 0), None);
        assert_eq!(of(Tcp::RST | Tcp::ACK, 9, 5, 0), None);
    }
}
