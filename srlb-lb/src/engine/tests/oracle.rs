//! Long random runs of packets of a few flows, beside a naive model of docs/protocol.md's table:
//! a map from flow to what it says, and one function that reads like the table.

use std::collections::HashMap;
use std::time::Duration;

use packet_io::Instant;
use proptest::prelude::*;
use srh::Encoding::{self, Encap, Insert};

use super::build::{ACK, FIN, SYN};
use super::world::*;

/// What happens to one of the flows.
#[derive(Clone, Copy, Debug)]
enum Step {
    Syn,
    Rst,
    Data,
    /// createStickiness on a SYN-ACK with this number.
    SynAck(u16, u32),
    /// createStickiness on something else.
    Page(u16),
    Fin(u16),
    /// returnFlow of a SYN, or else of data.
    Return(u16, bool),
    RecoverNext(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let server = || 0u16..3;
    let number = prop::sample::select(vec![100u32, 200, 300]);
    prop_oneof![
        2 => Just(Step::Syn),
        1 => Just(Step::Rst),
        3 => Just(Step::Data),
        4 => (server(), number).prop_map(|(s, n)| Step::SynAck(s, n)),
        2 => server().prop_map(Step::Page),
        2 => server().prop_map(Step::Fin),
        2 => (server(), any::<bool>()).prop_map(|(s, syn)| Step::Return(s, syn)),
        1 => server().prop_map(Step::RecoverNext),
    ]
}

#[derive(Clone, Copy, PartialEq)]
struct Known {
    server: u16,
    number: u32,
    closing: bool,
    confirmed: bool,
    ends: Instant,
}

/// What the model says of a packet.
#[derive(Debug, PartialEq)]
enum Fate {
    Hunted { first: Option<u16>, last: u16 },
    Recovered { last: Option<u16> },
    To(u16),
    ToClient,
    Dropped,
}

const IDLE: Duration = Duration::from_secs(3_600);
const HANDSHAKE: Duration = Duration::from_secs(75);
const END: Duration = Duration::from_secs(10);

/// Entries end at the full eighth of a second that comes next.
fn end(now: Instant, life: Duration) -> Instant {
    Instant::from_millis((now + life).millis().div_ceil(125) * 125)
}

/// One row, naively.
fn expected(entry: &mut Option<Known>, step: Step, now: Instant) -> Fate {
    *entry = entry.filter(|known| known.ends > now);
    let pin = |server, number, confirmed| {
        let ends = end(now, if confirmed { IDLE } else { HANDSHAKE });
        Some(Known {
            server,
            number,
            closing: false,
            confirmed,
            ends,
        })
    };
    match step {
        Step::Syn => match *entry {
            Some(known) if !known.closing => Fate::To(known.server),
            _ => {
                *entry = None;
                Fate::Hunted {
                    first: None,
                    last: CONNECT_FORCE,
                }
            }
        },
        Step::Rst | Step::Data => {
            let Some(known) = entry else {
                return Fate::Recovered { last: None };
            };
            if known.closing {
                known.ends = end(now, END);
            } else if matches!(step, Step::Rst) {
                known.ends = known.ends.min(end(now, END));
            } else {
                known.confirmed = true;
                known.ends = end(now, IDLE);
            }
            Fate::To(known.server)
        }
        Step::SynAck(server, number) => {
            match *entry {
                Some(known) if known.server == server => {
                    if !known.closing && known.number != number {
                        *entry = pin(server, number, false);
                    }
                }
                Some(known) if known.number == number || (known.confirmed && !known.closing) => {
                    return Fate::Dropped;
                }
                _ => *entry = pin(server, number, false),
            }
            Fate::ToClient
        }
        Step::Page(server) => {
            match *entry {
                Some(known) if known.closing && known.server == server => {}
                known => *entry = pin(server, known.map_or(0, |k| k.number), true),
            }
            Fate::ToClient
        }
        Step::Fin(server) => {
            if let Some(known) = entry.as_mut().filter(|k| !k.closing && k.server == server) {
                known.closing = true;
                known.ends = end(now, END);
            }
            Fate::ToClient
        }
        Step::Return(server, syn) => match *entry {
            Some(known) if known.server != server => Fate::To(known.server),
            _ => {
                let asked = entry.is_none();
                *entry = None;
                match syn {
                    true => Fate::Hunted {
                        first: asked.then_some(server),
                        last: if asked { CONNECT_FINAL } else { CONNECT_FORCE },
                    },
                    false => Fate::Recovered { last: Some(server) },
                }
            }
        },
        Step::RecoverNext(server) => match *entry {
            Some(known) if known.server != server => Fate::To(known.server),
            // These lists have one chunk.
            _ => Fate::Dropped,
        },
    }
}

/// The packet of a step.
fn packet(world: &World, step: Step) -> Vec<u8> {
    match step {
        Step::Syn => world.syn(),
        Step::Rst => world.rst(),
        Step::Data => world.data(20),
        Step::SynAck(server, number) => {
            world.says(server, CREATE, &world.reply(SYN | ACK, number, b""))
        }
        Step::Page(server) => world.says(server, CREATE, &world.reply(ACK, NUMBER, b"page")),
        Step::Fin(server) => world.says(server, REMOVE, &world.reply(FIN | ACK, NUMBER, b"")),
        Step::Return(server, true) => world.says(server, RETURN_FLOW, &world.syn()),
        Step::Return(server, false) => world.says(server, RETURN_FLOW, &world.data(20)),
        Step::RecoverNext(server) => world.says(server, RECOVER_NEXT, &world.ack()),
    }
}

/// The client's packet inside a step's.
fn client_packet(world: &World, step: Step) -> Vec<u8> {
    match step {
        Step::Syn | Step::Return(_, true) => world.syn(),
        Step::Rst => world.rst(),
        Step::RecoverNext(_) => world.ack(),
        _ => world.data(20),
    }
}

fn assert_fate(world: &World, step: Step, fate: &Fate, out: &Out) {
    let carried = client_packet(world, step);
    let along = |order: &[u16], before: u16, last: u16| {
        let (end, rest) = order.split_last().unwrap();
        let mut sids: Vec<_> = rest.iter().map(|&s| sid(s, before)).collect();
        sids.push(sid(*end, last));
        Out::Sent(world.along(&sids, &carried))
    };
    let turned = |list: &[u16]| list.iter().rev().copied().collect::<Vec<_>>();
    match fate {
        Fate::Dropped => assert!(matches!(out, Out::Dropped(_)), "{step:?}: {out:?}"),
        Fate::To(server) => assert_eq!(*out, along(&[*server], 0, ACK_STICKINESS), "{step:?}"),
        Fate::ToClient => match step {
            Step::SynAck(_, number) => {
                assert_eq!(*out, Out::Sent(world.reply(SYN | ACK, number, b"")))
            }
            Step::Page(_) => assert_eq!(*out, Out::Sent(world.reply(ACK, NUMBER, b"page"))),
            _ => assert_eq!(*out, Out::Sent(world.reply(FIN | ACK, NUMBER, b""))),
        },
        Fate::Hunted { first, last } => {
            let list = world.candidates();
            let straight = along(&list, CONNECT_AVAIL, *last);
            let forced = |list: &[u16]| along(list, CONNECT_FORCE, *last);
            let (again, again_other) = (forced(&list), forced(&turned(&list)));
            match first {
                // A SYN seen again may go to the other one first, who may not refuse; the set is the same.
                None => assert!([&straight, &again, &again_other].contains(&out), "{out:?}"),
                // Whoever returned it is asked last, and nobody may refuse.
                Some(server) if *server == list[1] => {
                    assert_eq!(*out, along(&list, *last, *last))
                }
                Some(server) if *server == list[0] => {
                    assert_eq!(*out, along(&turned(&list), *last, *last))
                }
                // A stale pin's server has returned it: the candidates weren't asked yet.
                Some(_) => assert_eq!(*out, along(&list, CONNECT_AVAIL, CONNECT_FORCE)),
            }
        }
        Fate::Recovered { last } => {
            let mut list = world.recovery();
            list.sort_by_key(|s| Some(*s) == *last);
            assert_eq!(*out, along(&list, RECOVER, RECOVER_FINAL), "{step:?}");
        }
    }
}

fn run(encoding: Encoding, steps: &[(u16, Step, u64)]) {
    let mut world = World::new(encoding);
    let mut model: HashMap<u16, Option<Known>> = HashMap::new();
    for &(flow, step, millis) in steps {
        world.pass(Duration::from_millis(millis));
        world.port = 1_000 + flow;
        let known = model.entry(flow).or_default();
        let fate = expected(known, step, world.now);
        let out = world.send(&packet(&world, step));
        assert_fate(&world, step, &fate, &out);
        for (flow, known) in &model {
            world.port = 1_000 + flow;
            let living = known.filter(|k| k.ends > world.now);
            let entry = match living {
                None => Entry::None,
                Some(k) if k.closing => Entry::Closing(k.server),
                Some(k) if k.confirmed => Entry::Confirmed(k.server),
                Some(k) => Entry::Unconfirmed(k.server, k.number),
            };
            assert_eq!(world.entry(), entry, "flow {flow} after {step:?}");
            if let Some(known) = living {
                let left = known.ends.since(world.now).as_millis();
                assert_eq!(world.left_ms() as u128, left, "{step:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_engine_and_a_naive_model_agree(
        encoding in prop_oneof![Just(Encap), Just(Insert)],
        steps in prop::collection::vec(
            (0u16..3, step(), prop_oneof![4 => 0u64..3_000, 1 => 3_000u64..100_000]),
            1..100,
        ),
    ) {
        run(encoding, &steps);
    }
}
