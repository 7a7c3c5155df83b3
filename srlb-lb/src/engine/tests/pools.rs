//! New versions of the pool under a running engine: servers go, drain, come; generations are
//! staged, activated, kept.

use std::time::Duration;

use consistent_hash::{Member, State as Used};
use daemon::DropReason;
use srh::Encoding::{Encap, Insert};

use super::build::{ACK, FIN};
use super::world::*;
use crate::engine::{Contract, Engine, Pool};

const SERVERS: u16 = 6;

fn version(number: u64, used: Used, members: &[Member]) -> consistent_hash::Generation {
    generation(number, used, members)
}

fn members(numbers: &[u16]) -> Vec<Member> {
    numbers.iter().copied().map(member).collect()
}

fn draining(server: u16) -> Member {
    Member {
        draining: true,
        ..member(server)
    }
}

/// Generation 1 with servers 0 to 3, and what comes behind it.
fn after_first(first: Used, rest: &[consistent_hash::Generation]) -> Pool {
    let mut history = vec![version(1, first, &members(&[0, 1, 2, 3]))];
    history.extend_from_slice(rest);
    pool(SERVERS, 2, &history, true)
}

fn world(encoding: srh::Encoding) -> World {
    World::with(encoding, after_first(Used::Active, &[]))
}

/// The servers that a packet for the fabric names, in the order of the visit.
fn named(packet: &[u8]) -> Vec<u16> {
    let number = |address: &[u8]| {
        let of = |server: &u16| sid(*server, NODE).octets()[..8] == address[..8];
        (0..60).find(of)
    };
    let mut visited = vec![number(&packet[24..40]).unwrap()];
    if packet[6] == 43 {
        // wire order: the last one first; what leads nowhere is our own SID or the VIP
        let list = packet[48..].chunks(16).take(usize::from(packet[44]) + 1);
        let rest: Vec<u16> = list.filter_map(number).collect();
        let is_new = |s: &&u16| !visited.contains(s);
        let rest: Vec<u16> = rest.iter().rev().filter(is_new).copied().collect();
        visited.extend(rest);
    }
    visited
}

#[test]
fn a_removed_server_loses_its_entries_at_once() {
    for encoding in [Encap, Insert] {
        for entry in [
            Entry::Unconfirmed(3, 9),
            Entry::Confirmed(3),
            Entry::Closing(3),
        ] {
            let mut world = world(encoding);
            world.make(entry);
            let second = version(2, Used::Active, &members(&[0, 1, 2]));
            world.engine.set_pool(after_first(Used::Kept, &[second]));
            assert_eq!(world.entry(), Entry::None);
            assert_eq!(world.engine.flows_by_state(world.now), [0, 0, 0]);
            let list = world.recovery();
            assert!(!list.contains(&3));
            assert_eq!(named(&world.sent(&world.ack())), list);
            // What it still says is not honoured.
            for function in [CREATE, RETURN_FLOW, RECOVER_NEXT] {
                let packet = world.says(3, function, &world.syn_ack(9));
                let reason = match function {
                    CREATE => DropReason::UnknownSender,
                    _ => DropReason::InnerDestination,
                };
                assert_eq!(world.dropped(&packet), reason);
            }
            let back = world.says(3, RETURN_FLOW, &world.ack());
            assert_eq!(world.dropped(&back), DropReason::UnknownSender);
            // Back in the pool after the sweep, it starts with nothing.
            world.sweep();
            world.engine.set_pool(after_first(Used::Active, &[]));
            assert_eq!(world.entry(), Entry::None);
        }
    }
}

/// A reload looks at no entry; they are taken out by and by, and those of others stay.
#[test]
fn entries_of_a_removed_server_are_swept_out() {
    let mut world = world(Encap);
    let mut kept = 0;
    for port in 1_000..1_400 {
        world.port = port;
        let server = port % 4;
        world.make(Entry::Confirmed(server));
        kept += usize::from(server != 3);
    }
    let second = version(2, Used::Active, &members(&[0, 1, 2]));
    world.engine.set_pool(after_first(Used::Kept, &[second]));
    assert_eq!(world.engine.entries(), 400, "they are there");
    let counted: usize = world.engine.flows_by_state(world.now).iter().sum();
    assert_eq!(counted, kept, "but count no more");
    world.sweep();
    assert_eq!(world.engine.entries(), kept);
    for port in 1_000..1_400 {
        world.port = port;
        let expected = match port % 4 {
            3 => Entry::None,
            server => Entry::Confirmed(server),
        };
        assert_eq!(world.entry(), expected);
    }
}

/// Before the sweep has come by, an entry of a server that is back counts again: the server says whether that is right.
#[test]
fn a_server_that_is_back_soon_has_its_entries_back() {
    let mut world = world(Encap);
    let (mut taken, pinned) = (0, 1_000..1_040);
    for port in pinned.clone() {
        world.port = port;
        world.make(Entry::Confirmed(3));
    }
    let second = version(2, Used::Active, &members(&[0, 1, 2]));
    world.engine.set_pool(after_first(Used::Kept, &[second]));
    // Some flows are another server's meanwhile.
    for port in pinned.clone().step_by(2) {
        world.port = port;
        assert_eq!(world.entry(), Entry::None);
        world.make(Entry::Confirmed(1));
    }
    world.engine.set_pool(after_first(Used::Active, &[]));
    for port in pinned {
        world.port = port;
        if port % 2 == 0 {
            assert_eq!(world.entry(), Entry::Confirmed(1), "who came later has it");
            continue;
        }
        assert_eq!(world.entry(), Entry::Confirmed(3));
        let along = world.along(&[sid(3, ACK_STICKINESS)], &world.ack());
        assert_eq!(world.sent(&world.ack()), along);
        // It was started anew, and knows nothing of the flow: as if there were no entry.
        world.sent(&world.says(3, RETURN_FLOW, &world.ack()));
        assert_eq!(world.entry(), Entry::None);
        taken += 1;
    }
    assert_eq!(taken, 20);
}

/// An engine that hasn't reloaded yet doesn't take out what another one has pinned by the new pool.
#[test]
fn an_engine_with_the_old_pool_leaves_new_servers_entries() {
    let third = [version(2, Used::Active, &members(&[0, 1, 2, 3, 4]))];
    let mut early = world(Encap);
    let shared = early.engine.shared();
    let mut late = Engine::sharing(
        &shared,
        Contract::default(),
        early.engine.config().clone(),
        after_first(Used::Active, &[]),
    );
    early.engine.set_pool(after_first(Used::Kept, &third));
    early.make(Entry::Confirmed(4));
    for _ in 0..1_000 {
        late.poll(early.now, &mut Vec::new());
    }
    assert_eq!(early.entry(), Entry::Confirmed(4));
}

/// An engine that hasn't reloaded yet doesn't know the server that another one suspects.
#[test]
fn an_engine_with_the_old_pool_asks_no_new_server() {
    let mut early = world(Encap);
    let shared = early.engine.shared();
    let config = early.engine.config().clone();
    let few = pool(
        4,
        2,
        &[version(1, Used::Active, &members(&[0, 1, 2]))],
        true,
    );
    let mut late = Engine::sharing(&shared, Contract::default(), config, few);
    early.engine.health.suspect(SERVERS - 1, early.now);
    let mut out = Vec::new();
    late.poll(early.now, &mut out);
    assert!(out.is_empty());
    early.pass(Duration::from_secs(2));
    early.engine.poll(early.now, &mut out);
    assert_eq!(out.len(), 1);
}

#[test]
fn entries_of_those_who_stay_are_kept() {
    let mut world = world(Encap);
    world.make(Entry::Confirmed(1));
    let second = version(2, Used::Active, &members(&[0, 1, 2, 4]));
    world.engine.set_pool(after_first(Used::Kept, &[second]));
    assert_eq!(world.entry(), Entry::Confirmed(1));
    let along = world.along(&[sid(1, ACK_STICKINESS)], &world.ack());
    assert_eq!(world.sent(&world.ack()), along);
}

/// The pool's file gives the locator of a server that it no longer names to another one.
#[test]
fn a_locator_that_has_a_new_owner() {
    let second = version(2, Used::Active, &members(&[0, 1, 2]));
    let plain = after_first(Used::Kept, &[second]);
    let mut servers = plain.servers().to_vec();
    servers[3].locator = servers[1].locator;
    servers[3].listed = false;
    let mut world = World::with(Encap, Pool::new(plain.vips().to_vec(), servers));
    world.sent(&world.says(1, CREATE, &world.syn_ack(9)));
    assert_eq!(world.entry(), Entry::Unconfirmed(1, 9));
}

/// It serves another VIP still: for this one it is gone.
#[test]
fn a_server_removed_from_one_vip_only() {
    let mut world = world(Encap);
    let with_last = [0, 1, 2, SERVERS - 1];
    world.engine.set_pool(after_first(
        Used::Kept,
        &[version(2, Used::Active, &members(&with_last))],
    ));
    world.make(Entry::Confirmed(SERVERS - 1));
    world.engine.set_pool(after_first(Used::Active, &[]));
    assert_eq!(world.entry(), Entry::None);
    let create = world.says(SERVERS - 1, CREATE, &world.syn_ack(9));
    assert_eq!(world.dropped(&create), DropReason::UnknownSender);
}

#[test]
fn a_draining_server_keeps_its_flows_and_gets_no_new_ones() {
    for encoding in [Encap, Insert] {
        let mut world = world(encoding);
        world.make(Entry::Confirmed(3));
        let mut second = members(&[0, 1, 2]);
        second.push(draining(3));
        let second = version(2, Used::Active, &second);
        world.engine.set_pool(after_first(Used::Kept, &[second]));
        assert_eq!(world.entry(), Entry::Confirmed(3));
        let along = world.along(&[sid(3, ACK_STICKINESS)], &world.ack());
        assert_eq!(world.sent(&world.ack()), along);
        let (mut asked, pinned) = (0, world.port);
        for port in 1_000..1_400 {
            world.port = port;
            assert!(!named(&world.sent(&world.syn())).contains(&3));
            // Flows of its own that have no entry are found.
            asked += usize::from(named(&world.sent(&world.ack())).contains(&3));
        }
        assert!(asked > 100, "of 400 flows about half had it as a candidate");
        // Even one whose entry is lost.
        let create = world.says(3, CREATE, &world.reply(ACK, NUMBER, b"page"));
        world.sent(&create);
        assert_eq!(world.entry(), Entry::Confirmed(3));
        world.port = pinned;
        world.sent(&world.says(3, REMOVE, &world.reply(FIN | ACK, NUMBER, b"")));
        assert_eq!(world.entry(), Entry::Closing(3));
    }
}

#[test]
fn a_staged_generation_is_known_to_recovery_and_not_to_hunting() {
    let mut world = world(Encap);
    let staged = version(2, Used::Staged, &members(&[0, 1, 2, 3, 4]));
    world
        .engine
        .set_pool(after_first(Used::Active, std::slice::from_ref(&staged)));
    let mut asked = 0;
    for port in 1_000..1_400 {
        world.port = port;
        let offered = named(&world.sent(&world.syn()));
        assert_eq!(offered, world.candidates());
        assert!(!offered.contains(&4));
        let list = named(&world.sent(&world.ack()));
        assert_eq!(list, world.recovery());
        asked += usize::from(list.contains(&4));
    }
    assert!(asked > 80, "{asked} of 400");
    // Another LB has activated it already: what its server says is honoured here.
    world.sent(&world.says(4, CREATE, &world.syn_ack(9)));
    assert_eq!(world.entry(), Entry::Unconfirmed(4, 9));
    // Taken back, it is a member no more.
    world.engine.set_pool(after_first(Used::Active, &[]));
    assert_eq!(world.entry(), Entry::None);
}

#[test]
fn an_active_generation_is_hunted_and_the_kept_one_is_asked() {
    let mut world = world(Insert);
    let mut before = Vec::new();
    for port in 1_000..1_400 {
        world.port = port;
        before.push(world.candidates());
    }
    let second = version(2, Used::Active, &members(&[0, 1, 2, 3, 4]));
    world.engine.set_pool(after_first(Used::Kept, &[second]));
    let mut new = 0;
    for (port, old) in (1_000..1_400).zip(&before) {
        world.port = port;
        let offered = named(&world.sent(&world.syn()));
        new += usize::from(offered.contains(&4));
        let list = named(&world.sent(&world.ack()));
        assert_eq!(list[..2], offered[..], "newest first");
        assert!(old.iter().all(|s| list.contains(s)), "{old:?} in {list:?}");
    }
    assert!(new > 80, "{new} of 400");
}

/// Race 7: one LB has reloaded, the other not yet. Whoever took a flow is asked by both.
#[test]
fn neighbouring_generations_find_each_others_flows() {
    let early = after_first(
        Used::Active,
        &[version(2, Used::Staged, &members(&[1, 2, 3, 4]))],
    );
    let late = after_first(
        Used::Kept,
        &[version(2, Used::Active, &members(&[1, 2, 3, 4]))],
    );
    let (mut early, mut late) = (World::with(Encap, early), World::with(Encap, late));
    for port in 1_000..1_400 {
        (early.port, late.port) = (port, port);
        let asked_early = named(&early.sent(&early.ack()));
        let taken_late = named(&late.sent(&late.syn()));
        assert!(taken_late.iter().all(|s| asked_early.contains(s)));
        // Server 0 is removed with generation 2: an LB that knows this has no use for it.
        let asked_late = named(&late.sent(&late.ack()));
        let taken_early = named(&early.sent(&early.syn()));
        let still_there = |s: &&u16| **s != 0;
        let mut owners = taken_early.iter().filter(still_there);
        assert!(owners.all(|s| asked_late.contains(s)));
    }
}

/// More changes in a row than one header holds: the first owner is asked still.
#[test]
fn many_changes_in_a_row() {
    let mut world = World::with(
        Encap,
        pool(41, 2, &[version(1, Used::Active, &members(&[0, 1]))], true),
    );
    let first = world.candidates()[0];
    let mut history = Vec::new();
    for n in 2..=40u16 {
        let used = if n == 40 { Used::Active } else { Used::Kept };
        let all: Vec<u16> = (0..n).collect();
        history.push(version((n - 1).into(), used, &members(&all)));
    }
    world.engine.set_pool(pool(41, 2, &history, true));
    let mut packet = world.ack();
    let mut asked = Vec::new();
    for number in 0..5 {
        let Out::Sent(sent) = world.send(&packet) else {
            break;
        };
        let chunk = named(&sent);
        assert!(chunk.len() <= 8);
        let last = *chunk.last().unwrap();
        asked.extend(chunk);
        packet = world.says(last, RECOVER_NEXT + number, &world.ack());
    }
    assert_eq!(asked, world.recovery());
    assert!(asked.contains(&first));
}
