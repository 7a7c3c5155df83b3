//! What the LB answers itself: echo, Packet Too Big, Time Exceeded, Parameter Problem.

use daemon::DropReason;
use srh::Encoding::{self, Encap, Insert};

use super::build::{self, addr, headers, icmp, srh, ACK, HOPS};
use super::world::*;
use crate::engine::Event;

const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;
const MIN_MTU_BYTES: usize = 1_280;

/// An error of the VIP for the client about `packet`, cut where RFC 4443 says.
fn error(kind: u8, value: u32, packet: &[u8]) -> Vec<u8> {
    let quoted = packet.len().min(MIN_MTU_BYTES - 48);
    icmp(vip(), client(), kind, 0, value, &packet[..quoted])
}

#[test]
fn echo_to_the_vip_and_to_sids() {
    let mut world = World::new(Encap);
    for (from, to) in [
        (client(), vip()),
        (client(), other_vip()),
        (sid(1, NODE), lb(NODE)),
        (client(), lb(CREATE)),
        (client(), lb(RETURN_FLOW)),
        (client(), lb(ACK_STICKINESS)),
    ] {
        let request = icmp(from, to, ECHO_REQUEST, 0, 0x1234_0007, b"are you there?");
        let reply = icmp(to, from, ECHO_REPLY, 0, 0x1234_0007, b"are you there?");
        assert_eq!(world.sent(&request), reply, "{to}");
    }
    assert_eq!(world.engine.events().get(Event::EchoAnswered), 6);
}

/// RFC 9259 section 2.1.1: a SID is asked along a segment list.
#[test]
fn echo_along_a_segment_list() {
    let mut world = World::new(Encap);
    let request = icmp(client(), lb(NODE), ECHO_REQUEST, 0, 9, b"ping");
    let list = srh(58, 0, &[other_lb(NODE), lb(NODE)]);
    let sent = headers(client(), lb(NODE), 43, &[&list, &request[40..]]);
    let reply = icmp(lb(NODE), client(), ECHO_REPLY, 0, 9, b"ping");
    assert_eq!(world.sent(&sent), reply);
}

#[test]
fn packet_too_big_at_the_first_byte_that_does_not_fit() {
    for (encoding, hunt, ack, longest) in [(Encap, 64, 40, 160), (Insert, 72, 56, 168)] {
        let told = (FABRIC_MTU_BYTES - longest) as u32;
        for (entry, header) in [(Entry::None, hunt), (Entry::Confirmed(1), ack)] {
            let mut world = World::new(encoding);
            world.make(entry);
            let fits = world.data(FABRIC_MTU_BYTES - header - 60);
            assert_eq!(world.sent(&fits).len(), FABRIC_MTU_BYTES, "{encoding:?}");
            let too_long = world.data(FABRIC_MTU_BYTES - header - 60 + 1);
            assert_eq!(world.sent(&too_long), error(2, told, &too_long));
            assert_eq!(world.entry(), entry);
            assert_eq!(world.engine.events().get(Event::TooBigSent), 1);
        }
    }
}

/// What we tell is believed by the client: its next packets fit whatever way they go.
#[test]
fn a_client_that_believes_us_fits_any_header() {
    for encoding in [Encap, Insert] {
        let members: Vec<_> = (0..8).map(member).collect();
        let history = [generation(1, consistent_hash::State::Active, &members)];
        let mut world = World::with(encoding, pool(9, 8, &history, true));
        assert_eq!(world.recovery().len(), 8);
        let mtu = world.engine.config().client_mtu_bytes();
        let packet = world.data(mtu - 60);
        assert_eq!(packet.len(), mtu);
        assert_eq!(world.sent(&packet).len(), FABRIC_MTU_BYTES);
    }
}

#[test]
fn a_large_packet_that_a_server_returns_is_told_to_the_client_as_well() {
    for encoding in [Encap, Insert] {
        let mut world = World::new(encoding);
        world.make(Entry::Confirmed(1));
        let longest = encoding.longest_header_bytes(false);
        let told = (FABRIC_MTU_BYTES - longest) as u32;
        // It fits with ackStickiness, but not along a recovery list of two.
        let packet = world.data(FABRIC_MTU_BYTES - 56 - 60);
        let back = world.says(1, RETURN_FLOW, &packet);
        assert_eq!(world.sent(&back), error(2, told, &packet));
        assert_eq!(world.entry(), Entry::Confirmed(1), "until one gets through");
        let smaller = world.data(1_000);
        world.sent(&world.says(1, RETURN_FLOW, &smaller));
        assert_eq!(world.entry(), Entry::None);
    }
}

#[test]
fn no_more_messages_than_the_rate_allows() {
    let mut world = World::new(Encap);
    let packet = world.data(1_450);
    let sent = (0..200).filter(|_| matches!(world.send(&packet), Out::Sent(_)));
    assert_eq!(sent.count(), 100);
    assert_eq!(world.engine.drops().get(DropReason::IcmpRate), 100);
}

#[test]
fn the_last_hop_is_told_to_the_client() {
    for encoding in [Encap, Insert] {
        for entry in [Entry::None, Entry::Confirmed(1)] {
            for hops in [0, 1] {
                let mut world = World::new(encoding);
                world.make(entry);
                let mut packet = world.ack();
                packet[7] = hops;
                assert_eq!(world.sent(&packet), error(3, 0, &packet));
                assert_eq!(world.entry(), entry);
                packet[7] = 2;
                assert_eq!(world.sent(&packet).len(), packet.len() + added(&world));
            }
        }
    }
}

/// Bytes that an ackStickiness, or else a list of two, adds.
fn added(world: &World) -> usize {
    match (world.encoding, world.entry()) {
        (Encap, Entry::None) => 64,
        (Encap, _) => 40,
        (Insert, Entry::None) => 72,
        (Insert, _) => 56,
    }
}

/// createStickiness, in encap with an SRH that it doesn't need, with one byte of its SRH changed.
fn bad_srh(world: &World, at: usize, value: u8) -> Vec<u8> {
    let list = [lb(CREATE), lb(CREATE)];
    let mut packet = match world.encoding {
        Encap => build::encap(sid(1, NODE), &list, 7, &world.syn_ack(NUMBER)),
        Insert => build::insert(sid(1, NODE), &list[..1], &world.syn_ack(NUMBER)),
    };
    packet[40 + at] = value;
    packet
}

/// RFC 8754 section 4.3.1.1: code 0, pointing to Segments Left.
#[test]
fn impossible_segments_are_reported_to_their_sender() {
    for (at, value, reason) in [
        (3, 4, DropReason::SrhSegmentsLeft),
        (4, 3, DropReason::SrhLastEntry),
    ] {
        let mut world = World::new(Encap);
        let packet = bad_srh(&world, at, value);
        let problem = icmp(lb(NODE), sid(1, NODE), 4, 0, 43, &packet);
        assert_eq!(world.sent(&packet), problem);
        assert_eq!(world.engine.drops().get(reason), 1, "counted all the same");
        assert_eq!(world.engine.events().get(Event::ParameterProblemSent), 1);
        let mut silent = config(Encap);
        silent.icmp_rate_pps = 0;
        world.engine.set_config(silent);
        assert_eq!(world.dropped(&packet), reason);
    }
}

/// What is routed to us would come back, as a packet from ourselves to a VIP (found by fuzzing).
#[test]
fn nobody_is_answered_whose_address_leads_to_us() {
    let mut world = World::new(Insert);
    let inserted = bad_srh(&world, 3, 4);
    assert_eq!(world.dropped(&inserted), DropReason::SrhSegmentsLeft);
    for source in [vip(), other_vip(), lb(NODE)] {
        let echo = icmp(source, lb(NODE), 128, 0, 7, b"ping");
        assert_eq!(world.dropped(&echo), DropReason::IcmpIgnored);
    }
    assert_eq!(world.engine.events().get(Event::Transmitted), 0);
}

#[test]
fn padding_behind_the_payload_goes_nowhere() {
    for encoding in [Encap, Insert] {
        let padded = |packet: &[u8]| [packet, &[0xee; 11]].concat();
        let mut world = World::new(encoding);
        world.make(Entry::Confirmed(1));
        let bare = world.sent(&world.ack());
        assert_eq!(world.sent(&padded(&world.ack())), bare);
        let end = world.says(1, CREATE, &world.reply(ACK, NUMBER, b"page"));
        let bare = world.sent(&end);
        assert_eq!(world.sent(&padded(&end)), bare);
        let echo = icmp(client(), vip(), ECHO_REQUEST, 0, 1, b"odd");
        let bare = world.sent(&echo);
        assert_eq!(world.sent(&padded(&echo)), bare);
        let large = world.data(1_450);
        let bare = world.sent(&large);
        assert_eq!(world.sent(&padded(&large)), bare);
    }
}

/// Padding inside the outer packet and behind the inner one's end.
#[test]
fn padding_inside_an_encapsulation_goes_nowhere() {
    let mut world = World::new(Encap);
    let answer = world.syn_ack(NUMBER);
    let padded = [&answer[..], &[0xee; 7]].concat();
    let sent = build::encap(sid(1, NODE), &[lb(CREATE)], 0, &padded);
    assert_eq!(world.sent(&sent), answer);
}

#[test]
fn extension_headers_traffic_class_and_label_of_the_client_survive() {
    let hop_by_hop: [u8; 8] = [6, 0, 1, 4, 0, 0, 0, 0];
    let plain = World::new(Encap).ack();
    let mut packet = headers(client(), vip(), 0, &[&hop_by_hop, &plain[40..]]);
    packet[..4].copy_from_slice(&[0x6a, 0xb7, 0x65, 0x43]);
    let out = hops_gone(&packet);

    let mut world = World::new(Encap);
    world.make(Entry::Confirmed(1));
    let sent = world.sent(&packet);
    let mut outer = world.along(&[sid(1, ACK_STICKINESS)], &packet);
    outer[0] = 0x6a;
    outer[1] |= 0xb0;
    assert_eq!(sent, outer, "the class is the outer header's too");
    assert_eq!(sent[40..], out);

    // The SRH stands behind Hop-by-Hop Options (RFC 8200 section 4.1).
    let mut world = World::new(Insert);
    world.make(Entry::Confirmed(1));
    let sent = world.sent(&packet);
    let list = srh(6, 1, &[lb(NODE), sid(1, ACK_STICKINESS), vip()]);
    let mut expected = headers(
        client(),
        sid(1, ACK_STICKINESS),
        0,
        &[&[43], &hop_by_hop[1..], &list, &plain[40..]],
    );
    expected[..4].copy_from_slice(&packet[..4]);
    expected[7] = HOPS - 1;
    assert_eq!(sent, expected);
    // And on the way back it comes off again.
    world.engine.set_pool(plain_pool());
    let mut back = packet.clone();
    back[8..24].copy_from_slice(&vip().octets());
    back[24..40].copy_from_slice(&addr("2001:db8:c::1").octets());
    let inner = [&hop_by_hop[..], &world.reply(ACK, NUMBER, b"")[40..]].concat();
    let inner = headers(vip(), client(), 0, &[&inner]);
    let list = srh(6, 1, &[sid(1, NODE), lb(CREATE), client()]);
    let tcp = &inner[48..];
    let carried = headers(vip(), lb(CREATE), 0, &[&[43], &hop_by_hop[1..], &list, tcp]);
    assert_eq!(world.sent(&carried), inner);
}

fn hops_gone(packet: &[u8]) -> Vec<u8> {
    build::hops_less(packet, 1)
}

/// All packets of a flow take the same way through the fabric; other flows another one.
#[test]
fn outer_flow_labels_are_the_flows() {
    let label = |bytes: &[u8]| u32::from_be_bytes([0, bytes[1] & 15, bytes[2], bytes[3]]);
    let mut world = World::new(Encap);
    let mut seen = std::collections::HashSet::new();
    for port in 40_000..40_050 {
        world.port = port;
        let syn = label(&world.sent(&world.syn()));
        assert_eq!(label(&world.sent(&world.ack())), syn);
        world.make(Entry::Confirmed(1));
        assert_eq!(label(&world.sent(&world.data(9))), syn);
        seen.insert(syn);
    }
    assert!(seen.len() >= 49, "{} labels", seen.len());
}

/// What is pinned in one encoding stays in it; what is new goes out in the configured one.
#[test]
fn an_entry_keeps_the_encoding_of_its_server() {
    for (configured, spoken) in [(Encap, Insert), (Insert, Encap)] {
        let mut world = World::new(configured);
        let answer = world.syn_ack(NUMBER);
        let says = |function, packet: &[u8]| match spoken {
            Encoding::Encap => build::encap(sid(1, NODE), &[lb(function)], 0, packet),
            Encoding::Insert => build::insert(sid(1, NODE), &[lb(function)], packet),
        };
        assert_eq!(world.sent(&says(CREATE, &answer)), answer);
        let ack = world.ack();
        let in_configured = world.along(&[sid(1, ACK_STICKINESS)], &ack);
        world.encoding = spoken;
        let in_spoken = world.along(&[sid(1, ACK_STICKINESS)], &ack);
        assert_ne!(in_configured, in_spoken);
        assert_eq!(world.sent(&ack), in_spoken);
        // Returned, it is asked for in the configured encoding again.
        let list = world.recovery();
        let last = |s: u16| if s == 1 { 1 } else { 0 };
        let mut order = list.clone();
        order.sort_by_key(|&s| last(s));
        world.encoding = configured;
        let sids = [sid(order[0], RECOVER), sid(order[1], RECOVER_FINAL)];
        assert_eq!(
            world.sent(&says(RETURN_FLOW, &ack)),
            world.along(&sids, &ack)
        );
    }
}
