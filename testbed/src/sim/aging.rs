//! The end of the world: no packet comes any more, and every entry has to go when its time is over.

use std::time::Duration;

use packet_io::Instant;
use srlb_lb::engine as lb_engine;
use srlb_server::engine as server_engine;

use super::world::World;

/// How long after the last packet nothing of a handshake, of an end or of a lost race is left: 75 s.
const SHORT_LIVES_US: u64 = 76_000_000;
/// How long CLOSING lasts at an LB: 10 s.
const CLOSING_US: u64 = 11_000_000;
/// How long a server remembers a silent flow that is open on one side at least: an hour.
const LONG_LIFE_US: u64 = 3_601_000_000;
/// So many calls of `poll` sweep the whole table.
const POLLS: usize = 700;

impl World<'_> {
    /// Everything stops, the engines grow old, and what they have counted is added up.
    pub fn age(&mut self) {
        let now_us = self.now_us;
        for n in 1..=self.lbs.len() as u16 {
            let host = &mut self.lbs[usize::from(n) - 1];
            let clock = host.spec.clock;
            let local =
                |after_us| super::hosts::local(clock, now_us) + Duration::from_micros(after_us);
            let idle_us = u64::from(host.spec.idle_timeout_ms) * 1_000 + 1_000_000;
            if let Some(mut engine) = host.engine.take() {
                let left = old_lb(&mut engine, local, idle_us);
                self.nothing_may_be_left(&format!("lb{n}"), &left);
                self.end_of_lb(&engine, n);
            }
        }
        for n in 1..=self.servers.len() as u16 {
            let host = &mut self.servers[usize::from(n) - 1];
            let clock = host.spec.clock;
            let local =
                |after_us| super::hosts::local(clock, now_us) + Duration::from_micros(after_us);
            if let Some(mut engine) = host.engine.take() {
                let left = old_router(&mut engine, local);
                self.nothing_may_be_left(&format!("s{n}"), &left);
                self.end_of_router(&engine, n);
            }
        }
    }

    fn nothing_may_be_left(&mut self, who: &str, left: &[(&'static str, usize)]) {
        for (what, count) in left.iter().filter(|(_, count)| *count > 0) {
            let what = format!("{who}: {count} entries too old: {what}");
            self.watch.broken(self.now_us, "lifetime", None, what);
        }
    }
}

/// What an LB still has when it should not: kind of entry and how many.
fn old_lb(
    engine: &mut lb_engine::Engine,
    local: impl Fn(u64) -> Instant,
    idle_us: u64,
) -> [(&'static str, usize); 4] {
    let [_, _, closing] = engine.flows_by_state(local(CLOSING_US));
    let [unconfirmed, _, _] = engine.flows_by_state(local(SHORT_LIVES_US));
    let end = local(idle_us.max(SHORT_LIVES_US));
    let any = engine.flows_by_state(end).iter().sum();
    let mut probes = Vec::new();
    for _ in 0..POLLS {
        engine.poll(end, &mut probes);
        probes.clear();
    }
    [
        ("closing", closing),
        ("unconfirmed", unconfirmed),
        ("idle", any),
        ("not swept", engine.entries()),
    ]
}

/// The same for a server's router.
fn old_router(
    engine: &mut server_engine::Engine,
    local: impl Fn(u64) -> Instant,
) -> [(&'static str, usize); 3] {
    use server_engine::state::State;
    let soon = engine.flows_by_state(local(SHORT_LIVES_US));
    let direct = soon[State::Direct as usize];
    let half_closed = engine.half_closed(local(SHORT_LIVES_US));
    let end = local(LONG_LIFE_US);
    let any = engine.flows_by_state(end).iter().sum();
    for _ in 0..POLLS {
        engine.poll(end);
    }
    [
        (
            "not open",
            soon.iter().sum::<usize>() - direct - half_closed,
        ),
        ("idle", any),
        ("not swept", engine.entries()),
    ]
}
