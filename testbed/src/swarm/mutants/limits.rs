//! Mutants of the limits: nothing of it, or ten times as much, or what hurts.

use std::time::Duration;

use srlb_lb::engine::contract::Limits as LbLimits;
use srlb_server::engine::contract::Limits as ServerLimits;

use crate::sim::Options;

use super::Mutant;

/// A change of one limit of the LB: its name, what it becomes, and why no world can show it, if none can.
type OfLb = (&'static str, fn(&mut LbLimits), Option<&'static str>);
/// The same for the server.
type OfServer = (&'static str, fn(&mut ServerLimits), Option<&'static str>);

const NOTHING: Duration = Duration::ZERO;

/// The worlds carry TCP alone; tests/tests/engines and both engines' own tests hold these limits.
const NO_UDP: Option<&str> = Some("the worlds carry no UDP");
/// The same.
const NO_FRAGMENTS: Option<&str> = Some("the worlds carry no fragments");

/// A limit of cost.
const SWEPT: Option<&str> =
    Some("each poll sweeps one set at least, and the tables of worlds have few");
/// srlb-lb's tests hold it to the second (`the_dead_of_a_chunk_are_asked_at_the_end_of_the_list`).
const UNDER_WAY: Option<&str> = Some(
    "not met: a server that counts as dead has the flow, and speaks while its packet is between two chunks",
);
/// A limit of cost.
const CHUNK: Option<&str> =
    Some("costs a turn at the LB for each server of a recovery list; the list is the same");
/// A limit of cost.
const STOP: Option<&str> =
    Some("costs a stop at the end of a recovery list, for 20 s after a dead server has come back");

const OF_LB: &[OfLb] = &[
    (
        "unconfirmed_life: 0",
        |l| l.unconfirmed_life = NOTHING,
        None,
    ),
    ("unconfirmed_life: x10", |l| l.unconfirmed_life *= 10, None),
    ("closing_life: 0", |l| l.closing_life = NOTHING, None),
    ("closing_life: x10", |l| l.closing_life *= 10, None),
    ("reset_life: 0", |l| l.reset_life = NOTHING, None),
    ("reset_life: x10", |l| l.reset_life *= 10, None),
    ("chunk: 1", |l| l.chunk = 1, CHUNK),
    (
        "syn_again_soonest: 0",
        |l| l.syn_again_soonest = NOTHING,
        None,
    ),
    (
        "syn_again_soonest: x10",
        |l| l.syn_again_soonest *= 10,
        None,
    ),
    (
        "syn_again_latest: 0",
        |l| l.syn_again_latest = NOTHING,
        None,
    ),
    ("syn_again_latest: x10", |l| l.syn_again_latest *= 10, None),
    ("syns_remembered: 1", |l| l.syns_remembered = 1, None),
    (
        "signs_until_suspect: 0",
        |l| l.signs_until_suspect = 0,
        None,
    ),
    (
        "signs_until_suspect: x10",
        |l| l.signs_until_suspect *= 10,
        None,
    ),
    ("probe_interval: 0", |l| l.probe_interval = NOTHING, None),
    ("probe_interval: x10", |l| l.probe_interval *= 10, None),
    ("probes_until_dead: 0", |l| l.probes_until_dead = 0, None),
    (
        "probes_until_dead: x10",
        |l| l.probes_until_dead *= 10,
        None,
    ),
    ("under_way: 0", |l| l.under_way = NOTHING, UNDER_WAY),
    ("under_way: x10", |l| l.under_way *= 10, STOP),
    (
        "fragment_life: 0",
        |l| l.fragment_life = NOTHING,
        NO_FRAGMENTS,
    ),
    (
        "fragmented_packets: 1",
        |l| l.fragmented_packets = 1,
        NO_FRAGMENTS,
    ),
    ("sweep_polls: x10", |l| l.sweep_polls *= 10, SWEPT),
];

const OF_SERVER: &[OfServer] = &[
    ("handshake_life: 0", |l| l.handshake_life = NOTHING, None),
    ("handshake_life: x10", |l| l.handshake_life *= 10, None),
    ("unanswered_life: 0", |l| l.unanswered_life = NOTHING, None),
    ("unanswered_life: x10", |l| l.unanswered_life *= 10, None),
    ("loser_life: 0", |l| l.loser_life = NOTHING, None),
    ("loser_life: x10", |l| l.loser_life *= 10, None),
    ("numbers_life: 0", |l| l.numbers_life = NOTHING, None),
    ("numbers_life: x10", |l| l.numbers_life *= 10, None),
    ("closing_life: 0", |l| l.closing_life = NOTHING, None),
    ("closing_life: x10", |l| l.closing_life *= 10, None),
    ("direct_life: 0", |l| l.direct_life = NOTHING, None),
    ("direct_life: x10", |l| l.direct_life *= 10, None),
    ("steer_time: 0", |l| l.steer_time = NOTHING, None),
    ("steer_time: x10", |l| l.steer_time *= 10, None),
    ("steer_packets: 0", |l| l.steer_packets = 0, None),
    ("steer_packets: x10", |l| l.steer_packets *= 10, None),
    ("end_packets: 0", |l| l.end_packets = 0, None),
    ("end_packets: x10", |l| l.end_packets *= 10, None),
    ("empty_acks: 0", |l| l.empty_acks = 0, None),
    ("empty_acks: x10", |l| l.empty_acks *= 10, None),
    ("syn_ack_numbers: 0", |l| l.syn_ack_numbers = 0, None),
    ("syn_ack_numbers: 1", |l| l.syn_ack_numbers = 1, None),
    ("window_bytes: 0", |l| l.window_bytes = 0, None),
    ("window_bytes: x100", |l| l.window_bytes *= 100, None),
    (
        "fragment_life: 0",
        |l| l.fragment_life = NOTHING,
        NO_FRAGMENTS,
    ),
    (
        "fragmented_packets: 1",
        |l| l.fragmented_packets = 1,
        NO_FRAGMENTS,
    ),
    (
        "udp_unconfirmed_life: 0",
        |l| l.udp_unconfirmed_life = NOTHING,
        NO_UDP,
    ),
    ("sweep_polls: x10", |l| l.sweep_polls *= 10, SWEPT),
];

/// Each limit, altered.
pub fn mutants() -> Vec<Mutant> {
    let of_lb = OF_LB.iter().map(|&(name, alter, reason)| {
        let mut options = Options::default();
        alter(&mut options.lb.limits);
        mutant("lb", name, options, reason)
    });
    let of_server = OF_SERVER.iter().map(|&(name, alter, reason)| {
        let mut options = Options::default();
        alter(&mut options.server.limits);
        mutant("server", name, options, reason)
    });
    of_lb.chain(of_server).collect()
}

fn mutant(of: &str, name: &str, options: Options, reason: Option<&'static str>) -> Mutant {
    Mutant {
        name: format!("{of}: {name}"),
        row: None,
        options,
        reason,
    }
}
