//! The table: look-up, insertion, eviction, expiry.

use crate::hash::{FlowHash, FlowHasher, HashKey};
use crate::set::{Set, Slot};
use crate::Value;
use packet_io::Instant;
use srh::Flow;

/// What an insertion did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted<V> {
    /// The flow is new here; it took an empty slot, or an expired one.
    Fresh,
    /// The flow was here, with this value.
    Replaced(V),
    /// The flow is new here, and this live entry of another flow had to go.
    Evicted(V),
}

/// A slot's place: set, and slot in the set.
type Place = (usize, usize);

/// A bounded table from flows to `V`, in sets of `SLOTS`. See the crate's page.
pub struct FlowTable<V: Value, const SLOTS: usize = 3> {
    sets: Box<[Set<V, SLOTS>]>,
    hasher: FlowHasher,
    len: usize,
    /// The set that the next sweep begins with.
    sweep_at: usize,
}

impl<V: Value, const SLOTS: usize> FlowTable<V, SLOTS> {
    /// A table for `flows` flows. It takes twice as many slots, because hashing does not fill sets
    /// evenly; up to `flows` entries hardly any displaces another.
    pub fn new(flows: usize, key: HashKey) -> Self {
        const { assert!(SLOTS > 0, "a set needs a slot") };
        let slots = flows.saturating_mul(2);
        // A home is 32 bits of the hash, scaled: more sets than that could not be reached.
        let sets = slots.div_ceil(SLOTS).clamp(1, 1 << 32);
        FlowTable {
            sets: vec![Set::empty(); sets].into_boxed_slice(),
            hasher: FlowHasher::new(&key),
            len: 0,
            sweep_at: 0,
        }
    }

    /// The hash by which this table knows `flow`. Good for this table only (its key).
    pub fn hash(&self, flow: &Flow) -> FlowHash {
        self.hasher.hash(flow)
    }

    /// What is kept for a flow.
    pub fn get(&self, flow: FlowHash, now: Instant) -> Option<&V> {
        let (set, slot) = self.find(flow)?;
        let value = self.sets[set].slots[slot].value();
        (!value.expired(now)).then_some(value)
    }

    /// What is kept for a flow, to be changed in place.
    pub fn get_mut(&mut self, flow: FlowHash, now: Instant) -> Option<&mut V> {
        let (set, slot) = self.find(flow)?;
        let value = self.sets[set].slots[slot].value_mut();
        (!value.expired(now)).then_some(value)
    }

    /// Keeps `value` for a flow, in place of what was kept for it.
    ///
    /// Never refuses: where both homes are full of live entries the one with the lowest
    /// rank goes, even if `value` ranks lower still.
    pub fn insert(&mut self, flow: FlowHash, value: V, now: Instant) -> Inserted<V> {
        let (place, outcome) = self.place_for(flow, now);
        let slot = &mut self.sets[place.0].slots[place.1];
        self.len += usize::from(slot.is_empty());
        *slot = Slot::new(flow.tag(), value);
        outcome
    }

    /// Takes a flow's entry out, expired or not.
    pub fn remove(&mut self, flow: FlowHash) -> Option<V> {
        let (set, slot) = self.find(flow)?;
        let slot = std::mem::take(&mut self.sets[set].slots[slot]);
        self.len -= 1;
        Some(*slot.value())
    }

    /// Takes out the expired entries of the next `sets` sets, and says how many those were. Going on
    /// where the last call ended, it comes round the whole table.
    pub fn sweep(&mut self, sets: usize, now: Instant) -> usize {
        if self.is_empty() {
            return 0;
        }
        let all = self.sets.len();
        let mut removed = 0;
        for _ in 0..sets.min(all) {
            removed += drop_from(&mut self.sets[self.sweep_at], |v| v.expired(now));
            self.sweep_at = (self.sweep_at + 1) % all;
        }
        self.len -= removed;
        removed
    }

    /// Takes out every entry for which `keep` says no, and says how many those were. It reads the
    /// whole table: for the control path.
    pub fn retain(&mut self, mut keep: impl FnMut(&V) -> bool) -> usize {
        let sets = self.sets.iter_mut();
        let removed = sets.map(|set| drop_from(set, |v| !keep(v))).sum();
        self.len -= removed;
        removed
    }

    /// Every entry, also those that have expired and not been swept.
    pub fn iter(&self) -> impl Iterator<Item = &V> {
        let slots = self.sets.iter().flat_map(|set| &set.slots);
        slots.filter(|slot| !slot.is_empty()).map(Slot::value)
    }

    /// How many entries there are, also counting those that have expired and not been swept.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Is there no entry?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many slots there are: [`FlowTable::len`] never exceeds it.
    pub fn capacity(&self) -> usize {
        self.sets.len() * SLOTS
    }

    /// How many sets there are, for [`FlowTable::sweep`].
    pub fn sets(&self) -> usize {
        self.sets.len()
    }

    /// How much memory the table has taken, now and for good.
    pub fn memory_bytes(&self) -> usize {
        size_of_val(&*self.sets)
    }

    fn find(&self, flow: FlowHash) -> Option<Place> {
        let homes = flow.homes(self.sets.len()).into_iter();
        let mut found = homes.filter_map(|set| Some((set, self.sets[set].find(flow.tag())?)));
        found.next()
    }

    /// Where an entry for `flow` belongs now, and what writing it there will mean.
    fn place_for(&self, flow: FlowHash, now: Instant) -> (Place, Inserted<V>) {
        if let Some(place) = self.find(flow) {
            let old = self.sets[place.0].slots[place.1].value();
            let outcome = match old.expired(now) {
                true => Inserted::Fresh,
                false => Inserted::Replaced(*old),
            };
            return (place, outcome);
        }
        if let Some(place) = self.roomier_home(flow, now) {
            return (place, Inserted::Fresh);
        }
        let place = self.weakest(flow, now);
        let victim = self.sets[place.0].slots[place.1].value();
        (place, Inserted::Evicted(*victim))
    }

    /// A free slot in the home with fewer live entries.
    fn roomier_home(&self, flow: FlowHash, now: Instant) -> Option<Place> {
        let [first, second] = flow.homes(self.sets.len());
        let set = match self.sets[second].live(now) < self.sets[first].live(now) {
            true => second,
            false => first,
        };
        Some((set, self.sets[set].free(now)?))
    }

    /// The entry with the lowest rank in both homes.
    fn weakest(&self, flow: FlowHash, now: Instant) -> Place {
        let homes = flow.homes(self.sets.len());
        let [first, second] = homes.map(|set| (set, self.sets[set].weakest(now)));
        let (set, (_, slot)) = match second.1 .0 < first.1 .0 {
            true => second,
            false => first,
        };
        (set, slot)
    }
}

/// Empties the slots of `set` whose value `drop` picks, and counts them.
fn drop_from<V: Value, const SLOTS: usize>(
    set: &mut Set<V, SLOTS>,
    mut drop: impl FnMut(&V) -> bool,
) -> usize {
    let mut removed = 0;
    for slot in &mut set.slots {
        if !slot.is_empty() && drop(slot.value()) {
            *slot = Slot::default();
            removed += 1;
        }
    }
    removed
}
