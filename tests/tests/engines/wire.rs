//! The bytes on the wire, against headers put together from vectors.

use srh::parse::Tcp;
use srh::{Encoding, Function};
use tests::nodes::{lb, server};
use tests::packets::{from_client, from_vip, parse, Segment};
use tests::wire::Way;
use tests::world::World;

use crate::BOTH;

/// The longest header that an LB may add, with room for an HMAC TLV, IPv6 and TCP: what is left
/// of 1,500 bytes.
const CLAMPED_MSS: u16 = 1_500 - 216 - 40 - 20;

/// The flow label of an outer header. It is a hash under a key of the node: any will do.
fn flow_label(bytes: &[u8], encoding: Encoding) -> u32 {
    match encoding {
        Encoding::Encap => parse(bytes).flow_label,
        Encoding::Insert => 0,
    }
}

fn one_hop_less(mut segment: Segment) -> Vec<u8> {
    segment.hop_limit -= 1;
    segment.bytes()
}

#[test]
fn every_byte_of_a_hunt_and_of_a_pinned_packet() {
    for encoding in BOTH {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        world.server(1).kernel.load.busy = 1;
        world.open(port);
        world.run();
        let wires: Vec<Vec<u8>> = world.wires.iter().map(|w| w.bytes.clone()).collect();
        let label = |i: usize| flow_label(&wires[i], encoding);
        let candidates = [
            server(1).sid(Function::ConnectAvail),
            server(2).sid(Function::ConnectForce),
        ];
        let offered = Way {
            encoding,
            sender: lb(1).node(),
            sids: &candidates,
            at: 0,
            flow_label: label(1),
            outer_hop_limit: 64,
        };
        let syn = from_client(port, Tcp::SYN, 1_000, 0).mss(1_440);
        assert_eq!(wires[0], syn.bytes());
        assert_eq!(wires[1], offered.bytes(&one_hop_less(syn.clone())));

        // A hop more: of the outer packet in encap, of the client's own in insert.
        let mut passed_on = syn.clone();
        passed_on.hop_limit -= if encoding == Encoding::Insert { 1 } else { 0 };
        let refused = Way {
            at: 1,
            outer_hop_limit: 63,
            ..offered
        };
        assert_eq!(wires[2], refused.bytes(&one_hop_less(passed_on)));

        let iss = world.servers[1].kernel.sockets.values().next().unwrap().iss;
        let syn_ack = from_vip(port, Tcp::SYN | Tcp::ACK, iss, 1_001).mss(CLAMPED_MSS);
        let create = Way {
            encoding,
            sender: server(2).node(),
            sids: &[lb(1).sid(Function::CreateStickiness)],
            at: 0,
            flow_label: label(3),
            outer_hop_limit: 64,
        };
        assert_eq!(wires[3], create.bytes(&one_hop_less(syn_ack.clone())));
        assert_eq!(wires[4], one_hop_less(syn_ack));

        let ack = from_client(port, Tcp::ACK, 1_001, iss + 1);
        let pinned = Way {
            encoding,
            sender: lb(1).node(),
            sids: &[server(2).sid(Function::AckStickiness)],
            at: 0,
            flow_label: label(6),
            outer_hop_limit: 64,
        };
        assert_eq!(wires[5], ack.bytes());
        assert_eq!(wires[6], pinned.bytes(&one_hop_less(ack)));
        assert_eq!(wires.len(), 7);
        let grown = |i: usize, of: usize| wires[i].len() - wires[of].len();
        let expected = match encoding {
            Encoding::Insert => (72, 56),
            Encoding::Encap => (64, 40),
        };
        assert_eq!((grown(1, 0), grown(6, 5)), expected);
        assert_eq!(label(1), label(6), "all packets of a flow have one label");
    }
}
