//! One end of one connection: a smoltcp interface with one socket, and the numbers that go over the wire.

use std::net::Ipv6Addr;

use packet_io::PacketBuf;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr};
use srh::parse::{self, Tcp};
use srh::{Flow, Frame};

use super::isn;
use super::port::Port;
use super::segment::Segment;

/// smoltcp's clock.
fn instant(now_us: u64) -> Instant {
    Instant::from_micros(now_us as i64)
}

/// One end of a connection.
pub struct Endpoint {
    interface: Interface,
    port: Port,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    /// What has gone over the wire.
    pub numbers: Numbers,
    /// The SYN-ACK that was sent last, to be sent again when the SYN comes again.
    pub syn_ack: Option<PacketBuf>,
}

/// Sequence numbers of one end, as its peer has seen them or will.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbers {
    /// Our initial number.
    pub first: u32,
    /// The end of what we have sent.
    pub next: u32,
    /// The oldest number that is not acknowledged.
    pub unacknowledged: u32,
    /// The next number that we expect.
    pub expected: u32,
}

impl Numbers {
    fn since_first(&self, number: u32) -> u64 {
        u64::from(number.wrapping_sub(self.first.wrapping_add(1)))
    }

    /// Bytes that the peer has acknowledged, a FIN included.
    pub fn acked_bytes(&self) -> u64 {
        self.since_first(self.unacknowledged)
    }

    /// Bytes that were sent, a FIN included.
    pub fn sent_bytes(&self) -> u64 {
        self.since_first(self.next)
    }
}

/// Is `a` before `b`, on the circle of sequence numbers?
pub fn is_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

impl Endpoint {
    /// A closed end at `address` that will begin with `first`; the buffers' sizes are in bytes.
    pub fn new(address: Ipv6Addr, now_us: u64, first: u32, receives: usize, sends: usize) -> Self {
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = isn::seed_for(first);
        let mut port = Port::default();
        let mut interface = Interface::new(config, &mut port, instant(now_us));
        interface.update_ip_addrs(|list| {
            let _ = list.push(IpCidr::new(address.into(), 128));
        });
        let mut socket = tcp::Socket::new(
            tcp::SocketBuffer::new(vec![0; receives]),
            tcp::SocketBuffer::new(vec![0; sends]),
        );
        // Dialogues send in pieces, and each piece is awaited.
        socket.set_nagle_enabled(false);
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let handle = sockets.add(socket);
        Endpoint {
            interface,
            port,
            sockets,
            handle,
            numbers: Numbers {
                first,
                next: first,
                unacknowledged: first,
                expected: 0,
            },
            syn_ack: None,
        }
    }

    /// Opens the connection; the SYN comes with the next poll.
    pub fn connect(&mut self, flow: &Flow) {
        let socket = self.sockets.get_mut::<tcp::Socket>(self.handle);
        let (remote, local) = ((flow.vip, flow.vip_port), (flow.client, flow.client_port));
        socket
            .connect(self.interface.context(), remote, local)
            .expect("a closed socket with an address");
    }

    /// Waits for the SYN that is fed next.
    pub fn listen(&mut self, flow: &Flow) {
        self.socket()
            .listen((flow.vip, flow.vip_port))
            .expect("a closed socket");
    }

    /// The socket.
    pub fn socket(&mut self) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    /// Its state.
    pub fn state(&self) -> tcp::State {
        self.sockets.get::<tcp::Socket>(self.handle).state()
    }

    /// A packet comes in; what is sent because of it is appended to `out`.
    pub fn feed(&mut self, now_us: u64, frame: PacketBuf, tcp: &Tcp, out: &mut Vec<PacketBuf>) {
        if tcp.has(Tcp::ACK) && !tcp.has(Tcp::RST) {
            let numbers = &mut self.numbers;
            let is_new = is_before(numbers.unacknowledged, tcp.ack);
            if is_new && !is_before(numbers.next, tcp.ack) {
                numbers.unacknowledged = tcp.ack;
            }
        }
        self.port.inbound = Some(frame);
        // What is to be sent waits until the application has read: it tells the window.
        let _ =
            self.interface
                .poll_ingress_single(instant(now_us), &mut self.port, &mut self.sockets);
        self.hand_out(out);
    }

    /// Time has passed, or the application has done something.
    pub fn poll(&mut self, now_us: u64, out: &mut Vec<PacketBuf>) {
        let now = instant(now_us);
        self.interface.poll(now, &mut self.port, &mut self.sockets);
        self.hand_out(out);
    }

    fn hand_out(&mut self, out: &mut Vec<PacketBuf>) {
        for frame in std::mem::take(&mut self.port.outbound) {
            self.note(&frame);
            out.push(frame);
        }
    }

    /// The peer's last segment has come: the ACK for it, if it has not been sent.
    pub fn acknowledge(&mut self, last: &Tcp) -> Option<Segment> {
        let end = last
            .seq
            .wrapping_add(last.data_len as u32 + u32::from(last.has(Tcp::FIN)));
        let is_due = is_before(self.numbers.expected, end);
        is_due.then(|| {
            self.numbers.expected = end;
            Segment::ack(self.numbers.next, end)
        })
    }

    fn note(&mut self, frame: &PacketBuf) {
        let Ok(packet) = parse::packet(frame.bytes()) else {
            return;
        };
        let Some(tcp) = packet.tcp().filter(|tcp| !tcp.has(Tcp::RST)) else {
            return;
        };
        let controls = u32::from(tcp.has(Tcp::SYN)) + u32::from(tcp.has(Tcp::FIN));
        let end = tcp.seq.wrapping_add(tcp.data_len as u32 + controls);
        if is_before(self.numbers.next, end) {
            self.numbers.next = end;
        }
        if tcp.has(Tcp::ACK) {
            self.numbers.expected = tcp.ack;
        }
        if tcp.is_syn_ack() {
            self.syn_ack = Some(frame.clone());
        }
    }

    /// When it wants to be polled next, if it does.
    pub fn due_us(&mut self, now_us: u64) -> Option<u64> {
        let at = self.interface.poll_at(instant(now_us), &self.sockets)?;
        Some((at.total_micros().max(0) as u64).max(now_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::nodes::{client, flow};

    #[test]
    fn a_connection_begins_with_the_number_that_was_given() {
        for first in [0, 1, 77, u32::MAX, 0x8000_0000] {
            let flow = flow(1, 4_000);
            let mut end = Endpoint::new(client(1), 5, first, 1_024, 1_024);
            end.connect(&flow);
            let mut out = Vec::new();
            end.poll(5, &mut out);
            let packet = parse::packet(out[0].bytes()).unwrap();
            assert_eq!(packet.tcp().unwrap().seq, first);
            assert!(packet.tcp().unwrap().is_syn());
        }
    }
}
