//! How a pool changes, generation by generation.

use consistent_hash::State;

use crate::rng::Rng;
use crate::sim::{PoolChange, PoolVersion};

use super::flavour::{Flavour, Step};

/// A pool that changes step by step. Somebody always takes new flows.
pub struct Walk {
    /// How many servers there are in the world.
    servers: u16,
    members: Vec<u16>,
    draining: Vec<u16>,
}

impl Walk {
    /// Begins with some of the servers.
    pub fn start(rng: &mut Rng, servers: u16) -> Self {
        let mut members: Vec<u16> = (1..=servers).collect();
        rng.shuffle(&mut members);
        let count = match rng.percent(40) {
            true => servers,
            false => rng.between(1, servers.into()) as u16,
        };
        members.truncate(count.into());
        members.sort_unstable();
        Walk {
            servers,
            members,
            draining: Vec::new(),
        }
    }

    /// One more generation.
    pub fn step(&mut self, rng: &mut Rng, flavour: &Flavour) {
        match flavour.steps.draw(rng) {
            Step::Join => self.join(rng),
            Step::Leave => self.leave(rng),
            Step::Drain => self.drain(rng),
            Step::Undrain => self.undrain(rng),
            Step::Swap => {
                for _ in 0..rng.between(1, 3) {
                    self.join(rng);
                    self.leave(rng);
                }
            }
            Step::Rotate => self.rotate(rng),
        }
    }

    fn join(&mut self, rng: &mut Rng) {
        let absent: Vec<u16> = (1..=self.servers)
            .filter(|n| !self.members.contains(n))
            .collect();
        if absent.is_empty() {
            return self.rotate(rng);
        }
        self.members.push(*rng.pick(&absent));
        self.members.sort_unstable();
    }

    fn leave(&mut self, rng: &mut Rng) {
        let leaver = match self.draining.is_empty() {
            false => *rng.pick(&self.draining),
            true if self.members.len() > 1 => *rng.pick(&self.members),
            true => return self.join(rng),
        };
        self.members.retain(|&n| n != leaver);
        self.draining.retain(|&n| n != leaver);
    }

    fn drain(&mut self, rng: &mut Rng) {
        let busy = self.taking_flows();
        if busy.len() > 1 {
            self.draining.push(*rng.pick(&busy));
            self.draining.sort_unstable();
        } else {
            self.undrain(rng);
        }
    }

    fn undrain(&mut self, rng: &mut Rng) {
        if self.draining.is_empty() {
            return self.join(rng);
        }
        let back = *rng.pick(&self.draining);
        self.draining.retain(|&n| n != back);
    }

    fn rotate(&mut self, rng: &mut Rng) {
        let mut order = self.members.clone();
        rng.shuffle(&mut order);
        order.truncate(self.members.len() / 2);
        order.sort_unstable();
        self.draining = order;
    }

    fn taking_flows(&self) -> Vec<u16> {
        let all = self.members.iter().copied();
        all.filter(|n| !self.draining.contains(n)).collect()
    }

    fn version(&self, state: State) -> PoolVersion {
        PoolVersion {
            state,
            members: self.members.clone(),
            draining: self.draining.clone(),
        }
    }

    /// This generation on its way to `lbs` LBs.
    pub fn change(&self, rng: &mut Rng, flavour: &Flavour, lbs: usize) -> PoolChange {
        let mut delays = |percent| match rng.percent(percent) {
            true => (0..lbs)
                .map(|_| rng.below(flavour.reload_spread_ms + 1) as u32)
                .collect(),
            false => Vec::new(),
        };
        PoolChange {
            members: self.members.clone(),
            draining: self.draining.clone(),
            stage_ms: delays(50),
            activate_ms: delays(80),
        }
    }
}

/// The generations before the start, the last one active; and the walk that goes on from there.
pub fn history(rng: &mut Rng, flavour: &Flavour, servers: u16) -> (Vec<PoolVersion>, Walk) {
    let mut walk = Walk::start(rng, servers);
    let mut versions = Vec::new();
    if rng.percent(60) {
        for _ in 0..rng.doubling(1, 14) {
            versions.push(walk.version(State::Kept));
            walk.step(rng, flavour);
        }
    }
    versions.push(walk.version(State::Active));
    (versions, walk)
}
