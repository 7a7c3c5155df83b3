//! Our headers once more, put together from vectors: what the bytes on the wire have to be.

use std::net::Ipv6Addr;

use srh::Encoding;

/// A function list on its way.
#[derive(Clone, Debug)]
pub struct Way<'a> {
    /// In which encoding.
    pub encoding: Encoding,
    /// The sender of the function.
    pub sender: Ipv6Addr,
    /// The SIDs, in the order of the visit.
    pub sids: &'a [Ipv6Addr],
    /// Which of them is the destination now.
    pub at: usize,
    /// Flow label of the outer header.
    pub flow_label: u32,
    /// Hop limit of the outer header.
    pub outer_hop_limit: u8,
}

impl Way<'_> {
    /// `packet`, as it is without our header, under way. Its traffic class is 0.
    pub fn bytes(&self, packet: &[u8]) -> Vec<u8> {
        match self.encoding {
            Encoding::Insert => self.inserted(packet),
            Encoding::Encap => self.encapsulated(packet),
        }
    }

    fn inserted(&self, packet: &[u8]) -> Vec<u8> {
        let mut visited = vec![self.sender];
        visited.extend(self.sids);
        visited.push(address(&packet[24..40]));
        let left = visited.len() - 2 - self.at;
        let header = srh(packet[6], left, &visited);
        let mut bytes = packet[..24].to_vec();
        bytes[4..6].copy_from_slice(&length(packet.len() - 40 + header.len()));
        bytes[6] = 43;
        bytes.extend(self.sids[self.at].octets());
        bytes.extend(header);
        bytes.extend(&packet[40..]);
        bytes
    }

    fn encapsulated(&self, packet: &[u8]) -> Vec<u8> {
        let header = match self.sids {
            [_] => Vec::new(),
            sids => srh(41, sids.len() - 1 - self.at, &sids[1..]),
        };
        let mut bytes = (6 << 28 | self.flow_label).to_be_bytes().to_vec();
        bytes.extend(length(header.len() + packet.len()));
        bytes.push(if header.is_empty() { 41 } else { 43 });
        bytes.push(self.outer_hop_limit);
        bytes.extend(self.sender.octets());
        bytes.extend(self.sids[self.at].octets());
        bytes.extend(header);
        bytes.extend(packet);
        bytes
    }
}

fn srh(next_header: u8, left: usize, visited: &[Ipv6Addr]) -> Vec<u8> {
    let count = visited.len();
    let mut bytes = vec![next_header, 2 * count as u8, 4, left as u8];
    bytes.extend([count as u8 - 1, 0, 0, 0]);
    for segment in visited.iter().rev() {
        bytes.extend(segment.octets());
    }
    bytes
}

fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes)
        .expect("a packet that fits")
        .to_be_bytes()
}

fn address(bytes: &[u8]) -> Ipv6Addr {
    let octets: [u8; 16] = bytes.try_into().expect("16 bytes");
    octets.into()
}
