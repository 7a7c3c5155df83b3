//! What a worker shows of its packets to those who watch (`trace`).

use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::Arc;

use daemon::trace::TraceFilter;
use mio::Waker;
use packet_io::{Instant, PacketBuf};
use serde_json::{json, Value};
use srh::{Describe, Flow, Frame};

use crate::engine::{Engine, Note, Verdict};

/// How many packets may wait to be shown. Further ones are lost to those who watch, and that is said.
pub(super) const MOST_WAITING: usize = 1_024;

/// A packet that somebody may want to see.
pub(super) struct Sight {
    pub flow: Option<Flow>,
    pub line: Value,
    /// So many were not shown before it.
    pub lost: u64,
}

/// What waits, and never more than may wait: workers may fill up as fast as it is taken, and whoever takes it has other things to do.
pub(super) fn turn<T>(waiting: &Receiver<T>) -> impl Iterator<Item = T> + '_ {
    waiting.try_iter().take(MOST_WAITING)
}

/// A worker's end.
pub(super) struct Shown {
    filters: Arc<[TraceFilter]>,
    to: SyncSender<Sight>,
    waker: Arc<Waker>,
    lost: u64,
}

impl Shown {
    /// Nobody watches yet; `waker` wakes whoever takes what is sent to `to`.
    pub fn new(to: SyncSender<Sight>, waker: Arc<Waker>) -> Self {
        Shown {
            filters: Arc::new([]),
            to,
            waker,
            lost: 0,
        }
    }

    /// What is wanted from now on.
    pub fn set_filters(&mut self, filters: Arc<[TraceFilter]>) {
        self.filters = filters;
    }

    /// Does anybody watch?
    pub fn is_wanted(&self) -> bool {
        !self.filters.is_empty()
    }

    /// What a packet is as it comes.
    pub fn before(&self, frame: &PacketBuf) -> String {
        Describe(frame.bytes()).to_string()
    }

    /// Shows what has become of it, if somebody has asked for its flow.
    pub fn show(
        &mut self,
        arrived: String,
        engine: &Engine,
        frame: &PacketBuf,
        verdict: Verdict,
        now: Instant,
    ) {
        let note = engine.note();
        let wants = |filter: &TraceFilter| filter.takes(note.flow.as_ref());
        if !self.filters.iter().any(wants) {
            return;
        }
        let sight = Sight {
            flow: note.flow,
            line: line(arrived, note, engine, frame, verdict, now),
            lost: self.lost,
        };
        match self.to.try_send(sight) {
            Ok(()) => {
                self.lost = 0;
                let _ = self.waker.wake();
            }
            Err(_) => self.lost += 1,
        }
    }
}

fn line(
    arrived: String,
    note: &Note,
    engine: &Engine,
    frame: &PacketBuf,
    verdict: Verdict,
    now: Instant,
) -> Value {
    let pool = engine.pool();
    let name = |n: Option<u16>| n.map(|n| pool.servers()[usize::from(n)].name.clone());
    json!({
        "time_s": now.micros() as f64 / 1e6,
        "flow": note.flow.map(|f| f.to_string()),
        "in": arrived,
        "event": note
            .event
            .map(|e| format!("{e:?}"))
            .or(note.udp.map(|(e, ..)| format!("{e:?}"))),
        "before": note.before.map(|s| format!("{s:?}")),
        "pinned": name(note.pinned),
        "sender": name(note.sender),
        "bucket": note.bucket,
        "action": note
            .said
            .map(|(action, _)| action.words())
            .or(note.udp.map(|(_, action, _)| action.words())),
        "entry": note
            .said
            .map(|(_, next)| next)
            .or(note.udp.map(|(_, _, next)| next))
            .map(|next| format!("{next:?}")),
        "dropped": match verdict {
            Verdict::Drop(reason) => Some(reason.text()),
            Verdict::Transmit => None,
        },
        "out": match verdict {
            Verdict::Drop(_) => None,
            Verdict::Transmit => Some(Describe(frame.bytes()).to_string()),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    #[test]
    fn a_turn_ends_although_what_is_taken_is_filled_up() {
        let (to, waiting) = sync_channel(MOST_WAITING);
        to.send(0).unwrap();
        // One more would show that it doesn't end; the test has to.
        let endless = turn(&waiting).take(MOST_WAITING + 1);
        let taken = endless.inspect(|n| to.send(n + 1).unwrap()).count();
        assert_eq!(taken, MOST_WAITING);
        assert_eq!(turn(&waiting).collect::<Vec<_>>(), [MOST_WAITING]);
    }
}
