//! A server's kernel and application, scripted: sockets by flow, and what becomes of a segment.

use std::collections::BTreeMap;

use srh::parse::Tcp;
use srh::Flow;
use srlb_server::engine::{Application, SocketAnswer};

use super::socket::{Out, Socket, Stage};
use crate::nodes::VIP;
use crate::packets::{self, Segment};

/// What the kernel announces, before anybody clamps it.
pub const MSS: u16 = 1_440;

/// How busy the application is.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Does it run?
    pub up: bool,
    /// Busy workers.
    pub busy: u32,
}

impl Application for Load {
    fn is_up(&self) -> bool {
        self.up
    }

    fn busy(&self) -> u32 {
        self.busy
    }

    fn total(&self) -> u32 {
        32
    }
}

/// A server's kernel.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The sockets, listeners not among them.
    pub sockets: BTreeMap<Flow, Socket>,
    /// The application.
    pub load: Load,
    next_iss: u32,
}

impl Kernel {
    /// A kernel with a listening application. `number` keeps the initial numbers of two
    /// servers apart.
    pub fn new(number: u16) -> Self {
        Kernel {
            sockets: BTreeMap::new(),
            load: Load { up: true, busy: 0 },
            next_iss: u32::from(number) << 28,
        }
    }

    /// What the socket look-up says about a flow.
    pub fn look_up(&self, flow: &Flow) -> SocketAnswer {
        let Some(socket) = self.sockets.get(flow) else {
            return SocketAnswer::None;
        };
        let first = socket.iss.wrapping_add(1);
        match socket.stage {
            Stage::SynReceived => SocketAnswer::SynReceived,
            Stage::TimeWait => SocketAnswer::TimeWait,
            Stage::Open if socket.ended => SocketAnswer::Ended {
                sent: Some(u64::from(socket.nxt.wrapping_sub(first))),
            },
            Stage::Open => SocketAnswer::Open {
                acked: Some(u64::from(socket.una.wrapping_sub(first))),
                sent: Some(u64::from(socket.nxt.wrapping_sub(first))),
            },
            Stage::SynSent | Stage::Reset => SocketAnswer::None,
        }
    }

    /// A segment of the client for the VIP; what the kernel answers.
    pub fn receive(&mut self, flow: Flow, tcp: &Tcp, data: &[u8]) -> Option<Vec<u8>> {
        let is_new = match self.sockets.get(&flow) {
            None => true,
            // TIME_WAIT gives way to a SYN beyond its window (RFC 9293 section 3.10.7.4).
            Some(old) => {
                old.stage == Stage::TimeWait
                    && (tcp.seq.wrapping_sub(old.rcv_nxt) as i32) > 0
                    && tcp.is_syn()
            }
        };
        let out = match is_new {
            true => self.without_socket(flow, tcp),
            false => self.at_socket(flow, tcp, data),
        };
        out.map(|out| segment(flow, out))
    }

    fn without_socket(&mut self, flow: Flow, tcp: &Tcp) -> Option<Out> {
        if tcp.has(Tcp::RST) {
            return None;
        }
        if tcp.is_syn() && self.load.up {
            self.next_iss = self.next_iss.wrapping_add(100_000);
            let socket = Socket::accept(self.next_iss, tcp);
            let syn_ack = socket.again();
            self.sockets.insert(flow, socket);
            return syn_ack;
        }
        Some(match tcp.has(Tcp::ACK) {
            true => Out {
                flags: Tcp::RST,
                seq: tcp.ack,
                ack: 0,
                data: Vec::new(),
            },
            false => Out {
                flags: Tcp::RST | Tcp::ACK,
                seq: 0,
                ack: tcp.seq.wrapping_add(1),
                data: Vec::new(),
            },
        })
    }

    fn at_socket(&mut self, flow: Flow, tcp: &Tcp, data: &[u8]) -> Option<Out> {
        let socket = self.sockets.get_mut(&flow)?;
        let answer = socket.receive(tcp, data);
        if socket.is_closed() {
            self.sockets.remove(&flow);
        }
        answer
    }

    /// What the application or a timer does with a flow's socket; what is sent because of it.
    pub fn act(
        &mut self,
        flow: Flow,
        act: impl FnOnce(&mut Socket) -> Option<Out>,
    ) -> Option<Vec<u8>> {
        let out = act(self.sockets.get_mut(&flow)?)?;
        if out.flags & Tcp::RST != 0 {
            self.sockets.remove(&flow);
        }
        Some(segment(flow, out))
    }
}

/// A segment of the VIP, as bytes.
fn segment(flow: Flow, out: Out) -> Vec<u8> {
    let segment = Segment {
        src: VIP,
        dst: flow.client,
        data: out.data,
        ..packets::from_vip(flow.client_port, out.flags, out.seq, out.ack)
    };
    match out.flags & Tcp::SYN {
        0 => segment.bytes(),
        _ => segment.mss(MSS).bytes(),
    }
}
