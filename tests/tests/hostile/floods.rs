//! SYN and ACK floods from spoofed sources, in memory: tables far smaller than the flood keep their size, and every handshake
//! that falls into it comes to its end.

use std::net::Ipv6Addr;
use std::time::Duration;

use flow_table::HashKey;
use srh::parse::Tcp;
use srh::Encoding;
use srlb_lb::engine as lb_engine;
use srlb_server::engine as server_engine;
use tests::packets::{from_client, Segment};
use tests::world::socket::Stage;
use tests::world::{Node, World};

use super::BOTH;

/// Flows for which each table is made.
const FLOWS: usize = 16;
/// Packets of a flood between two steps of a legitimate connection.
const BETWEEN: u32 = 50;
/// Legitimate connections, one after another.
const CONNECTIONS: u16 = 40;

/// Two LBs and two servers with tables for 16 flows, which answer every packet: nothing is left to a guard.
fn small_world(encoding: Encoding) -> World {
    let mut world = World::two_by_two(encoding);
    world.has_strangers = true;
    for n in [1, 2] {
        let engine = &world.lb(n).engine;
        let config = lb_engine::Config {
            max_flows: FLOWS,
            ..engine.config().clone()
        };
        let pool = engine.pool().clone();
        world.lb(n).engine = lb_engine::Engine::new(config, pool, HashKey([n as u8; 16]));
        let config = server_engine::EngineConfig {
            max_flows: FLOWS,
            ..world.server(n).engine.config().clone()
        };
        let key = HashKey([0x80 | n as u8; 16]);
        world.server(n).engine = server_engine::Engine::new(config, key);
    }
    world
}

/// A source for each packet of a flood.
struct Flood {
    flags: u8,
    sent: u32,
}

impl Flood {
    /// A few packets, and all that they cause.
    fn go_on(&mut self, world: &mut World) {
        for _ in 0..BETWEEN {
            self.sent += 1;
            let source = u128::from(Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, 0));
            let number = self.sent.wrapping_mul(2_654_435_761);
            let packet = Segment {
                src: Ipv6Addr::from(source + u128::from(self.sent)),
                ..from_client(1_024 + (number >> 20) as u16, self.flags, number, !number)
            };
            world.send(Node::Client, packet.bytes());
            world.run();
        }
        world.pass(Duration::from_millis(10));
    }
}

fn sizes(world: &World) -> Vec<(usize, usize)> {
    let lbs = world.lbs.iter().map(|node| node.engine.table_size());
    let servers = world.servers.iter().map(|node| node.engine.table_size());
    lbs.chain(servers).collect()
}

/// Connections that stand, that come up and that end while a flood goes on: none fails, no table grows.
fn flood(encoding: Encoding, flags: u8) -> Flood {
    let mut world = small_world(encoding);
    let before = sizes(&world);
    let mut flood = Flood { flags, sent: 0 };
    let lasting = world.port_for(&[1, 2]);
    world.open(lasting);
    world.run();
    let mut completed = 0;
    for port in 30_000..30_000 + CONNECTIONS {
        flood.go_on(&mut world);
        world.open(port);
        // The flood falls between SYN and SYN-ACK, and between SYN-ACK and ACK.
        world.hold("createStickiness: SYN-ACK");
        world.run();
        let held = std::mem::take(&mut world.held);
        flood.go_on(&mut world);
        world.held.clear();
        world.hold("lb1 > client: SYN-ACK");
        world.in_flight.extend(held);
        world.run();
        let held = std::mem::take(&mut world.held);
        flood.go_on(&mut world);
        world.held.clear();
        world.release();
        world.in_flight.extend(held);
        world.run();
        assert_eq!(world.client.stage(port), Stage::Open, "{port}");
        for port in [port, lasting] {
            flood.go_on(&mut world);
            served(&mut world, port);
        }
        completed += 1;
        for (now, before) in sizes(&world).iter().zip(&before) {
            assert_eq!(now, before, "tables keep their size");
        }
    }
    assert_eq!(completed, CONNECTIONS);
    for node in &world.servers {
        assert!(node.engine.entries() <= node.engine.table_size().0);
    }
    for node in &world.lbs {
        let entries: usize = node.engine.flows_by_state(world.now).iter().sum();
        assert!(entries <= node.engine.table_size().0);
    }
    assert!(
        flood.sent > 100 * FLOWS as u32,
        "far more than the tables hold"
    );
    flood
}

/// A request and its answer, whoever has the connection.
#[track_caller]
fn served(world: &mut World, port: u16) {
    let owners = world.owners(port);
    let [owner] = owners[..] else {
        panic!("port {port} belongs to {owners:?}");
    };
    let before = world.client.received(port).len();
    world.client_sends(port, b"ping");
    world.run();
    world.server_sends(owner, port, b"pong");
    world.run();
    assert_eq!(&world.client.received(port)[before..], b"pong");
}

#[test]
fn connections_live_through_a_syn_flood() {
    for encoding in BOTH {
        let flood = flood(encoding, Tcp::SYN);
        println!("{encoding:?}: {} SYNs", flood.sent);
    }
}

#[test]
fn connections_live_through_an_ack_flood() {
    for encoding in BOTH {
        let flood = flood(encoding, Tcp::ACK);
        println!("{encoding:?}: {} ACKs", flood.sent);
    }
}

/// Gives both LBs these bounds on what has no entry.
fn bound(world: &mut World, hunts_pps: u32, recoveries_pps: u32) {
    for n in [1, 2] {
        let engine = &mut world.lb(n).engine;
        let config = lb_engine::Config {
            hunts_pps,
            recoveries_pps,
            ..engine.config().clone()
        };
        engine.set_config(config);
    }
}

/// `packets` packets of a flood in one moment, and as many as went on from the LB.
fn moment(world: &mut World, flags: u8, packets: u32) -> u64 {
    use lb_engine::Event;
    let sent = |world: &World| {
        let events = world.lbs.iter().map(|lb| lb.engine.events());
        events
            .map(|e| e.get(Event::Hunted) + e.get(Event::Recovered))
            .sum::<u64>()
    };
    let before = sent(world);
    for number in 0..packets {
        let source = u128::from(Ipv6Addr::new(0x2001, 0xdb8, 0xe, 0, 0, 0, 0, 0));
        let packet = Segment {
            src: Ipv6Addr::from(source + u128::from(number)),
            ..from_client(2_000, flags, number, !number)
        };
        world.send(Node::Client, packet.bytes());
        world.run();
    }
    sent(world) - before
}

/// Who gets past the guard, because every packet comes twice or from the address of a known client, costs servers as much as the bounds
/// say; meanwhile connections that are pinned go on, and a flood of one kind is none of the other's.
#[test]
fn floods_that_get_past_the_guard_cost_what_the_bounds_say() {
    const HUNTS: u32 = 20;
    const RECOVERIES: u32 = 30;
    for encoding in BOTH {
        let mut world = small_world(encoding);
        let lasting = world.port_for(&[1, 2]);
        world.open(lasting);
        world.run();
        bound(&mut world, HUNTS, RECOVERIES);
        assert_eq!(moment(&mut world, Tcp::ACK, 1_000), u64::from(RECOVERIES));
        served(&mut world, lasting);
        world.open(30_000);
        world.run();
        assert_eq!(world.client.stage(30_000), Stage::Open, "in an ACK flood");
        world.pass(Duration::from_secs(1));
        assert_eq!(moment(&mut world, Tcp::SYN, 1_000), u64::from(HUNTS));
        served(&mut world, 30_000);
        // The edge sends its packets another way in the middle of it: the SYNs leave recoveries alone.
        world.edge = 2;
        moment(&mut world, Tcp::SYN, 1_000);
        served(&mut world, 30_000);
        // SYNs have used up what hunts may cost: a new client's waits.
        world.open(30_001);
        world.run();
        assert_eq!(world.client.stage(30_001), Stage::SynSent);
        world.pass(Duration::from_secs(1));
        world.client_repeats(30_001);
        world.run();
        assert_eq!(world.client.stage(30_001), Stage::Open, "after a second");
    }
}

/// An LB dies under an ACK flood at the other's door: a moved connection comes through with a retransmission, and is pinned then.
#[test]
fn a_connection_that_moves_into_an_ack_flood_is_found() {
    for encoding in BOTH {
        let mut world = small_world(encoding);
        let port = world.port_for(&[1, 2]);
        world.open(port);
        world.run();
        bound(&mut world, 20, 30);
        world.edge = 2;
        moment(&mut world, Tcp::ACK, 1_000);
        world.client_sends(port, b"ping");
        world.run();
        let drops = world.lb(2).engine.drops();
        assert_eq!(drops.get(daemon::DropReason::RecoveryRate), 970 + 1);
        world.pass(Duration::from_millis(200));
        world.client_repeats(port);
        world.run();
        world.server_sends(1, port, b"pong");
        world.run();
        assert_eq!(world.client.received(port), b"pong");
        moment(&mut world, Tcp::ACK, 1_000);
        served(&mut world, port);
    }
}

/// Over the bound on look-ups packets are dropped and counted; what the table knows needs none and goes on.
#[test]
fn look_ups_that_a_flood_causes_starve_no_pinned_connection() {
    for encoding in BOTH {
        let mut world = small_world(encoding);
        let port = world.port_for(&[1, 2]);
        world.open(port);
        world.run();
        let config = server_engine::EngineConfig {
            lookups_pps: 1,
            ..world.server(1).engine.config().clone()
        };
        world.server(1).engine.set_config(config);
        for number in 0..1_000_u32 {
            let source = u128::from(Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, 0));
            let packet = Segment {
                src: Ipv6Addr::from(source + u128::from(number)),
                ..from_client(2_000, Tcp::ACK, number, number)
            };
            world.send(Node::Client, packet.bytes());
            world.run();
        }
        let refused = world
            .server(1)
            .engine
            .drops()
            .get(daemon::DropReason::LookupRate);
        assert!(
            refused > 400,
            "{refused} of about 500 that came to server 1 first"
        );
        served(&mut world, port);
    }
}
