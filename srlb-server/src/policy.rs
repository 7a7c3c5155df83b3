//! When to take a flow that may be refused: the acceptance policies (the paper's
//! section II-B), pure.
//!
//! A policy compares the busy workers with a threshold c. `pending` adds those that are on
//! their way: see [`crate::policy::pending`].

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
            Accept::Always => "always",
            Accept::Never => "never",
        }
    }
}

/// A policy at work.
#[derive(Clone, Debug)]
pub struct Policy {
    accept: Accept,
    pending: Option<Pending>,
    c: u32,
    attempt: u32,
    accepted: u32,
}

/// What `status` shows of a policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PolicyState {
    /// Which one.
    pub accept: Accept,
    /// The threshold now; none for `always` and `never`.
    pub c: Option<u32>,
    /// Offers in the window so far (dynamic).
    pub attempt: u32,
    /// Of these accepted.
    pub accepted: u32,
    /// Flows accepted that no worker has picked up yet; none if they are not counted.
    pub pending: Option<u32>,
}

impl Policy {
    /// A policy at its start: dynamic begins with c = 1.
    pub fn new(accept: Accept, with_pending: bool) -> Self {
        let c = match accept {
            Accept::Static { c } => c,
            _ => 1,
        };
        Policy {
            accept,
            pending: with_pending.then(Pending::new),
            c,
            attempt: 0,
            accepted: 0,
        }
    }

    /// Another policy from now on. The threshold that was learned stays if both are dynamic.
    pub fn replace(&mut self, accept: Accept, with_pending: bool) {
        let mut new = Policy::new(accept, with_pending);
        if let (Accept::Dynamic { .. }, Accept::Dynamic { .. }) = (self.accept, accept) {
            new.c = self.c;
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
        }
    }

    /// Algorithm 2, in its order: count the attempt, adapt at the end of the window, then decide.
    fn dynamic(&mut self, load: u32, total: u32, window: u32, epsilon: f64) -> bool {
        // The application may have got fewer workers meanwhile; one that has none is just
        // starting, and what was learned stays.
        if total > 0 {
            self.c = self.c.min(total);
        }
        self.attempt += 1;
        if self.attempt >= window {
            let share = f64::from(self.accepted) / f64::from(window);
            if share < 0.5 - epsilon && self.c < total {
                self.c += 1;
            } else if share > 0.5 + epsilon && self.c > 0 {
                self.c -= 1;
            }
            self.attempt = 0;
            self.accepted = 0;
        }
        let accepted = load < self.c;
        self.accepted += u32::from(accepted);
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
                Accept::Static { .. } | Accept::Dynamic { .. } => Some(self.c),
                Accept::Always | Accept::Never => None,
            },
            attempt: self.attempt,
            accepted: self.accepted,
            pending: self.pending.as_mut().map(|p| p.count(now, busy)),
        }
    }
}

#[cfg(test)]
mod tests;
