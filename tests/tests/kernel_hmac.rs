//! The kernel's HMAC as a judge: it must verify what we sign, and we must verify what it signs.
//! Its text is not RFC 8754's (see `srh::hmac::Text`), and so all keys here are for Linux's.

use std::net::Ipv6Addr;

use packet_io::PacketBuf;
use srh::hmac::{HmacError, Keys, Signature, Text};
use srh::parse::{Packet, Tcp};
use srh::{checksum, rewrite, Encoding, Frame, Function, Sender};
use tests::kernel_node::Node;
use tests::nodes::{keys, lb, server, CLIENT, KEY, NEXT_KEY, VIP};
use tests::packets::{from_client, parse as parsed};
use tests::samples::{advanced, carried_by, hunt_by};

const ENCODINGS: [Encoding; 2] = [Encoding::Insert, Encoding::Encap];

fn linux(list: &[(u32, &[u8; 32])]) -> Keys {
    keys(list).with_text(Text::Linux)
}

/// A node that has both keys and takes no SRH without one of them.
fn strict_node() -> Option<Node> {
    let node = Node::start()?;
    node.add_key(KEY);
    node.add_key(NEXT_KEY);
    node.require_hmac();
    Some(node)
}

fn syn(port: u16) -> Vec<u8> {
    from_client(port, Tcp::SYN, 1_000, 0).mss(1_220).bytes()
}

fn has_srh(_: &[u8], packet: &Packet) -> bool {
    packet.srh.is_some()
}

#[test]
fn the_kernel_passes_on_what_is_signed_and_nothing_else() {
    let Some(mut node) = strict_node() else {
        return;
    };
    node.route(
        server(1).sid(Function::ConnectAvail),
        "encap seg6local action End",
    );
    let good = [linux(&[KEY]), linux(&[NEXT_KEY])];
    let bad: [(&str, Option<Keys>); 4] = [
        ("nothing signed", None),
        ("another secret", Some(linux(&[(KEY.0, &[b'x'; 32])]))),
        ("an unknown key", Some(linux(&[(9, KEY.1)]))),
        ("the RFC's text", Some(keys(&[KEY]))),
    ];
    for encoding in ENCODINGS {
        for keys in &good {
            for (what, wrong) in &bad {
                node.send(&hunt_by(&syn(40_001), wrong.as_ref(), encoding, 2));
                // What comes out comes out in order: the bad one would be first.
                let offered = hunt_by(&syn(40_002), Some(keys), encoding, 2);
                node.send(&offered);
                assert_eq!(node.receive(has_srh), advanced(&offered), "{what}");
            }
        }
    }
}

/// The sequence number of the segment that an SRH or an outer packet carries.
fn sequence(bytes: &[u8]) -> u32 {
    let outer = parsed(bytes);
    let tcp = outer.tcp().copied();
    let inner = || parsed(&bytes[outer.upper_at..outer.len]).tcp().copied();
    tcp.or_else(inner).unwrap().seq
}

/// From Last Entry to the end of the SRH, without the D bit, which the kernel doesn't know.
#[test]
fn the_kernel_and_we_agree_on_every_single_bit() {
    const LAST: u32 = u32::MAX;
    let Some(mut node) = strict_node() else {
        return;
    };
    let sid = server(1).sid(Function::ConnectAvail);
    node.route(sid, "encap seg6local action End");
    let keys = linux(&[KEY, NEXT_KEY]);
    for encoding in ENCODINGS {
        let signed = |seq| {
            let syn = from_client(40_001, Tcp::SYN, seq, 0).bytes();
            hunt_by(&syn, Some(&keys), encoding, 2)
        };
        let srh = parsed(&signed(0)).srh.unwrap();
        let d_bit = 8 * (srh.hmac_at.unwrap() + 2);
        let (mut by_us, mut by_kernel) = (Vec::new(), Vec::new());
        for byte in srh.at + 4..srh.at + srh.len {
            for bit in (8 * byte..8 * byte + 8).filter(|&bit| bit != d_bit) {
                let mut bytes = signed(bit as u32);
                bytes[byte] ^= 0x80 >> (bit % 8);
                let packet = srh::parse::packet(&bytes);
                if packet.is_ok_and(|packet| keys.check(&bytes, &packet).is_ok()) {
                    by_us.push(bit as u32);
                }
                node.send(&bytes);
            }
            node.send(&signed(LAST));
            let passed = || sequence(&node.receive(has_srh));
            by_kernel.extend(std::iter::repeat_with(passed).take_while(|&seq| seq != LAST));
        }
        assert_eq!(by_kernel, by_us, "{encoding:?}");
        // the tag, and the reserved bits of the TLV but for the first
        assert_eq!(by_us.len(), 16 + 15, "{encoding:?}");
    }
}

/// A connection whose client packets all carry `function` towards the node, signed.
fn connects(node: &mut Node, encoding: Encoding, function: Function) {
    let keys = linux(&[KEY]);
    let sender = Sender {
        node: lb(1),
        keys: Some(&keys),
    };
    let carry = |bytes: &[u8]| carried_by(bytes, sender, encoding, &[(server(1), function, 0)]);
    let _application = node.listen();
    node.send(&carry(&syn(40_123)));
    let syn_ack = node.receive(|_, p| p.tcp().is_some_and(Tcp::is_syn_ack));
    let packet = parsed(&syn_ack);
    let tcp = *packet.tcp().unwrap();
    assert_eq!((packet.src, packet.dst, tcp.ack), (VIP, CLIENT, 1_001));
    let ack = tcp.seq.wrapping_add(1);
    let ping = from_client(40_123, Tcp::ACK | 0x08, 1_001, ack).data(b"ping");
    node.send(&carry(&ping.bytes()));
    node.receive(|bytes, p| bytes[..p.len].ends_with(b"pong"));
}

#[test]
fn our_signed_encapsulation_reaches_a_listening_socket_through_end_dt6() {
    let Some(mut node) = strict_node() else {
        return;
    };
    let function = Function::AckStickiness;
    node.route(
        server(1).sid(function),
        "encap seg6local action End.DT6 table local",
    );
    connects(&mut node, Encoding::Encap, function);
}

#[test]
fn our_signed_srh_reaches_a_listening_socket_by_way_of_a_local_sid() {
    let Some(mut node) = strict_node() else {
        return;
    };
    let function = Function::AckStickiness;
    let sid = server(1).sid(function);
    node.netns
        .ip(&format!("addr add {sid}/128 dev lo nodad"))
        .unwrap();
    connects(&mut node, Encoding::Insert, function);
}

fn way() -> [Ipv6Addr; 2] {
    [
        server(1).sid(Function::ConnectAvail),
        server(2).sid(Function::ConnectForce),
    ]
}

/// A SYN of the kernel's that took its `mode` along [`way`], signed with [`KEY`].
fn signed_by_the_kernel(node: &Node, mode: &str) -> Vec<u8> {
    node.add_key(KEY);
    let [s1, s2] = way();
    let id = KEY.0;
    node.route(
        CLIENT,
        &format!("encap seg6 mode {mode} segs {s1},{s2} hmac {id}"),
    );
    let _client = node.connect_to(CLIENT);
    node.receive(has_srh)
}

/// Our keys take it, as it is and one segment further, and others don't.
fn is_taken(bytes: &[u8]) {
    let by = |keys: &Keys, bytes: &[u8]| keys.check(bytes, &parsed(bytes));
    let mut onwards = PacketBuf::from_slice(bytes);
    rewrite::advance(&mut onwards, &parsed(bytes)).unwrap();
    for bytes in [bytes, onwards.bytes()] {
        let taken = by(&linux(&[NEXT_KEY, KEY]), bytes);
        assert_eq!(taken, Ok(Signature::By(KEY.0)));
        let other_secret = linux(&[(KEY.0, NEXT_KEY.1)]);
        assert_eq!(by(&other_secret, bytes), Err(HmacError::Wrong));
        assert_eq!(by(&linux(&[NEXT_KEY]), bytes), Err(HmacError::UnknownKey));
        assert_eq!(
            by(&keys(&[KEY]), bytes),
            Err(HmacError::Wrong),
            "the RFC's text"
        );
    }
}

#[test]
fn the_kernels_signed_encapsulation_is_ours_byte_for_byte() {
    let Some(node) = Node::start() else {
        return;
    };
    let bytes = signed_by_the_kernel(&node, "encap");
    is_taken(&bytes);
    let outer = parsed(&bytes);
    let mut frame = PacketBuf::from_slice(&bytes);
    rewrite::decap(&mut frame, &outer);
    let inner = parsed(frame.bytes());
    assert!(checksum::is_right(frame.bytes(), &inner));
    let (src, label, keys) = (outer.src, outer.flow_label, linux(&[KEY]));
    rewrite::encap(&mut frame, &inner, src, &way(), label, Some(&keys)).unwrap();
    assert_eq!(frame.bytes(), bytes);
}

#[test]
fn the_kernels_signed_srh_is_understood_and_comes_off() {
    let Some(node) = Node::start() else {
        return;
    };
    let bytes = signed_by_the_kernel(&node, "inline");
    is_taken(&bytes);
    let mut frame = PacketBuf::from_slice(&bytes);
    assert_eq!(rewrite::strip(&mut frame, &parsed(&bytes)), Ok(CLIENT));
    let plain = parsed(frame.bytes());
    assert_eq!((plain.dst, plain.srh), (CLIENT, None));
    assert!(checksum::is_right(frame.bytes(), &plain));
}
