//! The kernel's Segment Routing as a peer: it must take our headers, and we must take its.

use std::net::Ipv6Addr;

use packet_io::PacketBuf;
use srh::carry::Encoding;
use srh::parse::{Packet, Tcp, Upper};
use srh::{checksum, rewrite, Frame, Function};
use tests::kernel_node::Node;
use tests::nodes::{lb, server, CLIENT, VIP};
use tests::packets::{from_client, parse as parsed};
use tests::samples::{advanced, carried, hunt};

const PORT: u16 = 40_123;

fn is_syn_ack(_: &[u8], packet: &Packet) -> bool {
    packet.tcp().is_some_and(Tcp::is_syn_ack)
}

#[test]
fn the_kernel_passes_our_hunt_on_as_we_would() {
    let Some(mut node) = Node::start() else {
        return;
    };
    for n in 1..=2 {
        let sid = server(n).sid(Function::ConnectAvail);
        node.route(sid, "encap seg6local action End");
    }
    let syn = from_client(PORT, Tcp::SYN, 1000, 0).mss(1440).bytes();
    for encoding in [Encoding::Insert, Encoding::Encap] {
        let offered = hunt(&syn, encoding, 3);
        node.send(&offered);
        // Both of the first two servers are this node: End after End.
        let expected = advanced(&advanced(&offered));
        let got = node.receive(|_, p| p.srh.is_some());
        // As how many hops two Ends in one node count is the kernel's own business.
        let mut got = PacketBuf::from_slice(&got);
        let hop_limit = parsed(got.bytes()).hop_limit;
        got.bytes_mut()[7] = expected[7];
        assert_eq!(got.bytes(), expected, "{encoding:?}");
        assert!(hop_limit < offered[7], "{encoding:?}");
    }
}

#[test]
fn one_end_of_the_kernel_gives_our_bytes_exactly() {
    let Some(mut node) = Node::start() else {
        return;
    };
    node.route(
        server(1).sid(Function::ConnectAvail),
        "encap seg6local action End",
    );
    let syn = from_client(PORT, Tcp::SYN, 1000, 0).mss(1440).bytes();
    for encoding in [Encoding::Insert, Encoding::Encap] {
        let offered = hunt(&syn, encoding, 2);
        node.send(&offered);
        let got = node.receive(|_, p| p.srh.is_some());
        assert_eq!(got, advanced(&offered), "{encoding:?}");
    }
}

/// A connection whose client packets all carry `function` towards the node: SYN, handshake,
/// a request and its answer.
fn connects(node: &mut Node, port: u16, encoding: Encoding, function: Function) {
    let carry = |bytes: &[u8]| carried(bytes, lb(1), encoding, &[(server(1), function, 0)]);
    let _application = node.listen();
    node.send(&carry(
        &from_client(port, Tcp::SYN, 1000, 0).mss(1220).bytes(),
    ));
    let syn_ack = node.receive(is_syn_ack);
    let packet = parsed(&syn_ack);
    let tcp = *packet.tcp().unwrap();
    assert_eq!((packet.src, packet.dst), (VIP, CLIENT));
    assert_eq!((tcp.ack, tcp.dst_port), (1001, port));
    assert!(checksum::is_right(&syn_ack, &packet));
    let ping = from_client(port, Tcp::ACK | 0x08, 1001, tcp.seq.wrapping_add(1)).data(b"ping");
    node.send(&carry(&ping.bytes()));
    let pong = node.receive(|bytes, p| bytes[..p.len].ends_with(b"pong"));
    assert_eq!(parsed(&pong).tcp().unwrap().ack, 1005);
}

#[test]
fn our_encapsulation_reaches_a_listening_socket_through_end_dt6() {
    let Some(mut node) = Node::start() else {
        return;
    };
    let function = Function::AckStickiness;
    node.route(
        server(1).sid(function),
        "encap seg6local action End.DT6 table local",
    );
    connects(&mut node, PORT, Encoding::Encap, function);
}

#[test]
fn our_inserted_srh_reaches_a_listening_socket_by_way_of_a_local_sid() {
    let Some(mut node) = Node::start() else {
        return;
    };
    let function = Function::AckStickiness;
    // As an address of the node (RFC 8754 section 4.3.1): seg6local's End hands nothing to the
    // node's own sockets, it only passes on.
    let sid = server(1).sid(function);
    node.netns
        .ip(&format!("addr add {sid}/128 dev lo nodad"))
        .unwrap();
    connects(&mut node, PORT, Encoding::Insert, function);
}

/// Segments that the kernel is to send its own packets along.
fn way() -> [Ipv6Addr; 2] {
    [
        server(1).sid(Function::ConnectAvail),
        server(2).sid(Function::ConnectForce),
    ]
}

/// Routes `dst` with the kernel's `mode` along [`way`] and returns a SYN that took it.
fn sent_by_the_kernel(node: &Node, mode: &str, dst: Ipv6Addr) -> Vec<u8> {
    let [s1, s2] = way();
    node.route(dst, &format!("encap seg6 mode {mode} segs {s1},{s2}"));
    let _client = node.connect_to(dst);
    node.receive(|_, p| p.srh.is_some())
}

#[test]
fn the_kernels_reduced_encapsulation_is_ours_byte_for_byte() {
    let Some(node) = Node::start() else {
        return;
    };
    let bytes = sent_by_the_kernel(&node, "encap.red", CLIENT);
    let outer = parsed(&bytes);
    assert_eq!((outer.upper, outer.dst), (Upper::Ipv6, way()[0]));
    let mut frame = PacketBuf::from_slice(&bytes);
    rewrite::decap(&mut frame, &outer);
    let inner = parsed(frame.bytes());
    assert_eq!(inner.dst, CLIENT);
    assert!(inner.tcp().is_some_and(Tcp::is_syn));
    assert!(checksum::is_right(frame.bytes(), &inner));
    rewrite::encap(
        &mut frame,
        &inner,
        outer.src,
        &way(),
        outer.flow_label,
        None,
    )
    .unwrap();
    assert_eq!(frame.bytes(), bytes);
}

#[test]
fn the_kernels_full_encapsulation_is_understood() {
    let Some(node) = Node::start() else {
        return;
    };
    let bytes = sent_by_the_kernel(&node, "encap", CLIENT);
    let outer = parsed(&bytes);
    let srh = outer.srh.unwrap();
    assert_eq!((srh.segments_left, srh.last_entry), (1, 1));
    assert_eq!(
        (srh.segment(&bytes, 1), srh.segment(&bytes, 0)),
        (Some(way()[0]), Some(way()[1]))
    );
    assert_eq!((outer.upper, outer.dst), (Upper::Ipv6, way()[0]));
    let mut frame = PacketBuf::from_slice(&bytes);
    assert_eq!(rewrite::advance(&mut frame, &outer), Ok(way()[1]));
    let outer = parsed(frame.bytes());
    rewrite::decap(&mut frame, &outer);
    let inner = parsed(frame.bytes());
    assert_eq!(inner.dst, CLIENT);
    assert!(inner.tcp().is_some_and(Tcp::is_syn));
    assert!(checksum::is_right(frame.bytes(), &inner));
}

#[test]
fn the_kernels_inserted_srh_is_understood_and_comes_off() {
    let Some(node) = Node::start() else {
        return;
    };
    let bytes = sent_by_the_kernel(&node, "inline", CLIENT);
    let packet = parsed(&bytes);
    let srh = packet.srh.unwrap();
    // No first entry for the sender: the kernel's list is two nodes and the destination.
    assert_eq!((srh.segments_left, srh.last_entry), (2, 2));
    assert_eq!(srh.first_visited(&bytes), Some(way()[0]));
    assert_eq!(srh.final_destination(&bytes), Some(CLIENT));
    assert_eq!(packet.dst, way()[0]);
    assert!(packet.tcp().is_some_and(Tcp::is_syn));
    assert!(checksum::is_right(&bytes, &packet));
    let mut frame = PacketBuf::from_slice(&bytes);
    assert_eq!(rewrite::strip(&mut frame, &packet), Ok(CLIENT));
    let plain = parsed(frame.bytes());
    assert_eq!((plain.dst, plain.srh), (CLIENT, None));
    assert!(checksum::is_right(frame.bytes(), &plain));
}
