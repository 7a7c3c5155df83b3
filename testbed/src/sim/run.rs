//! Running a scenario from its beginning to its end.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

use super::hosts::Settings;
use super::outcome::{ConnectionResult, Outcome};
use super::scenario::Scenario;
use super::trace::{Capture, Trace};
use super::world::{World, PORT_PATIENCE_MS};

/// How long after the last thing that the scenario says connections may take: some retransmissions of a
/// minute each.
const LAST_WORDS_MS: u64 = 180_000;
/// More events than any scenario needs.
const MOST_EVENTS: u64 = 5_000_000;

/// What may be different from one run of a scenario to another.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What LBs do.
    pub lb: srlb_lb::engine::Contract,
    /// What server routers do.
    pub server: srlb_server::engine::Contract,
    /// Is there to be a line for each packet and event in [`Outcome::trace`]?
    pub trace: bool,
    /// Does the run end when a promise is broken?
    pub until_broken: bool,
    /// A capture file for all packets, with their virtual time.
    pub pcap: Option<PathBuf>,
}

/// Runs a scenario, as docs/protocol.md has it.
pub fn run(scenario: &Scenario) -> Outcome {
    run_to_its_end(scenario, &Options::default(), None, MOST_EVENTS)
}

/// The same, with options.
///
/// # Errors
///
/// Where the capture file can't be made.
pub fn run_with(scenario: &Scenario, options: &Options) -> std::io::Result<Outcome> {
    let capture = match &options.pcap {
        Some(path) => Some(Capture::new(BufWriter::new(File::create(path)?))?),
        None => None,
    };
    Ok(run_to_its_end(scenario, options, capture, MOST_EVENTS))
}

fn run_to_its_end(
    scenario: &Scenario,
    options: &Options,
    capture: Option<Capture>,
    most_events: u64,
) -> Outcome {
    let trace = Trace::new(options.trace, capture);
    let settings = Settings::new(scenario, options.lb.clone(), options.server.clone());
    let mut world = World::new(scenario, settings, trace);
    let end = LatestEnd::of(scenario);
    let is_over = |world: &World| options.until_broken && !world.watch.violations.is_empty();
    while world.events < most_events && !is_over(&world) && world.is_going_on(&end) && world.step()
    {
    }
    if is_over(&world) {
        return world.outcome(Vec::new());
    }
    if world.events >= most_events {
        let what = format!("{most_events} events, and no end");
        world.watch.broken(world.now_us, "runaway", None, what);
    }
    world.finish()
}

/// For how long a scenario may go on.
struct LatestEnd {
    last_fault_us: Option<u64>,
    /// When the last connection must have ended.
    horizon_us: u64,
}

impl LatestEnd {
    fn of(scenario: &Scenario) -> Self {
        let ends = scenario
            .connections
            .iter()
            .map(|c| c.start_ms + c.pauses_ms());
        let last_fault_ms = scenario.faults.iter().map(|fault| fault.at_ms).max();
        let last_ms = ends.chain(last_fault_ms).max().unwrap_or(0);
        let horizon_ms = last_ms.max(scenario.calm_ms) + PORT_PATIENCE_MS + LAST_WORDS_MS;
        LatestEnd {
            last_fault_us: last_fault_ms.map(|ms| ms * 1_000),
            horizon_us: horizon_ms * 1_000,
        }
    }
}

impl World<'_> {
    fn is_going_on(&self, end: &LatestEnd) -> bool {
        let has_faults_ahead = end.last_fault_us.is_some_and(|last| self.now_us <= last);
        let more_to_come = has_faults_ahead || self.in_flight > 0 || self.watch.is_busy();
        more_to_come && self.now_us < end.horizon_us
    }

    fn finish(mut self) -> Outcome {
        let now_us = self.now_us;
        let connections = self.watch.finish(now_us, &self.scenario.connections);
        self.age();
        self.outcome(connections)
    }

    fn outcome(self, connections: Vec<ConnectionResult>) -> Outcome {
        let (virtual_us, events) = (self.now_us, self.events);
        let trace_hash = self.trace.hash();
        Outcome {
            connections,
            violations: self.watch.violations,
            rows: self.rows,
            counters: self.tally.into_map(),
            trace_hash,
            events,
            virtual_ms: virtual_us / 1_000,
            trace: self.trace.into_lines(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::dialogue::ConnectionSpec;

    #[test]
    fn a_world_that_does_not_come_to_rest_is_told() {
        let mut scenario = Scenario::quiet(1, 1);
        scenario.connect(ConnectionSpec::request(0, 1, 4_000, 100, 100));
        let promises = |most_events| {
            let outcome = run_to_its_end(&scenario, &Options::default(), None, most_events);
            let promises: Vec<_> = outcome.violations.iter().map(|v| v.promise).collect();
            promises
        };
        assert!(promises(MOST_EVENTS).is_empty());
        assert!(promises(10).contains(&"runaway"));
    }
}
