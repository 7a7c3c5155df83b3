//! How many flows have been accepted that no worker has picked up yet: an estimate.
//!
//! Between an accepted SYN and a worker that shows up busy lies a round trip (until the client's
//! ACK) and an accept. The router sees both ends of the round trip, so a flow is counted
//! - from its SYN until the client completes the handshake, at most [`HANDSHAKE`]: a client that
//!   has not answered in that time is further away than what a policy can plan for, or isn't there;
//! - from then on until the board shows one more busy worker, at most [`PICK_UP`]: a rise is
//!   hidden when another worker ends at the same time, and an accept takes a scheduler's round on a
//!   loaded machine, not more.
//!
//! Which flow a worker has picked up the board doesn't say; for a count it doesn't matter. The
//! number of flows remembered is bounded.

use std::collections::VecDeque;
use std::time::Duration;

use packet_io::Instant;

/// For how long a flow counts whose handshake isn't complete.
pub const HANDSHAKE: Duration = Duration::from_secs(1);
/// For how long a flow counts whose handshake is.
pub const PICK_UP: Duration = Duration::from_millis(50);
/// Most flows counted in each of the two phases: more than any server has workers.
pub const MOST: usize = 4096;

/// The estimate.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    /// When each flow in its handshake stops counting, oldest first.
    handshaking: VecDeque<Instant>,
    /// When each flow that waits for a worker stops counting, oldest first.
    waiting: VecDeque<Instant>,
    last_busy: u32,
}

impl Pending {
    /// None pending.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new flow was taken while `busy` workers were busy.
    pub fn taken(&mut self, now: Instant, busy: u32) {
        self.look(now, busy);
        push(&mut self.handshaking, now + HANDSHAKE);
    }

    /// The handshake of one of the flows is complete.
    pub fn completed(&mut self, now: Instant, busy: u32) {
        self.look(now, busy);
        if self.handshaking.pop_front().is_some() {
            push(&mut self.waiting, now + PICK_UP);
        }
    }

    /// How many are pending.
    pub fn count(&mut self, now: Instant, busy: u32) -> u32 {
        self.look(now, busy);
        (self.handshaking.len() + self.waiting.len()) as u32
    }

    /// Every worker that has become busy has picked up a flow; what is too old counts no more.
    fn look(&mut self, now: Instant, busy: u32) {
        let picked_up = busy.saturating_sub(self.last_busy) as usize;
        self.last_busy = busy;
        self.waiting.drain(..picked_up.min(self.waiting.len()));
        for queue in [&mut self.handshaking, &mut self.waiting] {
            while queue.front().is_some_and(|&until| until <= now) {
                queue.pop_front();
            }
        }
    }
}

fn push(queue: &mut VecDeque<Instant>, until: Instant) {
    if queue.len() == MOST {
        queue.pop_front();
    }
    queue.push_back(until);
}
