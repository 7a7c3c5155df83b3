//! The client: connections by port.

use std::collections::BTreeMap;

use srh::parse::Tcp;
use srh::Flow;

use super::socket::{Out, Socket, Stage};
use crate::nodes::{CLIENT, VIP, VIP_PORT};
use crate::packets;

/// The flow of a port of the client.
pub fn flow(port: u16) -> Flow {
    Flow {
        protocol: 6,
        client: CLIENT,
        client_port: port,
        vip: VIP,
        vip_port: VIP_PORT,
    }
}

/// The UDP flow of a port of the client.
pub fn udp_flow(port: u16) -> Flow {
    Flow {
        protocol: 17,
        ..flow(port)
    }
}

/// The client.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// Its connections.
    pub sockets: BTreeMap<u16, Socket>,
    /// Everything that came in, newest last: port and control bits.
    pub heard: Vec<(u16, u8)>,
}

impl Client {
    /// Opens a connection from `port`, with any initial number.
    pub fn open(&mut self, port: u16, iss: u32) -> Vec<u8> {
        let socket = Socket::open(iss);
        let syn = socket.again();
        self.sockets.insert(port, socket);
        syn.map(|out| segment(port, out)).unwrap_or_default()
    }

    /// Lets a connection do something; what is sent because of it.
    pub fn act(
        &mut self,
        port: u16,
        act: impl FnOnce(&mut Socket) -> Option<Out>,
    ) -> Option<Vec<u8>> {
        let out = act(self.sockets.get_mut(&port)?)?;
        Some(segment(port, out))
    }

    /// A segment of the VIP comes in; what it is answered with.
    pub fn receive(&mut self, tcp: &Tcp, data: &[u8]) -> Option<Vec<u8>> {
        let port = tcp.dst_port;
        self.heard.push((port, tcp.flags));
        let out = match self.sockets.get_mut(&port) {
            Some(socket) if !socket.is_closed() => socket.receive(tcp, data),
            _ if tcp.has(Tcp::RST) => None,
            _ => Some(Out {
                flags: Tcp::RST,
                seq: tcp.ack,
                ack: 0,
                data: Vec::new(),
            }),
        };
        out.map(|out| segment(port, out))
    }

    /// Where the connection of a port stands.
    #[track_caller]
    pub fn stage(&self, port: u16) -> Stage {
        self.sockets[&port].stage
    }

    /// What a connection has received.
    #[track_caller]
    pub fn received(&self, port: u16) -> &[u8] {
        &self.sockets[&port].received
    }
}

/// A segment of the client, as bytes.
fn segment(port: u16, out: Out) -> Vec<u8> {
    let segment = packets::from_client(port, out.flags, out.seq, out.ack).data(&out.data);
    match out.flags & Tcp::SYN {
        0 => segment.bytes(),
        _ => segment.mss(1_440).bytes(),
    }
}
