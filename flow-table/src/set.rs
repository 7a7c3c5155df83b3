//! A set: a few slots that are read together.

use crate::Value;
use packet_io::Instant;

/// One entry, or none. The tag is two halves so that a slot needs no more than an alignment of 4.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct Slot<V> {
    tag: [u32; 2],
    value: V,
}

impl<V: Value> Slot<V> {
    pub(crate) fn new(tag: u64, value: V) -> Self {
        Slot {
            tag: [tag as u32, (tag >> 32) as u32],
            value,
        }
    }

    pub(crate) fn tag(&self) -> u64 {
        u64::from(self.tag[1]) << 32 | u64::from(self.tag[0])
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tag == [0, 0]
    }

    pub(crate) fn value(&self) -> &V {
        &self.value
    }

    pub(crate) fn value_mut(&mut self) -> &mut V {
        &mut self.value
    }

    /// Is there an entry that counts?
    pub(crate) fn is_live(&self, now: Instant) -> bool {
        !self.is_empty() && !self.value.expired(now)
    }
}

/// The slots of one set, at the start of a cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub(crate) struct Set<V, const SLOTS: usize> {
    pub(crate) slots: [Slot<V>; SLOTS],
}

impl<V: Value, const SLOTS: usize> Set<V, SLOTS> {
    pub(crate) fn empty() -> Self {
        Set {
            slots: [Slot::default(); SLOTS],
        }
    }

    /// The slot with this tag.
    pub(crate) fn find(&self, tag: u64) -> Option<usize> {
        self.slots.iter().position(|slot| slot.tag() == tag)
    }

    /// How many entries count.
    pub(crate) fn live(&self, now: Instant) -> usize {
        self.slots.iter().filter(|slot| slot.is_live(now)).count()
    }

    /// A slot that can be written without loss: an empty one, else an expired one.
    pub(crate) fn free(&self, now: Instant) -> Option<usize> {
        let empty = self.slots.iter().position(Slot::is_empty);
        empty.or_else(|| self.slots.iter().position(|slot| !slot.is_live(now)))
    }

    /// The rank of the entry that goes first, and its slot. Only asked of a set that is full.
    pub(crate) fn weakest(&self, now: Instant) -> (u64, usize) {
        let ranked = |i: usize| (self.slots[i].value.keep_rank(now), i);
        (1..SLOTS).map(ranked).fold(ranked(0), Ord::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::{align_of, offset_of, size_of};

    macro_rules! immortal {
        ($name:ty) => {
            impl Value for $name {
                fn expired(&self, _: Instant) -> bool {
                    false
                }
                fn keep_rank(&self, _: Instant) -> u64 {
                    0
                }
            }
        };
    }

    /// What the LB's entry looks like.
    #[derive(Clone, Copy, Default)]
    #[repr(C)]
    struct Small(u32, u32, u16, u16);
    immortal!(Small);

    /// What the server's looks like.
    #[derive(Clone, Copy, Default)]
    #[repr(C)]
    struct Large([u64; 8]);
    immortal!(Large);

    #[test]
    fn three_slots_of_a_small_value_fill_one_cache_line() {
        assert_eq!(size_of::<Slot<Small>>(), 20);
        assert_eq!(offset_of!(Slot<Small>, tag), 0);
        assert_eq!(offset_of!(Slot<Small>, value), 8);
        assert_eq!(size_of::<Set<Small, 3>>(), 64);
        assert_eq!(align_of::<Set<Small, 3>>(), 64);
    }

    #[test]
    fn a_large_value_takes_whole_lines() {
        assert_eq!(size_of::<Slot<Large>>(), 72);
        assert_eq!(size_of::<Set<Large, 3>>(), 256);
        assert_eq!(align_of::<Set<Large, 3>>(), 64);
    }

    #[test]
    fn the_halves_of_the_tag_are_put_together_again() {
        let slot = Slot::new(0x0102_0304_0506_0708, Small::default());
        assert_eq!(slot.tag, [0x0506_0708, 0x0102_0304]);
        assert_eq!(slot.tag(), 0x0102_0304_0506_0708);
        assert!(!slot.is_empty());
        assert!(!Slot::new(1 << 32, Small::default()).is_empty());
        assert!(Slot::<Small>::default().is_empty());
    }
}
