//! What goes wrong in a world, and what its operator does.

use crate::rng::Rng;
use crate::sim::{Fault, LbSpec, What};

use super::flavour::{Flavour, Trouble};
use super::pools::Walk;

/// LBs and pool have to change that often at least.
pub const LEAST_CHANGES: usize = 2;

/// Is something that happens a change among the LBs?
pub fn is_lb_change(what: &What) -> bool {
    matches!(
        what,
        What::LbKill { .. } | What::LbStop { .. } | What::LbStart { .. }
    )
}

/// Is it a change of the pool?
pub fn is_pool_change(what: &What) -> bool {
    matches!(what, What::Pool(_))
}

/// Who is up, while faults are made in the order of time.
struct Play<'a> {
    flavour: &'a Flavour,
    lbs_up: Vec<bool>,
    /// When each server is well again, if it has failed.
    back_ms: Vec<u64>,
    walk: Walk,
    faults: Vec<Fault>,
}

/// All faults of a world, in the order of time.
pub fn faults(
    rng: &mut Rng,
    flavour: &Flavour,
    lbs: &[LbSpec],
    servers: u16,
    walk: Walk,
) -> Vec<Fault> {
    let mut play = Play {
        flavour,
        lbs_up: lbs.iter().map(|lb| lb.starts_up).collect(),
        back_ms: vec![0; servers.into()],
        walk,
        faults: Vec::new(),
    };
    for (at_ms, trouble) in plan(rng, flavour) {
        play.happens(rng, at_ms, trouble);
    }
    play.faults.sort_by_key(|fault| fault.at_ms);
    play.faults
}

/// When what kind of thing happens: what the flavour likes, and the changes that every world has.
fn plan(rng: &mut Rng, flavour: &Flavour) -> Vec<(u64, Trouble)> {
    let mut kinds = Vec::new();
    for kind in [Trouble::Lb, Trouble::Pool] {
        let changes = rng.doubling(LEAST_CHANGES as u64, 8) as usize;
        kinds.extend(vec![kind; changes]);
    }
    for _ in 0..flavour.faults {
        kinds.push(flavour.troubles.draw(rng));
    }
    let mut times: Vec<(u64, Trouble)> = Vec::new();
    for kind in kinds {
        // A third of all things happen together with another one, or right after it.
        let at_ms = match times.is_empty() || rng.percent(67) {
            true => rng.below(flavour.span_ms),
            false => rng.pick(&times).0 + rng.below(300),
        };
        times.push((at_ms, kind));
    }
    times.sort_by_key(|(at_ms, _)| *at_ms);
    times
}

impl Play<'_> {
    fn add(&mut self, at_ms: u64, what: What) {
        self.faults.push(Fault { at_ms, what });
    }

    fn happens(&mut self, rng: &mut Rng, at_ms: u64, trouble: Trouble) {
        match trouble {
            Trouble::Rehash => self.add(
                at_ms,
                What::EdgeRehash {
                    salt: rng.next_u64(),
                },
            ),
            Trouble::Flap => {
                let what = What::EdgeFlap {
                    salt: rng.next_u64(),
                    every_ms: rng.doubling(2, 3_000) as u32,
                    times: rng.doubling(2, 40) as u32,
                };
                self.add(at_ms, what);
            }
            Trouble::Lb => self.lb(rng, at_ms),
            Trouble::Pool => self.pool(rng, at_ms),
            Trouble::Machine => self.server_fails(rng, at_ms, |server| {
                (What::ServerKill { server }, What::ServerStart { server })
            }),
            Trouble::Router => {
                let server = self.any_server(rng);
                let gap_ms = rng.doubling(1, 3_000) as u32;
                self.add(at_ms, What::RouterRestart { server, gap_ms });
            }
            Trouble::Application => self.server_fails(rng, at_ms, |server| {
                (What::AppDown { server }, What::AppUp { server })
            }),
            Trouble::Kill => self.server_fails(rng, at_ms, |server| {
                (What::AppKill { server }, What::AppUp { server })
            }),
            Trouble::Burst => {
                let what = What::Burst {
                    for_ms: rng.doubling(5, 3_000) as u32,
                    loss_ppm: rng.between(50_000, 1_000_000) as u32,
                };
                self.add(at_ms, what);
            }
        }
    }

    fn any_server(&self, rng: &mut Rng) -> u16 {
        rng.between(1, self.back_ms.len() as u64) as u16
    }

    /// An LB comes or goes; somebody stays, or is back soon.
    fn lb(&mut self, rng: &mut Rng, at_ms: u64) {
        let place = rng.below(self.lbs_up.len() as u64) as usize;
        let lb = place as u16 + 1;
        let is_last = self.lbs_up.iter().filter(|up| **up).count() == 1;
        if !self.lbs_up[place] {
            self.lbs_up[place] = true;
            self.add(at_ms, What::LbStart { lb });
        } else if is_last && !self.flavour.blackouts {
            self.start_another(rng, at_ms, place);
        } else {
            let forwards_ms = rng.doubling(1, 2_000) as u32;
            self.add(
                at_ms,
                match rng.percent(60) {
                    true => What::LbKill { lb },
                    false => What::LbStop { lb, forwards_ms },
                },
            );
            match is_last {
                true => self.add(at_ms + rng.doubling(50, 4_000), What::LbStart { lb }),
                false => self.lbs_up[place] = false,
            }
        }
    }

    /// The only LB stays; another one starts.
    fn start_another(&mut self, rng: &mut Rng, at_ms: u64, only: usize) {
        let others: Vec<usize> = (0..self.lbs_up.len()).filter(|&n| n != only).collect();
        let place = *rng.pick(&others);
        self.lbs_up[place] = true;
        let lb = place as u16 + 1;
        self.add(at_ms, What::LbStart { lb });
    }

    /// One more generation, or several in a row.
    fn pool(&mut self, rng: &mut Rng, at_ms: u64) {
        let row = match rng.percent(80) {
            true => 1,
            false => rng.doubling(2, 10),
        };
        for nth in 0..row {
            self.walk.step(rng, self.flavour);
            let change = self.walk.change(rng, self.flavour, self.lbs_up.len());
            self.add(at_ms + nth, What::Pool(change));
        }
    }

    /// A server fails in some way and comes back; of those that take new flows most stay well.
    fn server_fails(&mut self, rng: &mut Rng, at_ms: u64, what: impl Fn(u16) -> (What, What)) {
        let failed = self.back_ms.iter().filter(|&&back_ms| back_ms > at_ms);
        if failed.count() > self.back_ms.len() / 3 {
            return;
        }
        let server = self.any_server(rng);
        let back_ms = &mut self.back_ms[usize::from(server) - 1];
        if *back_ms > at_ms {
            return;
        }
        *back_ms = at_ms + rng.doubling(20, self.flavour.span_ms);
        let (fails, returns) = what(server);
        let back_ms = *back_ms;
        self.add(at_ms, fails);
        self.add(back_ms, returns);
    }
}
