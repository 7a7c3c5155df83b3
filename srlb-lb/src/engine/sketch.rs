//! The SYNs and first datagrams that were offered lately and that nobody has answered yet.
//!
//! All engines of an LB share it: a client's packets come to one of them, the answer of its server to another one.

mod slot;

use packet_io::{prefetch, Instant};

use super::contract::Limits;
use slot::{Seen, Slot};

/// Slots in which one flow may lie. In a single one, every SYN would push out whichever unanswered one it meets, and
/// a retransmission would now and then pass for a new flow.
const WAYS: usize = 4;

/// A fixed number of slots: of those where a flow may lie it takes a free one, else the oldest. A flood can
/// make it forget, and so can two threads that meet at one slot, and no more than that.
pub struct SynSketch {
    limits: Limits,
    sets: Box<[Set]>,
}

/// The slots of one set: 96 bytes, in two cache lines wherever it lies.
#[repr(align(32))]
struct Set([Slot; WAYS]);

impl Set {
    /// One with so many ways. It has all of them, for loops of a length that is known; but the others are younger than all, for ever, and so never taken.
    fn new(ways: usize) -> Self {
        let slot = |way| {
            let slot = Slot::default();
            if way >= ways {
                slot.set(Seen {
                    tag: u64::MAX,
                    at: Instant::from_micros(u64::MAX),
                    ..Seen::default()
                });
            }
            slot
        };
        Set(std::array::from_fn(slot))
    }
}

/// A slot that a SYN may have.
pub struct Free<'a>(&'a Slot);

impl Free<'_> {
    /// The SYN is offered, to `first` before the others.
    #[inline]
    pub fn take(self, tag: u64, first: u16, times: u8, now: Instant) {
        self.0.set(Seen {
            tag,
            at: now,
            first,
            times,
        });
    }
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
            sets: (0..sets).map(|_| Set::new(ways)).collect(),
            limits,
        }
    }

    /// The slots in which this flow may lie.
    #[inline]
    fn set(&self, tag: u64) -> &[Slot; WAYS] {
        // No division: the upper half is a fraction of 2^32, and this the same fraction of the sets.
        let set = (((tag >> 32) * self.sets.len() as u64) >> 32) as usize;
        &self.sets[set].0
    }

    /// Asks for the lines in which this flow may lie.
    #[inline]
    pub fn prefetch(&self, tag: u64) {
        let [first, .., last] = self.set(tag);
        prefetch(first);
        prefetch(last);
    }

    fn find(&self, tag: u64) -> Option<(&Slot, Seen)> {
        let mut slots = self.set(tag).iter().map(|slot| (slot, slot.get()));
        slots.find(|(_, seen)| seen.tag == tag)
    }

    /// The place for a SYN that nothing is remembered of: a free slot, else the oldest. `None` if something is, whatever that is worth.
    #[inline]
    pub fn place_for(&self, tag: u64) -> Option<Free<'_>> {
        let [first, others @ ..] = self.set(tag);
        let (first_tag, age) = first.tag_and_age();
        let mut is_known = first_tag == tag;
        let mut oldest = (age, first);
        for slot in others {
            let (its_tag, age) = slot.tag_and_age();
            is_known |= its_tag == tag;
            if age < oldest.0 {
                oldest = (age, slot);
            }
        }
        (!is_known).then_some(Free(oldest.1))
    }

    /// Has this SYN been seen before, with nothing in between?
    pub fn seen_before(&self, tag: u64, now: Instant) -> Option<Again> {
        let window = self.limits.syn_again_soonest..=self.limits.syn_again_latest;
        let (_, seen) = self.find(tag)?;
        window.contains(&now.since(seen.at)).then_some(Again {
            times: seen.times.saturating_add(1),
            first: seen.first,
            at: seen.at,
        })
    }

    /// The SYN is offered, to `first` before the others.
    pub fn offered(&self, tag: u64, first: u16, times: u8, now: Instant) {
        let slot = match self.find(tag) {
            // A duplicate in between must not hide the retransmission that follows.
            Some((_, seen)) if now.since(seen.at) < self.limits.syn_again_soonest => return,
            Some((slot, _)) => Free(slot),
            // Another thread has remembered it just now.
            None => match self.place_for(tag) {
                Some(slot) => slot,
                None => return,
            },
        };
        slot.take(tag, first, times, now);
    }

    /// A server has answered for this flow.
    pub fn answered(&self, tag: u64) {
        if let Some((slot, _)) = self.find(tag) {
            slot.free();
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
        let sketch = SynSketch::new(Limits::default());
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
        let sketch = SynSketch::new(Limits {
            syns_remembered: WAYS,
            ..Limits::default()
        });
        let remembered = |sketch: &SynSketch| -> Vec<u64> {
            (1..=6)
                .filter(|&tag| sketch.seen_before(tag, at(1_000)).is_some())
                .collect()
        };
        for tag in 1..=4 {
            sketch.offered(tag, 0, 0, at(tag));
        }
        assert_eq!(remembered(&sketch), [1, 2, 3, 4]);
        sketch.answered(3);
        sketch.offered(5, 0, 0, at(5));
        assert_eq!(remembered(&sketch), [1, 2, 4, 5]);
        sketch.offered(1, 0, 1, at(600));
        sketch.offered(6, 0, 0, at(600));
        assert_eq!(remembered(&sketch), [1, 4, 5, 6]);
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
            let all = sketch.sets.iter().flat_map(|set| &set.0);
            let free = all.filter(|slot| slot.get().tag == 0);
            assert_eq!(free.count(), slots, "{asked}");
        }
    }

    /// Many threads at few slots: what it says of a flow was said of that flow.
    #[test]
    fn nobody_is_told_what_was_said_of_another() {
        const FLOWS: u64 = 6;
        let sketch = SynSketch::new(Limits {
            syns_remembered: WAYS,
            ..Limits::default()
        });
        let work = |thread: u64| {
            let mut found = 0_u32;
            for round in 0..20_000 {
                let tag = round * (round + thread) / 3 % FLOWS + 1;
                let now = at(round * 100);
                match sketch.seen_before(tag, now) {
                    Some(again) => {
                        found += 1;
                        assert_eq!(u64::from(again.first), tag * 3);
                        assert_eq!(u64::from(again.times), tag + 1);
                        sketch.answered(tag);
                    }
                    None => sketch.offered(tag, (tag * 3) as u16, tag as u8, now),
                }
            }
            found
        };
        let found = std::thread::scope(|scope| {
            let others: Vec<_> = (1..3).map(|n| scope.spawn(move || work(n))).collect();
            let others = others.into_iter().map(|other| other.join().unwrap());
            work(0) + others.sum::<u32>()
        });
        assert!(found > 0, "it remembers something");
    }
}
