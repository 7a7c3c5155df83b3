//! The lookup table of one generation (the paper's `t`).

use crate::error::readable;
use crate::key::Purpose;
use crate::recipe::{check_choices, Recipe};
use crate::slots::Slots;
use crate::turns::{fill, Player};
use crate::walk::Walk;
use crate::Error;

/// A server that wants buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entrant<'a> {
    /// The caller's number for it; what the table gives back. It has no influence on who gets what.
    pub server: u16,
    /// Who it is: the same bytes on every load balancer.
    pub identity: &'a [u8],
    /// Its share of all slots in proportion to the other weights; 0 gets none. A server is at most once in a bucket, so the
    /// share of a very heavy one ends at one slot of every bucket.
    pub weight: u32,
}

/// For each bucket a list of candidates, all different, in hunting order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    buckets: usize,
    width: usize,
    entries: Vec<u16>,
}

impl Table {
    /// Algorithm 3 with permutations drawn from the entrants' identities. The order of `entrants` does not matter.
    ///
    /// A bucket has as many candidates as the recipe says, or all entrants of positive weight where they are fewer.
    ///
    /// # Errors
    ///
    /// [`Error::DuplicateServer`], [`Error::DuplicateIdentity`].
    pub fn build(recipe: &Recipe, entrants: &[Entrant<'_>]) -> Result<Self, Error> {
        let mut order = in_turn_order(recipe, entrants)?;
        order.retain(|e| e.weight > 0);
        let weights: Vec<u32> = order.iter().map(|e| e.weight).collect();
        let player = |e: Entrant<'_>| {
            let walk = recipe.permutation(e.identity).walk();
            Player::new(e.server, walk)
        };
        let players = order.into_iter().map(player).collect();
        let buckets = recipe.buckets() as usize;
        Ok(Self::filled(buckets, recipe.choices(), &weights, players))
    }

    /// Algorithm 3 with permutations written out: for each server its number and its order of the buckets `0..M`. They take
    /// their turns in the order given, all with the same weight. M is the length of the lists, and may be any number.
    ///
    /// # Errors
    ///
    /// [`Error::NoPermutation`] if a list is not what it should be, [`Error::DuplicateServer`], [`Error::Choices`].
    pub fn from_permutations(
        choices: usize,
        permutations: &[(u16, &[u32])],
    ) -> Result<Self, Error> {
        check_choices(choices)?;
        let buckets = permutations.first().map_or(0, |(_, list)| list.len());
        if let Some(place) = repeated(permutations.iter().map(|(server, _)| *server)) {
            return Err(Error::DuplicateServer(permutations[place].0.to_string()));
        }
        let mut players = Vec::with_capacity(permutations.len());
        for &(server, list) in permutations {
            if !is_permutation(list, buckets) {
                return Err(Error::NoPermutation { server, buckets });
            }
            players.push(Player::new(server, list));
        }
        let weights = vec![1; players.len()];
        Ok(Self::filled(buckets, choices, &weights, players))
    }

    fn filled<W: Walk>(
        buckets: usize,
        choices: usize,
        weights: &[u32],
        players: Vec<Player<W>>,
    ) -> Self {
        let width = choices.min(players.len());
        let mut slots = Slots::new(buckets, width);
        fill(&mut slots, weights, players);
        debug_assert!(slots.done());
        Table {
            buckets,
            width,
            entries: slots.into_entries(),
        }
    }

    /// Number of buckets.
    #[must_use]
    pub fn buckets(&self) -> u32 {
        u32::try_from(self.buckets).expect("bucket numbers are 32 bits wide")
    }

    /// The candidates of all buckets, one after the other.
    pub(crate) fn all(&self) -> &[u16] {
        &self.entries
    }

    /// How many each of them has.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// How many candidates all buckets have together.
    pub(crate) fn entries(&self) -> usize {
        self.entries.len()
    }

    /// The candidates of a bucket, in hunting order. Empty if nobody wants buckets.
    ///
    /// # Panics
    ///
    /// If there is no such bucket.
    #[must_use]
    #[inline(always)]
    pub fn candidates(&self, bucket: u32) -> &[u16] {
        let bucket = bucket as usize;
        assert!(bucket < self.buckets, "bucket {bucket} of {}", self.buckets);
        &self.entries[bucket * self.width..][..self.width]
    }
}

/// The entrants in an order that depends on who they are and on nothing else.
fn in_turn_order<'a>(recipe: &Recipe, entrants: &[Entrant<'a>]) -> Result<Vec<Entrant<'a>>, Error> {
    if let Some(place) = repeated(entrants.iter().map(|e| e.server)) {
        return Err(Error::DuplicateServer(readable(entrants[place].identity)));
    }
    let mut order = entrants.to_vec();
    order.sort_by_cached_key(|e| {
        (
            recipe.key().identity_hash(Purpose::Turn, e.identity),
            e.identity,
        )
    });
    match order
        .windows(2)
        .find(|pair| pair[0].identity == pair[1].identity)
    {
        None => Ok(order),
        Some(pair) => Err(Error::DuplicateIdentity {
            identity: readable(pair[0].identity),
            first: pair[0].server.min(pair[1].server),
            second: pair[0].server.max(pair[1].server),
        }),
    }
}

/// The place of the first server that was listed before.
fn repeated(servers: impl IntoIterator<Item = u16>) -> Option<usize> {
    // One bit a number, because sets that hash take longer than the rest of what is done for each server.
    let mut seen = vec![0u64; (usize::from(u16::MAX) + 1) / 64];
    servers.into_iter().position(|server| {
        let (word, bit) = (usize::from(server / 64), 1 << (server % 64));
        let before = seen[word];
        seen[word] |= bit;
        before & bit > 0
    })
}

fn is_permutation(list: &[u32], buckets: usize) -> bool {
    let mut seen = vec![false; buckets];
    let fresh = |&bucket: &u32| match seen.get_mut(bucket as usize) {
        Some(seen) => !std::mem::replace(seen, true),
        None => false,
    };
    list.len() == buckets && list.iter().all(fresh)
}
