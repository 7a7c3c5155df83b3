//! What `status` and `trace` answer.

use daemon::counters::texts;
use daemon::Place;
use packet_io::{Instant, PacketBuf};
use serde_json::{json, Map, Value};
use srh::{Describe, Frame};

use crate::apache::Apache;
use crate::config::Settings;
use crate::engine::state::State;
use crate::engine::{udp, Engine, Event, Note, Verdict};

/// State, flows and counters of the engine, with the instance's settings.
pub(super) fn engine(
    engine: &mut Engine,
    settings: &Settings,
    apache: &Apache,
    now: Instant,
) -> Value {
    let mut flows: Map<String, Value> = State::ALL
        .iter()
        .zip(engine.flows_by_state(now))
        .map(|(state, count)| (state.name().to_owned(), count.into()))
        .collect();
    let (slots, memory_bytes) = engine.table_size();
    flows.insert("slots".into(), slots.into());
    flows.insert("memory_bytes".into(), memory_bytes.into());
    let mut udp_flows: Map<String, Value> = udp::State::ALL
        .iter()
        .zip(engine.udp_flows_by_state(now))
        .filter(|(state, _)| **state != udp::State::None)
        .map(|(state, count)| (state.name().to_owned(), count.into()))
        .collect();
    let (slots, memory_bytes) = engine.udp_table_size();
    udp_flows.insert("slots".into(), slots.into());
    udp_flows.insert("memory_bytes".into(), memory_bytes.into());
    let policy = engine.policy_state(now, apache);
    json!({
        "name": settings.name,
        "locator": settings.engine.locator.to_string(),
        "vips": settings.engine.vips,
        "sizes": settings.sizes(),
        "hmac": engine.signed().to_json(settings.engine.hmac.as_ref()),
        "fabric_mtu_bytes": settings.fabric_mtu_bytes,
        "mss_bytes": settings.engine.mss_bytes(),
        "flows": flows,
        "udp_flows": udp_flows,
        "policy": {
            "accept": policy.accept.name(),
            "c": policy.c,
            "attempt": policy.attempt,
            "accepted": policy.accepted,
            "pending": policy.pending,
        },
        "events": engine.events().to_json(),
        "drops": engine.drops().to_json(),
        "texts": texts::<Event>(),
    })
}

/// One line of `trace`.
pub(super) fn traced(
    now: Instant,
    note: &Note,
    verdict: Verdict,
    arrived: &str,
    frame: &PacketBuf,
    extra: &[PacketBuf],
) -> Value {
    let describe = |packet: &PacketBuf| Describe(packet.bytes()).to_string();
    let (to, dropped) = match verdict {
        Verdict::Transmit => (Some("network"), None),
        Verdict::Deliver { steer: false } => (Some("application"), None),
        Verdict::Deliver { steer: true } => (Some("application, answers steered"), None),
        Verdict::Drop(reason) => (None, Some(reason.text())),
        Verdict::LookUp(_) => (None, Some("the kernel did not tell its sockets")),
    };
    let (before, event, after) = match note.udp {
        Some((before, event, _, after)) => (
            Some(before.name()),
            Some(format!("{event:?}")),
            Some(after.name()),
        ),
        None => (
            note.before.map(State::name),
            note.event.map(|event| format!("{event:?}")),
            note.said.map(|(_, state)| state.name()),
        ),
    };
    json!({
        "time_s": now.micros() as f64 / 1e6,
        "flow": note.flow.map(|flow| flow.to_string()),
        "in": arrived,
        "event": event,
        "before": before,
        "after": after,
        "lb": note.lb.map(|lb| lb.locator.to_string()),
        "to": to,
        "out": to.map(|_| describe(frame)),
        "dropped": dropped,
        "more": extra.iter().map(describe).collect::<Vec<_>>(),
    })
}
