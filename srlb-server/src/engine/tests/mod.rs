//! The engine, packet by packet.

mod build;
mod connect;
mod fragments;
mod hmac;
mod hostile;
mod owner;
mod replies;
mod table;
mod udp;

use std::cell::Cell;

use daemon::DropReason;
use flow_table::HashKey;
use packet_io::{Instant, PacketBuf};
use srh::{Encoding, Frame, Function};

use super::state::State;
use super::*;
use crate::policy::Accept;
use build::*;

const T0: Instant = Instant::from_secs(1_000);

fn limits() -> contract::Limits {
    contract::Limits::default()
}

/// An application whose state a test sets.
struct App {
    up: bool,
    busy: Cell<u32>,
}

impl Application for App {
    fn is_up(&self) -> bool {
        self.up
    }
    fn busy(&self) -> u32 {
        self.busy.get()
    }
    fn total(&self) -> u32 {
        32
    }
}

/// An engine with all that it is handed, at one point in time.
struct Bench {
    engine: Engine,
    app: App,
    now: Instant,
    socket: SocketAnswer,
    extra: Vec<PacketBuf>,
    asked: usize,
}

fn config(accept: Accept) -> EngineConfig {
    EngineConfig {
        locator: locator(SERVER),
        vips: vec![addr(VIP)],
        lb_locators: vec!["fd00:1b::/32".parse().unwrap()],
        domain: vec![
            "fd00:1b::/32".parse().unwrap(),
            "fd00:5e::/32".parse().unwrap(),
        ],
        fabric_mtu_bytes: 1500,
        accept,
        pending: false,
        max_flows: 64,
        max_udp_flows: 64,
        udp_idle_timeout: std::time::Duration::from_secs(300),
        lookups_pps: 1_000_000,
        icmp_rate_pps: 100,
        hmac: None,
    }
}

impl Bench {
    fn new(accept: Accept) -> Self {
        Bench {
            engine: Engine::new(config(accept), HashKey([7; 16])),
            app: App {
                up: true,
                busy: Cell::new(0),
            },
            now: T0,
            socket: SocketAnswer::None,
            extra: Vec::new(),
            asked: 0,
        }
    }

    fn always() -> Self {
        Self::new(Accept::Always)
    }

    /// Puts a packet in; look-ups are answered with `self.socket`.
    fn put(&mut self, packet: &[u8]) -> (Verdict, Vec<u8>) {
        let mut frame = PacketBuf::from_slice(packet);
        self.extra.clear();
        let mut verdict = self
            .engine
            .process(self.now, &mut frame, &self.app, &mut self.extra);
        if let Verdict::LookUp(query) = verdict {
            assert_eq!(frame.bytes(), packet, "a look-up leaves the packet alone");
            let is_udp = packet_is_udp(packet);
            let protocol = if is_udp { 17 } else { 6 };
            assert_eq!(query.flow, Flow { protocol, ..flow() });
            self.asked += 1;
            let (app, extra) = (&self.app, &mut self.extra);
            verdict = self
                .engine
                .resume(self.now, &mut frame, self.socket, app, extra);
        }
        (verdict, frame.bytes().to_vec())
    }

    fn state(&self) -> State {
        self.engine.flow_state(self.now, &flow()).0
    }

    /// The packet goes to the application as the client sent it.
    #[track_caller]
    fn delivers(&mut self, packet: &[u8], inner: &[u8]) {
        let (verdict, bytes) = self.put(packet);
        assert_eq!(verdict, Verdict::Deliver { steer: false });
        same(&bytes, &hop(inner));
    }

    #[track_caller]
    fn delivers_steered(&mut self, packet: &[u8], inner: &[u8]) {
        let (verdict, bytes) = self.put(packet);
        assert_eq!(verdict, Verdict::Deliver { steer: true });
        same(&bytes, &hop(inner));
    }

    #[track_caller]
    fn transmits(&mut self, packet: &[u8], expected: &[u8]) {
        let (verdict, bytes) = self.put(packet);
        assert_eq!(verdict, Verdict::Transmit);
        same(&bytes, expected);
    }

    #[track_caller]
    fn drops(&mut self, packet: &[u8], reason: DropReason) {
        let before = self.engine.drops().get(reason);
        let state = self.state();
        assert_eq!(self.put(packet).0, Verdict::Drop(reason));
        assert_eq!(self.engine.drops().get(reason), before + 1);
        assert_eq!(self.state(), state, "a dropped packet changes nothing");
    }

    /// A hunt that this server has won: SYN in, SYN-ACK with `number` out.
    fn hunted(encoding: Encoding, number: u32) -> Self {
        let mut bench = Self::always();
        let syn = client(SYN, 0);
        bench.delivers(&offer(encoding, &syn), &syn);
        let syn_ack = server(SYN | ACK, number, b"");
        bench.transmits(
            &syn_ack,
            &to_lb(encoding, Function::CreateStickiness, &syn_ack),
        );
        assert_eq!(bench.state(), State::Hunted);
        bench
    }

    /// The same, and the client has answered through ackStickiness.
    fn direct(encoding: Encoding, number: u32) -> Self {
        let mut bench = Self::hunted(encoding, number);
        let ack = client(ACK, number.wrapping_add(1));
        bench.delivers(&pinned(encoding, &ack), &ack);
        assert_eq!(bench.state(), State::Direct);
        bench
    }
}

/// Does the client's packet, which ends this one, hold UDP?
fn packet_is_udp(packet: &[u8]) -> bool {
    let outer = srh::parse::packet(packet).unwrap();
    match outer.upper {
        Upper::Ipv6 => packet_is_udp(&packet[outer.upper_at..]),
        upper => matches!(upper, Upper::Udp { .. }),
    }
}

/// Equal bytes, outer flow labels aside: they are a hash of the flow.
#[track_caller]
fn same(bytes: &[u8], expected: &[u8]) {
    let plain = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        if srh::parse::packet(&bytes).is_ok_and(|p| p.upper == srh::parse::Upper::Ipv6) {
            bytes[1] &= 0xf0;
            bytes[2..4].fill(0);
        }
        bytes
    };
    let (bytes, expected) = (plain(bytes), plain(expected));
    assert!(
        bytes == expected,
        "\n got {bytes:02x?}\nwant {expected:02x?}"
    );
}

const ENCODINGS: [Encoding; 2] = [Encoding::Encap, Encoding::Insert];
