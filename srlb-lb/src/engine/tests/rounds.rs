//! Batches, one after the other with time in between, do what their packets do one by one: what the sketch, the opinions of servers and the bounds
//! remember of one batch shows in the next ones.

use std::time::Duration;

use flow_table::HashKey;
use packet_io::PacketBuf;
use proptest::prelude::*;
use srh::{Encoding, Frame};

use super::build::{hops_less, spoiled, with_source, with_target, HOPS, SYN};
use super::world::*;
use crate::engine::contract::{Contract, Limits};
use crate::engine::{Config, Engine, Opinion, Verdict};

/// How the LB is set up, and what it thinks of servers.
#[derive(Clone, Debug)]
struct Setup {
    encoding: Encoding,
    is_signed: bool,
    is_shown: bool,
    choices: usize,
    hunts_pps: u32,
    fabric_mtu_bytes: usize,
    syns_remembered: usize,
    max_flows: usize,
    suspect: Option<u16>,
    dead: Option<u16>,
}

fn setup() -> impl Strategy<Value = Setup> {
    let in_doubt = || prop_oneof![3 => Just(None), 1 => (0u16..4).prop_map(Some)];
    let how = (
        prop_oneof![Just(Encoding::Encap), Just(Encoding::Insert)],
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        1usize..4,
    );
    let bounds = (
        prop::sample::select(vec![5, 1_000_000]),
        prop::sample::select(vec![150, FABRIC_MTU_BYTES]),
        prop::sample::select(vec![1, 6, 4_096]),
        prop::sample::select(vec![6, 1_000]),
    );
    (how, bounds, in_doubt(), in_doubt()).prop_map(|(how, bounds, suspect, dead)| Setup {
        encoding: how.0,
        is_signed: how.1,
        is_shown: how.2,
        choices: how.3,
        hunts_pps: bounds.0,
        fabric_mtu_bytes: bounds.1,
        syns_remembered: bounds.2,
        max_flows: bounds.3,
        suspect,
        dead,
    })
}

impl Setup {
    fn world(&self) -> World {
        let members: Vec<_> = (0..4).map(member).collect();
        let history = [generation(1, consistent_hash::State::Active, &members)];
        let config = Config {
            hunts_pps: self.hunts_pps,
            fabric_mtu_bytes: self.fabric_mtu_bytes,
            max_flows: self.max_flows,
            hmac: self.is_signed.then(keys),
            ..config(self.encoding)
        };
        let contract = Contract {
            limits: Limits {
                syns_remembered: self.syns_remembered,
                ..Limits::default()
            },
            ..Contract::default()
        };
        let mut world = World::new(self.encoding);
        let pool = pool(5, self.choices, &history, true);
        world.engine = Engine::with_contract(contract, config, pool, HashKey(TABLE_KEY));
        world.engine.set_tracing(self.is_shown);
        world.is_signed = self.is_signed;
        let health = &world.engine.health;
        if let Some(server) = self.dead {
            let ago = |seconds| START - Duration::from_secs(seconds);
            health.suspect(server, ago(9));
            let asked = (0..9).rev();
            asked.for_each(|seconds| health.ask_suspects(ago(seconds), |_| ()));
            assert_eq!(health.of(server), Opinion::Dead);
        }
        if let Some(server) = self.suspect.filter(|_| self.dead != self.suspect) {
            health.suspect(server, START);
        }
        world
    }
}

/// A packet of one of a few flows.
#[derive(Clone, Copy, Debug)]
struct Sent {
    kind: u8,
    flow: u16,
    server: u16,
}

fn sent() -> impl Strategy<Value = Sent> {
    // More of the first kinds: plain SYNs, and what servers answer.
    let kind = prop_oneof![6 => Just(0u8), 2 => Just(1), 4 => 2u8..17];
    (kind, 0u16..40, 0u16..4).prop_map(|(kind, flow, server)| Sent { kind, flow, server })
}

impl Sent {
    fn bytes(self, world: &mut World) -> Vec<u8> {
        world.port = CLIENT_PORT + self.flow;
        let says = |function, packet: Vec<u8>| world.says(self.server, function, &packet);
        match self.kind {
            0 => world.syn(),
            1 => says(CREATE, world.syn_ack(NUMBER)),
            2 => world.ack(),
            3 => world.rst(),
            4 => spoiled(&world.request(SYN, 0, b"x")),
            5 => hops_less(&world.syn(), HOPS - 1),
            6 => world.request(SYN, 0, &[7; 40]),
            7 => with_target(&world.syn(), other_vip()),
            8 => with_source(&world.syn(), sid(1, NODE)),
            9 => [world.syn(), vec![0; 6]].concat(),
            10 => says(CREATE, world.syn_ack(9)),
            11 => says(RETURN_FLOW, world.syn()),
            12 => says(CREATE, world.reply(16, NUMBER, b"data")),
            13 => says(REMOVE, world.reply(17, NUMBER, b"")),
            14 => says(CREATE, spoiled(&world.syn_ack(NUMBER))),
            15 => [says(CREATE, world.syn_ack(NUMBER)), vec![0; 6]].concat(),
            // who is no member
            _ => world.says(4, CREATE, &world.syn_ack(NUMBER)),
        }
    }
}

fn frames(packets: &[Vec<u8>]) -> Vec<PacketBuf> {
    let frame = |packet: &Vec<u8>| PacketBuf::from_slice(packet);
    packets.iter().map(frame).collect()
}

/// All that can be seen of an engine.
fn seen(world: &World) -> impl PartialEq + std::fmt::Debug {
    let engine = &world.engine;
    let opinions: Vec<Opinion> = (0..5).map(|server| engine.opinion(server)).collect();
    (
        engine.flows.iter().collect::<Vec<_>>(),
        engine.drops().to_json(),
        engine.events().to_json(),
        opinions,
        format!("{:?}", engine.note()),
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn rounds_of_batches_do_what_their_packets_do_one_by_one(
        setup in setup(),
        rounds in prop::collection::vec(
            (prop::collection::vec(sent(), 0..100), prop::sample::select(vec![0, 100, 400, 1_000, 80_000])),
            1..7,
        ),
    ) {
        let (mut single, mut batched) = (setup.world(), setup.world());
        for (packets, pause_ms) in rounds {
            let packets: Vec<_> = packets.iter().map(|sent| sent.bytes(&mut single)).collect();
            let (mut one, mut all) = (frames(&packets), frames(&packets));
            let expected: Vec<Verdict> =
                one.iter_mut().map(|frame| single.engine.process(single.now, frame)).collect();
            let mut verdicts = Vec::new();
            batched.engine.process_batch(batched.now, &mut all, &mut verdicts);
            prop_assert_eq!(&verdicts, &expected);
            for (one, all) in one.iter().zip(&all) {
                prop_assert_eq!(one.bytes(), all.bytes());
            }
            prop_assert_eq!(seen(&batched), seen(&single));
            for world in [&mut single, &mut batched] {
                world.pass(Duration::from_millis(pause_ms));
            }
        }
    }
}

/// Else the property would say nothing of the short ways.
#[test]
fn plain_syns_and_servers_answers_take_short_ways_and_no_others_do() {
    for encoding in [Encoding::Encap, Encoding::Insert] {
        let world = World::new(encoding);
        let engine = &world.engine;
        assert!(engine.may_be_new() && engine.may_be_created());
        let is_new = |packet: &[u8]| {
            let tcp = srh::parse::plain_tcp(packet);
            let new = tcp.and_then(|tcp| engine.look_new(tcp, packet, &mut engine.near(0)));
            new.is_some()
        };
        let is_created = |packet: &[u8]| engine.look_created(packet, &mut engine.near(0)).is_some();
        let answer = world.says(1, CREATE, &world.syn_ack(NUMBER));
        assert!(is_new(&world.syn()) && is_created(&answer));
        let others = [
            world.ack(),
            spoiled(&world.request(SYN, 0, b"x")),
            hops_less(&world.syn(), HOPS - 1),
            with_source(&world.syn(), sid(1, NODE)),
            world.says(4, CREATE, &world.syn_ack(NUMBER)),
            world.says(1, CREATE, &spoiled(&world.syn_ack(NUMBER))),
            world.says(1, REMOVE, &world.syn_ack(NUMBER)),
            world.says(1, CREATE, &world.ack()),
        ];
        let is_short = |packet: &[u8]| is_new(packet) || is_created(packet);
        assert!(others.iter().all(|packet| !is_short(packet)));
        let mut shown = World::new(encoding);
        shown.engine.set_tracing(true);
        for engine in [&shown.engine, &World::signed(encoding).engine] {
            assert!(!engine.may_be_new() && !engine.may_be_created());
        }
    }
}
