//! Which servers a flow is offered to, and which may already own it.
//!
//! Pure functions of the pool and the flow: no packets, no clock, no I/O. Two load balancers that are given
//! the same pool come to the same answers, whatever order the pool is listed in and whatever numbers
//! they gave its servers.
//!
//! The algorithm is that of 6LB (Desmouceaux et al., ToN 2018), section III:
//!
//! - [`Table`] is the lookup table `t` of section III-A, filled by *algorithm 3*: the servers take turns, and
//!   each turn takes the next bucket of the server's own permutation that still wants candidates. With
//!   one choice this is Maglev's table. [`Table::from_permutations`] takes permutations as the paper's figure 6 prints them;
//!   [`Table::build`] draws them from the servers' identities, as arithmetic progressions modulo M (the paper's "multiples of
//!   the i-th generator").
//! - Section III-B's resiliency and fairness are what `tests/paper.rs` measures (figures 6 and 7).
//! - [`bucket_of`] is the hash of the flow that section III-A leaves open.
//!
//! What the paper does not have and `docs/protocol.md` adds: weights (see [`Entrant::weight`]), generations of a pool
//! ([`Generation`]) and recovery lists. [`VipTables`] holds the outcome for one VIP: the candidates of a
//! new flow, and the servers that may own an old one.
//!
//! ```
//! use consistent_hash::{ClusterKey, Generation, Member, Recipe, State, VipTables};
//!
//! let names = ["s1", "s2", "s3"];
//! let recipe = Recipe::new(ClusterKey::from([7; 16]), 251, 2)?;
//! let history = [Generation {
//!     number: 1,
//!     state: State::Active,
//!     members: (0..3).map(|server| Member { server, weight: 1, draining: false }).collect(),
//! }];
//! let tables = VipTables::build(&recipe, &names, &history, true)?;
//! let bucket = tables.bucket(b"protocol, addresses and ports");
//! assert_eq!(tables.candidates(bucket).len(), 2);
//! assert_eq!(tables.candidates(bucket), tables.recovery(bucket));
//! # Ok::<(), consistent_hash::Error>(())
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod error;
mod generation;
mod key;
mod known;
mod permutation;
mod recipe;
mod recovery;
mod slots;
mod table;
mod turns;
mod vip;
mod walk;

pub use error::Error;
pub use generation::{Generation, Member, State};
pub use key::{bucket_of, ClusterKey};
pub use known::Known;
pub use recipe::{Recipe, MAX_BUCKETS, MAX_CHOICES};
pub use table::{Entrant, Table};
pub use vip::VipTables;
