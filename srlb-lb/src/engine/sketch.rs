//! The SYNs and first datagrams that were offered lately and that nobody has answered yet.

use packet_io::Instant;

use super::contract::Limits;

/// Slots in which one flow may lie. In a single one, every SYN would push out whichever unanswered one it meets, and
/// a retransmission would now and then pass for a new flow.
const WAYS: usize = 4;

/// A slot; free where the tag is 0, which no flow has.
#[derive(Clone, Copy, Default)]
struct Seen {
    tag: u64,
    at: Instant,
    first: u16,
    times: u8,
}

/// A fixed number of slots: of those where a flow may lie it takes a free one, else the oldest. A flood can
/// make it forget, and no more than that.
pub struct SynSketch {
    limits: Limits,
    slots: Box<[Seen]>,
    ways: usize,
}

/// What the sketch says about a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// How often it has been retransmitted.
    pub times: u8,
    /// To whom it was offered first the last time.
    pub first: u16,
    /// When that was.
    pub at: Instant,
}

impl SynSketch {
    /// One that has seen nothing.
    pub fn new(limits: Limits) -> Self {
        let ways = limits.syns_remembered.clamp(1, WAYS);
        let sets = (limits.syns_remembered / ways).max(1);
        SynSketch {
            slots: vec![Seen::default(); sets * ways].into(),
            ways,
            limits,
        }
    }

    /// The slots in which this flow may lie.
    fn set(&mut self, tag: u64) -> &mut [Seen] {
        let sets = self.slots.len() / self.ways;
        let set = (tag >> 32) as usize % sets;
        &mut self.slots[set * self.ways..][..self.ways]
    }

    fn find(&mut self, tag: u64) -> Option<&mut Seen> {
        self.set(tag).iter_mut().find(|seen| seen.tag == tag)
    }

    /// Has this SYN been seen before, with nothing in between?
    pub fn seen_before(&mut self, tag: u64, now: Instant) -> Option<Again> {
        let window = self.limits.syn_again_soonest..=self.limits.syn_again_latest;
        let seen = *self.find(tag)?;
        window.contains(&now.since(seen.at)).then_some(Again {
            times: seen.times.saturating_add(1),
            first: seen.first,
            at: seen.at,
        })
    }

    /// The SYN is offered, to `first` before the others.
    pub fn offered(&mut self, tag: u64, first: u16, times: u8, now: Instant) {
        let soonest = self.limits.syn_again_soonest;
        let known = self.find(tag).copied();
        // A duplicate in between must not hide the retransmission that follows.
        if known.is_some_and(|seen| now.since(seen.at) < soonest) {
            return;
        }
        let set = self.set(tag).iter_mut();
        let place = set.min_by_key(|seen| (seen.tag != tag, seen.tag != 0, seen.at));
        if let Some(slot) = place {
            *slot = Seen {
                tag,
                at: now,
                first,
                times,
            };
        }
    }

    /// A server has answered for this flow.
    pub fn answered(&mut self, tag: u64) {
        if let Some(seen) = self.find(tag) {
            *seen = Seen::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    #[test]
    fn a_syn_seen_again_within_bounds() {
        let mut sketch = SynSketch::new(Limits::default());
        assert_eq!(sketch.seen_before(9, at(0)), None);
        sketch.offered(9, 3, 0, at(0));
        assert_eq!(sketch.seen_before(9, at(10)), None, "a duplicate");
        sketch.offered(9, 4, 0, at(10));
        let again = Again {
            times: 1,
            first: 3,
            at: at(0),
        };
        assert_eq!(sketch.seen_before(9, at(1_000)), Some(again));
        assert_eq!(sketch.seen_before(9, at(100_000)), None, "a new attempt");
        sketch.answered(9);
        assert_eq!(sketch.seen_before(9, at(1_000)), None);
    }

    /// Flows that may lie in the same slots: a free one is taken first, then the oldest.
    #[test]
    fn the_oldest_makes_room() {
        let mut sketch = SynSketch::new(Limits {
            syns_remembered: WAYS,
            ..Limits::default()
        });
        let remembered = |sketch: &mut SynSketch| -> Vec<u64> {
            (1..=6)
                .filter(|&tag| sketch.seen_before(tag, at(1_000)).is_some())
                .collect()
        };
        for tag in 1..=4 {
            sketch.offered(tag, 0, 0, at(tag));
        }
        assert_eq!(remembered(&mut sketch), [1, 2, 3, 4]);
        sketch.answered(3);
        sketch.offered(5, 0, 0, at(5));
        assert_eq!(remembered(&mut sketch), [1, 2, 4, 5]);
        sketch.offered(1, 0, 1, at(600));
        sketch.offered(6, 0, 0, at(600));
        assert_eq!(remembered(&mut sketch), [1, 4, 5, 6]);
    }

    #[test]
    fn any_size_is_a_size() {
        for (asked, slots) in [
            (0, 1),
            (1, 1),
            (3, 3),
            (4, 4),
            (4_096, 4_096),
            (4_099, 4_096),
        ] {
            let sketch = SynSketch::new(Limits {
                syns_remembered: asked,
                ..Limits::default()
            });
            assert_eq!(sketch.slots.len(), slots, "{asked}");
        }
    }
}
