//! The rewrites once more, naively: header chains as lists of vectors, put together anew.

use std::net::Ipv6Addr;

use srh::parse::next_header as nh;

use crate::build;

/// A packet as a list of headers: each with the number that announces it.
#[derive(Clone, Debug)]
pub struct Chain {
    pub traffic_class: u8,
    pub flow_label: u32,
    pub hop_limit: u8,
    pub src: Ipv6Addr,
    pub dst: Ipv6Addr,
    /// The Next Header byte inside each is written when the chain becomes bytes.
    pub extensions: Vec<(u8, Vec<u8>)>,
    pub protocol: u8,
    pub payload: Vec<u8>,
}

impl Chain {
    pub fn bytes(&self) -> Vec<u8> {
        let mut numbers: Vec<u8> = self.extensions.iter().map(|(n, _)| *n).collect();
        numbers.push(self.protocol);
        let mut rest = Vec::new();
        for ((_, header), follows) in self.extensions.iter().zip(&numbers[1..]) {
            rest.push(*follows);
            rest.extend(&header[1..]);
        }
        rest.extend(&self.payload);
        let mut bytes = build::ipv6(self.src, self.dst, numbers[0], &rest);
        let word = 6u32 << 28 | u32::from(self.traffic_class) << 20 | self.flow_label;
        bytes.splice(..4, word.to_be_bytes());
        bytes[7] = self.hop_limit;
        bytes
    }

    /// The chain with an SRH behind its Hop-by-Hop Options, on its way to the second segment.
    pub fn inserted(&self, visited: &[Ipv6Addr]) -> Self {
        let wire_order: Vec<Ipv6Addr> = visited.iter().rev().copied().collect();
        let header = build::srh(0, visited.len() as u8 - 2, &wire_order, &[]);
        let place = usize::from(matches!(self.extensions.first(), Some((nh::HOP_BY_HOP, _))));
        let mut chain = self.clone();
        chain.extensions.insert(place, (nh::ROUTING, header));
        chain.dst = visited[1];
        chain
    }

    /// The chain inside another one.
    pub fn encapsulated(&self, src: Ipv6Addr, visited: &[Ipv6Addr], flow_label: u32) -> Self {
        let wire_order: Vec<Ipv6Addr> = visited[1..].iter().rev().copied().collect();
        let mut extensions = Vec::new();
        if !wire_order.is_empty() {
            let header = build::srh(0, wire_order.len() as u8, &wire_order, &[]);
            extensions.push((nh::ROUTING, header));
        }
        Chain {
            traffic_class: self.traffic_class,
            flow_label,
            hop_limit: 64,
            src,
            dst: visited[0],
            extensions,
            protocol: nh::IPV6,
            payload: self.bytes(),
        }
    }

    /// The chain one segment further: `next` is what Segments Left becomes.
    pub fn advanced(&self, next: u8, dst: Ipv6Addr) -> Self {
        let mut chain = self.clone();
        for (number, header) in &mut chain.extensions {
            if *number == nh::ROUTING && header[2] == 4 {
                header[3] = next;
            }
        }
        chain.hop_limit -= 1;
        chain.dst = dst;
        chain
    }
}
