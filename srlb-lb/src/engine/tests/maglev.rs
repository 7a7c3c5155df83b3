//! The baseline: by GRE to the server that the table says, and an entry at once.

use daemon::DropReason;
use packet_io::PacketBuf;
use srh::Encoding::Encap;
use srh::Frame;

use super::build::hops_less;
use super::world::*;
use crate::engine::Verdict;

/// What comes out of a batch of one, taken apart: the server's number, and the packet inside.
fn tunnelled(world: &mut World, packet: &[u8]) -> (u16, Vec<u8>) {
    let mut frames = [PacketBuf::from_slice(packet)];
    let mut verdicts = Vec::new();
    world
        .engine
        .process_batch(world.now, &mut frames, &mut verdicts);
    assert_eq!(verdicts, [Verdict::Transmit]);
    let bytes = frames[0].bytes();
    let payload = usize::from(u16::from_be_bytes([bytes[4], bytes[5]]));
    assert_eq!((payload, bytes[6], bytes[7]), (bytes.len() - 40, 47, 64));
    assert_eq!(bytes[0] >> 4, 6);
    assert_eq!(bytes[8..24], lb(NODE).octets());
    assert_eq!(bytes[40..44], [0, 0, 0x86, 0xdd]);
    let is_it = |server: &u16| bytes[24..40] == sid(*server, NODE).octets();
    let server = (0..5).find(is_it).unwrap();
    (server, bytes[44..].to_vec())
}

#[test]
fn a_flow_has_an_entry_from_its_first_packet_on() {
    let mut world = World::new(Encap);
    world.engine.set_maglev();
    let first = world.candidates()[0];
    let syn = world.syn();
    assert_eq!(tunnelled(&mut world, &syn), (first, hops_less(&syn, 1)));
    assert_eq!(world.pin().map(|pin| pin.server()), Some(first));
    // the second packet confirms it, those after that go the short way
    for _ in 0..3 {
        let data = world.data(9);
        assert_eq!(tunnelled(&mut world, &data), (first, hops_less(&data, 1)));
        assert_eq!(world.entry(), Entry::Confirmed(first));
    }
}

#[test]
fn no_packet_lives_for_ever() {
    let mut world = World::new(Encap);
    world.engine.set_maglev();
    let last_hop = |mut packet: Vec<u8>| {
        packet[7] = 1;
        packet
    };
    assert_eq!(world.dropped(&last_hop(world.syn())), DropReason::HopLimit);
    assert_eq!(world.entry(), Entry::None);
}

#[test]
fn the_entry_counts_whatever_the_table_says() {
    let mut world = World::new(Encap);
    let other = world.stranger();
    world.make(Entry::Confirmed(other));
    world.engine.set_maglev();
    for packet in [world.data(9), world.rst(), world.syn()] {
        assert_eq!(tunnelled(&mut world, &packet).0, other);
    }
}
