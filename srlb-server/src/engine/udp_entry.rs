//! What is kept for a UDP flow.

use std::time::Duration;

use flow_table::Value;
use packet_io::Instant;
use srh::{Encoding, Locator};

use super::contract::Limits;
use super::entry::Peer;
use super::udp::State;

/// An entry of the table of UDP flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UdpEntry {
    lb: Locator,
    expires: Instant,
    steer_until: Instant,
    encoding: Option<Encoding>,
    state: State,
    steer_left: u8,
}

impl UdpEntry {
    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// The LB that the flow came from last.
    pub fn peer(&self) -> Option<Peer> {
        Some(Peer {
            locator: self.lb,
            encoding: self.encoding?,
        })
    }

    /// A datagram of the client has come from `peer` and is ours: answers may be steered again, and it lives
    /// `life` from now.
    pub fn client_packet(
        &mut self,
        now: Instant,
        state: State,
        peer: Peer,
        life: Duration,
        limits: &Limits,
    ) {
        self.state = state;
        self.lb = peer.locator;
        self.encoding = Some(peer.encoding);
        self.steer_until = now + limits.steer_time;
        self.steer_left = limits.steer_packets;
        self.renew(now, life);
    }

    /// It lives `life` from now.
    pub fn renew(&mut self, now: Instant, life: Duration) {
        self.expires = now + life;
    }

    /// May one more answer go through the LB?
    pub fn may_steer(&self, now: Instant) -> bool {
        self.steer_left > 0 && now < self.steer_until
    }

    /// One did.
    pub fn steered(&mut self) {
        self.steer_left = self.steer_left.saturating_sub(1);
    }
}

impl Value for UdpEntry {
    fn expired(&self, now: Instant) -> bool {
        self.expires <= now
    }

    /// First goes what no LB has acknowledged, which is what a flood of forged datagrams leaves; then what
    /// was silent for longest.
    fn keep_rank(&self, _: Instant) -> u64 {
        const AGE_BITS: u32 = 56;
        let class = u64::from(self.state != State::Taken);
        class << AGE_BITS | self.expires.micros().min((1 << AGE_BITS) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_half_a_cache_line() {
        assert!(size_of::<UdpEntry>() <= 32, "{}", size_of::<UdpEntry>());
    }
}
