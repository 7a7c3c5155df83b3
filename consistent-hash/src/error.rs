//! Everything that can be wrong with a recipe, a list of members or a history.

use crate::recipe::{MAX_BUCKETS, MAX_CHOICES};

/// What is wrong, and what was expected instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The number of buckets is neither a prime nor a power of two, or is out of range.
    #[error("buckets = {buckets}: expected a prime or a power of two from 1 to {MAX_BUCKETS}, for example {example}")]
    Buckets {
        /// What was asked for.
        buckets: u32,
        /// A number near it that will do.
        example: u32,
    },
    /// The number of candidates per bucket is out of range.
    #[error("choices = {0}: expected 1 to {MAX_CHOICES}")]
    Choices(usize),
    /// A member's index has no identity.
    #[error(
        "member {server}: there are identities for servers 0 to {identities} (exclusive) only"
    )]
    UnknownServer {
        /// The index without identity.
        server: u16,
        /// How many identities there are.
        identities: usize,
    },
    /// One server is listed twice.
    #[error("server {0:?} is listed twice; expected one entry with the weight that is meant")]
    DuplicateServer(String),
    /// Two servers have one identity, so that they would have one permutation.
    #[error("servers {first} and {second} are both called {identity:?}; expected a name of its own for each")]
    DuplicateIdentity {
        /// The identity, as text.
        identity: String,
        /// One of the two.
        first: u16,
        /// The other.
        second: u16,
    },
    /// An explicit list is no permutation of `0..buckets`.
    #[error(
        "server {server}: its list is no permutation of 0..{buckets}: expected each number once"
    )]
    NoPermutation {
        /// Whose list.
        server: u16,
        /// How long the lists are.
        buckets: usize,
    },
    /// No generation is active.
    #[error("no generation is active; expected exactly one")]
    NoActive,
    /// More than one generation has a state of which there may be one.
    #[error("generations {first} and {second} are both {state}; expected at most one")]
    TwoOf {
        /// The state, as the pool's file spells it.
        state: &'static str,
        /// Number of the older.
        first: u64,
        /// Number of the newer.
        second: u64,
    },
    /// Generation numbers do not rise.
    #[error(
        "generation {number} comes after generation {before}; expected strictly increasing numbers"
    )]
    NotIncreasing {
        /// The earlier one in the list.
        before: u64,
        /// The later one.
        number: u64,
    },
    /// A staged generation is older than the active one.
    #[error("generation {staged} is staged but older than generation {active}, which is active; expected it to be newer (give it a new number)")]
    StagedTooOld {
        /// Number of the staged one.
        staged: u64,
        /// Number of the active one.
        active: u64,
    },
    /// A kept generation is newer than the active one.
    #[error("generation {kept} is kept but newer than generation {active}, which is active; expected kept ones to be older (stage it, or remove it)")]
    KeptTooNew {
        /// Number of the kept one.
        kept: u64,
        /// Number of the active one.
        active: u64,
    },
    /// The recovery lists of one VIP have more entries than can be counted.
    #[error("the recovery lists have more than {} entries; expected fewer buckets, or fewer generations kept", u32::MAX)]
    RecoveryTooLong,
    /// Something is wrong with one generation's members.
    #[error("generation {number}: {source}")]
    InGeneration {
        /// Which one.
        number: u64,
        /// What is wrong with it.
        source: Box<Error>,
    },
}

/// An identity as a person would read it.
pub(crate) fn readable(identity: &[u8]) -> String {
    String::from_utf8_lossy(identity).into_owned()
}
