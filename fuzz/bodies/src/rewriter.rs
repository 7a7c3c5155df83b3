//! `rewriter`: a packet put together from the input, rewritten by `srh` and by the naive oracle of
//! [`crate::wire`]; the bytes must be the same, on the way there and back.

use std::net::Ipv6Addr;

use packet_io::PacketBuf;
use srh::parse::{self, Packet};
use srh::rewrite::{self, RewriteError, MAX_SEGMENTS};
use srh::{carry, checksum, tcp, Encoding, Frame, Locator, Segments};

use crate::tape::Tape;
use crate::wire::{self, number, Chain, Head};

/// Puts a packet together and sends it through every rewrite.
pub fn run(input: &[u8]) {
    let mut tape = Tape::new(input);
    let chain = chain(&mut tape);
    let visited: Vec<Ipv6Addr> = (0..tape.below(MAX_SEGMENTS + 3))
        .map(|_| address(&mut tape))
        .collect();
    let (src, label) = (address(&mut tape), tape.long());
    let clamp = tape.word();
    let bytes = chain.bytes();
    let padding = tape.rest();
    let padded = [&bytes[..], padding].concat();
    let Ok(packet) = parse::packet(&padded) else {
        panic!(
            "the oracle's packet does not parse: {:?}",
            parse::packet(&padded)
        );
    };
    assert_eq!(packet.len, bytes.len());
    let frame = PacketBuf::from_slice(&padded);
    insert(&frame, &packet, &chain, &visited);
    encap(&frame, &packet, &chain, src, &visited, label);
    for encoding in [Encoding::Encap, Encoding::Insert] {
        put_on(&frame, &packet, &chain, &visited, label, encoding);
    }
    clamped(&frame, &packet, &chain, clamp);
    assert_eq!(
        checksum::is_right(&padded, &packet),
        is_right(&chain),
        "checksum"
    );
}

/// The packet of a frame, without the padding behind it.
fn packet_of(frame: &PacketBuf) -> (&[u8], Packet) {
    let packet = parse::packet(frame.bytes()).expect("what was rewritten parses");
    (&frame.bytes()[..packet.len], packet)
}

fn insert(frame: &PacketBuf, packet: &Packet, chain: &Chain, visited: &[Ipv6Addr]) {
    let list = [visited, &[chain.head.dst]].concat();
    let mut sent = frame.clone();
    let done = rewrite::insert(&mut sent, packet, &list);
    if !(3..=MAX_SEGMENTS).contains(&list.len()) {
        assert_eq!(done, Err(RewriteError::SegmentCount));
        assert_eq!(sent.bytes(), frame.bytes());
        return;
    }
    done.expect("insert");
    let mut expected = chain.inserted(&list);
    assert_eq!(packet_of(&sent).0, expected.bytes(), "insert");
    walk(&mut sent, &mut expected, &list[2..]);
    // The hop limit stays what the way has made of it.
    let home = Chain {
        head: Head {
            hop_limit: expected.head.hop_limit,
            ..chain.head.clone()
        },
        ..chain.clone()
    };
    let packet = packet_of(&sent).1;
    assert_eq!(rewrite::strip(&mut sent, &packet), Ok(chain.head.dst));
    assert_eq!(packet_of(&sent).0, home.bytes(), "strip");
}

fn encap(
    frame: &PacketBuf,
    packet: &Packet,
    chain: &Chain,
    src: Ipv6Addr,
    visited: &[Ipv6Addr],
    label: u32,
) {
    let mut sent = frame.clone();
    let done = rewrite::encap(&mut sent, packet, src, visited, label);
    if visited.is_empty() || visited.len() > MAX_SEGMENTS + 1 {
        assert_eq!(done, Err(RewriteError::SegmentCount));
        assert_eq!(sent.bytes(), frame.bytes());
        return;
    }
    done.expect("encap");
    let mut expected = chain.encapsulated(src, visited, label);
    assert_eq!(packet_of(&sent).0, expected.bytes(), "encap");
    walk(&mut sent, &mut expected, &visited[1..]);
    let packet = packet_of(&sent).1;
    rewrite::decap(&mut sent, &packet);
    assert_eq!(sent.bytes(), chain.bytes(), "decap");
}

/// Along all segments to the end, until there is none or no hop.
fn walk(sent: &mut PacketBuf, expected: &mut Chain, segments: &[Ipv6Addr]) {
    for (passed, &dst) in segments.iter().enumerate() {
        let packet = packet_of(sent).1;
        let done = rewrite::advance(sent, &packet);
        if expected.head.hop_limit <= 1 {
            assert_eq!(done, Err(RewriteError::HopLimit));
            assert_eq!(packet_of(sent).0, expected.bytes());
            return;
        }
        assert_eq!(done, Ok(dst));
        *expected = expected.advanced((segments.len() - 1 - passed) as u8, dst);
        assert_eq!(packet_of(sent).0, expected.bytes(), "advance");
    }
    let packet = packet_of(sent).1;
    assert_eq!(
        rewrite::advance(sent, &packet),
        Err(RewriteError::NoSegment)
    );
}

/// What both engines use: one hop less, the node first, the packet's own destination last.
fn put_on(
    frame: &PacketBuf,
    packet: &Packet,
    chain: &Chain,
    visited: &[Ipv6Addr],
    label: u32,
    encoding: Encoding,
) {
    let Some((first, sids)) = visited.split_first() else {
        return;
    };
    if sids.is_empty() || sids.len() > MAX_SEGMENTS - 2 {
        return;
    }
    let node = Locator::of(*first);
    let mut segments = Segments::default();
    sids.iter().for_each(|&sid| segments.push(sid));
    let mut sent = frame.clone();
    let done = carry::put_on(&mut sent, packet, node, encoding, &segments, label);
    if chain.head.hop_limit <= 1 {
        assert_eq!(done, Err(RewriteError::HopLimit));
        assert_eq!(sent.bytes(), frame.bytes());
        return;
    }
    done.expect("put_on");
    let head = Head {
        hop_limit: chain.head.hop_limit - 1,
        ..chain.head.clone()
    };
    let inner = Chain {
        head,
        ..chain.clone()
    };
    let expected = match encoding {
        Encoding::Encap => inner.encapsulated(node.node(), sids, label),
        Encoding::Insert => inner.inserted(&[&[node.node()], sids, &[chain.head.dst]].concat()),
    };
    assert_eq!(packet_of(&sent).0, expected.bytes(), "put_on");
    assert_eq!(
        expected.bytes().len() - chain.bytes().len(),
        encoding.overhead_bytes(sids.len())
    );
}

/// A lowered MSS: nothing but the option and the checksum changes, and a right checksum stays right.
fn clamped(frame: &PacketBuf, packet: &Packet, chain: &Chain, max_bytes: u16) {
    let mut lowered = frame.clone();
    let done = tcp::clamp_mss(&mut lowered, packet, max_bytes);
    assert!(!done || packet.tcp().is_some());
    let differing = frame
        .bytes()
        .iter()
        .zip(lowered.bytes())
        .filter(|(a, b)| a != b)
        .count();
    assert!(differing <= if done { 4 } else { 0 });
    if is_right(chain) {
        let after = packet_of(&lowered).1;
        let payload = &lowered.bytes()[after.upper_at..after.len];
        let dst = chain.head.dst;
        assert!(
            chain.protocol != number::TCP
                || wire::checksum(number::TCP, chain.head.src, dst, payload) == 0
        );
    }
}

/// What the oracle thinks of the checksum; of what has none it thinks well.
fn is_right(chain: &Chain) -> bool {
    let is_carried = [number::TCP, number::UDP, number::ICMPV6].contains(&chain.protocol);
    !is_carried
        || wire::checksum(
            chain.protocol,
            chain.head.src,
            chain.head.dst,
            &chain.payload,
        ) == 0
}

fn address(tape: &mut Tape) -> Ipv6Addr {
    let octets = tape.bytes(16);
    let mut address = [0; 16];
    address[..octets.len()].copy_from_slice(octets);
    address.into()
}

fn chain(tape: &mut Tape) -> Chain {
    let head = Head {
        traffic_class: tape.byte(),
        flow_label: tape.long() & 0xf_ffff,
        hop_limit: tape.byte(),
        src: address(tape),
        dst: address(tape),
    };
    let extensions = extensions(tape);
    let (protocol, mut payload) = transport(tape);
    if tape.flip() {
        wire::seal(protocol, head.src, head.dst, &mut payload);
    }
    Chain {
        head,
        extensions,
        protocol,
        payload,
    }
}

/// Any extension headers but an SRH.
fn extensions(tape: &mut Tape) -> Vec<(u8, Vec<u8>)> {
    let mut list = Vec::new();
    if tape.flip() {
        list.push((number::HOP_BY_HOP, wire::options(tape.byte() % 4)));
    }
    for _ in 0..tape.below(4) {
        list.push(match tape.below(3) {
            0 => (number::DESTINATION, wire::options(tape.byte() % 4)),
            1 => (number::FRAGMENT, wire::fragment(0, false, tape.long())),
            _ => (number::ROUTING, vec![0, 0, 3, 0, 1, 2, 3, 4]),
        });
    }
    list
}

fn transport(tape: &mut Tape) -> (u8, Vec<u8>) {
    let ports = (tape.word(), tape.word());
    match tape.below(5) {
        0 => {
            let segment = wire::Tcp {
                ports,
                seq: tape.long(),
                ack: tape.long(),
                flags: tape.byte(),
                mss: None,
            };
            let mut bytes = segment.bytes(&[]);
            // Options as they come, so that an MSS may stand anywhere, or be broken.
            let mut options = tape.bytes(options_len(ports.0)).to_vec();
            options.resize(options.len().next_multiple_of(4), 0);
            bytes[12] = (5 + options.len() as u8 / 4) << 4;
            bytes.extend(options);
            bytes.extend(data(tape));
            (number::TCP, bytes)
        }
        1 => (number::UDP, wire::udp(ports, data(tape))),
        2 => (
            number::ICMPV6,
            wire::icmp(tape.byte(), tape.byte(), tape.long(), data(tape)),
        ),
        3 => (number::IPV6, data(tape).to_vec()),
        _ => (0xfd, data(tape).to_vec()),
    }
}

/// How many bytes of options: at most 40.
fn options_len(from: u16) -> usize {
    usize::from(from) % 41
}

fn data<'a>(tape: &mut Tape<'a>) -> &'a [u8] {
    let len = tape.below(200);
    tape.bytes(len)
}
