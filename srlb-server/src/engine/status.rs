//! What can be seen of an engine from outside.

use daemon::{Counts, DropReason, SignedCounts};
use flow_table::Value;
use packet_io::Instant;
use srh::Flow;

use super::entry::{Entry, Peer};
use super::state::State;
use super::udp;
use super::{Application, Engine, EngineConfig, Event, Note};
use crate::policy::PolicyState;

impl Engine {
    /// The settings in force.
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// Packets dropped so far, by reason.
    pub fn drops(&self) -> &Counts<DropReason> {
        &self.drops
    }

    /// What else has happened so far.
    pub fn events(&self) -> &Counts<Event> {
        &self.events
    }

    /// How the functions that were listened to were signed.
    pub fn signed(&self) -> &SignedCounts {
        &self.signed
    }

    /// The acceptance policy now.
    pub fn policy_state(&mut self, now: Instant, app: &dyn Application) -> PolicyState {
        self.policy.state(now, app.busy())
    }

    /// Entries by state, in the order of [`State::ALL`].
    pub fn flows_by_state(&self, now: Instant) -> [usize; State::ALL.len()] {
        let mut counts = [0; State::ALL.len()];
        for entry in self.flows.iter().filter(|entry| !entry.expired(now)) {
            counts[entry.state(now) as usize] += 1;
        }
        counts
    }

    /// Flows that the application alone has ended, and which CLOSING no longer covers: their numbers are kept.
    pub fn half_closed(&self, now: Instant) -> usize {
        let kept = |entry: &&Entry| {
            !entry.expired(now) && entry.state(now) == State::None && entry.is_half_closed()
        };
        self.flows.iter().filter(kept).count()
    }

    /// UDP flows by state, in the order of their states' list.
    pub fn udp_flows_by_state(&self, now: Instant) -> [usize; 4] {
        let mut counts = [0; 4];
        let living = self.udp_flows.iter().filter(|entry| !entry.expired(now));
        living.for_each(|entry| counts[entry.state() as usize] += 1);
        counts
    }

    /// What the table says about a UDP flow: its state, and the LB that it came from last.
    pub fn udp_flow_state(&self, now: Instant, flow: &Flow) -> (udp::State, Option<Peer>) {
        let entry = self.udp_flows.get(self.udp_flows.hash(flow), now);
        entry.map_or((udp::State::None, None), |e| (e.state(), e.peer()))
    }

    /// Slots of the table of UDP flows, and bytes that it takes.
    pub fn udp_table_size(&self) -> (usize, usize) {
        (self.udp_flows.capacity(), self.udp_flows.memory_bytes())
    }

    /// What the table says about a flow: its state, and the LB that it came from last.
    pub fn flow_state(&self, now: Instant, flow: &Flow) -> (State, Option<Peer>) {
        let subject = self.subject(*flow, now);
        (subject.state, subject.entry.and_then(|entry| entry.peer()))
    }

    /// Does the table know a number of the flow that stems from our kernel? A router that was restarted doesn't, until the
    /// kernel's next packet passes it.
    pub fn knows_numbers(&self, now: Instant, flow: &Flow) -> bool {
        let entry = self.subject(*flow, now).entry;
        entry
            .is_some_and(|e| e.surely_near().is_some() || e.fin().is_some() || e.numbers.any_seen())
    }

    /// How many entries there are, also counting those that have expired and not been swept.
    pub fn entries(&self) -> usize {
        self.flows.len()
    }

    /// Slots of the flow table, and bytes that it takes.
    pub fn table_size(&self) -> (usize, usize) {
        (self.flows.capacity(), self.flows.memory_bytes())
    }

    /// Switches notes on packets on or off.
    pub fn set_tracing(&mut self, on: bool) {
        self.tracing = on;
    }

    /// What happened to the last packet; only while tracing is on.
    pub fn note(&self) -> &Note {
        &self.note
    }
}
