//! What `status` and `explain` answer.

use daemon::counters::texts;
use daemon::{Counts, DropReason, SignedCounts};
use packet_io::xdp::{PortStatus, SendCounts};
use packet_io::Instant;
use serde_json::{json, Value};
use srh::Flow;

use crate::config::Settings;
use crate::engine::state::Action;
use crate::engine::{Engine, Event};

use super::worker::Report;

/// What all workers have done.
pub(super) struct Total {
    events: Counts<Event>,
    drops: Counts<DropReason>,
    signed: SignedCounts,
    /// Packets that no device took.
    pub lost: u64,
    /// Interfaces of AF_XDP.
    pub ports: Vec<PortStatus>,
    pub sent_by_kernel: SendCounts,
    reports: Vec<Report>,
}

impl Total {
    pub fn of(reports: Vec<Report>, settings: &Settings) -> Self {
        let mut total = Total {
            events: Counts::new(),
            drops: Counts::new(),
            signed: SignedCounts::new(settings.engine.hmac.as_ref()),
            lost: 0,
            ports: Vec::new(),
            sent_by_kernel: SendCounts::default(),
            reports: Vec::new(),
        };
        for report in &reports {
            total.events.add_all(&report.events);
            total.drops.add_all(&report.drops);
            total.signed.add_all(&report.signed);
            total.lost += report.lost;
            total.sent_by_kernel = total.sent_by_kernel.plus(report.sent_by_kernel);
            total.add_ports(&report.ports);
        }
        total.reports = reports;
        total
    }

    fn add_ports(&mut self, ports: &[PortStatus]) {
        if self.ports.is_empty() {
            self.ports = ports.to_vec();
            return;
        }
        for (all, port) in self.ports.iter_mut().zip(ports) {
            *all = all.clone().plus(port);
        }
    }

    /// Each of them, for `status`.
    pub fn workers(&self) -> Value {
        self.reports.iter().map(worker).collect()
    }
}

fn worker(report: &Report) -> Value {
    let queues: usize = report.ports.iter().map(|port| port.queues).sum();
    json!({
        "worker": report.worker,
        "core": report.core,
        "cpu_ms": report.cpu.as_millis() as u64,
        "received": report.events.get(Event::Received),
        "transmitted": report.events.get(Event::Transmitted),
        "dropped": report.drops.total(),
        "lost": report.lost,
        "af_xdp_queues": queues,
    })
}

/// State and flows as an engine sees them and counters of all workers, with the instance's settings.
pub(super) fn engine(engine: &Engine, all: &Total, settings: &Settings, now: Instant) -> Value {
    let [unconfirmed, confirmed, closing] = engine.flows_by_state(now);
    let (slots, memory_bytes) = engine.table_size();
    json!({
        "name": settings.name,
        "locator": settings.locator.to_string(),
        "encoding": settings.engine.encoding.name(),
        "sizes": settings.sizes(),
        "hmac": all.signed.to_json(settings.engine.hmac.as_ref()),
        "pool": pool(settings),
        "flows": {
            "confirmed": confirmed,
            "unconfirmed": unconfirmed,
            "closing": closing,
            "udp": engine.udp_flows(now),
            "slots": slots,
            "memory_bytes": memory_bytes,
        },
        "bounds": {
            "hunts_pps": engine.config().hunts_pps,
            "recoveries_pps": engine.config().recoveries_pps,
        },
        "servers": servers(engine),
        "events": all.events.to_json(),
        "drops": all.drops.to_json(),
        "texts": texts::<Event>(),
    })
}

fn pool(settings: &Settings) -> Value {
    let number = |wanted| {
        let mut all = settings.pool.generations();
        all.find(|(_, state)| *state == wanted).map(|(n, _)| n)
    };
    json!({
        "path": settings.pool_path,
        "active": number("active"),
        "staged": number("staged"),
        "complete": settings.pool.is_complete(),
        "choices": settings.pool.choices(),
        "buckets": settings.pool.buckets(),
    })
}

fn servers(engine: &Engine) -> Vec<Value> {
    let pool = engine.pool();
    let listed = (0u16..).zip(pool.servers()).filter(|(_, s)| s.listed);
    listed
        .map(|(number, server)| {
            let vips = pool
                .vips()
                .iter()
                .filter(|vip| vip.tables.is_member(number));
            json!({
                "name": server.name,
                "locator": server.locator.to_string(),
                "member_of": vips.map(|vip| vip.name.as_str()).collect::<Vec<_>>(),
                "opinion": engine.opinion(number).name(),
            })
        })
        .collect()
}

/// Where a flow goes, and why; `None` if there is no such VIP.
pub(super) fn explain(engine: &Engine, flow: Flow, now: Instant) -> Option<Value> {
    let e = engine.explain(flow, now)?;
    let vip = engine.pool().vips().iter().find(|v| v.name == e.vip)?;
    let candidates = e
        .candidates
        .iter()
        .map(|(name, opinion)| json!({ "server": name, "opinion": opinion.name() }));
    let words = |words: &'static str| match e.refused {
        true => format!("is dropped: {}", DropReason::ClientInDomain.text()),
        false => words.to_owned(),
    };
    let tcp = |action: Option<Action>| action.map(|action| words(action.words()));
    let entry = e.entry.map(|(state, server, left_ms)| {
        json!({ "state": format!("{state:?}"), "server": server, "left_ms": left_ms })
    });
    Some(json!({
        "flow": flow.to_string(),
        "vip": e.vip,
        "bucket": e.bucket,
        "buckets": vip.tables.buckets(),
        "candidates": candidates.collect::<Vec<_>>(),
        "recovery": e.recovery,
        "complete": e.complete,
        "entry": entry,
        "bypassed": e.bypassed,
        "on_syn": tcp(e.on_syn),
        "on_other": tcp(e.on_other),
        "on_datagram": e.on_datagram.map(|action| words(action.words())),
    }))
}
