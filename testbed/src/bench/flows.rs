//! Which flow's packet comes next.

use packet_io::PacketBuf;
use srlb_lb::engine::TICK_MS;

use super::case::{Case, Way};
use super::packets;
use crate::rng::{number_at, Rng};

/// How often a core gets a packet, where the share of refreshes depends on that.
pub const PACE_NS: f64 = 50.0;

/// The share of packets that are the first of their flow in a tick of the engine's clock, so that the entry is written: a
/// core gets a packet every [`PACE_NS`], all flows are alike, and their packets come at random. The share of flows
/// that have had no packet yet in a tick, averaged over it, is the same.
pub fn share_due(flows: u64) -> f64 {
    let per_tick = TICK_MS as f64 * 1e6 / PACE_NS / flows as f64;
    -(-per_tick).exp_m1() / per_tick
}

/// Numbers of flows. The table has those below `pinned`. The first ones of these are *settled*: their entries have been refreshed
/// in this tick; the others are *due*, once each. What comes from `pinned` on was never seen.
#[derive(Clone, Debug)]
pub struct Flows {
    pinned: u64,
    settled: u64,
    share_due: f64,
    due: Once,
    fresh: u64,
    in_turn: Once,
    rng: Rng,
}

/// A range of numbers, each of which is taken once, out of order.
#[derive(Clone, Copy, Debug)]
struct Once {
    first: u64,
    count: u64,
    taken: u64,
    stride: u64,
}

impl Once {
    fn new(first: u64, count: u64) -> Self {
        // Whatever is coprime to the count leads to each number once; near the golden section neighbours lie far apart.
        let golden = (0.618 * count as f64) as u64;
        let stride = (1..=golden).rev().find(|&n| gcd(n, count) == 1);
        Once {
            first,
            count,
            taken: 0,
            stride: stride.unwrap_or(1),
        }
    }

    fn left(&self) -> u64 {
        self.count - self.taken
    }

    fn take(&mut self) -> Option<u64> {
        let place = u128::from(self.taken) * u128::from(self.stride);
        let offset = place.checked_rem(u128::from(self.count))? as u64;
        let is_left = self.taken < self.count;
        self.taken += u64::from(is_left);
        is_left.then_some(self.first + offset)
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    match b {
        0 => a,
        b => gcd(b, a % b),
    }
}

impl Flows {
    /// `pinned` of them are in the table.
    pub fn new(pinned: u64) -> Self {
        let share_due = share_due(pinned);
        let settled = pinned - (share_due * pinned as f64) as u64;
        Flows {
            pinned,
            settled,
            share_due,
            due: Once::new(settled, pinned - settled),
            fresh: pinned,
            in_turn: Once::new(0, pinned),
            rng: Rng::new(pinned, 0),
        }
    }

    /// The same flows for one worker of `workers`: what is used once is shared out.
    pub fn for_worker(&self, worker: u64, workers: u64) -> Flows {
        let due = (self.pinned - self.settled) / workers;
        let first = self.settled + worker * due;
        Flows {
            due: Once::new(first, due),
            fresh: self.pinned + (worker << 40),
            rng: Rng::new(self.pinned, 1 + worker),
            ..self.clone()
        }
    }

    /// How many are in the table.
    pub fn pinned(&self) -> u64 {
        self.pinned
    }

    /// How many of them are settled in the steady state.
    pub fn settled(&self) -> u64 {
        self.settled
    }

    /// All that are in the table, out of order: what is settled should lie everywhere.
    pub fn all(&self) -> impl Iterator<Item = u64> {
        let mut all = Once::new(0, self.pinned);
        std::iter::from_fn(move || all.take())
    }

    /// Those that were settled are so again, the others are due.
    pub fn settle(&mut self) {
        self.due.taken = 0;
    }

    /// Are there flows left that are due, for so many packets of the steady state?
    pub fn has_due(&self, packets: usize) -> bool {
        // a tenth more than the mean, for chance
        let wanted = (1.1 * self.share_due * packets as f64) as u64;
        self.due.left() >= wanted.min(self.due.count)
    }

    fn settled_one(&mut self) -> u64 {
        self.rng.below(self.settled)
    }

    fn known(&mut self) -> u64 {
        let due = match self.rng.uniform() < self.share_due {
            true => self.due.take(),
            false => None,
        };
        due.unwrap_or_else(|| self.settled_one())
    }

    fn unknown(&mut self) -> u64 {
        self.fresh += 1;
        self.fresh
    }

    /// Every flow once, and from the beginning again.
    fn in_turn(&mut self) -> u64 {
        if self.in_turn.left() == 0 {
            self.in_turn.taken = 0;
        }
        self.in_turn.take().unwrap_or(0)
    }

    /// Puts the next packet of this case into a buffer.
    pub fn next(&mut self, case: Case, way: Way, servers: u16, into: &mut PacketBuf) {
        match case {
            Case::Pinned => packets::data(self.known(), into),
            Case::Settled => packets::data(self.settled_one(), into),
            Case::NewFlow => packets::syn(self.unknown(), into),
            Case::Recovery => packets::data(self.unknown(), into),
            Case::Mixed if self.rng.below(100) == 0 => packets::syn(self.unknown(), into),
            Case::Mixed => packets::data(self.known(), into),
            Case::Refresh => packets::data(self.in_turn(), into),
            Case::CreateStickiness => {
                let flow = self.unknown();
                packets::syn_ack(flow, owner(flow, servers), way.encoding(), into);
            }
        }
    }
}

/// The server of a flow.
pub fn owner(flow: u64, servers: u16) -> u16 {
    let server = number_at(1, flow) % u64::from(servers);
    u16::try_from(server).expect("a remainder is smaller than its divisor")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the definition: packets of random flows at the pace, for a tick.
    fn share_counted(flows: u64) -> f64 {
        let per_tick = (TICK_MS as f64 * 1e6 / PACE_NS) as u64;
        let mut rng = Rng::new(1, 2);
        let mut had_one = vec![false; flows as usize];
        let mut first = 0;
        for _ in 0..per_tick {
            let had_one = &mut had_one[rng.below(flows) as usize];
            first += u64::from(!*had_one);
            *had_one = true;
        }
        first as f64 / per_tick as f64
    }

    #[test]
    fn the_share_of_refreshes_is_what_a_clock_and_random_flows_come_to() {
        for flows in [1_000, 128_000, 1_000_000, 10_000_000] {
            let (formula, counted) = (share_due(flows), share_counted(flows));
            let off = (formula - counted).abs() / counted;
            assert!(off < 0.01, "{flows}: {formula} {counted}");
        }
    }

    #[test]
    fn each_number_once() {
        for count in [1, 2, 3, 4, 10, 97, 1_000, 65_536] {
            let mut once = Once::new(5, count);
            let mut taken: Vec<u64> = std::iter::from_fn(|| once.take()).collect();
            taken.sort_unstable();
            assert!(taken.into_iter().eq(5..5 + count), "{count}");
        }
        assert_eq!(Once::new(5, 0).take(), None);
    }

    #[test]
    fn what_is_due_comes_once_and_workers_share_it() {
        let mut flows = Flows::new(128_000);
        let mut workers = [0, 1].map(|worker| flows.for_worker(worker, 2));
        for flows in std::iter::once(&mut flows).chain(&mut workers) {
            let mut due = Vec::new();
            while flows.has_due(10_000) {
                due.extend((0..10_000).map(|_| flows.known()));
            }
            due.retain(|&flow| flow >= flows.settled());
            let came = due.len();
            due.sort_unstable();
            due.dedup();
            assert!(came == due.len() && came > 1_000, "{came}");
            flows.settle();
            assert!(flows.has_due(10_000));
        }
        let [a, b] = workers.map(|worker| worker.due);
        assert!(a.first + a.count == b.first && b.first + b.count <= 128_000);
    }
}
