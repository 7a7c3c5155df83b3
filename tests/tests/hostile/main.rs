//! Hostile traffic against both engines in memory: what it may not change, counted.
//!
//! | attack | here | elsewhere |
//! | --- | --- | --- |
//! | SYN and ACK floods, what gets past the guard | [`floods`] | the guard in the kernel: `packet-io/tests/guard.rs`; the bounds: `srlb-lb/src/engine/tests/unpinned.rs`; real ones: `srlb-testbed hostile` |
//! | forged functions from outside and inside the domain | [`forged`] | the filter in front of the daemons, on a real kernel: `daemon/tests/host.rs` |
//! | forged SYN, RST and others on live flows | [`live`] | races: `tests/tests/engines/` |
//! | HMAC wrong, missing, of another | [`signed`] | each reason: `srlb-lb/src/engine/tests/drops/hmac.rs`, `srlb-server/src/engine/tests/hmac.rs` |
//! | hash collisions against the flow table | [`collide`] | the table alone: `flow-table/tests/eviction.rs` |
//! | Segments Left and Last Entry, RH0, packets in packets, hop limits, tiny fragments | [`games`] | each spoilt packet: `srlb-lb/src/engine/tests/{drops,anything}`, `srlb-server/src/engine/tests/hostile.rs` |
//! | ICMPv6 errors with forged contents | [`errors`] | |
//!
//! Live connections stand beside each attack here and have to go on afterwards.

mod collide;
mod errors;
mod floods;
mod forged;
mod games;
mod live;
mod signed;

use daemon::DropReason;
use packet_io::PacketBuf;
use srh::Encoding;
use srlb_lb::engine::Verdict as LbVerdict;
use srlb_server::engine::Verdict as ServerVerdict;
use tests::world::client::flow;
use tests::world::socket::Stage;
use tests::world::World;

/// Every scenario runs in both encodings.
pub const BOTH: [Encoding; 2] = [Encoding::Encap, Encoding::Insert];

/// What an engine made of an attacker's packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fate {
    /// Sent on, or answered.
    Sent,
    /// Given to the kernel.
    Delivered,
    /// The kernel is asked for its socket.
    Asked,
    /// Dropped and counted.
    Dropped(&'static str),
}

/// Two LBs, two servers, and a connection that server 1 has taken and LB 1 has pinned.
#[track_caller]
pub fn live(encoding: Encoding) -> (World, u16) {
    connected(World::two_by_two(encoding))
}

/// The same in a world that was prepared otherwise.
#[track_caller]
pub fn connected(mut world: World) -> (World, u16) {
    world.has_strangers = true;
    let port = world.port_for(&[1, 2]);
    world.open(port);
    world.run();
    goes_on(&mut world, port);
    (world, port)
}

/// A request reaches server 1 and the answer comes back.
#[track_caller]
pub fn goes_on(world: &mut World, port: u16) {
    let before = world.client.received(port).len();
    world.client_sends(port, b"ping");
    world.run();
    world.server_sends(1, port, b"pong");
    world.run();
    assert_eq!(world.client.stage(port), Stage::Open);
    assert_eq!(&world.client.received(port)[before..], b"pong");
    assert!(world.client.sockets[&port].is_quiet());
}

/// LB 1 gets a packet, whatever it is.
pub fn at_lb(world: &mut World, bytes: &[u8]) -> Fate {
    let now = world.now;
    let mut frame = PacketBuf::from_slice(bytes);
    match world.lb(1).engine.process(now, &mut frame) {
        LbVerdict::Transmit => Fate::Sent,
        LbVerdict::Drop(reason) => Fate::Dropped(reason.name()),
    }
}

/// The router of server 1 gets a packet, whatever it is.
pub fn at_server(world: &mut World, bytes: &[u8]) -> Fate {
    let now = world.now;
    let node = world.server(1);
    let mut frame = PacketBuf::from_slice(bytes);
    let load = node.kernel.load;
    match node.engine.process(now, &mut frame, &load, &mut Vec::new()) {
        ServerVerdict::Transmit => Fate::Sent,
        ServerVerdict::Deliver { .. } => Fate::Delivered,
        ServerVerdict::LookUp(_) => Fate::Asked,
        ServerVerdict::Drop(reason) => Fate::Dropped(reason.name()),
    }
}

/// All that LB 1 and server 1 know of a connection, and how many entries they have: what an attack must not change.
pub fn knowledge(world: &mut World, port: u16) -> String {
    let now = world.now;
    let lb = &world.lb(1).engine;
    let pinned = lb.explain(flow(port), now).map(|e| e.entry);
    let pins = lb.flows_by_state(now);
    let server = &world.server(1).engine;
    let state = server.flow_state(now, &flow(port));
    format!("{pinned:?} {pins:?} {state:?} {}", server.entries())
}

/// How often an engine has dropped for any reason.
pub fn drops(counts: &daemon::Counts<DropReason>) -> u64 {
    DropReason::ALL
        .iter()
        .map(|&reason| counts.get(reason))
        .sum()
}
