//! What flows without an entry may cost: each of their packets is offered to servers, or asks them whose it is.
//!
//! Somebody who sends from addresses that are not his causes as many as he likes, and servers pay more for each than he does. So they are
//! bounded, apart from each other: a flood of SYNs delays no recovery, a flood of anything else no new connection. A packet over the
//! bound is dropped, never reset: TCP sends it again. What has an entry is not counted, nor what servers send back: it was counted when
//! it first came.
//!
//! What comes to something is given back: a hunt whose connection its client confirms, a recovery that finds an owner. So a service may be as
//! busy as it likes, and when an LB goes, the others recover its flows as fast as servers answer. Nobody can bring a recovery back for a connection that
//! there isn't; a hunt costs him a third packet. Datagrams are bounded by the servers' own look-ups.
//!
//! All engines of an LB share the bounds: a recovery is asked for by one of them, and its owner may answer to another.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use daemon::{DropReason, SharedRateLimit};
use packet_io::Instant;

use super::state::Action;
use super::Config;

/// Hunts of new flows a second that nobody confirms, unless the configuration says otherwise.
pub const DEFAULT_HUNTS_PPS: u32 = 10_000;
/// Recoveries a second that find nobody, unless the configuration says otherwise.
pub const DEFAULT_RECOVERIES_PPS: u32 = 500;
/// Packets of one flow that may be under way before its owner is known: the initial window of TCP (RFC 6928).
const UNDER_WAY: u32 = 10;

/// The bounds, as far as they are used up.
pub(super) struct Unpinned {
    hunts: SharedRateLimit,
    recoveries: SharedRateLimit,
    recoveries_refused: AtomicU64,
}

impl Unpinned {
    pub fn new(config: &Config) -> Self {
        Unpinned {
            hunts: SharedRateLimit::new(config.hunts_pps),
            recoveries: SharedRateLimit::new(config.recoveries_pps),
            recoveries_refused: AtomicU64::new(0),
        }
    }

    /// Takes other bounds.
    pub fn set_config(&self, config: &Config) {
        self.hunts.set_rate(config.hunts_pps);
        self.recoveries.set_rate(config.recoveries_pps);
    }

    /// May a client's packet without an entry do this now?
    pub fn may(&self, action: Action, now: Instant) -> Result<(), DropReason> {
        let is_hunt = action == Action::Hunt;
        let limit = match is_hunt {
            true => &self.hunts,
            false => &self.recoveries,
        };
        match (limit.allow(now), is_hunt) {
            (true, _) => Ok(()),
            (false, true) => Err(DropReason::HuntRate),
            (false, false) => {
                self.recoveries_refused.fetch_add(1, Relaxed);
                Err(DropReason::RecoveryRate)
            }
        }
    }

    /// How many recoveries were refused so far, by all engines.
    pub fn recoveries_refused(&self) -> u64 {
        self.recoveries_refused.load(Relaxed)
    }

    /// The client of a new flow has confirmed it.
    pub fn confirmed(&self) {
        self.hunts.give_back(1);
    }

    /// A flow without an entry has an owner.
    pub fn recovered(&self) {
        self.recoveries.give_back(UNDER_WAY);
    }
}
