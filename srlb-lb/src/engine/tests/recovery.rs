//! Recovery lists on the wire: chunks, the last word, gaps in the history, the dead.

use std::time::Duration;

use consistent_hash::{Generation, State as Used};
use daemon::DropReason;
use srh::Encoding::{Encap, Insert};

use super::build::{addr, encap, icmp};
use super::world::*;
use crate::engine::Opinion;

/// The pool has grown from two servers to `servers`, one at a time: long recovery lists.
fn grown(servers: u16, complete: bool) -> crate::engine::Pool {
    let version = |n: u16| {
        let used = if n == servers {
            Used::Active
        } else {
            Used::Kept
        };
        let members: Vec<_> = (0..n).map(member).collect();
        generation(n.into(), used, &members)
    };
    let history: Vec<Generation> = (2..=servers).map(version).collect();
    pool(servers + 1, 2, &history, complete)
}

/// A world whose flow has a recovery list of exactly `length`.
fn world_with(encoding: srh::Encoding, length: usize, complete: bool) -> World {
    for servers in [2, 4, 15, 60] {
        let mut world = World::with(encoding, grown(servers, complete));
        let found = (1_000..2_000).find(|&port| {
            world.port = port;
            world.recovery().len() == length
        });
        if found.is_some() {
            return world;
        }
    }
    panic!("no flow has a list of {length}");
}

/// What asking `servers` in chunk `number` looks like.
fn chunk(world: &World, servers: &[u16], number: u16, last_word: bool) -> Vec<u8> {
    let (last, before) = servers.split_last().unwrap();
    let mut sids: Vec<_> = before.iter().map(|&s| sid(s, RECOVER + number)).collect();
    sids.push(match last_word {
        true => sid(*last, RECOVER_FINAL),
        false => sid(*last, RECOVER + number),
    });
    world.along(&sids, &world.ack())
}

fn next(world: &World, from: u16, number: u16) -> Vec<u8> {
    world.says(from, RECOVER_NEXT + number, &world.ack())
}

fn make_dead(world: &mut World, server: u16) {
    let sent = encap(lb(NODE), &[sid(server, ACK_STICKINESS)], 7, &world.ack());
    world.dropped(&icmp(addr("2001:db8:fa::1"), lb(NODE), 1, 3, 0, &sent));
    for _ in 0..4 {
        world.engine.poll(world.now, &mut Vec::new());
        world.pass(Duration::from_secs(1));
    }
    assert_eq!(world.engine.opinion(server), Opinion::Dead);
}

#[test]
fn chunks_of_eight_and_the_last_word_at_the_very_end() {
    for encoding in [Encap, Insert] {
        for length in [2, 7, 8, 9, 10] {
            let mut world = world_with(encoding, length, true);
            let list = world.recovery();
            let chunks: Vec<&[u16]> = list.chunks(8).collect();
            let ends = |n: usize| n + 1 == chunks.len();
            let mut packet = world.ack();
            for (n, servers) in chunks.iter().enumerate() {
                let expected = chunk(&world, servers, n as u16, ends(n));
                assert_eq!(world.sent(&packet), expected, "{length}, chunk {n}");
                packet = next(&world, *servers.last().unwrap(), n as u16);
            }
            assert_eq!(world.dropped(&packet), DropReason::RecoveryEnded);
            assert_eq!(world.entry(), Entry::None);
        }
    }
}

#[test]
fn a_history_with_a_gap_never_resets_anybody() {
    for length in [2, 8, 9] {
        let mut world = world_with(Encap, length, false);
        let list = world.recovery();
        let mut packet = world.ack();
        for (n, servers) in list.chunks(8).enumerate() {
            let expected = chunk(&world, servers, n as u16, false);
            assert_eq!(world.sent(&packet), expected);
            packet = next(&world, *servers.last().unwrap(), n as u16);
        }
        assert_eq!(world.dropped(&packet), DropReason::RecoveryEnded);
        let explained = world.engine.explain(world.flow(), world.now).unwrap();
        assert!(!explained.complete);
    }
}

#[test]
fn a_list_that_changes_between_two_chunks_has_no_last_word_for_packets_under_way() {
    let mut world = world_with(Encap, 10, true);
    let list = world.recovery();
    let back = next(&world, list[7], 0);
    let with = |world: &World, last_word| chunk(world, &list[8..], 1, last_word);
    assert_eq!(world.sent(&back), with(&world, true));
    let pool = world.engine.pool().clone();
    world.engine.set_pool(pool);
    assert_eq!(world.sent(&back), with(&world, false));
    world.engine.poll(world.now, &mut Vec::new());
    world.pass(Duration::from_millis(1_999));
    assert_eq!(world.sent(&back), with(&world, false));
    world.pass(Duration::from_millis(1));
    assert_eq!(world.sent(&back), with(&world, true));
}

#[test]
fn the_server_that_returned_it_is_asked_last() {
    let mut world = world_with(Insert, 8, true);
    let list = world.recovery();
    for from in [list[0], list[3], list[7]] {
        let mut order: Vec<u16> = list.iter().copied().filter(|&s| s != from).collect();
        order.push(from);
        let back = world.says(from, RETURN_FLOW, &world.ack());
        assert_eq!(world.sent(&back), chunk(&world, &order, 0, true));
    }
}

/// The set and its chunks are those of pool and flow, however large the packet is.
#[test]
fn the_list_does_not_depend_on_the_packet() {
    let mut world = world_with(Encap, 8, true);
    for bytes in [0, 1, 700, 1_280] {
        let sids = |w: &World| -> Vec<_> {
            let list = w.recovery();
            let mut sids: Vec<_> = list[..7].iter().map(|&s| sid(s, RECOVER)).collect();
            sids.push(sid(list[7], RECOVER_FINAL));
            sids
        };
        let packet = world.data(bytes);
        let expected = world.along(&sids(&world), &packet);
        assert_eq!(world.sent(&packet), expected);
    }
    // One that does not fit is not sent along a shorter list.
    let told = world.sent(&world.data(1_300));
    assert_eq!((told[6], told[40]), (58, 2));
}

/// A packet for a dead server goes no further, and the owner may be in a later chunk.
#[test]
fn the_dead_of_a_chunk_are_asked_at_the_end_of_the_list() {
    let mut world = world_with(Encap, 10, true);
    let list = world.recovery();
    make_dead(&mut world, list[7]);
    make_dead(&mut world, list[2]);
    let living: Vec<u16> = list[..8]
        .iter()
        .copied()
        .filter(|s| ![list[2], list[7]].contains(s))
        .collect();
    assert_eq!(world.sent(&world.ack()), chunk(&world, &living, 0, false));
    let after = next(&world, *living.last().unwrap(), 0);
    let rest = [list[8], list[9], list[2], list[7]];
    assert_eq!(world.sent(&after), chunk(&world, &rest, 1, true));
    // One that comes back to life while a packet is under way is asked all the same.
    world.dropped(&icmp(sid(list[2], NODE), lb(NODE), 129, 0, 1, b""));
    let rest_revived = [list[8], list[9], list[2], list[7]];
    assert_eq!(world.sent(&after), chunk(&world, &rest_revived, 1, true));
    let with_2: Vec<u16> = list[..8]
        .iter()
        .copied()
        .filter(|&s| s != list[7])
        .collect();
    assert_eq!(world.sent(&world.ack()), chunk(&world, &with_2, 0, false));
    world.pass(Duration::from_secs(2));
    let rest = [list[8], list[9], list[7]];
    assert_eq!(world.sent(&after), chunk(&world, &rest, 1, true));
}

#[test]
fn a_chunk_of_dead_servers_is_skipped_and_too_many_of_them_silence_the_last_word() {
    let mut world = world_with(Encap, 9, true);
    let list = world.recovery();
    for &server in &list[..8] {
        make_dead(&mut world, server);
    }
    // Nine servers in one header of eight: one is not asked, so nobody may reset.
    let order = [&list[8..], &list[..7]].concat();
    assert_eq!(world.sent(&world.ack()), chunk(&world, &order, 1, false));
    // (Sent by one that is alive: who speaks is alive.)
    let end = next(&world, list[8], 1);
    assert_eq!(world.dropped(&end), DropReason::RecoveryEnded);
    // With one less there is room for all.
    world.dropped(&icmp(sid(list[0], NODE), lb(NODE), 129, 0, 1, b""));
    world.pass(Duration::from_secs(3));
    let asked = chunk(&world, &list[..1], 0, false);
    assert_eq!(world.sent(&world.ack()), asked);
    let order = [&list[8..], &list[1..8]].concat();
    assert_eq!(
        world.sent(&next(&world, list[0], 0)),
        chunk(&world, &order, 1, true)
    );
}

/// The server of the entry is asked in a chunk and has no such flow: the walk goes on.
#[test]
fn recover_next_from_the_server_of_the_entry() {
    let mut world = world_with(Encap, 9, true);
    let list = world.recovery();
    for entry in [Entry::Confirmed(list[0]), Entry::Closing(list[0])] {
        world.make(entry);
        let packet = next(&world, list[0], 0);
        assert_eq!(world.sent(&packet), chunk(&world, &list[8..], 1, true));
        assert_eq!(world.entry(), entry);
        world.pass(Duration::from_secs(4_000));
    }
}

/// An ICMPv6 error walks along the list as a client packet does.
#[test]
fn an_error_in_a_later_chunk() {
    for encoding in [Encap, Insert] {
        let mut world = world_with(encoding, 9, true);
        let list = world.recovery();
        let page = world.reply(super::build::ACK, NUMBER, b"page");
        let error = icmp(addr("2001:db8:fe::1"), vip(), 2, 0, 1_400, &page);
        let back = world.says(list[7], RECOVER_NEXT, &error);
        let last = world.along(&[sid(list[8], RECOVER_FINAL)], &error);
        assert_eq!(world.sent(&back), last);
        let behind = world.says(list[8], RECOVER_NEXT + 1, &error);
        assert_eq!(world.dropped(&behind), DropReason::RecoveryEnded);
        world.make(Entry::Confirmed(list[7]));
        assert_eq!(world.sent(&back), last, "its own server has not got it");
        let from_other = world.says(list[2], RECOVER_NEXT, &error);
        let owner = world.along(&[sid(list[7], ACK_STICKINESS)], &error);
        assert_eq!(world.sent(&from_other), owner);
        assert_eq!(world.entry(), Entry::Confirmed(list[7]));
    }
}
