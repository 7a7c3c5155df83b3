//! Both engines against each other in memory: a client, LBs, server routers, scripted kernels.
//! Every scenario says line by line what goes over the wire.

mod change;
mod chaos;
mod hmac;
mod life;
mod limits;
mod others;
mod races;
mod udp;
mod wire;

use srh::Encoding;
use tests::world::socket::Stage;
use tests::world::World;

/// Every scenario runs in both encodings.
pub const BOTH: [Encoding; 2] = [Encoding::Encap, Encoding::Insert];

/// Runs the network dry and compares what happened with what is expected.
#[track_caller]
pub fn expect(world: &mut World, expected: &[&str]) {
    let happened = world.run();
    assert_eq!(happened, expected, "\nhappened: {happened:#?}");
}

/// Opens a connection that the first candidate takes, and lets its LB know.
#[track_caller]
pub fn connect(world: &mut World, port: u16) {
    world.open(port);
    world.run();
    assert_eq!(world.client.stage(port), Stage::Open);
}

/// A request of the client reaches server `n`, and the answer comes back: the flow is well.
#[track_caller]
pub fn works(world: &mut World, port: u16, n: u16) {
    let before = world.client.received(port).len();
    world.client_sends(port, b"ping");
    world.run();
    world.server_sends(n, port, b"pong");
    world.run();
    assert_eq!(world.client.stage(port), Stage::Open);
    let received = &world.client.received(port)[before..];
    assert_eq!(received, b"pong", "answered by server {n}");
    let socket = &world.client.sockets[&port];
    assert!(
        socket.is_quiet(),
        "everything that the client sent has arrived"
    );
}
