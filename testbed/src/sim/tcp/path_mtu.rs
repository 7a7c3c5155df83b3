//! Packet Too Big: from then on a kernel sends shorter segments (RFC 8201). smoltcp can't, so what it has made is cut on its
//! way out.

use packet_io::PacketBuf;
use srh::parse::{self, next_header, Icmp, Packet, Tcp, Upper};
use srh::{checksum, Frame};

/// The MTU that a packet tells, if it is a Packet Too Big.
pub fn told_bytes(packet: &Packet) -> Option<usize> {
    match packet.upper {
        Upper::Icmp(icmp) if icmp.kind == Icmp::PACKET_TOO_BIG => usize::try_from(icmp.value).ok(),
        _ => None,
    }
}

/// PSH, in the flags of a segment.
const PUSH: u8 = 0x08;

/// Hands a segment on to `send`, in pieces if it is longer than `mtu_bytes`.
pub fn cut(frame: PacketBuf, mtu_bytes: usize, mut send: impl FnMut(PacketBuf)) {
    if frame.bytes().len() <= mtu_bytes {
        return send(frame);
    }
    let parsed = parse::packet(frame.bytes()).ok();
    let Some((packet, tcp)) = parsed.and_then(|packet| Some((packet, *packet.tcp()?))) else {
        return send(frame);
    };
    let data_at = packet.upper_at + tcp.header_len;
    let most = mtu_bytes - data_at;
    for from in (0..tcp.data_len).step_by(most) {
        let len = most.min(tcp.data_len - from);
        send(piece(frame.bytes(), &packet, &tcp, from, len));
    }
}

/// `len` bytes of a segment's data, from `from` on, under its headers.
fn piece(bytes: &[u8], packet: &Packet, tcp: &Tcp, from: usize, len: usize) -> PacketBuf {
    let (at, data_at) = (packet.upper_at, packet.upper_at + tcp.header_len);
    let mut piece = PacketBuf::with_capacity(data_at + len);
    piece.fill(|room| {
        room[..data_at].copy_from_slice(&bytes[..data_at]);
        room[data_at..data_at + len].copy_from_slice(&bytes[data_at + from..][..len]);
        data_at + len
    });
    let bytes = piece.bytes_mut();
    bytes[4..6].copy_from_slice(&((data_at + len - 40) as u16).to_be_bytes());
    let seq = tcp.seq.wrapping_add(from as u32);
    bytes[at + 4..at + 8].copy_from_slice(&seq.to_be_bytes());
    if from + len < tcp.data_len {
        bytes[at + 13] &= !(Tcp::FIN | PUSH);
    }
    bytes[at + 16..at + 18].fill(0);
    let sum = checksum::over(packet.src, packet.dst, next_header::TCP, &bytes[at..]);
    bytes[at + 16..at + 18].copy_from_slice(&sum.to_be_bytes());
    piece
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::nodes::{client, flow};
    use crate::sim::tcp::endpoint::Endpoint;
    use crate::sim::tcp::segment::Segment;
    use crate::sim::Side;

    /// A segment with data and a FIN, as smoltcp makes it.
    fn segment(data: &[u8]) -> PacketBuf {
        let flow = flow(1, 4_000);
        let mut end = Endpoint::new(client(1), 0, 7, 4_096, 4_096);
        end.connect(&flow);
        let mut out = Vec::new();
        end.poll(0, &mut out);
        let syn_ack = Segment {
            control: smoltcp::wire::TcpControl::Syn,
            mss: Some(1_440),
            ..Segment::ack(99, 8)
        };
        let frame = syn_ack.packet(&flow, Side::Server);
        let tcp = *parse::packet(frame.bytes()).unwrap().tcp().unwrap();
        end.feed(1, frame, &tcp, &mut out);
        assert_eq!(end.socket().send_slice(data), Ok(data.len()));
        end.socket().close();
        out.clear();
        end.poll(2, &mut out);
        out.remove(0)
    }

    #[test]
    fn a_segment_is_cut_into_pieces_that_fit() {
        let data: Vec<u8> = (0..1_400u32).map(|n| n as u8).collect();
        let whole = segment(&data);
        let first = parse::packet(whole.bytes()).unwrap().tcp().unwrap().seq;
        let mut pieces = Vec::new();
        cut(whole.clone(), 600, |piece| pieces.push(piece));
        assert_eq!(pieces.len(), 3);
        let (mut heard, mut fins) = (Vec::new(), Vec::new());
        for piece in &pieces {
            let bytes = piece.bytes();
            let packet = parse::packet(bytes).unwrap();
            let tcp = packet.tcp().unwrap();
            assert!(bytes.len() <= 600 && checksum::is_right(bytes, &packet));
            assert_eq!(tcp.seq, first.wrapping_add(heard.len() as u32));
            heard.extend_from_slice(&bytes[packet.upper_at + tcp.header_len..]);
            fins.push(tcp.has(Tcp::FIN));
        }
        assert_eq!(heard, data);
        assert_eq!(fins, [false, false, true]);
        let mut unchanged = Vec::new();
        cut(whole.clone(), 1_500, |piece| unchanged.push(piece));
        assert_eq!(unchanged.len(), 1);
        assert_eq!(unchanged[0].bytes(), whole.bytes());
    }
}
