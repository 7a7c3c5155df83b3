//! One bounded flow table for many threads: entries of 64 bits, no locks.
//!
//! # How it works
//!
//! Sets of four slots, a cache line each; every flow has two homes, as in [`FlowTable`](crate::FlowTable). An
//! entry goes to its *first* home as long as fewer than three live entries are there, else to the one with
//! fewer: so most hits read one line, and none more than two. With as many flows as the table was made for, which is half
//! of the slots, one in ten lies in its second home, and one in 3,000 displaces another.
//!
//! Reading changes nothing. A value changes by one compare-and-swap; the owner of a slot by three writes, see
//! `sets.rs`, which also says what threads that meet at one slot may see. No operation waits for another thread: what
//! is disturbed tries again a few times and then gives up, which costs a flow nothing but a recovery. No thread may stop in
//! the middle of an insertion for good (a slot would stay reserved); nothing in there can panic.
//!
//! Whoever inserts a flow that another thread inserts at the same moment looks afterwards whether there are two
//! entries, and takes the later one (in the order of look-up) out. So there is one at the end, and all readers agree on it
//! before that, because all look up in the same order.
//!
//! # False hits
//!
//! A look-up of an unknown flow compares its tag with at most eight others: it is taken for a known one with
//! probability 8 / 2^64 = 4.3e-19 (tags are 64 keyed bits, as in [`FlowTable`](crate::FlowTable)): at ten million look-ups
//! of unknown flows a second that is one in 7,300 years.
//!
//! # Memory layout, version 2
//!
//! Everything is 64-bit words in native byte order, in lines of 64 bytes.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0..8 | the text `srlbflow` |
//! | 8..12 | layout version: 2 (lower half of the word) |
//! | 12..16 | slots in a set: 4 (upper half) |
//! | 16..24 | number of sets, n |
//! | 24..64 | zero |
//! | 64..72 | slots that are not empty |
//! | 72..80 | how many sets have been swept, ever |
//! | 80..128 | zero |
//! | 128 + 64 s .. | set s: slots 0 to 3 of 16 bytes each |
//!
//! | bytes of a slot | what |
//! | --- | --- |
//! | 0..8 | tag; 0: empty, 1: its owner changes just now |
//! | 8..16 | value; 0: about to be emptied |
//!
//! A hash whose tag is 0 or 1 is all ones here. To look up: for both homes in order (the crate's page says which), for slots 0 to 3: where the tag is the flow's,
//! read the value, and the tag again; if that is the same and the value is not 0, it is the entry.

mod memory;
#[cfg(test)]
mod races;
mod sets;
mod word;

use std::marker::PhantomData;
use std::num::NonZeroU64;
use std::sync::atomic::AtomicU64;

use packet_io::{prefetch, Instant};
use srh::Flow;

pub use memory::{Memory, Pages};
pub use word::Line;
pub(crate) use word::WORDS;

use crate::{FlowHash, FlowHasher, HashKey, Inserted, Together, Value, TOGETHER};
use sets::{Found, Place, Sets, SLOTS};
use word::Word;

/// `srlbflow`, as it stands in memory.
const MAGIC: u64 = u64::from_ne_bytes(*b"srlbflow");
/// The version of the layout that the module's page describes.
const LAYOUT_VERSION: u64 = 2;
/// Lines before the first set.
const HEAD_LINES: usize = 2;

/// A value that is 64 bits, of which not all are zero.
pub trait Packed: Value {
    /// The bits.
    fn pack(self) -> NonZeroU64;
    /// The value with these bits.
    fn unpack(bits: u64) -> Self;
}

/// Where a flow was seen a moment ago: saves looking for it, and is never wrong for more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint(Place);

/// It was not seen.
impl Default for Hint {
    fn default() -> Self {
        Hint(Place::NONE)
    }
}

/// Where the flows of a batch were seen.
pub struct Hints {
    all: [Hint; TOGETHER],
    /// Those that are not in their first homes, by their numbers: so many of these count.
    elsewhere: [u8; TOGETHER],
    count: usize,
}

impl Default for Hints {
    fn default() -> Self {
        Hints {
            all: [Hint::default(); TOGETHER],
            elsewhere: [0; TOGETHER],
            count: 0,
        }
    }
}

impl Hints {
    /// Forgets them all: none of the flows is looked for.
    pub fn clear(&mut self) {
        self.count = 0;
    }

    /// The numbers of the flows that were seen in neither home, after [`View::find_rest`].
    pub fn absent(&self) -> impl Iterator<Item = usize> + '_ {
        let elsewhere = self.elsewhere.iter().take(self.count);
        let numbers = elsewhere.map(|&number| usize::from(number) % TOGETHER);
        numbers.filter(|&number| self.all[number] == Hint::default())
    }

    /// That of the flow with this number, after [`View::find_rest`].
    #[inline]
    pub fn of(&self, number: usize) -> Hint {
        self.all[number]
    }
}

/// An entry that was found.
pub struct Entry<'a, V>(Found<'a, V, AtomicU64>);

impl<V: Packed> Entry<'_, V> {
    /// What was kept when it was found.
    #[inline]
    pub fn value(&self) -> V {
        self.0.value()
    }

    /// Keeps `value` instead, if nobody has changed it since; false if somebody has. Where that changes nothing, nothing is written.
    #[inline]
    pub fn replace(&self, value: V) -> bool {
        self.0.replace(value)
    }
}

/// The table, for who reads it many times.
pub struct View<'a, V>(Sets<'a, AtomicU64, V>);

impl<'a, V: Packed> View<'a, V> {
    /// Asks for the lines that look-ups of the first `count` of these flows read first.
    pub fn prefetch(&self, flows: &Together, count: usize) {
        (0..count).for_each(|number| prefetch(self.0.first(flows.hash(number))));
    }

    /// Asks for the other line, too, in which a flow may lie.
    #[inline]
    pub fn prefetch_other(&self, flow: FlowHash) {
        prefetch(self.0.second(flow));
    }

    /// Once the first lines are there: where in them the flows with these numbers are. Asks for the other lines of those that aren't.
    ///
    /// A tenth of all flows isn't, at random: so nothing in here is done for these alone, which a processor would have to guess.
    #[inline(never)]
    pub fn find_first(
        &self,
        flows: &Together,
        numbers: impl Iterator<Item = usize>,
        hints: &mut Hints,
    ) {
        let mut misses = 0;
        for number in numbers {
            let flow = flows.hash(number);
            let hint = &mut hints.all[number];
            *hint = Hint(self.0.slot_at_first(flow));
            let is_elsewhere = *hint == Hint::default();
            // The line that is there costs nothing.
            let (first, second) = (self.0.first(flow), self.0.second(flow));
            prefetch(if is_elsewhere { second } else { first });
            hints.elsewhere[misses % TOGETHER] = number as u8;
            misses += usize::from(is_elsewhere);
        }
        hints.count = misses;
    }

    /// Once these are there, too: where in them the others are.
    pub fn find_rest(&self, flows: &Together, hints: &mut Hints) {
        for &number in hints.elsewhere.iter().take(hints.count) {
            let number = usize::from(number) % TOGETHER;
            hints.all[number] = Hint(self.0.slot_at_second(flows.hash(number)));
        }
    }

    /// Is nothing kept for a flow, not even what has expired?
    #[inline]
    pub fn is_absent(&self, flow: FlowHash) -> bool {
        self.0.is_absent(flow)
    }

    /// What is kept for a flow, expired or not, to be changed; the hint is of [`View::find_rest`].
    #[inline]
    pub fn entry(&self, flow: FlowHash, hint: Hint) -> Option<Entry<'a, V>> {
        self.0.entry(flow, hint.0).map(Entry)
    }
}

/// A bounded table from flows to `V`, for many threads. See the module's page.
pub struct SharedTable<V: Packed> {
    memory: Memory,
    hasher: FlowHasher,
    values: PhantomData<fn() -> V>,
}

impl<V: Packed> SharedTable<V> {
    /// How much memory a table for `flows` flows takes: 32 bytes for each, and a head.
    pub fn bytes_for(flows: usize) -> usize {
        let sets = flows.saturating_mul(2).div_ceil(SLOTS).clamp(1, 1 << 32);
        sets.saturating_add(HEAD_LINES)
            .saturating_mul(size_of::<Line>())
    }

    /// An empty table in `memory`, as large as that allows: at least [`SharedTable::bytes_for`] one flow.
    ///
    /// # Panics
    ///
    /// If the memory has no room for a set, or is not fresh.
    pub fn new(memory: Memory, key: HashKey) -> Self {
        assert!(memory.len() > HEAD_LINES, "no room for a set");
        let words = memory[..HEAD_LINES].iter().flat_map(|line| &line.0);
        assert!(
            words.into_iter().all(|word| Word::load(word) == 0),
            "memory in use"
        );
        let head = &memory[0].0;
        let sets = (memory.len() - HEAD_LINES) as u64;
        Word::store(&head[1], LAYOUT_VERSION | (SLOTS as u64) << 32);
        Word::store(&head[2], sets);
        Word::store(&head[0], MAGIC);
        SharedTable {
            memory,
            hasher: FlowHasher::new(&key),
            values: PhantomData,
        }
    }

    /// The hash by which this table knows `flow`. Good for this table only (its key).
    pub fn hash(&self, flow: &Flow) -> FlowHash {
        self.hasher.hash(flow)
    }

    /// The hash function by which this table knows flows.
    pub fn hasher(&self) -> &FlowHasher {
        &self.hasher
    }

    /// What is kept for a flow.
    pub fn get(&self, flow: FlowHash, now: Instant) -> Option<V> {
        let entry = self.view().entry(flow, Hint::default());
        let value = entry.map(|entry| entry.value());
        value.filter(|value| !value.expired(now))
    }

    /// What is read of the table for many packets: its place in memory is looked up once.
    #[inline]
    pub fn view(&self) -> View<'_, V> {
        View(self.parts())
    }

    /// [`SharedTable::get`] for many flows: `out[i]` is what is kept for `flows[i]`. All lines are asked for before the
    /// first one is needed.
    pub fn get_batch(&self, flows: &[FlowHash], now: Instant, out: &mut [Option<V>]) {
        let sets = self.parts();
        flows.iter().for_each(|&flow| prefetch(sets.first(flow)));
        for &flow in flows {
            if sets.slot_at_first(flow) == Place::NONE {
                prefetch(sets.second(flow));
            }
        }
        for (&flow, out) in flows.iter().zip(out) {
            *out = self.get(flow, now);
        }
    }

    /// Changes what is kept for a flow and returns the new value; `None` if there is nothing, or others are always faster.
    /// Where `change` changes nothing, nothing is written: a line that many cores read stays with all of them.
    pub fn update(&self, flow: FlowHash, now: Instant, change: impl Fn(V) -> V) -> Option<V> {
        self.parts().update(flow, now, change)
    }

    /// Keeps `value` for a flow, in place of what was kept for it.
    ///
    /// Where both homes are full of live entries the one with the lowest rank goes, even if `value`
    /// ranks lower still. `None` if others wrote to the same slots at the same time, again and again: then nothing is kept.
    pub fn insert(&self, flow: FlowHash, value: V, now: Instant) -> Option<Inserted<V>> {
        self.parts().insert(flow, value, now)
    }

    /// The same for a flow of which nothing was kept a moment ago ([`View::is_absent`]): that is not looked for again.
    pub fn insert_absent(&self, flow: FlowHash, value: V, now: Instant) -> Option<Inserted<V>> {
        self.parts().insert_absent(flow, value, now)
    }

    /// Takes a flow's entry out, expired or not.
    pub fn remove(&self, flow: FlowHash) -> Option<V> {
        self.parts().remove(flow)
    }

    /// Takes out the expired entries of the next `sets` sets, and says how many those were. Going on
    /// where the last call ended, it comes round the whole table; threads that sweep share the work.
    pub fn sweep(&self, sets: usize, now: Instant) -> usize {
        self.sweep_out(sets, |value| value.expired(now))
    }

    /// The same with the entries that `drop` picks.
    pub fn sweep_out(&self, sets: usize, mut drop: impl FnMut(&V) -> bool) -> usize {
        if self.is_empty() {
            return 0;
        }
        let all = self.sets();
        let count = sets.min(all);
        let from = (self.memory[1].0[1].add(count as u64) % all as u64) as usize;
        let parts = self.parts();
        let next = (from..all).chain(0..from).take(count);
        next.map(|set| parts.drop_from(set, &mut drop)).sum()
    }

    /// Every entry, also those that have expired and not been swept.
    pub fn iter(&self) -> impl Iterator<Item = V> + '_ {
        let parts = self.parts();
        (0..self.sets()).flat_map(move |set| parts.values(set))
    }

    /// How many entries there are, also counting those that have expired and not been swept.
    pub fn len(&self) -> usize {
        Word::load(&self.memory[1].0[0]) as usize
    }

    /// Is there no entry?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many slots there are: [`SharedTable::len`] never exceeds it.
    pub fn capacity(&self) -> usize {
        self.sets() * SLOTS
    }

    /// How many sets there are, for [`SharedTable::sweep`].
    pub fn sets(&self) -> usize {
        self.memory.len() - HEAD_LINES
    }

    /// How much memory the table has taken, now and for good.
    pub fn memory_bytes(&self) -> usize {
        size_of_val(&*self.memory)
    }

    /// On which pages it lies.
    pub fn pages(&self) -> Pages {
        self.memory.pages()
    }

    /// The table's memory, as the module's page describes it.
    pub fn lines(&self) -> &[Line] {
        &self.memory
    }

    #[inline]
    fn parts(&self) -> Sets<'_, AtomicU64, V> {
        Sets::new(&self.memory[HEAD_LINES..], &self.memory[1].0[0])
    }
}
