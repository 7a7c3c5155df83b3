//! When to take a flow that may be refused: the acceptance policies (the paper's
//! section II-B), pure.
//!
//! A policy compares the busy workers with a threshold c. `pending` adds those that are on
//! their way: see [`crate::policy::pending`]. Two policies find c themselves, from what they answer to offers.

pub mod pending;

use packet_io::Instant;
pub use pending::Pending;

/// Which policy, with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Accept {
    /// SR_c: accept while fewer than `c` workers are busy.
    Static {
        /// The threshold.
        c: u32,
    },
    /// SR_dyn: the threshold follows the share of offers accepted (algorithm 2).
    Dynamic {
        /// Offers between two looks at the share.
        window: u32,
        /// How far from one half the share may be.
        epsilon: f64,
    },
    /// Ours: the threshold is the median of the busy workers that offers meet, and never below the number of cores.
    ///
    /// As for SR_dyn one half of the offers is to be accepted. But each offer moves c a little, by (1/2 - accepted)/window,
    /// and c need not be whole, so that it comes to rest where SR_dyn goes to and fro in whole steps. While a core is
    /// idle nothing waits, so whatever the share, an offer is accepted then.
    Median {
        /// Offers in which the share of all of them moves c by that share's distance from one half.
        window: u32,
        /// c is never lower: the server's cores.
        least: u32,
    },
    /// Accept every offer.
    Always,
    /// Refuse every offer.
    Never,
}

impl Accept {
    /// The name that configuration and status use.
    pub fn name(&self) -> &'static str {
        match self {
            Accept::Static { .. } => "static",
            Accept::Dynamic { .. } => "dynamic",
            Accept::Median { .. } => "median",
            Accept::Always => "always",
            Accept::Never => "never",
        }
    }

    /// Does it find its threshold itself?
    fn learns(&self) -> bool {
        matches!(self, Accept::Dynamic { .. } | Accept::Median { .. })
    }
}

/// A policy at work.
#[derive(Clone, Debug)]
pub struct Policy {
    accept: Accept,
    pending: Option<Pending>,
    /// The threshold; only `median` has some that lie between two numbers of workers.
    c: f64,
    attempt: u32,
    accepted: u32,
}

/// What `status` shows of a policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PolicyState {
    /// Which one.
    pub accept: Accept,
    /// The threshold now, as a number of workers; none for `always` and `never`.
    pub c: Option<u32>,
    /// Offers in the window so far (dynamic).
    pub attempt: u32,
    /// Of these accepted.
    pub accepted: u32,
    /// Flows accepted that no worker has picked up yet; none if they are not counted.
    pub pending: Option<u32>,
}

impl Policy {
    /// A policy at its start: dynamic begins with c = 1, median with the least.
    pub fn new(accept: Accept, with_pending: bool) -> Self {
        let c = match accept {
            Accept::Static { c } => c.into(),
            Accept::Median { least, .. } => least.into(),
            _ => 1.0,
        };
        Policy {
            accept,
            pending: with_pending.then(Pending::new),
            c,
            attempt: 0,
            accepted: 0,
        }
    }

    /// Another policy from now on. The threshold that was learned stays if the new one learns, too.
    pub fn replace(&mut self, accept: Accept, with_pending: bool) {
        let mut new = Policy::new(accept, with_pending);
        if self.accept.learns() && accept.learns() {
            new.c = match accept {
                Accept::Median { least, .. } => self.c.max(least.into()),
                _ => self.c.round(),
            };
        }
        if let (Some(kept), true) = (self.pending.take(), with_pending) {
            new.pending = Some(kept);
        }
        *self = new;
    }

    /// Decides about an offer that may be refused: with `busy` of `total` workers busy.
    pub fn offer(&mut self, now: Instant, busy: u32, total: u32) -> bool {
        let waiting = self.pending.as_mut().map_or(0, |p| p.count(now, busy));
        let load = busy.saturating_add(waiting);
        match self.accept {
            Accept::Always => true,
            Accept::Never => false,
            Accept::Static { c } => load < c,
            Accept::Dynamic { window, epsilon } => self.dynamic(load, total, window, epsilon),
            Accept::Median { window, least } => self.median(load, total, window, least),
        }
    }

    /// Algorithm 2, in its order: count the attempt, adapt at the end of the window, then decide.
    fn dynamic(&mut self, load: u32, total: u32, window: u32, epsilon: f64) -> bool {
        // The application may have got fewer workers meanwhile; one that has none is just
        // starting, and what was learned stays.
        if total > 0 {
            self.c = self.c.min(total.into());
        }
        self.attempt += 1;
        if self.attempt >= window {
            let share = f64::from(self.accepted) / f64::from(window);
            if share < 0.5 - epsilon && self.c < total.into() {
                self.c += 1.0;
            } else if share > 0.5 + epsilon && self.c > 0.0 {
                self.c -= 1.0;
            }
            self.attempt = 0;
            self.accepted = 0;
        }
        let accepted = f64::from(load) < self.c;
        self.accepted += u32::from(accepted);
        accepted
    }

    /// Decides, and moves the threshold against the decision: it rests where both answers are as frequent.
    fn median(&mut self, load: u32, total: u32, window: u32, least: u32) -> bool {
        let accepted = f64::from(load) < self.c.round();
        // An application that is just starting has no workers, and teaches nothing.
        if total > 0 {
            let towards = if accepted { -0.5 } else { 0.5 };
            let moved = self.c + towards / f64::from(window);
            self.c = moved.max(least.into()).min(total.into());
        }
        accepted
    }

    /// A new flow was taken, offered or forced: a worker will have to do with it.
    pub fn taken(&mut self, now: Instant, busy: u32) {
        if let Some(pending) = &mut self.pending {
            pending.taken(now, busy);
        }
    }

    /// A client has completed the handshake of a flow that was taken.
    pub fn completed(&mut self, now: Instant, busy: u32) {
        if let Some(pending) = &mut self.pending {
            pending.completed(now, busy);
        }
    }

    /// What `status` shows.
    pub fn state(&mut self, now: Instant, busy: u32) -> PolicyState {
        PolicyState {
            accept: self.accept,
            c: match self.accept {
                Accept::Always | Accept::Never => None,
                _ => Some(self.c.round() as u32),
            },
            attempt: self.attempt,
            accepted: self.accepted,
            pending: self.pending.as_mut().map(|p| p.count(now, busy)),
        }
    }
}

#[cfg(test)]
mod tests;
