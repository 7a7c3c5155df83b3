//! Any bytes and mutated packets, at any state: never a panic, never an entry written by a packet
//! that is dropped, never a packet for somebody it does not concern.

use std::net::Ipv6Addr;
use std::time::Duration;

use packet_io::PacketBuf;
use proptest::prelude::*;
use proptest::sample::Index;
use srh::Encoding::{self, Encap, Insert};
use srh::Frame;

use super::build::{self, fragment, icmp, with_source, with_target, ACK, FIN, RST, SYN};
use super::world::*;
use crate::engine::pin::Pin;
use crate::engine::{Event, Verdict};

/// What is done to a packet before it is sent.
#[derive(Clone, Debug)]
enum Harm {
    Set(Index, u8),
    Cut(Index),
    Lengthen(u8),
    /// Bytes of the packet once more, somewhere else.
    Repeat(Index, Index, u8),
    SetPayloadLength(u16),
}

fn harm() -> impl Strategy<Value = Harm> {
    use Harm::*;
    let byte = prop_oneof![
        any::<u8>(),
        prop::sample::select(vec![0, 4, 6, 41, 43, 44, 58, 60])
    ];
    prop_oneof![
        6 => (any::<Index>(), byte).prop_map(|(at, value)| Set(at, value)),
        1 => any::<Index>().prop_map(Cut),
        1 => any::<u8>().prop_map(Lengthen),
        1 => (any::<Index>(), any::<Index>(), any::<u8>()).prop_map(|(a, b, n)| Repeat(a, b, n)),
        1 => any::<u16>().prop_map(SetPayloadLength),
    ]
}

fn harmed(mut packet: Vec<u8>, harms: &[Harm]) -> Vec<u8> {
    for harm in harms {
        if packet.is_empty() {
            break;
        }
        let len = packet.len();
        match harm {
            Harm::Set(at, value) => packet[at.index(len)] = *value,
            Harm::Cut(at) => packet.truncate(at.index(len)),
            Harm::Lengthen(n) => packet.resize(len + usize::from(*n), 0x29),
            Harm::Repeat(from, to, n) => {
                let (from, to) = (from.index(len), to.index(len));
                let n = usize::from(*n).min(len - from.max(to));
                packet.copy_within(from..from + n, to);
            }
            Harm::SetPayloadLength(n) if len > 6 => {
                packet[4..6].copy_from_slice(&n.to_be_bytes());
            }
            Harm::SetPayloadLength(_) => {}
        }
    }
    packet
}

/// A packet that makes sense in itself, whoever may send it.
fn packet() -> impl Strategy<Value = Vec<u8>> {
    let senders = || (0u16..7).prop_map(|n| sid(n, NODE));
    let sender = prop_oneof![
        8 => senders(),
        1 => Just(other_lb(NODE)),
        1 => Just(lb(NODE)),
        1 => Just(sid(1, ACK_STICKINESS)),
        1 => Just(client()),
    ];
    let function = prop::sample::select(vec![
        CREATE,
        CREATE,
        REMOVE,
        RETURN_FLOW,
        RECOVER_NEXT,
        RECOVER_NEXT + 1,
        NODE,
        CONNECT_AVAIL,
        0xff00,
        CREATE + 1,
    ]);
    let encoding = prop_oneof![Just(Encap), Just(Insert)];
    let plain = (inner(), Just(None));
    let carried = (inner(), (encoding, sender, function).prop_map(Some));
    prop_oneof![1 => plain, 3 => carried].prop_map(|(inner, around)| match around {
        None => inner,
        Some((Encap, from, function)) => build::encap(from, &[lb(function)], 5, &inner),
        Some((Insert, from, function)) => build::insert(from, &[lb(function)], &inner),
    })
}

/// A packet without headers of ours.
fn inner() -> impl Strategy<Value = Vec<u8>> {
    let flags = prop::sample::select(vec![
        SYN,
        ACK,
        RST,
        FIN | ACK,
        SYN | ACK,
        RST | ACK,
        0,
        0xff,
    ]);
    let data = prop_oneof![4 => 0usize..40, 1 => 1_200usize..1_460];
    let number = prop::sample::select(vec![NUMBER, 9, 0]);
    (any::<bool>(), flags, data, number, 0u8..16).prop_map(|(to_vip, flags, data, number, kind)| {
        let mut world = World::new(Encap);
        let tcp = match to_vip {
            true => world.request(flags, number, &vec![1; data]),
            false => world.reply(flags, number, &vec![1; data]),
        };
        match kind {
            0 => match to_vip {
                true => world.datagram(&vec![1; data]),
                false => world.answer(&vec![1; data]),
            },
            1 => icmp(client(), vip(), 128, 0, 7, &vec![1; data]),
            2 => icmp(client(), vip(), 2, 0, 1_300, &tcp),
            3 => icmp(
                client(),
                lb(NODE),
                2,
                0,
                1_300,
                &world.along(&[sid(1, ACK_STICKINESS)], &tcp),
            ),
            4 => with_source(&tcp, sid(2, NODE)),
            5 => with_target(&tcp, other_vip()),
            6 => fragment(&tcp, 8 * u16::from(number == 9), flags & 1 == 0),
            // whole units of eight bytes, of a flow with an entry and of one without
            8 => fragment(&world.data(data / 8 * 8 + 4), 0, true),
            9 => fragment(&world.datagram(&vec![1; data / 8 * 8]), 0, true),
            7 => {
                world.port += 1;
                world.request(flags, number, b"another flow")
            }
            _ => tcp,
        }
    })
}

pub fn input() -> impl Strategy<Value = Vec<u8>> {
    // Errors whose checksum is right, about something that is broken.
    let quotation = (
        packet(),
        prop::collection::vec(harm(), 0..3),
        any::<bool>(),
        1u8..5,
    )
        .prop_map(|(packet, harms, for_vip, kind)| {
            let quoted = harmed(packet, &harms);
            match for_vip {
                true => icmp(client(), vip(), kind, 0, 1_300, &quoted),
                false => icmp(client(), lb(NODE), kind, 0, 1_300, &quoted),
            }
        });
    let mutated = (packet(), prop::collection::vec(harm(), 0..4));
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..300),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(|rest| build::ipv6(client(), vip(), 43, &rest)),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(|rest| build::ipv6(vip(), lb(CREATE), 43, &rest)),
        2 => quotation,
        9 => mutated.prop_map(|(packet, harms)| harmed(packet, &harms)),
    ]
}

pub fn entry() -> impl Strategy<Value = Entry> {
    let server = || 0u16..4;
    prop_oneof![
        Just(Entry::None),
        (server(), prop::sample::select(vec![NUMBER, 9]))
            .prop_map(|(s, n)| Entry::Unconfirmed(s, n)),
        server().prop_map(Entry::Confirmed),
        server().prop_map(Entry::Closing),
    ]
}

fn all_entries(world: &World) -> Vec<Pin> {
    world.engine.flows.iter().collect()
}

fn address(bytes: &[u8], at: usize) -> Ipv6Addr {
    <[u8; 16]>::try_from(&bytes[at..at + 16]).unwrap().into()
}

/// May the LB send this at all?
fn assert_well_formed(sent: &[u8], received: &[u8]) {
    let longest = FABRIC_MTU_BYTES.max(received.len());
    assert!(
        sent.len() <= longest,
        "{} from {}",
        sent.len(),
        received.len()
    );
    let parsed = srh::parse::packet(sent).expect("what is sent can be read");
    assert_eq!(parsed.len, sent.len(), "and ends where it says");
    let to = address(sent, 24);
    let ours = |server: u16| {
        (0..5).contains(&server) && sid(server, NODE).octets()[..8] == to.octets()[..8]
    };
    let to_sid = (0..5).any(ours);
    // What goes on to a client keeps the hop limit that its server gave it: the kernel, which
    // forwards it, counts that hop.
    assert!(sent[7] > 0 || !to_sid, "hop limit");
    // An answer goes where the packet came from; a function's or an error's packet to a client.
    let from = address(received, 8);
    let is_client =
        !to.octets().starts_with(&[0xfd, 0, 0, 0x1b]) && to != vip() && to != other_vip();
    assert!(to_sid || to == from || is_client, "sent to {to}");
}

fn feed(world: &mut World, received: &[u8]) {
    let mut frame = PacketBuf::from_slice(received);
    let (entries, drops) = (all_entries(world), world.engine.drops().clone());
    let in_fragments = world.engine.fragments.len();
    let states = world.engine.flows_by_state(world.now);
    let explained = |w: &World| w.engine.explain(w.flow(), w.now).unwrap().entry;
    let known = explained(world);
    let revived = world.engine.events().get(Event::Revived);
    match world.engine.process(world.now, &mut frame) {
        Verdict::Transmit => assert_well_formed(frame.bytes(), received),
        Verdict::Drop(reason) => {
            assert_eq!(all_entries(world), entries, "{reason}");
            assert_eq!(world.engine.fragments.len(), in_fragments, "{reason}");
            assert_eq!(world.engine.flows_by_state(world.now), states, "{reason}");
            // A dropped packet can show that a dead server lives: then its pins are seen again.
            if world.engine.events().get(Event::Revived) == revived {
                assert_eq!(explained(world), known, "{reason}");
            }
            assert_eq!(world.engine.drops().get(reason), drops.get(reason) + 1);
            assert_eq!(world.engine.drops().total(), drops.total() + 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 3_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn one_packet_at_any_state(
        encoding in prop_oneof![Just(Encap), Just(Insert)],
        protocol in prop_oneof![Just(6), Just(17)],
        entry in entry(),
        input in input(),
    ) {
        let mut world = World::new(encoding);
        world.protocol = protocol;
        world.make(match entry {
            Entry::Unconfirmed(server, _) | Entry::Closing(server) if protocol == 17 => {
                Entry::Unconfirmed(server, 0)
            }
            other => other,
        });
        feed(&mut world, &input);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn many_packets_polls_and_pools(
        steps in prop::collection::vec((input(), 0u64..90_000, 0u8..20), 1..80),
    ) {
        let mut world = World::new(Encoding::Encap);
        let members: Vec<_> = (0..3).map(member).collect();
        let smaller = [generation(1, consistent_hash::State::Active, &members)];
        for (input, millis, kind) in steps {
            feed(&mut world, &input);
            world.pass(Duration::from_millis(millis * u64::from(kind < 5)));
            match kind {
                0 => world.engine.set_pool(pool(5, 2, &smaller, true)),
                1 => world.engine.set_pool(plain_pool()),
                2 => world.engine.set_config(config(Insert)),
                3 => world.engine.set_config(config(Encap)),
                4..=8 => world.engine.poll(world.now, &mut Vec::new()),
                _ => {}
            }
        }
    }
}
