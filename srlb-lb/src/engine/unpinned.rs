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
//! A flood from sources that nobody has doesn't come again, and a client does. So each bound has a reserve, as large as itself, for flows of which a packet was
//! refused a moment ago: in a flood, a new client gets in with the SYN that it sends again, a flow that has moved here goes on with its retransmission. On a TUN device
//! a guard does the same in front of the queue (`packet_io::guard`); past the kernel this is all that there is. Whoever sends everything twice uses the reserve up, too:
//! servers are asked at most twice as often as the bounds say.
//!
//! All engines of an LB share the bounds: a recovery is asked for by one of them, and its owner may answer to another. An engine takes as many hunts at
//! once as the batch in hand may have, at most 64 ([`Hunts`]), and gives back what it didn't need before it goes on to the next one: nothing that the engine itself
//! does shows that. Another one may meet the bound that much early, if it is nearly met.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use daemon::{DropReason, SharedRateLimit};
use flow_table::{FlowHash, Knocks};
use packet_io::Instant;

use super::state::Action;
use super::Config;

/// Hunts of new flows a second that nobody confirms, unless the configuration says otherwise.
pub const DEFAULT_HUNTS_PPS: u32 = 10_000;
/// Recoveries a second that find nobody, unless the configuration says otherwise.
pub const DEFAULT_RECOVERIES_PPS: u32 = 500;
/// The same two past the kernel, where so many more come that the bounds above would be met without a flood: a hunt counts until its client goes on, which takes
/// a round trip over the whole Internet, and a recovery until its owner speaks.
pub const FAST_HUNTS_PPS: u32 = 100_000;
/// Recoveries: see [`FAST_HUNTS_PPS`].
pub const FAST_RECOVERIES_PPS: u32 = 5_000;
/// Packets of one flow that may be under way before its owner is known: the initial window of TCP (RFC 6928).
const UNDER_WAY: u32 = 10;

/// How soon a packet comes again whose first was refused: no sender waits less for an answer.
const AGAIN_SOONEST: Duration = Duration::from_millis(200);
/// How late, at most: the longest pause between the first SYNs of a client.
const AGAIN_LATEST: Duration = Duration::from_secs(70);
/// Flows refused lately that are remembered, for each that the flow table is made for; a million of those and more have as much room as there may be.
const KNOCKS_A_FLOW: usize = 4;

/// A bound and its reserve.
struct Bound {
    first: SharedRateLimit,
    again: SharedRateLimit,
}

impl Bound {
    fn new(rate_pps: u32) -> Self {
        Bound {
            first: SharedRateLimit::new(rate_pps),
            again: SharedRateLimit::new(rate_pps),
        }
    }

    fn set_rate(&self, rate_pps: u32) {
        self.first.set_rate(rate_pps);
        self.again.set_rate(rate_pps);
    }

    fn allow(&self, flow: FlowHash, knocks: &Knocks, now: Instant) -> bool {
        self.first.allow(now) || knocks.comes_again(flow, now) && self.again.allow(now)
    }
}

/// Hunts that an engine has in hand.
#[derive(Debug, Default)]
pub(super) struct Hunts(u32);

impl Hunts {
    /// Uses one up; false if there is none.
    #[inline]
    pub fn use_up(&mut self) -> bool {
        let is_left = self.0 > 0;
        self.0 -= u32::from(is_left);
        is_left
    }

    /// Is none left?
    pub fn is_empty(&self) -> bool {
        self.0 == 0
    }
}

/// The bounds, as far as they are used up.
pub(super) struct Unpinned {
    hunts: Bound,
    recoveries: Bound,
    knocks: Knocks,
    recoveries_refused: AtomicU64,
}

impl Unpinned {
    pub fn new(config: &Config) -> Self {
        let cells = config.max_flows.saturating_mul(KNOCKS_A_FLOW);
        Unpinned {
            hunts: Bound::new(config.hunts_pps),
            recoveries: Bound::new(config.recoveries_pps),
            knocks: Knocks::new(cells, AGAIN_SOONEST, AGAIN_LATEST),
            recoveries_refused: AtomicU64::new(0),
        }
    }

    /// Takes the memory that a flood needs, before there is one.
    pub fn prepare(&self) {
        self.knocks.prepare();
    }

    /// Takes other bounds.
    pub fn set_config(&self, config: &Config) {
        self.hunts.set_rate(config.hunts_pps);
        self.recoveries.set_rate(config.recoveries_pps);
    }

    /// May a client's packet of a flow without an entry do this now?
    pub fn may(&self, action: Action, flow: FlowHash, now: Instant) -> Result<(), DropReason> {
        let is_hunt = action == Action::Hunt;
        let bound = match is_hunt {
            true => &self.hunts,
            false => &self.recoveries,
        };
        match (bound.allow(flow, &self.knocks, now), is_hunt) {
            (true, _) => Ok(()),
            (false, true) => Err(DropReason::HuntRate),
            (false, false) => {
                self.recoveries_refused.fetch_add(1, Relaxed);
                Err(DropReason::RecoveryRate)
            }
        }
    }

    /// How many of so many hunts may be now, each counted as if it were done.
    pub fn take_hunts(&self, most: u32, now: Instant) -> Hunts {
        Hunts(self.hunts.first.allow_up_to(most, now))
    }

    /// Those that were not needed. `confirmed` says that the client of another one has confirmed it.
    pub fn give_back(&self, hunts: Hunts, confirmed: bool) {
        let events = hunts.0 + u32::from(confirmed);
        if events > 0 {
            self.hunts.first.give_back(events);
        }
    }

    /// How many recoveries were refused so far, by all engines.
    pub fn recoveries_refused(&self) -> u64 {
        self.recoveries_refused.load(Relaxed)
    }

    /// A flow without an entry has an owner.
    pub fn recovered(&self) {
        self.recoveries.first.give_back(UNDER_WAY);
    }
}
