//! Fragments of clients' packets, in both encodings.

use std::time::Duration;

use daemon::DropReason;
use srh::Encoding::{Encap, Insert};

use super::build::fragment;
use super::world::*;
use crate::engine::Event;

/// A world in which the client's flow of this protocol is pinned to server 1, and its packet in two
/// fragments.
fn pinned(encoding: srh::Encoding, protocol: u8) -> (World, [Vec<u8>; 2]) {
    let mut world = World::new(encoding);
    world.protocol = protocol;
    world.make(Entry::Confirmed(1));
    let whole = match protocol {
        17 => world.datagram(&[b'x'; 1_992]),
        _ => world.data(1_980),
    };
    let cut = 40 + 1_232;
    let mut first = whole[..cut].to_vec();
    first[4..6].copy_from_slice(&1_232u16.to_be_bytes());
    let mut rest = whole[..40].to_vec();
    rest.extend(&whole[cut..]);
    rest[4..6].copy_from_slice(&((whole.len() - cut) as u16).to_be_bytes());
    let parts = [fragment(&first, 0, true), fragment(&rest, 1_232, false)];
    (world, parts)
}

fn all() -> Vec<(World, [Vec<u8>; 2])> {
    let pairs = [Encap, Insert].map(|e| [6, 17].map(|protocol| pinned(e, protocol)));
    pairs.into_iter().flatten().collect()
}

#[test]
fn fragments_of_a_flow_with_an_entry_go_to_its_server() {
    for (mut world, parts) in all() {
        for part in &parts {
            let expected = world.along(&[sid(1, ACK_STICKINESS)], part);
            assert_eq!(world.send(part), Out::Sent(expected));
        }
        assert_eq!(world.engine.events().get(Event::FragmentsSteered), 2);
        assert_eq!(world.entry(), Entry::Confirmed(1));
    }
}

#[test]
fn a_later_fragment_needs_the_first_a_moment_before() {
    for (mut world, [first, later]) in all() {
        assert_eq!(world.dropped(&later), DropReason::FragmentNoFirst);
        world.sent(&first);
        world.pass(Duration::from_millis(4_999));
        world.sent(&later);
        world.pass(Duration::from_millis(1));
        assert_eq!(world.dropped(&later), DropReason::FragmentNoFirst);
    }
}

#[test]
fn without_an_entry_nothing_is_carried_nor_written() {
    for (mut world, [first, later]) in all() {
        world.sent(&first);
        world.pass(Duration::from_secs(4_000));
        assert_eq!(world.entry(), Entry::None);
        assert_eq!(world.dropped(&first), DropReason::FragmentNoEntry);
        world.engine.fragments.sweep(world.now);
        assert_eq!(world.dropped(&later), DropReason::FragmentNoFirst);
    }
}

#[test]
fn an_entry_that_ends_ends_for_later_fragments_too() {
    for (mut world, [first, later]) in all() {
        world.sent(&first);
        let nobody = [generation(
            1,
            consistent_hash::State::Active,
            &[member(2), member(3)],
        )];
        world.engine.set_pool(pool(5, 2, &nobody, true));
        assert_eq!(world.dropped(&later), DropReason::FragmentNoEntry);
    }
}

/// Their checksum can't be looked at: they keep an entry alive, and neither confirm nor end one.
#[test]
fn a_fragment_renews_what_is_confirmed_and_changes_nothing_else() {
    for (mut world, [first, later]) in all() {
        world.pass(Duration::from_secs(10));
        let full = world.left_ms() + 10_000;
        world.sent(&first);
        assert_eq!(world.left_ms(), full);
        world.pass(Duration::from_secs(1));
        world.sent(&later);
        assert_eq!(world.left_ms(), full);
    }
    for encoding in [Encap, Insert] {
        let mut world = World::new(encoding);
        for entry in [Entry::Unconfirmed(1, 9), Entry::Closing(1)] {
            world.port += 1;
            world.make(entry);
            // longer than the identification, which is the same, is remembered
            world.pass(Duration::from_secs(6));
            let left = world.left_ms();
            world.sent(&fragment(&world.data(60), 0, true));
            assert_eq!((world.entry(), world.left_ms()), (entry, left));
        }
    }
}

/// RFC 6946: a Fragment header on a whole packet.
#[test]
fn an_atomic_fragment_is_a_whole_packet() {
    for encoding in [Encap, Insert] {
        let mut world = World::new(encoding);
        let c = world.candidates();
        let syn = fragment(&world.syn(), 0, false);
        let hunt = [sid(c[0], CONNECT_AVAIL), sid(c[1], CONNECT_FORCE)];
        assert_eq!(world.send(&syn), Out::Sent(world.along(&hunt, &syn)));
        world.protocol = 17;
        let c = world.candidates();
        let datagram = fragment(&world.datagram(b"x"), 0, false);
        let list = [
            sid(c[1], RECOVER),
            sid(c[0], CONNECT_AVAIL),
            sid(c[1], CONNECT_FORCE),
        ];
        assert_eq!(
            world.send(&datagram),
            Out::Sent(world.along(&list, &datagram))
        );
        let answer = fragment(&world.answer(b"x"), 0, false);
        let told = world.says(c[0], CREATE, &answer);
        assert_eq!(world.send(&told), Out::Sent(answer));
        assert_eq!(world.entry(), Entry::Unconfirmed(c[0], 0));
    }
}

#[test]
fn a_flood_of_fragments_takes_no_more_room_than_there_is() {
    for (mut world, [first, _]) in all() {
        let room = world.engine.fragments.capacity();
        for id in 0..3 * room as u32 {
            let mut packet = first.clone();
            packet[44..48].copy_from_slice(&id.to_be_bytes());
            world.sent(&packet);
        }
        assert!(world.engine.fragments.len() <= room);
        assert_eq!(world.entry(), Entry::Confirmed(1));
    }
}
