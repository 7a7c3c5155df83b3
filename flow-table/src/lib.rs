//! One bounded flow table, in two forms: [`FlowTable`] for one thread and values of any size, which is what this page is
//! about, and [`SharedTable`] for many threads and values of 64 bits ([`shared`]). It finds what an engine keeps for a flow and knows nothing
//! of what that means.
//!
//! # How it works
//!
//! The table is an array of *sets* of a few slots each. A flow's keyed hash
//! ([`FlowTable::hash`]) names two *homes*, that is sets, and a tag of 64 bits; an entry lives in
//! one slot of either home, and only there. So a look-up reads at most two sets, an insertion
//! too, and nobody who picks addresses and ports can make either take longer.
//!
//! A new entry goes to the home with fewer live entries. When both are full of live
//! entries the one with the lowest [`Value::keep_rank`] goes ([`Inserted::Evicted`]). Two homes are
//! what makes small sets bearable: in sets of three, with as many flows as [`FlowTable::new`] was
//! asked to hold (half of the slots), one flow in 1,600 is displaced; with one home it would be one in 17.
//!
//! All memory is taken, and touched, in [`FlowTable::new`]. Nothing here allocates later, draws
//! random numbers or reads a clock.
//!
//! # Expiry
//!
//! An entry that [`Value::expired`] calls expired is as none for [`FlowTable::get`] and
//! [`FlowTable::get_mut`], and its slot is free for the next insertion. [`FlowTable::sweep`] takes
//! expired entries out, a bounded number of sets at a time.
//!
//! # False hits
//!
//! The key itself is not stored: two flows that share a home and the tag are taken for one. A
//! look-up compares its tag with at most `2 * SLOTS` others, so an unknown flow is taken
//! for a known one with probability `2 * SLOTS / 2^64`: for sets of three 3.3e-19. At ten million
//! look-ups of unknown flows a second that is one in about 10,000 years. The tag is keyed
//! (a CBC-MAC under AES-128 with a key per process, see [`FlowHasher`]), and a false hit is not visible from outside until it
//! happens: it can't be searched for offline.
//!
//! # Memory layout
//!
//! So that an in-kernel program can read it. Sets lie behind each other without gaps, each
//! aligned to 64 bytes; `size of a set = SLOTS * size of a slot`, rounded up to 64. A slot is
//! the tag and the value; its alignment is the greater of 4 and the value's. With the LB's
//! value of 12 bytes (alignment 4) and three slots:
//!
//! | bytes | what |
//! | --- | --- |
//! | 0..4 | slot 0: lower half of the tag, native byte order |
//! | 4..8 | slot 0: upper half of the tag; both halves 0: the slot is empty |
//! | 8..20 | slot 0: the value |
//! | 20..40 | slot 1: the same |
//! | 40..60 | slot 2: the same |
//! | 60..64 | unused |
//!
//! A value of 64 bytes with alignment 8 makes slots of 72 bytes, and three of them a set of 256.
//! With alignment above 4 the value begins at the next multiple of its alignment behind the tag.
//! A hash of zero for the tag counts as one. With `i` = the index of [`FlowHasher`]'s hash and `n` sets, the first home is set
//! `a = (i >> 32) * n >> 32`. With `m` = the smaller of 512 and `n`, and `b` = the smaller of `a & !511` and `n - m`, the second is
//! set `b + ((i & 0xffff_ffff) * m >> 32)`: near the first one, because where memory lies takes a processor long to find out, too.
#![deny(unsafe_op_in_unsafe_fn)]
#![deny(missing_docs)]

mod fragments;
mod hash;
mod knocks;
mod set;
pub mod shared;
mod table;

pub use fragments::{Fragments, NoFlow};
pub use hash::{FlowHash, FlowHasher, HashKey, Together, Unhashed, VipState, TOGETHER};
pub use knocks::Knocks;
pub use shared::{Entry, Hint, Hints, Memory, Packed, Pages, SharedTable, View};
pub use table::{FlowTable, Inserted};

use packet_io::Instant;

/// What a table keeps for a flow. The table asks only the two things below.
pub trait Value: Copy + Default {
    /// Is the entry as good as gone? Once true for some `now` it should stay true for every later one.
    fn expired(&self, now: Instant) -> bool;
    /// Who goes first when there is no room: the lowest.
    fn keep_rank(&self, now: Instant) -> u64;
}
