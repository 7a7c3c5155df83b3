//! Packets for engines, as an input describes them: first something that makes sense, from and to nodes that exist, then, if the
//! input says so, harm done to it.
//!
//! Small values of the input's bytes choose the usual, so that the fuzzer finds its way into the states by itself.

use std::net::Ipv6Addr;

use srh::hmac::{Key, Keys, Text};
use srh::parse::{self, Packet, Tcp as Flag, Upper};
use srh::{Describe, Flow, Function, Locator, Sid};

use crate::tape::Tape;
use crate::wire::{self, number, Chain, Head, Signer, Tcp};

/// The client of this number.
pub fn client(n: usize) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 1 + n as u16)
}

/// The service of this number.
pub fn vip(n: usize) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0x80, 0, 0, 0, 0, 1 + n as u16)
}

/// The locator of LB `n`, from 1.
pub fn lb(n: u16) -> Locator {
    Locator::of(Ipv6Addr::new(0xfd00, 0x1b, n, 0, 0, 0, 0, 0))
}

/// The locator of server `n`, from 1.
pub fn server(n: u16) -> Locator {
    Locator::of(Ipv6Addr::new(0xfd00, 0x5e, n, 0, 0, 0, 0, 0))
}

/// The key that everybody has, if anybody signs, and how an engine that has it is configured: not at all, not
/// required, required.
pub fn keys(tape: &mut Tape) -> (Option<Signer>, Option<Keys>) {
    let kind = tape.below(4);
    if kind < 2 {
        return (None, None);
    }
    let signer = Signer {
        id: 7,
        secret: b"everybody has it".to_vec(),
        linux: tape.flip(),
    };
    let text = [Text::Rfc8754, Text::Linux][usize::from(signer.linux)];
    let key = Key::new(signer.id, &signer.secret);
    let keys = Keys::new(signer.id, vec![key]).expect("a key that signs");
    let keys = keys.with_text(text).with_required(kind == 3);
    (Some(signer), Some(keys))
}

/// Ports of clients and services, and numbers that packets have in common often enough to fit each other.
const PORTS: [u16; 4] = [40_000, 40_001, 50_000, 0];
const VIP_PORTS: [u16; 2] = [80, 443];
const NUMBERS: [u32; 8] = [
    1_001,
    5_001,
    5_000,
    1_000,
    0,
    u32::MAX,
    5_001u32.wrapping_sub(8 << 20),
    9_000,
];
const FLAGS: [u8; 12] = [
    Flag::SYN,
    Flag::ACK,
    Flag::SYN | Flag::ACK,
    Flag::ACK | 0x08,
    Flag::FIN | Flag::ACK,
    Flag::RST,
    Flag::RST | Flag::ACK,
    0,
    0xff,
    Flag::SYN | Flag::RST,
    Flag::SYN | Flag::FIN,
    Flag::FIN,
];
const LENGTHS: [usize; 8] = [0, 1, 40, 1_200, 1_280, 1_360, 1_440, 1_500];
const HOP_LIMITS: [u8; 6] = [64, 63, 2, 1, 0, 255];

/// Who writes packets for an engine.
pub struct Writer {
    /// Whose engine it is.
    pub home: Locator,
    /// Are functions usually sent by servers to LBs, or the other way round?
    pub from_servers: bool,
    /// What the others sign with, if they do.
    pub signer: Option<Signer>,
}

impl Writer {
    /// A packet, unharmed or not.
    pub fn packet(&self, tape: &mut Tape) -> Vec<u8> {
        let bytes = self.unharmed(tape, 0);
        match tape.below(4) {
            0..=2 => bytes,
            _ => harmed(tape, bytes),
        }
    }

    fn unharmed(&self, tape: &mut Tape, depth: u8) -> Vec<u8> {
        let inner = self.inner(tape, depth);
        match tape.below(8) {
            0..=2 => self.encap(tape, &inner).bytes(),
            3..=5 => self.insert(tape, &inner).bytes(),
            6 => inner.bytes(),
            _ => {
                let inner = self.insert_or_plain(tape, &inner);
                self.encap(tape, &inner).bytes()
            }
        }
    }

    fn insert_or_plain(&self, tape: &mut Tape, inner: &Chain) -> Chain {
        match tape.flip() {
            true => self.insert(tape, inner),
            false => inner.clone(),
        }
    }

    /// A packet of a client or a service.
    fn inner(&self, tape: &mut Tape, depth: u8) -> Chain {
        let place = tape.byte();
        let client = (
            client(usize::from(place & 3)),
            PORTS[usize::from(place >> 2 & 3)],
        );
        let vip = (
            vip(usize::from(place >> 4 & 1)),
            VIP_PORTS[usize::from(place >> 5 & 1)],
        );
        let from_vip = (place >> 7 == 1) != self.from_servers;
        let (from, to) = match from_vip {
            true => (vip, client),
            false => (client, vip),
        };
        let kind = tape.below(12);
        let hop_limit = tape.one_of(&HOP_LIMITS);
        let (src, dst) = match kind {
            10 => (self.anybody(tape), to.0),
            11 => (from.0, self.anybody(tape)),
            _ => (from.0, to.0),
        };
        let (protocol, mut payload) = self.transport(tape, kind, (from.1, to.1), depth);
        wire::seal(protocol, src, dst, &mut payload);
        Chain {
            head: Head {
                traffic_class: 0x20,
                flow_label: 7,
                hop_limit,
                src,
                dst,
            },
            extensions: extensions(tape),
            protocol,
            payload,
        }
    }

    fn transport(
        &self,
        tape: &mut Tape,
        kind: usize,
        ports: (u16, u16),
        depth: u8,
    ) -> (u8, Vec<u8>) {
        match kind {
            6 => (number::UDP, wire::udp(ports, &data(tape))),
            7 => (
                number::ICMPV6,
                wire::icmp(tape.one_of(&[128, 129]), 0, 7, &data(tape)),
            ),
            8 if depth < 2 => (number::ICMPV6, self.error(tape, depth)),
            9 => (tape.byte(), data(tape)),
            _ => {
                let tcp = Tcp {
                    ports,
                    seq: number_of(tape),
                    ack: number_of(tape),
                    flags: tape.one_of(&FLAGS),
                    mss: tape.one_of(&[None, Some(1_440)]),
                };
                (number::TCP, tcp.bytes(&data(tape)))
            }
        }
    }

    /// An ICMPv6 error about another packet, of which the end may be missing.
    fn error(&self, tape: &mut Tape, depth: u8) -> Vec<u8> {
        let (kind, code) = (tape.one_of(&[2, 1, 3, 4, 0, 100]), tape.byte() % 4);
        let value = tape.one_of(&[1_280, 1_500, 0, u32::MAX, 1_400]);
        let mut quoted = self.unharmed(tape, depth + 1);
        let cut = tape.one_of(&[usize::MAX, 1_232, 48, 44, 40, 100]);
        quoted.truncate(cut);
        wire::icmp(kind, code, value, &quoted)
    }

    fn encap(&self, tape: &mut Tape, inner: &Chain) -> Chain {
        let (sender, sids) = self.way(tape);
        let mut chain = inner.encapsulated(sender, &sids, 0xabcde, self.signs(tape));
        self.go_on(tape, &mut chain, &sids);
        chain
    }

    fn insert(&self, tape: &mut Tape, inner: &Chain) -> Chain {
        let (sender, sids) = self.way(tape);
        let list = [&[sender], &sids[..], &[inner.head.dst]].concat();
        let mut chain = inner.inserted(&list, self.signs(tape));
        self.go_on(tape, &mut chain, &list[1..]);
        chain
    }

    /// Some forget to sign.
    fn signs(&self, tape: &mut Tape) -> Option<&Signer> {
        self.signer.as_ref().filter(|_| tape.below(16) != 15)
    }

    /// Some of the segments are behind it already.
    fn go_on(&self, tape: &mut Tape, chain: &mut Chain, visited: &[Ipv6Addr]) {
        let steps = tape.byte();
        if steps < 4 {
            return;
        }
        let at = usize::from(steps) % visited.len();
        chain.head.hop_limit = chain.head.hop_limit.max(2);
        *chain = chain.advanced((visited.len() - 1 - at) as u8, visited[at]);
    }

    /// Who sends a function, and along which SIDs.
    fn way(&self, tape: &mut Tape) -> (Ipv6Addr, Vec<Ipv6Addr>) {
        let sender = match tape.below(16) {
            15 => self.anybody(tape),
            n => self.peer(n as u16 % 6 + 1).node(),
        };
        let count = [1, 2, 3, 8][tape.below(4)];
        let sids = (0..count).map(|place| self.sid(tape, place)).collect();
        (sender, sids)
    }

    /// Those whom this node speaks with.
    fn peer(&self, n: u16) -> Locator {
        match self.from_servers {
            true => server(n),
            false => lb(n),
        }
    }

    /// A function at this node first, then at the nodes of its kind.
    fn sid(&self, tape: &mut Tape, place: u16) -> Ipv6Addr {
        let what = tape.byte();
        if what == 0xff {
            return self.anybody(tape);
        }
        let functions = match self.from_servers {
            true => [
                Function::CreateStickiness,
                Function::RemoveStickiness,
                Function::ReturnFlow,
                Function::RecoverNext,
            ]
            .as_slice(),
            false => &[
                Function::ConnectAvail,
                Function::ConnectForce,
                Function::ConnectFinal,
                Function::AckStickiness,
                Function::RecoverStickiness,
                Function::RecoverFinal,
            ],
        };
        let function = match usize::from(what & 0x0f) {
            15 => Function::ALL[usize::from(what >> 4) % Function::ALL.len()],
            n => functions[n % functions.len()],
        };
        let arg = match function {
            Function::RecoverStickiness | Function::RecoverNext => what >> 4,
            _ => u8::from(what >> 4 == 15),
        };
        let locator = match (place, self.from_servers) {
            (0, _) => self.home,
            (n, true) => lb(n + 1),
            (n, false) => server(n + 1),
        };
        Sid {
            locator,
            function,
            arg,
        }
        .addr()
    }

    /// Any address, of one that plays a part here more often than of nobody.
    fn anybody(&self, tape: &mut Tape) -> Ipv6Addr {
        match tape.below(8) {
            0 => self.home.node(),
            1 => self.home.network(),
            2 => server(u16::from(tape.byte() % 8)).node(),
            3 => lb(u16::from(tape.byte() % 8)).node(),
            4 => vip(tape.below(3)),
            5 => client(tape.below(4)),
            6 => Sid {
                locator: self.home,
                function: tape.one_of(Function::ALL),
                arg: 0,
            }
            .addr(),
            _ => tape
                .bytes(16)
                .try_into()
                .map_or(Ipv6Addr::UNSPECIFIED, |octets: [u8; 16]| octets.into()),
        }
    }
}

fn number_of(tape: &mut Tape) -> u32 {
    match tape.byte() {
        0xff => tape.long(),
        n => NUMBERS[usize::from(n) % NUMBERS.len()],
    }
}

fn data(tape: &mut Tape) -> Vec<u8> {
    vec![0x61; tape.one_of(&LENGTHS)]
}

fn extensions(tape: &mut Tape) -> Vec<(u8, Vec<u8>)> {
    match tape.byte() {
        1 => vec![(number::HOP_BY_HOP, wire::options(0))],
        2 => vec![(number::DESTINATION, wire::options(1))],
        3 => vec![(number::FRAGMENT, wire::fragment(0, false, 1))],
        4 => vec![(number::FRAGMENT, wire::fragment(0, true, 1))],
        5 => vec![(number::FRAGMENT, wire::fragment(1_232, true, 1))],
        6 => vec![(number::FRAGMENT, wire::fragment(1_232, false, 1))],
        7 => (0..8)
            .map(|_| (number::DESTINATION, wire::options(0)))
            .collect(),
        8 => vec![(number::ROUTING, wire::srh(0, &[vip(0)], &[]))],
        _ => Vec::new(),
    }
}

/// Does something to a packet that nobody of ours would.
fn harmed(tape: &mut Tape, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..=tape.below(4) {
        if bytes.is_empty() {
            break;
        }
        let len = bytes.len();
        let at = usize::from(tape.word()) % len;
        match tape.below(7) {
            0 => bytes[at] = tape.byte(),
            1 => bytes[at % 128 % len] = tape.one_of(&[0, 4, 6, 41, 43, 44, 58, 60, 255]),
            2 => bytes.truncate(at),
            3 => bytes.resize(len + tape.below(64), 0x29),
            4 => {
                let to = usize::from(tape.word()) % len;
                let n = tape.below(64).min(len - at.max(to));
                bytes.copy_within(at..at + n, to);
            }
            5 if len > 6 => bytes[4..6].copy_from_slice(&tape.word().to_be_bytes()),
            _ => reseal(&mut bytes),
        }
    }
    bytes
}

/// Makes the innermost checksum right again.
fn reseal(bytes: &mut [u8]) {
    let Some((at, packet)) = innermost(bytes) else {
        return;
    };
    let protocol = match packet.upper {
        Upper::Tcp(_) => number::TCP,
        Upper::Udp { .. } => number::UDP,
        Upper::Icmp(_) => number::ICMPV6,
        _ => return,
    };
    let dst = final_destination(&bytes[at..], &packet);
    let payload = &mut bytes[at + packet.upper_at..at + packet.len];
    wire::seal(protocol, packet.src, dst, payload);
}

/// What came in and what came of it, told if a promise is found broken while this is alive.
pub struct Witness<'a> {
    /// The packet that came in.
    pub received: &'a [u8],
    /// What the buffer held afterwards.
    pub sent: &'a [u8],
}

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "in:  {}\nout: {}",
                Describe(self.received),
                Describe(self.sent)
            );
        }
    }
}

/// Where the packet inside at most two outer ones starts, and what it is.
pub fn innermost(bytes: &[u8]) -> Option<(usize, Packet)> {
    let (mut at, mut packet) = (0, parse::packet(bytes).ok()?);
    for _ in 0..2 {
        if packet.upper != Upper::Ipv6 {
            break;
        }
        at += packet.upper_at;
        packet = parse::packet(&bytes[at..]).ok()?;
    }
    Some((at, packet))
}

/// Where a packet wants to go in the end.
pub fn final_destination(bytes: &[u8], packet: &Packet) -> Ipv6Addr {
    match &packet.srh {
        Some(srh) if srh.segments_left > 0 => srh.final_destination(bytes).unwrap_or(packet.dst),
        _ => packet.dst,
    }
}

/// Is the innermost checksum right, by the slow way of counting? `None` where there is none to look at.
pub fn is_sealed(bytes: &[u8]) -> Option<bool> {
    let (at, packet) = innermost(bytes)?;
    let protocol = match packet.upper {
        Upper::Tcp(_) => number::TCP,
        Upper::Udp { .. } => number::UDP,
        Upper::Icmp(_) => number::ICMPV6,
        _ => return None,
    };
    if packet.is_fragment() {
        return None;
    }
    let dst = final_destination(&bytes[at..], &packet);
    let payload = &bytes[at + packet.upper_at..at + packet.len];
    Some(wire::checksum(protocol, packet.src, dst, payload) == 0)
}

/// The flow that a packet belongs to, if it is a client's or a service's: a service is who has one of the VIPs.
pub fn flow_of(bytes: &[u8], is_vip: impl Fn(Ipv6Addr) -> bool) -> Option<Flow> {
    let (at, packet) = innermost(bytes)?;
    let dst = final_destination(&bytes[at..], &packet);
    match is_vip(packet.src) {
        true => packet.flow_from_server(dst),
        false => packet.flow_from_client(dst),
    }
}
