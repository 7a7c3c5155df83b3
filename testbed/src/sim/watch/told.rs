//! An LB that has to be told of a flow is told, within bounds; and one that knows is left alone.

use std::time::Duration;

use packet_io::Instant;
use srh::parse::Tcp;
use srh::Function;
use srlb_server::engine::state::State;

use super::at_router::{is_for_lb, AtRouter, Became};
use super::said::Said;
use super::Broken;

/// For how long after a client packet answers go through the LB.
const STEER_TIME: Duration = Duration::from_secs(1);
/// How many of them.
const STEERED: u8 = 3;
/// How many FINs and RSTs.
const ENDS: u8 = 3;
/// How many empty ACKs.
const EMPTY_ACKS: u8 = 1;
/// What is not longer has room for a function in any encoding.
const SHORT_BYTES: usize = 1_300;

/// What the LB of a flow was told since the client's last packet.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// When that packet came; none if there was none.
    since: Option<Instant>,
    steered: u8,
    ends: u8,
    empty_acks: u8,
    /// Numbers of the SYN-ACKs that the application has sent for this handshake.
    pub numbers: Vec<u32>,
    /// Has the application ended the connection of the last of them?
    pub has_ended: bool,
}

impl Told {
    /// A client's packet has been delivered.
    pub fn client_packet(&mut self, now: Instant) {
        self.since = Some(now);
        (self.steered, self.ends, self.empty_acks) = (0, 0, 0);
    }

    /// A packet of the application leaves. Which promise is broken by how it does?
    pub fn application_packet(&mut self, at: &AtRouter, became: &Became) -> Option<Broken> {
        let tcp = &at.said.tcp;
        if tcp.is_syn_ack() && !self.numbers.contains(&tcp.seq) {
            self.numbers.push(tcp.seq);
            self.has_ended = false;
        }
        self.has_ended |= tcp.has(Tcp::FIN);
        let on_it = Said::read(became.left.frame).and_then(|said| said.function);
        let is_refuted = became.left.refutes();
        let beside = became.left.beside().into_iter();
        let beside: Vec<_> = beside.filter(|&function| is_for_lb(function)).collect();
        let is_end = tcp.flags & (Tcp::FIN | Tcp::RST) != 0;
        let function = match is_end {
            true => Function::RemoveStickiness,
            false => Function::CreateStickiness,
        };
        let is_due = match is_end {
            true => self.end_is_due(at),
            // The flow is somebody else's.
            false => self.steering_is_due(at, became.now) && !is_refuted,
        };
        let is_told = on_it == Some(function) || beside == [function];
        let is_silent = on_it.is_none() && beside.is_empty();
        let has_ack = self.empty_acks < EMPTY_ACKS;
        let is_short = at.said.len <= SHORT_BYTES;
        // A RST may be about an earlier connection, and what is too long has one empty ACK.
        let may_be_silent = at.said.is_reset() || (!is_short && !has_ack);
        let is_right = match is_due {
            true => (is_told && (beside.is_empty() || has_ack)) || (is_silent && may_be_silent),
            false => is_silent,
        };
        if is_due && (is_told || !at.said.is_reset()) {
            let count = match is_end {
                true => &mut self.ends,
                false => &mut self.steered,
            };
            *count += 1;
        }
        self.empty_acks += beside.len() as u8;
        (!is_right).then(|| {
            let what = format!(
                "{:?} leaves with {on_it:?}, beside it {beside:?}; due: {is_due}, {:?}, {self:?}",
                at.said, at.before
            );
            ("told", what)
        })
    }

    fn steering_is_due(&self, at: &AtRouter, now: Instant) -> bool {
        let wants = matches!(at.before, State::Hunted | State::Wait) && at.has_peer;
        let is_soon = self.since.is_some_and(|since| now < since + STEER_TIME);
        wants && is_soon && self.steered < STEERED
    }

    fn end_is_due(&self, at: &AtRouter) -> bool {
        at.has_peer && self.ends < ENDS
    }
}
