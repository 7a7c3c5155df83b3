//! The pool's file: its versions one after the other, and which LB has read which.

use std::collections::VecDeque;

use consistent_hash::{ClusterKey, Generation, Member, Recipe, State, VipTables};
use srlb_lb::engine::{Pool, Server, Vip};

use super::nodes::{server, VIP};
use super::scenario::{PoolChange, PoolVersion, Scenario};

/// All versions of the file so far, and the change that is under way.
pub struct Pools {
    recipe: Recipe,
    servers: Vec<Server>,
    complete: bool,
    files: Vec<Vec<PoolVersion>>,
    built: Vec<Pool>,
    waiting: VecDeque<PoolChange>,
    under_way: Option<PoolChange>,
}

/// A file on its way to an LB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// To which LB.
    pub lb: u16,
    /// Which version.
    pub file: usize,
    /// How long it takes.
    pub after_us: u64,
}

impl Pools {
    /// The file as it is at the start.
    ///
    /// # Panics
    ///
    /// If the scenario's history is none, or its number of buckets no prime: a mistake of who wrote it.
    pub fn new(scenario: &Scenario) -> Self {
        let key = ClusterKey::from([7; 16]);
        let count = u16::try_from(scenario.servers.len()).expect("65,535 servers at most");
        let mut pools = Pools {
            recipe: Recipe::new(key, scenario.buckets, scenario.choices).expect("a recipe"),
            servers: (1..=count).map(entry).collect(),
            complete: scenario.complete_history,
            files: Vec::new(),
            built: Vec::new(),
            waiting: VecDeque::new(),
            under_way: None,
        };
        pools.add(scenario.history.clone());
        pools
    }

    fn add(&mut self, file: Vec<PoolVersion>) -> usize {
        let pool = self.build(&file);
        self.files.push(file);
        self.built.push(pool);
        self.files.len() - 1
    }

    fn build(&self, file: &[PoolVersion]) -> Pool {
        let names: Vec<&str> = self.servers.iter().map(|s| s.name.as_str()).collect();
        let history: Vec<Generation> = (1..).zip(file).map(generation).collect();
        let tables = VipTables::build(&self.recipe, &names, &history, self.complete);
        let vip = Vip {
            name: "web".into(),
            address: VIP,
            tables: tables.expect("a history"),
        };
        Pool::new(vec![vip], self.servers.clone())
    }

    /// What an LB has that has read this version.
    pub fn pool(&self, file: usize) -> &Pool {
        &self.built[file]
    }

    /// The newest version.
    pub fn newest(&self) -> usize {
        self.files.len() - 1
    }

    /// Is this server in the staged or the active generation of that version?
    pub fn has_member(&self, file: usize, server: u16) -> bool {
        self.built[file].is_member(server - 1)
    }

    /// The operator wants a change: the deliveries that it begins with, unless another one is under way.
    pub fn change(&mut self, change: PoolChange, lbs: u16) -> Vec<Delivery> {
        self.waiting.push_back(change);
        self.begin(lbs)
    }

    fn begin(&mut self, lbs: u16) -> Vec<Delivery> {
        if self.under_way.is_some() {
            return Vec::new();
        }
        let Some(change) = self.waiting.pop_front() else {
            return Vec::new();
        };
        let mut file = self.files[self.newest()].clone();
        file.push(PoolVersion {
            state: State::Staged,
            members: change.members.clone(),
            draining: change.draining.clone(),
        });
        let number = self.add(file);
        let deliveries = deliveries(number, lbs, &change.stage_ms);
        self.under_way = Some(change);
        deliveries
    }

    /// All LBs have the newest version. What comes next: its activation, or the change that waits.
    pub fn delivered(&mut self, lbs: u16) -> Vec<Delivery> {
        let mut file = self.files[self.newest()].clone();
        let is_staged = file.iter().any(|version| version.state == State::Staged);
        if !is_staged {
            self.under_way = None;
            return self.begin(lbs);
        }
        for version in &mut file {
            version.state = match version.state {
                State::Active => State::Kept,
                State::Staged => State::Active,
                State::Kept => State::Kept,
            };
        }
        let times = self
            .under_way
            .as_ref()
            .map(|change| change.activate_ms.clone());
        let number = self.add(file);
        deliveries(number, lbs, &times.unwrap_or_default())
    }
}

fn deliveries(file: usize, lbs: u16, times_ms: &[u32]) -> Vec<Delivery> {
    let time_ms = |lb: u16| {
        let own = times_ms.get(usize::from(lb) - 1);
        own.or(times_ms.last()).copied().unwrap_or(0)
    };
    (1..=lbs)
        .map(|lb| Delivery {
            lb,
            file,
            after_us: u64::from(time_ms(lb)) * 1_000,
        })
        .collect()
}

fn entry(n: u16) -> Server {
    Server {
        name: format!("s{n}"),
        locator: server(n),
        listed: true,
    }
}

fn generation((number, version): (u64, &PoolVersion)) -> Generation {
    let member = |&n: &u16| Member {
        server: n - 1,
        weight: 1,
        draining: version.draining.contains(&n),
    };
    Generation {
        number,
        state: version.state,
        members: version.members.iter().map(member).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_staged_everywhere_and_then_activated_and_the_next_one_waits() {
        let mut pools = Pools::new(&Scenario::quiet(2, 3));
        let change = PoolChange {
            stage_ms: vec![5, 1],
            activate_ms: vec![7],
            ..PoolChange::to(&[1, 2])
        };
        let delivery = |lb, file, ms: u64| Delivery {
            lb,
            file,
            after_us: ms * 1_000,
        };
        let staged = pools.change(change, 2);
        assert_eq!(staged, [delivery(1, 1, 5), delivery(2, 1, 1)]);
        assert!(pools.has_member(1, 3), "still active");
        assert_eq!(pools.change(PoolChange::to(&[2, 3]), 2), []);
        let active = pools.delivered(2);
        assert_eq!(active, [delivery(1, 2, 7), delivery(2, 2, 7)]);
        assert!(!pools.has_member(2, 3));
        let next = pools.delivered(2);
        assert_eq!(next, [delivery(1, 3, 0), delivery(2, 3, 0)]);
        assert!(pools.has_member(3, 3), "staged again");
    }
}
