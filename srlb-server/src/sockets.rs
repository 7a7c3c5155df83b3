//! What the kernel's sockets say about a flow (sock_diag): one flow exactly, or all at the start.
//!
//! A look-up takes 2 to 3 us; the kernel answers while the request is being sent, so nothing
//! here ever waits. Sockets are those of the network namespace in which this was opened.

use std::io;
use std::net::{IpAddr, Ipv6Addr};

use netlink_packet_core::{
    NetlinkHeader, NetlinkMessage, NetlinkPayload, NLM_F_DUMP, NLM_F_REQUEST,
};
use netlink_packet_sock_diag::constants::{
    AF_INET6, IPPROTO_TCP, IPPROTO_UDP, TCP_CLOSE_WAIT, TCP_CLOSING, TCP_ESTABLISHED,
    TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_LAST_ACK, TCP_SYN_RECV, TCP_TIME_WAIT,
};
use netlink_packet_sock_diag::inet::nlas::Nla;
use netlink_packet_sock_diag::inet::{
    ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags,
};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr};
use srh::parse::next_header;
use srh::Flow;

use crate::engine::SocketAnswer;

/// "Any cookie": the addresses alone say which socket is meant.
const NO_COOKIE: [u8; 8] = [0xff; 8];
/// Where the counters lie in the kernel's `struct tcp_info` (include/uapi/linux/tcp.h), which only ever grows.
const BYTES_ACKED_AT: usize = 120;
const BYTES_SENT_AT: usize = 200;
const BYTES_RETRANS_AT: usize = 208;

/// The kernel's socket tables.
pub struct Sockets {
    socket: Socket,
    sequence: u32,
    /// Can the kernel be asked for UDP sockets, too?
    has_udp: bool,
}

impl Sockets {
    /// Opens them.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_non_blocking(true)?;
        let mut sockets = Sockets {
            socket,
            sequence: 0,
            has_udp: true,
        };
        sockets.has_udp = sockets.finds_a_udp_socket();
        Ok(sockets)
    }

    /// Can the kernel be asked who listens on UDP ports? A kernel without udp_diag says "nobody" for all of
    /// them, and counts as if somebody always did.
    pub fn has_udp(&self) -> bool {
        self.has_udp
    }

    /// A socket of our own is asked for.
    fn finds_a_udp_socket(&mut self) -> bool {
        let ours = std::net::UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0));
        let Ok(port) = ours.as_ref().map_err(drop).and_then(|s| {
            let addr = s.local_addr().map_err(drop)?;
            Ok(addr.port())
        }) else {
            return false;
        };
        let flow = Flow {
            protocol: next_header::UDP,
            client: Ipv6Addr::LOCALHOST,
            client_port: 1,
            vip: Ipv6Addr::LOCALHOST,
            vip_port: port,
        };
        matches!(self.look_up(&flow), Ok(SocketAnswer::None))
    }

    /// The socket of exactly this TCP flow; for a UDP flow, whether anybody listens.
    pub fn look_up(&mut self, flow: &Flow) -> io::Result<SocketAnswer> {
        match flow.protocol {
            next_header::UDP => self.udp_listener(flow),
            _ => self.connection(flow),
        }
    }

    /// Does a socket take datagrams of this flow?
    fn udp_listener(&mut self, flow: &Flow) -> io::Result<SocketAnswer> {
        if !self.has_udp {
            return Ok(SocketAnswer::None);
        }
        // For UDP the kernel takes source and destination as an arriving datagram has them ("swapped for
        // historical reasons", net/ipv4/udp_diag.c).
        let id = SocketId {
            source_port: flow.client_port,
            destination_port: flow.vip_port,
            source_address: flow.client.into(),
            destination_address: flow.vip.into(),
            interface_id: 0,
            cookie: NO_COOKIE,
        };
        let states = StateFlags::all();
        self.ask(IPPROTO_UDP, id, states, ExtensionFlags::empty(), 0)?;
        let mut answer = SocketAnswer::NobodyListens;
        self.answers(|_| answer = SocketAnswer::None)?;
        Ok(answer)
    }

    fn connection(&mut self, flow: &Flow) -> io::Result<SocketAnswer> {
        let id = SocketId {
            source_port: flow.vip_port,
            destination_port: flow.client_port,
            source_address: flow.vip.into(),
            destination_address: flow.client.into(),
            interface_id: 0,
            cookie: NO_COOKIE,
        };
        self.ask(IPPROTO_TCP, id, StateFlags::all(), ExtensionFlags::INFO, 0)?;
        let mut answer = SocketAnswer::NobodyListens;
        self.answers(|response| {
            // the kernel answers for an unknown flow with the listener
            answer = match response.header.socket_id.destination_port == flow.client_port {
                true => said(&response),
                false => SocketAnswer::None,
            };
        })?;
        Ok(answer)
    }

    /// Flows of these VIPs with a connection, handshakes and TIME_WAIT left out.
    pub fn connections(&mut self, vips: &[Ipv6Addr]) -> io::Result<Vec<Flow>> {
        let states = StateFlags::ESTABLISHED
            | StateFlags::FIN_WAIT1
            | StateFlags::FIN_WAIT2
            | StateFlags::CLOSE_WAIT
            | StateFlags::LAST_ACK
            | StateFlags::CLOSING;
        self.all(vips, states)
    }

    /// Flows of these VIPs whose SYN-ACK waits for its answer.
    pub fn handshakes(&mut self, vips: &[Ipv6Addr]) -> io::Result<Vec<Flow>> {
        self.all(vips, StateFlags::SYN_RECV)
    }

    fn all(&mut self, vips: &[Ipv6Addr], states: StateFlags) -> io::Result<Vec<Flow>> {
        self.ask(
            IPPROTO_TCP,
            SocketId::new_v6(),
            states,
            ExtensionFlags::empty(),
            NLM_F_DUMP,
        )?;
        let mut flows = Vec::new();
        self.answers(|response| {
            let id = &response.header.socket_id;
            if let (IpAddr::V6(vip), IpAddr::V6(client)) =
                (id.source_address, id.destination_address)
            {
                if vips.contains(&vip) {
                    flows.push(Flow {
                        protocol: next_header::TCP,
                        client,
                        client_port: id.destination_port,
                        vip,
                        vip_port: id.source_port,
                    });
                }
            }
        })?;
        Ok(flows)
    }

    fn ask(
        &mut self,
        protocol: u8,
        socket_id: SocketId,
        states: StateFlags,
        extensions: ExtensionFlags,
        flags: u16,
    ) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let request = InetRequest {
            family: AF_INET6,
            protocol,
            extensions,
            states,
            socket_id,
        };
        let message = SockDiagMessage::InetRequest(request);
        let mut request = NetlinkMessage::new(header, NetlinkPayload::from(message));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send(&bytes, 0).map(drop)
    }

    /// Hands out what the kernel answers, to its end. "No such socket" is an answer without any.
    fn answers(&mut self, mut each: impl FnMut(InetResponse)) -> io::Result<()> {
        loop {
            let (datagram, _) = self.socket.recv_from_full()?;
            let mut rest = &datagram[..];
            while !rest.is_empty() {
                let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest)
                    .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))?;
                let len = (message.header.length as usize)
                    .next_multiple_of(4)
                    .clamp(4, rest.len());
                rest = &rest[len..];
                if message.header.sequence_number != self.sequence {
                    continue;
                }
                let is_dump = message.header.flags & NLM_F_MULTI != 0;
                match message.payload {
                    NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => {
                        each(*response);
                        if !is_dump {
                            return Ok(());
                        }
                    }
                    NetlinkPayload::Done(_) => return Ok(()),
                    NetlinkPayload::Error(error) => {
                        let code = error.code.map_or(0, |code| code.get().abs());
                        let error = io::Error::from_raw_os_error(code);
                        return match error.kind() {
                            _ if code == 0 => Ok(()),
                            io::ErrorKind::NotFound => Ok(()),
                            _ => Err(error),
                        };
                    }
                    _ => {}
                }
            }
        }
    }
}

/// A part of a longer answer.
const NLM_F_MULTI: u16 = 2;

/// The kernel's answer in the engine's words.
fn said(response: &InetResponse) -> SocketAnswer {
    match response.header.state {
        TCP_SYN_RECV => SocketAnswer::SynReceived,
        TCP_ESTABLISHED | TCP_CLOSE_WAIT => {
            let (acked, sent) = counts(response);
            SocketAnswer::Open { acked, sent }
        }
        TCP_FIN_WAIT1 | TCP_FIN_WAIT2 | TCP_CLOSING | TCP_LAST_ACK => SocketAnswer::Ended {
            sent: counts(response).1,
        },
        TCP_TIME_WAIT => SocketAnswer::TimeWait,
        _ => SocketAnswer::None,
    }
}

/// The bytes that a socket has sent, as far as the kernel tells: it doesn't of what is left of one in FIN_WAIT2.
fn counts(response: &InetResponse) -> (Option<u64>, Option<u64>) {
    let info = response.nlas.iter().find_map(|nla| match nla {
        Nla::TcpInfo(info) => Some(info.as_slice()),
        _ => None,
    });
    info.map_or((None, None), byte_counts)
}

/// Bytes acknowledged, and bytes sent without retransmissions.
fn byte_counts(info: &[u8]) -> (Option<u64>, Option<u64>) {
    let read = |at: usize| -> Option<u64> {
        Some(u64::from_ne_bytes(info.get(at..at + 8)?.try_into().ok()?))
    };
    let sent = read(BYTES_SENT_AT).zip(read(BYTES_RETRANS_AT));
    (
        read(BYTES_ACKED_AT),
        sent.map(|(sent, again)| sent.saturating_sub(again)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    fn flow_of(server: &TcpStream) -> Flow {
        let (IpAddr::V6(vip), IpAddr::V6(client)) = (
            server.local_addr().unwrap().ip(),
            server.peer_addr().unwrap().ip(),
        ) else {
            panic!("not IPv6")
        };
        Flow {
            protocol: 6,
            client,
            client_port: server.peer_addr().unwrap().port(),
            vip,
            vip_port: server.local_addr().unwrap().port(),
        }
    }

    /// Asks until the kernel says what it should, for as long as that may take.
    fn wait_for(
        sockets: &mut Sockets,
        flow: &Flow,
        is: impl Fn(SocketAnswer) -> bool,
    ) -> SocketAnswer {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let answer = sockets.look_up(flow).unwrap();
            if is(answer) || Instant::now() > end {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_connection_is_found_in_each_of_its_states() {
        let Ok(listener) = TcpListener::bind("[::1]:0") else {
            eprintln!("skipped: no IPv6 loopback");
            return;
        };
        let mut sockets = match Sockets::open() {
            Ok(sockets) => sockets,
            Err(error) => {
                eprintln!("skipped: no sock_diag: {error}");
                return;
            }
        };
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let flow = flow_of(&server);
        server.write_all(b"hello").unwrap();
        client.read_exact(&mut [0; 5]).unwrap();
        let open = SocketAnswer::Open {
            acked: Some(5),
            sent: Some(5),
        };
        assert_eq!(wait_for(&mut sockets, &flow, |a| a == open), open);
        assert!(sockets.connections(&[flow.vip]).unwrap().contains(&flow));
        assert!(!sockets.connections(&[]).unwrap().contains(&flow));
        let unknown = Flow {
            client_port: 1,
            ..flow
        };
        let answer = sockets.look_up(&unknown).unwrap();
        assert_eq!(answer, SocketAnswer::None, "a listener is none");

        server.shutdown(std::net::Shutdown::Write).unwrap();
        let has_ended = |a| matches!(a, SocketAnswer::Ended { .. });
        assert!(has_ended(wait_for(&mut sockets, &flow, has_ended)));
        drop(client);
        let last = wait_for(&mut sockets, &flow, |a| a == SocketAnswer::TimeWait);
        assert_eq!(last, SocketAnswer::TimeWait);
        drop(listener);
        let nobody = Flow {
            vip_port: 1,
            ..flow
        };
        let answer = sockets.look_up(&nobody).unwrap();
        assert_eq!(answer, SocketAnswer::NobodyListens);
    }

    #[test]
    fn a_udp_port_has_a_listener_or_not() {
        let Ok(mut sockets) = Sockets::open() else {
            eprintln!("skipped: no sock_diag");
            return;
        };
        if !sockets.has_udp() {
            eprintln!("skipped: no udp_diag");
            return;
        }
        let any = std::net::UdpSocket::bind("[::]:0").unwrap();
        let flow = Flow {
            protocol: 17,
            client: "2001:db8:c::1".parse().unwrap(),
            client_port: 4_000,
            vip: "2001:db8:80::1".parse().unwrap(),
            vip_port: any.local_addr().unwrap().port(),
        };
        assert_eq!(sockets.look_up(&flow).unwrap(), SocketAnswer::None);
        drop(any);
        let nobody = SocketAnswer::NobodyListens;
        assert_eq!(sockets.look_up(&flow).unwrap(), nobody);
        let bound = std::net::UdpSocket::bind("[::1]:0").unwrap();
        let elsewhere = Flow {
            vip_port: bound.local_addr().unwrap().port(),
            ..flow
        };
        assert_eq!(sockets.look_up(&elsewhere).unwrap(), nobody);
        sockets.has_udp = false;
        assert_eq!(sockets.look_up(&flow).unwrap(), SocketAnswer::None);
    }

    #[test]
    fn a_short_tcp_info_says_nothing() {
        assert_eq!(byte_counts(&[0; 104]), (None, None));
        let mut info = [0; 232];
        info[BYTES_ACKED_AT] = 7;
        info[BYTES_SENT_AT] = 12;
        info[BYTES_RETRANS_AT] = 2;
        assert_eq!(byte_counts(&info), (Some(7), Some(10)));
        assert_eq!(byte_counts(&info[..200]), (Some(7), None));
    }
}
