//! Everything at once: a long row of faults of all kinds, one after the other before the last one is forgotten.
//! A seed gives the row, so it is data as every other scenario's.

use super::action::{change_pool, Action, Edit};
use super::scenario::{Shape, Step};
use crate::rng::Rng;
use Action::*;

/// From one fault to the next, shortest and longest: TCP's timers have time for one, not for two.
const PAUSE_S: (f64, f64) = (2.5, 4.5);
/// The edge notices a dead LB about so late.
const NOTICED_MS: u64 = 200;
/// Servers that may be out of new flows at a time.
const MAX_DRAINED: usize = 2;

/// What has been made of the cluster so far.
struct Storm {
    rng: Rng,
    lbs: Vec<u16>,
    servers: Vec<u16>,
    drained: Vec<u16>,
}

/// Faults from the third second on, the last one a while before `seconds`.
pub fn script(shape: &Shape, seed: u64, seconds: f64) -> Vec<Step> {
    let mut storm = Storm {
        rng: Rng::new(seed, 0),
        lbs: (1..=shape.lbs).collect(),
        servers: (1..=shape.servers).collect(),
        drained: Vec::new(),
    };
    let (mut at_s, mut steps) = (3.0, Vec::new());
    while at_s < seconds - PAUSE_S.1 {
        steps.push(Step {
            at_s,
            actions: storm.fault(),
        });
        at_s += PAUSE_S.0 + (PAUSE_S.1 - PAUSE_S.0) * storm.rng.uniform();
    }
    steps
}

impl Storm {
    fn fault(&mut self) -> Vec<Action> {
        match self.below(6) {
            0 => vec![self.rehash()],
            1 => self.flap(),
            2 => self.lb_dies(),
            3 => self.routers(KillRouters),
            4 => self.routers(StopRouters),
            _ => self.pool_changes(),
        }
    }

    /// Some LBs in some order, at least one.
    fn rehash(&mut self) -> Action {
        let count = 1 + self.below(self.lbs.len());
        Announce(self.some_of(self.lbs.clone(), count))
    }

    fn flap(&mut self) -> Vec<Action> {
        (0..8).flat_map(|_| [self.rehash(), WaitMs(150)]).collect()
    }

    /// An LB is killed or drained, and comes back.
    fn lb_dies(&mut self) -> Vec<Action> {
        let gone = self.some_of(self.lbs.clone(), 1)[0];
        let rest: Vec<u16> = self.lbs.iter().copied().filter(|lb| *lb != gone).collect();
        let back = [StartLb(gone), Announce(self.lbs.clone())];
        let mut actions = match self.below(2) {
            0 => vec![KillLb(gone), WaitMs(NOTICED_MS), Announce(rest)],
            _ => vec![Announce(rest), WaitMs(1000), StopLb(gone)],
        };
        actions.extend(back);
        actions
    }

    /// Some servers' routers end and come back.
    fn routers(&mut self, end: fn(Vec<u16>) -> Action) -> Vec<Action> {
        let count = 1 + self.below(self.servers.len());
        let some = self.some_of(self.servers.clone(), count);
        vec![end(some.clone()), StartRouters(some)]
    }

    /// A server drains, or one that did serves again; the edge rehashes at the same moment.
    fn pool_changes(&mut self) -> Vec<Action> {
        let edit = match self.drained.len() < MAX_DRAINED {
            true => {
                let rest = self.servers.iter().copied();
                let rest = rest.filter(|server| !self.drained.contains(server));
                let server = self.some_of(rest.collect(), 1)[0];
                self.drained.push(server);
                Edit::Drain(server)
            }
            false => Edit::Add(self.drained.remove(0)),
        };
        let mut actions = change_pool(&[edit], &self.lbs);
        actions.push(self.rehash());
        actions
    }

    fn some_of(&mut self, mut list: Vec<u16>, count: usize) -> Vec<u16> {
        let mut some = Vec::new();
        while some.len() < count && !list.is_empty() {
            let i = self.below(list.len());
            some.push(list.swap_remove(i));
        }
        some
    }

    fn below(&mut self, n: usize) -> usize {
        (self.rng.next_u64() % n as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_the_same_each_time_and_leaves_an_lb_and_servers() {
        let shape = Shape {
            lbs: 3,
            ..Shape::default()
        };
        let text = |seed| format!("{:?}", script(&shape, seed, 60.0));
        assert_eq!(text(1), text(1));
        assert_ne!(text(1), text(2));
        for seed in 0..200 {
            let steps = script(&shape, seed, 60.0);
            assert!(steps.len() > 10);
            let (mut running, mut drained) = (3, 0usize);
            for action in steps.iter().flat_map(|step| &step.actions) {
                match action {
                    Announce(list) => assert!((1..=3).contains(&list.len())),
                    KillLb(_) | StopLb(_) => running -= 1,
                    StartLb(_) => running += 1,
                    Stage(edits) => match edits[..] {
                        [Edit::Drain(_)] => drained += 1,
                        _ => drained -= 1,
                    },
                    _ => {}
                }
                assert!(running >= 2 && drained <= MAX_DRAINED, "seed {seed}");
            }
        }
    }
}
