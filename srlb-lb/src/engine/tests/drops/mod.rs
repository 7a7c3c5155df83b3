//! Every reason for which the LB drops a packet, met by a packet, in both encodings. No drop
//! changes an entry.

mod functions;
mod hmac;
mod icmp;
mod packets;

use std::collections::HashSet;

use daemon::DropReason;
use packet_io::PacketBuf;
use srh::Encoding::{Encap, Insert};

use super::world::*;
use crate::engine::Verdict;

/// Makes the situation and says which packet is to be dropped.
type Make = fn(&mut World) -> Vec<u8>;

type Row = (DropReason, &'static str, Make);

/// What can only be met by a server router.
const ON_SERVERS_ONLY: &[DropReason] = &[
    DropReason::NotASyn,
    DropReason::LookupRate,
    DropReason::UnknownNumber,
    DropReason::AnswerToUs,
    DropReason::NotMine,
];

fn rows() -> Vec<Row> {
    [packets::ROWS, functions::ROWS, hmac::ROWS, icmp::ROWS].concat()
}

#[test]
fn every_row_is_dropped_for_its_reason_and_changes_no_entry() {
    for encoding in [Encap, Insert] {
        for (reason, what, make) in rows() {
            // None, and two kinds of entries that a packet could spoil.
            for entry in [Entry::None, Entry::Unconfirmed(2, 9), Entry::Confirmed(1)] {
                check(encoding, entry, (reason, what, make));
                check_in_a_batch(encoding, entry, (reason, what, make));
            }
        }
    }
}

/// The short ways are those of batches alone.
fn check_in_a_batch(encoding: srh::Encoding, entry: Entry, (reason, what, make): Row) {
    let mut world = World::new(encoding);
    world.make(entry);
    let packet = make(&mut world);
    let known = (world.entry(), world.engine.flows_by_state(world.now));
    let mut frames = [PacketBuf::from_slice(&packet)];
    let mut verdicts = Vec::new();
    let now = world.now;
    world.engine.process_batch(now, &mut frames, &mut verdicts);
    let dropped = [Verdict::Drop(reason)];
    assert_eq!(verdicts, dropped, "{encoding:?}, {entry:?}: {what}");
    let now_known = (world.entry(), world.engine.flows_by_state(now));
    assert_eq!(now_known, known, "{encoding:?}: {what}");
}

fn check(encoding: srh::Encoding, entry: Entry, (reason, what, make): Row) {
    let mut world = World::new(encoding);
    world.make(entry);
    let packet = make(&mut world);
    let known = (world.entry(), world.engine.flows_by_state(world.now));
    let explained = |world: &World| world.engine.explain(world.flow(), world.now).unwrap().entry;
    let entry_explained = explained(&world);
    let counted = world.engine.drops().get(reason);
    let out = world.send(&packet);
    assert_eq!(out, Out::Dropped(reason), "{encoding:?}, {entry:?}: {what}");
    assert_eq!(world.engine.drops().get(reason), counted + 1, "{what}");
    let now_known = (world.entry(), world.engine.flows_by_state(world.now));
    assert_eq!(now_known, known, "{encoding:?}: {what}");
    assert_eq!(explained(&world), entry_explained, "{encoding:?}: {what}");
}

#[test]
fn each_reason_has_its_row_or_is_met_on_servers_only() {
    let met: HashSet<DropReason> = rows().iter().map(|row| row.0).collect();
    for reason in DropReason::ALL {
        let elsewhere = ON_SERVERS_ONLY.contains(reason);
        assert_ne!(met.contains(reason), elsewhere, "{reason}");
    }
}
