//! A TCP packet as every node can read it: whose flow it is, and which function is on it.

use packet_io::PacketBuf;
use srh::parse::{self, Tcp, Upper};
use srh::{Flow, Frame, Function, Sid};

use crate::sim::nodes::{Node, VIP};

/// What a packet says.
#[derive(Clone, Copy, Debug)]
pub struct Said {
    /// Whose it is.
    pub flow: Flow,
    /// Its TCP header.
    pub tcp: Tcp,
    /// What the node is asked to do that it is on its way to; none on plain packets.
    pub function: Option<Function>,
    /// That node.
    pub to: Option<Node>,
    /// Bytes of the whole packet.
    pub len: usize,
}

impl Said {
    /// Reads a packet; none if it is no TCP of the service.
    pub fn read(frame: &PacketBuf) -> Option<Said> {
        let bytes = frame.bytes();
        let outer = parse::packet(bytes).ok()?;
        let inner = match outer.upper {
            Upper::Ipv6 => parse::packet(&bytes[outer.upper_at..outer.len]).ok()?,
            _ => outer,
        };
        let flow = match inner.src == VIP {
            false => inner.flow_from_client(VIP)?,
            true => {
                // an inserted SRH leads to the LB first
                let last = inner.srh.and_then(|srh| srh.final_destination(bytes));
                inner.flow_from_server(last.unwrap_or(inner.dst))?
            }
        };
        let to = Node::at(outer.dst);
        let function = match to {
            Some(Node::Lb(_) | Node::Server(_)) => Sid::parse(outer.dst).map(|sid| sid.function),
            _ => None,
        };
        Some(Said {
            flow,
            tcp: *inner.tcp()?,
            function,
            to,
            len: outer.len,
        })
    }

    /// Is it a reset?
    pub fn is_reset(&self) -> bool {
        self.tcp.has(Tcp::RST)
    }
}
