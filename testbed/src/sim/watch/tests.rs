//! Promises that no rule of the protocol breaks, whatever it says: here they are broken by hand.

use packet_io::PacketBuf;
use srh::Frame;

use super::Watch;
use crate::sim::dialogue::{Act, ConnectionSpec, Side};
use crate::sim::hosts::Settings;
use crate::sim::nodes::{client, flow, Node, VIP};
use crate::sim::scenario::Scenario;
use crate::sim::tcp::report::Report;
use crate::sim::tcp::segment::Segment;
use crate::sim::trace::Trace;
use crate::sim::world::{Wire, World};

fn scenario() -> Scenario {
    let mut scenario = Scenario::quiet(1, 2);
    scenario.connect(ConnectionSpec::new(0, 1, 4_000).client(Act::Send(1)));
    scenario
}

/// What is broken when `act` has been done to a new world.
fn broken(act: impl FnOnce(&mut World)) -> Vec<&'static str> {
    let scenario = scenario();
    let settings = Settings::new(&scenario, Default::default(), Default::default());
    let mut world = World::new(&scenario, settings, Trace::default());
    act(&mut world);
    let violations = &world.watch.violations;
    violations.iter().map(|v| v.promise).collect()
}

fn ack(side: Side) -> PacketBuf {
    Segment::ack(1, 2).packet(&flow(1, 4_000), side)
}

fn wire(to: Node, frame: PacketBuf) -> Wire {
    Wire {
        from: Node::Lb(1),
        to,
        hops: 0,
        frame,
    }
}

#[test]
fn client_packets() {
    let good = |world: &mut World| world.arrive(wire(Node::Client(1), ack(Side::Server)));
    assert!(broken(good).is_empty());
    let from_a_client = |world: &mut World| world.arrive(wire(Node::Client(1), ack(Side::Client)));
    assert_eq!(broken(from_a_client), ["client_packets"]);
    let damaged = |world: &mut World| {
        let mut frame = ack(Side::Server);
        frame.bytes_mut()[50] ^= 1;
        world.arrive(wire(Node::Client(1), frame));
    };
    assert_eq!(broken(damaged), ["client_packets"]);
}

#[test]
fn server_packets() {
    let good = |world: &mut World| world.deliver(1, ack(Side::Client), false);
    assert!(broken(good).is_empty());
    let for_a_client = |world: &mut World| world.deliver(1, ack(Side::Server), false);
    assert_eq!(broken(for_a_client), ["server_packets"]);
}

#[test]
fn nobody() {
    let to_the_vip = |world: &mut World| world.transmit(Node::Server(1), ack(Side::Client), 0);
    assert_eq!(broken(to_the_vip), ["nobody"], "only clients may");
    let good = |world: &mut World| world.transmit(Node::Client(1), ack(Side::Client), 0);
    assert!(broken(good).is_empty());
    assert_eq!(Node::at(VIP), None);
    assert_eq!(Node::at(client(1)), Some(Node::Client(1)));
}

#[test]
fn conservation() {
    assert!(broken(|world| world.must_be_even("lb1", 7, 7)).is_empty());
    assert_eq!(
        broken(|world| world.must_be_even("lb1", 7, 6)),
        ["conservation"]
    );
}

/// A connection that the client takes for one with the server whose number is 5.
fn report(side: Side, server_number: u32) -> Report {
    Report {
        connection: 0,
        side,
        server_number,
        established: true,
        received: 0,
        other_ended: false,
        outstanding: false,
        queued: false,
        timer_us: None,
        done: false,
        wrong_at: None,
        gone: None,
    }
}

fn reported(reports: &[(Node, Report)]) -> Vec<&'static str> {
    let scenario = scenario();
    let mut watch = Watch::new(&scenario);
    watch.opened(0, 0, flow(1, 4_000));
    for (node, report) in reports {
        watch.report(1, *node, report, &scenario.connections);
    }
    watch.violations.iter().map(|v| v.promise).collect()
}

#[test]
fn owner() {
    let client = (Node::Client(1), report(Side::Client, 5));
    let own = (Node::Server(1), report(Side::Server, 5));
    let other = (Node::Server(2), report(Side::Server, 6));
    assert!(reported(&[client, own]).is_empty());
    assert_eq!(reported(&[client, own, other]), ["owner"]);
}

#[test]
fn bytes() {
    let wrong = Report {
        wrong_at: Some(3),
        ..report(Side::Client, 5)
    };
    assert_eq!(reported(&[(Node::Client(1), wrong)]), ["bytes"]);
}
