//! A packet in one line, for traces and error messages of tests.

use std::fmt;
use std::net::Ipv6Addr;

use crate::parse::{self, Packet, Tcp, Upper};
use crate::sid::Sid;

/// Displays a packet: addresses, SRH with its functions, what is inside.
pub struct Describe<'a>(pub &'a [u8]);

impl fmt::Display for Describe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packet = match parse::packet(self.0) {
            Ok(packet) => packet,
            Err(error) => return write!(f, "{} bytes: {error}", self.0.len()),
        };
        write!(f, "{} > {}", Address(packet.src), Address(packet.dst))?;
        write_segments(f, self.0, &packet)?;
        match packet.upper {
            Upper::Tcp(tcp) => write_tcp(f, &tcp),
            Upper::Udp { src_port, dst_port } => write!(f, " udp {src_port} > {dst_port}"),
            Upper::Icmp(icmp) => write!(f, " icmpv6 type {} code {}", icmp.kind, icmp.code),
            Upper::Ipv6 => {
                write!(f, " | {}", Describe(&self.0[packet.upper_at..packet.len]))
            }
            Upper::LaterFragment(protocol) => write!(f, " fragment of protocol {protocol}"),
            Upper::Other(protocol) => write!(f, " protocol {protocol}"),
        }
    }
}

/// An address; a SID with its function's name.
struct Address(Ipv6Addr);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Sid::parse(self.0) {
            Some(sid) if sid.arg == 0 => {
                write!(f, "{}{}", sid.locator.network(), sid.function)
            }
            Some(sid) => write!(f, "{}{}:{}", sid.locator.network(), sid.function, sid.arg),
            None => write!(f, "{}", self.0),
        }
    }
}

fn write_segments(f: &mut fmt::Formatter<'_>, bytes: &[u8], packet: &Packet) -> fmt::Result {
    let Some(srh) = &packet.srh else {
        return Ok(());
    };
    write!(f, " srh(sl={}", srh.segments_left)?;
    for i in (0..srh.segments()).rev() {
        if let Some(segment) = srh.segment(bytes, i) {
            write!(f, " {}", Address(segment))?;
        }
    }
    if let Some(id) = srh.hmac_key(bytes) {
        write!(f, " hmac by key {id}")?;
    }
    f.write_str(")")
}

fn write_tcp(f: &mut fmt::Formatter<'_>, tcp: &Tcp) -> fmt::Result {
    write!(f, " tcp {} > {} ", tcp.src_port, tcp.dst_port)?;
    let letters = [
        (Tcp::SYN, 'S'),
        (Tcp::FIN, 'F'),
        (Tcp::RST, 'R'),
        (Tcp::ACK, 'A'),
    ];
    for (flag, letter) in letters {
        if tcp.has(flag) {
            write!(f, "{letter}")?;
        }
    }
    write!(f, " seq {}", tcp.seq)?;
    if tcp.has(Tcp::ACK) {
        write!(f, " ack {}", tcp.ack)?;
    }
    write!(f, " {} B", tcp.data_len)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Header bytes: a TCP SYN, inside an outer packet to ackStickiness.
    fn nested() -> Vec<u8> {
        let addr = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
        let mut bytes = vec![0x60, 0, 0, 0, 0, 60, 41, 64];
        bytes.extend(addr("fd00:1b:1::100"));
        bytes.extend(addr("fd00:5e:2::2000"));
        bytes.extend([0x60, 0, 0, 0, 0, 20, 6, 64]);
        bytes.extend(addr("2001:db8:c::2"));
        bytes.extend(addr("2001:db8:80::1"));
        bytes.extend([
            0x0f, 0xa0, 0, 80, 0, 0, 0, 7, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0,
        ]);
        bytes
    }

    #[test]
    fn one_line_a_packet() {
        let bytes = nested();
        let syn = "2001:db8:c::2 > 2001:db8:80::1 tcp 4000 > 80 S seq 7 0 B";
        assert_eq!(Describe(&bytes[40..]).to_string(), syn);
        assert_eq!(
            Describe(&bytes).to_string(),
            format!("fd00:1b:1::node > fd00:5e:2::ackStickiness | {syn}")
        );
        assert_eq!(
            Describe(&bytes[..50]).to_string(),
            "50 bytes: IPv6 payload length goes past the packet's end"
        );
    }
}
