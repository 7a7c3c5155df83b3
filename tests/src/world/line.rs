//! A packet in one line, for assertions that can be read.

use std::fmt;
use std::net::Ipv6Addr;

use srh::icmp::quoted_flow;
use srh::parse::{self, Packet, Tcp, Upper};
use srh::{Locator, Sid};

use crate::nodes::{lb, server, CLIENT, VIP};

/// Who sends or gets a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Node {
    /// The client.
    Client,
    /// LB, from 1.
    Lb(u16),
    /// Server, from 1.
    Server(u16),
}

impl Node {
    /// Whose locator this is.
    pub fn of(locator: Locator) -> Option<Node> {
        (1..=64).find_map(|n| match locator {
            l if l == lb(n) => Some(Node::Lb(n)),
            l if l == server(n) => Some(Node::Server(n)),
            _ => None,
        })
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Client => f.write_str("client"),
            Node::Lb(n) => write!(f, "lb{n}"),
            Node::Server(n) => write!(f, "s{n}"),
        }
    }
}

/// What a packet carries: `SYN`, `data 5`, ...
pub fn content(bytes: &[u8]) -> String {
    let Ok(packet) = parse::packet(bytes) else {
        return "rubbish".into();
    };
    match packet.upper {
        Upper::Tcp(tcp) => segment(&tcp),
        Upper::Udp { .. } => format!("datagram {}", packet.len - packet.upper_at - 8),
        Upper::Ipv6 => content(&bytes[packet.upper_at..packet.len]),
        Upper::Icmp(icmp) => match quoted_flow(bytes, &packet) {
            Some(_) => format!("ICMPv6 error {}", icmp.kind),
            None => format!("ICMPv6 {}", icmp.kind),
        },
        other => format!("{other:?}"),
    }
}

fn segment(tcp: &Tcp) -> String {
    let mut words = Vec::new();
    for (flag, name) in [(Tcp::SYN, "SYN"), (Tcp::FIN, "FIN"), (Tcp::RST, "RST")] {
        if tcp.has(flag) {
            words.push(name.to_string());
        }
    }
    if tcp.is_syn_ack() {
        return "SYN-ACK".into();
    }
    if tcp.data_len > 0 {
        words.push(format!("data {}", tcp.data_len));
    }
    match words.is_empty() {
        true => "ACK".into(),
        false => words.join(" + "),
    }
}

/// A SID as `s1 connectAvail`, with the argument where it isn't 0.
fn sid(addr: Ipv6Addr) -> String {
    match (Sid::parse(addr), Node::of(Locator::of(addr))) {
        (
            Some(Sid {
                function, arg: 0, ..
            }),
            Some(node),
        ) => format!("{node} {function}"),
        (Some(Sid { function, arg, .. }), Some(node)) => format!("{node} {function}:{arg}"),
        _ if addr == VIP => "vip".into(),
        _ if addr == CLIENT => "client".into(),
        _ => addr.to_string(),
    }
}

/// `to` and what comes behind it: `s1 connectAvail, s2 connectForce`. The final destination of an
/// inserted list is the same for every packet and not said.
fn way(bytes: &[u8], packet: &Packet) -> String {
    let mut stops = vec![sid(packet.dst)];
    if let Some(srh) = &packet.srh {
        let last = usize::from(packet.upper != Upper::Ipv6);
        let behind = (last..usize::from(srh.segments_left)).rev();
        stops.extend(behind.filter_map(|i| srh.segment(bytes, i)).map(sid));
    }
    stops.join(", ")
}

/// `lb1 > s1 connectAvail, s2 connectForce: SYN`
pub fn line(from: Node, bytes: &[u8]) -> String {
    let way = match parse::packet(bytes) {
        Ok(packet) => way(bytes, &packet),
        Err(error) => error.to_string(),
    };
    format!("{from} > {way}: {}", content(bytes))
}
