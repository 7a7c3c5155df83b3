//! `rewriter`: a packet put together from the input, rewritten by `srh` and by the naive oracle of
//! [`crate::wire`]; the bytes must be the same, on the way there and back.

use std::net::Ipv6Addr;

use packet_io::PacketBuf;
use srh::hmac::{HmacError, Key, Keys, Signature, Text};
use srh::parse::{self, Packet};
use srh::rewrite::{self, RewriteError, MAX_SEGMENTS};
use srh::{carry, checksum, tcp, Encoding, Frame, Locator, Segments};

use crate::tape::Tape;
use crate::wire::{self, number, Chain, Head, Signer};

/// Puts a packet together and sends it through every rewrite.
pub fn run(input: &[u8]) {
    let mut tape = Tape::new(input);
    let chain = chain(&mut tape);
    let visited: Vec<Ipv6Addr> = (0..tape.below(MAX_SEGMENTS + 3))
        .map(|_| address(&mut tape))
        .collect();
    let (src, label) = (address(&mut tape), tape.long());
    let clamp = tape.word();
    let signer = signer(&mut tape);
    let bytes = chain.bytes();
    let padded = [&bytes[..], tape.rest()].concat();
    let packet = parse::packet(&padded).expect("the oracle's packet parses");
    assert_eq!(packet.len, bytes.len());
    let case = Case {
        frame: PacketBuf::from_slice(&padded),
        keys: signer.as_ref().map(keys_of),
        packet,
        chain,
        visited,
        label,
        signer,
    };
    case.insert();
    case.encap(src);
    case.put_on(Encoding::Encap);
    case.put_on(Encoding::Insert);
    case.clamp(clamp);
    let is_right = is_right(&case.chain);
    assert_eq!(checksum::is_right(&padded, &packet), is_right, "checksum");
}

/// One packet, and what is to be done with it.
struct Case {
    frame: PacketBuf,
    packet: Packet,
    chain: Chain,
    visited: Vec<Ipv6Addr>,
    label: u32,
    signer: Option<Signer>,
    keys: Option<Keys>,
}

/// The packet of a frame, without the padding behind it.
fn packet_of(frame: &PacketBuf) -> (&[u8], Packet) {
    let packet = parse::packet(frame.bytes()).expect("what was rewritten parses");
    (&frame.bytes()[..packet.len], packet)
}

impl Case {
    fn insert(&self) {
        let chain = &self.chain;
        let list = [&self.visited[..], &[chain.head.dst]].concat();
        let mut sent = self.frame.clone();
        let done = rewrite::insert(&mut sent, &self.packet, &list, self.keys.as_ref());
        if !(3..=MAX_SEGMENTS).contains(&list.len()) {
            assert_eq!(done, Err(RewriteError::SegmentCount));
            assert_eq!(sent.bytes(), self.frame.bytes());
            return;
        }
        done.expect("insert");
        let mut expected = chain.inserted(&list, self.signer.as_ref());
        assert_eq!(packet_of(&sent).0, expected.bytes(), "insert");
        self.walk(&mut sent, &mut expected, &list[2..]);
        // The hop limit stays what the way has made of it.
        let head = Head {
            hop_limit: expected.head.hop_limit,
            ..chain.head.clone()
        };
        let home = Chain {
            head,
            ..chain.clone()
        };
        let packet = packet_of(&sent).1;
        assert_eq!(rewrite::strip(&mut sent, &packet), Ok(chain.head.dst));
        assert_eq!(packet_of(&sent).0, home.bytes(), "strip");
    }

    fn encap(&self, src: Ipv6Addr) {
        let (visited, keys) = (&self.visited[..], self.keys.as_ref());
        let mut sent = self.frame.clone();
        let done = rewrite::encap(&mut sent, &self.packet, src, visited, self.label, keys);
        if visited.is_empty() || visited.len() > MAX_SEGMENTS + 1 {
            assert_eq!(done, Err(RewriteError::SegmentCount));
            assert_eq!(sent.bytes(), self.frame.bytes());
            return;
        }
        // Nobody of ours has a list as long as that.
        let added = rewrite::encap_bytes(visited.len(), keys.is_some());
        if added > PacketBuf::HEADROOM_BYTES {
            assert!(matches!(done, Err(RewriteError::NoHeadroom(_))));
            return;
        }
        done.expect("encap");
        let signer = self.signer.as_ref();
        let mut expected = self.chain.encapsulated(src, visited, self.label, signer);
        assert_eq!(packet_of(&sent).0, expected.bytes(), "encap");
        self.walk(&mut sent, &mut expected, &visited[1..]);
        let packet = packet_of(&sent).1;
        rewrite::decap(&mut sent, &packet);
        assert_eq!(sent.bytes(), self.chain.bytes(), "decap");
    }

    /// Along all segments to the end, until there is none or no hop. The signature holds at each of them.
    fn walk(&self, sent: &mut PacketBuf, expected: &mut Chain, segments: &[Ipv6Addr]) {
        for (passed, &dst) in segments.iter().enumerate() {
            self.verify(sent);
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
        self.verify(sent);
        let packet = packet_of(sent).1;
        assert_eq!(
            rewrite::advance(sent, &packet),
            Err(RewriteError::NoSegment)
        );
    }

    /// What was signed is accepted by its key, and not any more once a bit of the list has changed.
    fn verify(&self, sent: &PacketBuf) {
        let (Some(keys), Some(signer)) = (&self.keys, &self.signer) else {
            return;
        };
        let (bytes, packet) = packet_of(sent);
        assert_eq!(keys.check(bytes, &packet), Ok(Signature::By(signer.id)));
        let mut forged = bytes.to_vec();
        let srh = packet.srh.expect("a signed SRH");
        forged[srh.at + 8 + 16 * usize::from(srh.last_entry)] ^= 1;
        let refused = keys.check(&forged, &packet);
        assert!(
            matches!(refused, Err(HmacError::Wrong | HmacError::Segment)),
            "{refused:?}"
        );
    }

    /// What both engines use: one hop less, the node first, the packet's own destination last.
    fn put_on(&self, encoding: Encoding) {
        let Some((first, sids)) = self.visited.split_first() else {
            return;
        };
        if sids.is_empty() || sids.len() > MAX_SEGMENTS - 2 {
            return;
        }
        let sender = carry::Sender {
            node: Locator::of(*first),
            keys: self.keys.as_ref(),
        };
        let mut segments = Segments::default();
        sids.iter().for_each(|&sid| segments.push(sid));
        let mut sent = self.frame.clone();
        let (packet, label) = (&self.packet, self.label);
        let done = carry::put_on(&mut sent, packet, sender, encoding, &segments, label);
        let hop_limit = self.chain.head.hop_limit;
        if hop_limit <= 1 {
            assert_eq!(done, Err(RewriteError::HopLimit));
            assert_eq!(sent.bytes(), self.frame.bytes());
            return;
        }
        done.expect("put_on");
        let mut inner = self.chain.clone();
        inner.head.hop_limit = hop_limit - 1;
        let (node, signer) = (sender.node.node(), self.signer.as_ref());
        let expected = match encoding {
            Encoding::Encap => inner.encapsulated(node, sids, label, signer),
            Encoding::Insert => {
                inner.inserted(&[&[node], sids, &[inner.head.dst]].concat(), signer)
            }
        };
        assert_eq!(packet_of(&sent).0, expected.bytes(), "put_on");
        assert_eq!(
            expected.bytes().len() - self.chain.bytes().len(),
            encoding.overhead_bytes(sids.len(), signer.is_some())
        );
    }

    /// A lowered MSS: nothing but the option and the checksum changes, and a right checksum stays right.
    fn clamp(&self, max_bytes: u16) {
        let mut lowered = self.frame.clone();
        let done = tcp::clamp_mss(&mut lowered, &self.packet, max_bytes);
        assert!(!done || self.packet.tcp().is_some());
        let pairs = self.frame.bytes().iter().zip(lowered.bytes());
        assert!(pairs.filter(|(a, b)| a != b).count() <= if done { 4 } else { 0 });
        if is_right(&self.chain) && self.chain.protocol == number::TCP {
            let after = packet_of(&lowered).1;
            let payload = &lowered.bytes()[after.upper_at..after.len];
            let (src, dst) = (self.chain.head.src, self.chain.head.dst);
            assert_eq!(wire::checksum(number::TCP, src, dst, payload), 0);
        }
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

/// Half of the packets are signed.
fn signer(tape: &mut Tape) -> Option<Signer> {
    let (kind, id) = (tape.byte(), tape.long());
    let len = tape.below(70);
    (kind & 1 == 1).then(|| Signer {
        id,
        secret: tape.bytes(len).to_vec(),
        linux: kind & 2 == 2,
    })
}

/// What signs as `signer` does.
fn keys_of(signer: &Signer) -> Keys {
    let text = if signer.linux {
        Text::Linux
    } else {
        Text::Rfc8754
    };
    let key = Key::new(signer.id, &signer.secret);
    Keys::new(signer.id, vec![key])
        .expect("a key that signs")
        .with_text(text)
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
    for _ in 0..tape.below(8) {
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
