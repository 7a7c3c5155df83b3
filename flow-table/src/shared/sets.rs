//! The sets and what is done to them: every rule about who may write what, when.
//!
//! A slot is two words, tag and value. The tag says whose the slot is:
//!
//! - [`EMPTY`]: nobody's. [`BUSY`]: somebody is changing its owner, and he alone may write the tag.
//! - Anything else: that flow's, and the value is its entry, unless it is [`GONE`].
//!
//! Changing an owner takes three writes: the tag becomes [`BUSY`] by compare-and-swap, then the value, then the tag.
//! A value changes by compare-and-swap alone, so that who takes a slot away (value to [`GONE`]) and who
//! refreshes it at that moment can't both succeed. A reader reads tag, value, tag.
//!
//! What remains, and why it does no harm: in the time between two of its instructions a reader may see one slot lose
//! its flow, be another's, and be the first one's again. It takes the other's entry for its own, for one packet: the
//! wrong server sends it back (returnFlow), and the entry is not touched. The same for who changes a value if
//! the other flow's entry also has the very same 64 bits.

use std::marker::PhantomData;

use packet_io::Instant;

use super::word::{Line, Word};
use super::Packed;
use crate::{FlowHash, Inserted};

/// Slots in a set.
pub(super) const SLOTS: usize = 4;
/// From so many entries on a set is nearly full: a newcomer looks whether its other home has more room.
///
/// Simulated at the rated load (half of the slots): with 2 a fifth of the flows lies in its second home, with 4 one
/// in 270 displaces another; with 3 a tenth does, and one in 3,000 (3,400 if the second home could be any).
const NEARLY_FULL: usize = 3;
/// How often an operation that others disturb begins again, before it gives up.
const TRIES: usize = 8;

const EMPTY: u64 = 0;
const BUSY: u64 = 1;
const GONE: u64 = 0;

/// The tag of a flow: its hash's, without the two that mean something else.
#[inline]
pub(super) fn tag_of(flow: FlowHash) -> u64 {
    match flow.raw_tag() {
        EMPTY | BUSY => !0,
        tag => tag,
    }
}

/// One slot.
struct Slot<'a, W> {
    tag: &'a W,
    value: &'a W,
}

impl<W> Clone for Slot<'_, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W> Copy for Slot<'_, W> {}

impl<W: Word> Slot<'_, W> {
    /// The value, if the slot is `tag`'s.
    fn value_of(&self, tag: u64) -> Option<u64> {
        if self.tag.load() != tag {
            return None;
        }
        let value = self.value.load();
        (value != GONE && self.tag.load() == tag).then_some(value)
    }

    /// Takes the slot from `tag`, if its value is still the one that was seen. Then it is ours, and [`BUSY`].
    fn take(&self, seen: Seen) -> bool {
        if !self.tag.replace(seen.tag, BUSY) {
            return false;
        }
        if seen.tag == EMPTY || self.value.replace(seen.value, GONE) {
            return true;
        }
        self.tag.store(seen.tag);
        false
    }
}

/// An entry that was found: what it was then, and its place.
pub(super) struct Found<'a, V, W> {
    slot: &'a W,
    bits: u64,
    values: PhantomData<V>,
}

impl<V: Packed, W: Word> Found<'_, V, W> {
    /// What it was when it was found.
    #[inline]
    pub(super) fn value(&self) -> V {
        V::unpack(self.bits)
    }

    /// Changes it to `value`, if it still is what it was; true also where that changes nothing, and then nothing is written.
    #[inline]
    pub(super) fn replace(&self, value: V) -> bool {
        let new = value.pack().get();
        new == self.bits || self.slot.replace(self.bits, new)
    }
}

/// The number of a slot in a table, or of none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(usize);

impl Place {
    /// Beyond every table.
    pub(super) const NONE: Self = Place(usize::MAX);
}

/// What a slot held when it was looked at.
#[derive(Clone, Copy)]
struct Seen {
    tag: u64,
    value: u64,
}

/// A set at a glance, for a newcomer.
struct Glance<'a, W> {
    live: usize,
    /// A slot that can be had without loss, an empty one before an expired one.
    free: Option<(Slot<'a, W>, Seen)>,
}

/// The sets of a table in somebody else's memory, with the number of slots that are not empty.
pub(super) struct Sets<'a, W, V> {
    lines: &'a [Line<W>],
    taken: &'a W,
    values: PhantomData<V>,
}

impl<'a, W: Word, V: Packed> Sets<'a, W, V> {
    pub(super) fn new(lines: &'a [Line<W>], taken: &'a W) -> Self {
        let values = PhantomData;
        Sets {
            lines,
            taken,
            values,
        }
    }

    /// The line in which a flow is looked for first.
    #[inline]
    pub(super) fn first(&self, flow: FlowHash) -> &'a Line<W> {
        &self.lines[flow.first_home(self.lines.len())]
    }

    /// The line in which it is looked for then.
    #[inline]
    pub(super) fn second(&self, flow: FlowHash) -> &'a Line<W> {
        &self.lines[flow.second_home(self.lines.len())]
    }

    fn slots(&self, set: usize) -> impl Iterator<Item = Slot<'a, W>> + use<'a, W, V> {
        let pairs = self.lines[set].0.chunks_exact(2);
        pairs.map(|pair| Slot {
            tag: &pair[0],
            value: &pair[1],
        })
    }

    #[inline]
    fn slot(&self, set: usize, number: usize) -> Slot<'a, W> {
        let words = &self.lines[set].0;
        Slot {
            tag: &words[2 * number],
            value: &words[2 * number + 1],
        }
    }

    /// The slots in which `flow` may lie, always in the same order: an entry counts before those behind it.
    fn slots_of(&self, flow: FlowHash) -> impl Iterator<Item = Slot<'a, W>> + use<'a, '_, W, V> {
        let [first, second] = flow.homes(self.lines.len());
        let second = (second != first).then_some(second);
        [Some(first), second]
            .into_iter()
            .flatten()
            .flat_map(|set| self.slots(set))
    }

    #[inline(never)]
    fn find(&self, flow: FlowHash) -> Option<(Slot<'a, W>, u64)> {
        let tag = tag_of(flow);
        for home in flow.homes(self.lines.len()) {
            for slot in self.slots(home) {
                if let Some(value) = slot.value_of(tag) {
                    return Some((slot, value));
                }
            }
        }
        None
    }

    /// The slot of the flow's first home that has its tag.
    #[inline]
    pub(super) fn slot_at_first(&self, flow: FlowHash) -> Place {
        self.slot_at(flow.first_home(self.lines.len()), tag_of(flow))
    }

    /// The slot of its second home that has its tag.
    #[inline]
    pub(super) fn slot_at_second(&self, flow: FlowHash) -> Place {
        self.slot_at(flow.second_home(self.lines.len()), tag_of(flow))
    }

    #[inline]
    fn slot_at(&self, set: usize, tag: u64) -> Place {
        let found = tagged(&self.lines[set], tag);
        let slot = found.trailing_zeros() as usize;
        Place(if found == 0 {
            Place::NONE.0
        } else {
            set * SLOTS + slot
        })
    }

    /// Has no slot of the two homes the flow's tag?
    #[inline]
    pub(super) fn is_absent(&self, flow: FlowHash) -> bool {
        let tag = tag_of(flow);
        tagged(self.first(flow), tag) | tagged(self.second(flow), tag) == 0
    }

    /// The entry of a flow, expired or not; `hint` is the slot in which it was seen.
    #[inline]
    pub(super) fn entry(&self, flow: FlowHash, hint: Place) -> Option<Found<'a, V, W>> {
        let (slot, bits) = self.hinted(flow, hint).or_else(|| self.find(flow))?;
        Some(Found {
            slot: slot.value,
            bits,
            values: PhantomData,
        })
    }

    #[inline]
    fn hinted(&self, flow: FlowHash, hint: Place) -> Option<(Slot<'a, W>, u64)> {
        let number = hint.0;
        let words = &self.lines.get(number / SLOTS)?.0;
        let slot = Slot {
            tag: &words[number % SLOTS * 2],
            value: &words[number % SLOTS * 2 + 1],
        };
        Some((slot, slot.value_of(tag_of(flow))?))
    }

    /// See [`super::SharedTable::update`].
    pub(super) fn update(
        &self,
        flow: FlowHash,
        now: Instant,
        change: impl Fn(V) -> V,
    ) -> Option<V> {
        for _ in 0..TRIES {
            let entry = self.entry(flow, Place::NONE)?;
            if entry.value().expired(now) {
                return None;
            }
            let changed = change(entry.value());
            if entry.replace(changed) {
                return Some(changed);
            }
        }
        None
    }

    /// See [`super::SharedTable::insert`].
    pub(super) fn insert(&self, flow: FlowHash, value: V, now: Instant) -> Option<Inserted<V>> {
        let new = value.pack().get();
        for _ in 0..TRIES {
            if let Some((slot, old)) = self.find(flow) {
                if slot.value.replace(old, new) {
                    let old = V::unpack(old);
                    return Some(match old.expired(now) {
                        true => Inserted::Fresh,
                        false => Inserted::Replaced(old),
                    });
                }
            } else if let Some(inserted) = self.insert_new(flow, new, now) {
                return Some(inserted);
            }
        }
        None
    }

    /// See [`super::SharedTable::insert_absent`].
    pub(super) fn insert_absent(
        &self,
        flow: FlowHash,
        value: V,
        now: Instant,
    ) -> Option<Inserted<V>> {
        let inserted = self.insert_new(flow, value.pack().get(), now);
        inserted.or_else(|| self.insert(flow, value, now))
    }

    /// Puts a flow into a slot that is not its own yet. `None` if another one was faster.
    fn insert_new(&self, flow: FlowHash, new: u64, now: Instant) -> Option<Inserted<V>> {
        let (slot, seen, inserted) = self.place_for(flow, now)?;
        if !slot.take(seen) {
            return None;
        }
        slot.value.store(new);
        slot.tag.store(tag_of(flow));
        // Also where nothing is added: see `drop_twins`.
        self.taken.add(u64::from(seen.tag == EMPTY));
        self.drop_twins(flow);
        Some(inserted)
    }

    /// Two who insert one flow at the same time may take two slots. Each then looks: what lies behind the first one
    /// goes. Both have added to `taken` before, and who was second there sees what the first one wrote: so at least one of them sees both.
    fn drop_twins(&self, flow: FlowHash) {
        let tag = tag_of(flow);
        let [first, second] = flow.homes(self.lines.len());
        let mut all = tagged(&self.lines[first], tag);
        if second != first {
            all |= tagged(&self.lines[second], tag) << SLOTS;
        }
        if all.count_ones() <= 1 {
            return;
        }
        let mut found = false;
        for home in [first, second] {
            for slot in self.slots(home) {
                if let Some(value) = slot.value_of(tag) {
                    if found {
                        self.empty(slot, Seen { tag, value });
                    }
                    found = true;
                }
            }
            if second == first {
                break;
            }
        }
    }

    fn empty(&self, slot: Slot<'a, W>, seen: Seen) -> bool {
        let taken = slot.take(seen);
        if taken {
            slot.tag.store(EMPTY);
            self.taken.add(1u64.wrapping_neg());
        }
        taken
    }

    fn place_for(&self, flow: FlowHash, now: Instant) -> Option<(Slot<'a, W>, Seen, Inserted<V>)> {
        let [first, second] = flow.homes(self.lines.len());
        // Mostly there is room, whatever the other slots hold.
        let empty = tagged(&self.lines[first], EMPTY);
        if SLOTS - (empty.count_ones() as usize) < NEARLY_FULL {
            let slot = self.slot(first, empty.trailing_zeros() as usize);
            let (tag, value) = (EMPTY, slot.value.load());
            return Some((slot, Seen { tag, value }, Inserted::Fresh));
        }
        let first = self.glance(first, now);
        if let (0..NEARLY_FULL, Some((slot, seen))) = (first.live, first.free) {
            return Some((slot, seen, Inserted::Fresh));
        }
        let second = self.glance(second, now);
        let is_roomier = first.live >= NEARLY_FULL && second.live < first.live;
        let (wanted, other) = match is_roomier {
            true => (&second, &first),
            false => (&first, &second),
        };
        if let Some((slot, seen)) = wanted.free.or(other.free) {
            return Some((slot, seen, Inserted::Fresh));
        }
        self.weakest(flow, now)
    }

    /// The entry of both homes that goes first.
    fn weakest(&self, flow: FlowHash, now: Instant) -> Option<(Slot<'a, W>, Seen, Inserted<V>)> {
        let all = self
            .slots_of(flow)
            .filter_map(|slot| Some((slot, owned(slot)?)));
        let (slot, seen) = all.min_by_key(|(_, seen)| V::unpack(seen.value).keep_rank(now))?;
        Some((slot, seen, Inserted::Evicted(V::unpack(seen.value))))
    }

    fn glance(&self, set: usize, now: Instant) -> Glance<'a, W> {
        let mut glance = Glance {
            live: 0,
            free: None,
        };
        for slot in self.slots(set) {
            let tag = slot.tag.load();
            let seen = Seen {
                tag,
                value: slot.value.load(),
            };
            match tag {
                EMPTY => {
                    let is_better = glance.free.is_none_or(|(_, seen)| seen.tag != EMPTY);
                    if is_better {
                        glance.free = Some((slot, seen));
                    }
                    continue;
                }
                BUSY => glance.live += 1,
                // A slot that is about to be emptied or filled.
                _ if seen.value == GONE => glance.live += 1,
                _ => {
                    let value = V::unpack(seen.value);
                    if value.expired(now) {
                        glance.free = glance.free.or(Some((slot, seen)));
                        continue;
                    }
                    glance.live += 1;
                }
            }
        }
        glance
    }

    /// See [`super::SharedTable::remove`].
    pub(super) fn remove(&self, flow: FlowHash) -> Option<V> {
        let tag = tag_of(flow);
        let mut removed = None;
        for slot in self.slots_of(flow) {
            for _ in 0..TRIES {
                let Some(value) = slot.value_of(tag) else {
                    break;
                };
                if self.empty(slot, Seen { tag, value }) {
                    removed = removed.or(Some(V::unpack(value)));
                }
            }
        }
        removed
    }

    /// Empties the slots of a set whose value `drop` picks, and counts them.
    pub(super) fn drop_from(&self, set: usize, mut drop: impl FnMut(&V) -> bool) -> usize {
        let mut dropped = 0;
        for slot in self.slots(set) {
            if let Some(seen) = owned(slot) {
                if drop(&V::unpack(seen.value)) && self.empty(slot, seen) {
                    dropped += 1;
                }
            }
        }
        dropped
    }

    /// The values of a set.
    pub(super) fn values(&self, set: usize) -> impl Iterator<Item = V> + use<'a, W, V> {
        let seen = self.slots(set).filter_map(owned);
        seen.map(|seen| V::unpack(seen.value))
    }
}

/// Which slots of a set have this tag, a bit each.
#[inline]
fn tagged<W: Word>(line: &Line<W>, tag: u64) -> u32 {
    // All four, whichever it is: a guess at the first one that fits would mostly be wrong.
    (0..SLOTS).fold(0, |found, slot| {
        found | u32::from(line.0[2 * slot].load() == tag) << slot
    })
}

/// What a slot holds, if it is a flow's.
fn owned<W: Word>(slot: Slot<'_, W>) -> Option<Seen> {
    let tag = slot.tag.load();
    if tag == EMPTY || tag == BUSY {
        return None;
    }
    let value = slot.value_of(tag)?;
    Some(Seen { tag, value })
}
