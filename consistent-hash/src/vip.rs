//! What a load balancer asks about one VIP.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::readable;
use crate::generation::{active_of, Generation, State};
use crate::key::{bucket_of, bucket_of_words, ClusterKey};
use crate::known::Known;
use crate::recipe::Recipe;
use crate::recovery::{Layer, RecoveryLists};
use crate::table::{Entrant, Table};
use crate::Error;

/// The tables of one VIP, made from the history of its pool: the same on every load balancer that has the same history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VipTables {
    key: ClusterKey,
    hunting: Arc<Table>,
    recovery: RecoveryLists,
    complete: bool,
    /// Whether each server is a member, by its number.
    members: Vec<bool>,
}

impl VipTables {
    /// Builds the tables of one VIP.
    ///
    /// `identities` names the servers: a [`Member::server`](crate::Member) is an index into it. `history` lists the generations, oldest
    /// first. `complete` says whether it reaches back as far as any flow does; it is handed through.
    ///
    /// # Errors
    ///
    /// Where the history is no history (numbers, states), or a generation lists a server twice, one without identity,
    /// or two of one identity.
    pub fn build<I: AsRef<[u8]>>(
        recipe: &Recipe,
        identities: &[I],
        history: &[Generation],
        complete: bool,
    ) -> Result<Self, Error> {
        Self::build_with(&mut Known::new(), recipe, identities, history, complete)
    }

    /// The same; what `known` knows is not built again.
    ///
    /// # Errors
    ///
    /// As [`Self::build`].
    pub fn build_with<I: AsRef<[u8]>>(
        known: &mut Known,
        recipe: &Recipe,
        identities: &[I],
        history: &[Generation],
        complete: bool,
    ) -> Result<Self, Error> {
        let active = active_of(history)?;
        check_identities_differ(identities)?;
        let mut stays = Stays::new(identities.len());
        let mut layers = Vec::new();
        let mut hunting = None;
        let mut newer: Option<Vec<Entrant<'_>>> = None;
        for generation in history.iter().rev() {
            let entrants = entrants(identities, generation).map_err(in_generation(generation))?;
            stays.go_back_to(generation);
            // Where a generation made the same table as the next newer one there is nothing to add: whoever counts in the older
            // counts in the newer.
            let repeats = newer.as_ref() == Some(&entrants);
            let needed = !repeats && entrants.iter().any(|e| stays.count(e.server));
            if needed || generation.number == active.number {
                let table = known.table(recipe, &entrants);
                let table = table.map_err(in_generation(generation))?;
                if generation.number == active.number {
                    hunting = Some(Arc::clone(&table));
                }
                let counts = stays.counts();
                layers.push(Layer { table, counts });
            }
            newer = Some(entrants);
        }
        Ok(VipTables {
            key: *recipe.key(),
            hunting: hunting.ok_or(Error::NoActive)?,
            recovery: RecoveryLists::of_layers(recipe.buckets(), &layers)?,
            complete,
            members: stays.members(),
        })
    }

    /// Whether tables could be built of such a history, without building them.
    ///
    /// # Errors
    ///
    /// As [`Self::build`], but for [`Error::RecoveryTooLong`].
    pub fn check<I: AsRef<[u8]>>(identities: &[I], history: &[Generation]) -> Result<(), Error> {
        active_of(history)?;
        check_identities_differ(identities)?;
        for generation in history.iter().rev() {
            entrants(identities, generation).map_err(in_generation(generation))?;
        }
        Ok(())
    }

    /// The bucket of a flow.
    #[must_use]
    pub fn bucket(&self, flow_key: &[u8]) -> u32 {
        bucket_of(&self.key, flow_key, self.hunting.buckets())
    }

    /// [`Self::bucket`] of a key of `BYTES` bytes in little-endian words, zeros behind it.
    ///
    /// # Panics
    ///
    /// If there is no bucket.
    #[must_use]
    #[inline(always)]
    pub fn bucket_of_words<const BYTES: usize, const WORDS: usize>(
        &self,
        words: [u64; WORDS],
    ) -> u32 {
        bucket_of_words::<BYTES, WORDS>(&self.key, words, self.hunting.buckets())
    }

    /// To whom a new flow of this bucket is offered, in this order. Empty if all members drain or have weight 0.
    ///
    /// # Panics
    ///
    /// If there is no such bucket.
    #[must_use]
    #[inline(always)]
    pub fn candidates(&self, bucket: u32) -> &[u16] {
        self.hunting.candidates(bucket)
    }

    /// Who may own an old flow of this bucket: every member that a staged, active or kept generation put into it
    /// since the member last joined, newest generation first, in hunting order within one, nobody twice.
    ///
    /// # Panics
    ///
    /// If there is no such bucket.
    #[must_use]
    pub fn recovery(&self, bucket: u32) -> &[u16] {
        self.recovery.of(bucket)
    }

    /// What [`Self::recovery`] reads first: for who asks for memory ahead.
    ///
    /// # Panics
    ///
    /// If there is no such bucket.
    #[must_use]
    pub fn recovery_bounds(&self, bucket: u32) -> &[u32] {
        self.recovery.bounds(bucket)
    }

    /// Number of buckets.
    #[must_use]
    pub fn buckets(&self) -> u32 {
        self.hunting.buckets()
    }

    /// Whether the history reaches back far enough for a recovery list to have the last word.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.complete
    }

    /// Whether the server is in the staged or the active generation, draining ones and those of weight 0 included.
    #[must_use]
    #[inline]
    pub fn is_member(&self, server: u16) -> bool {
        self.members.get(usize::from(server)) == Some(&true)
    }
}

fn check_identities_differ<I: AsRef<[u8]>>(identities: &[I]) -> Result<(), Error> {
    let mut seen = HashMap::new();
    for (server, identity) in (0u16..).zip(identities) {
        if let Some(first) = seen.insert(identity.as_ref(), server) {
            return Err(Error::DuplicateIdentity {
                identity: readable(identity.as_ref()),
                first,
                second: server,
            });
        }
    }
    Ok(())
}

/// A generation's members as they enter algorithm 3, by number; also finds those listed twice or without identity.
fn entrants<'a, I: AsRef<[u8]>>(
    identities: &'a [I],
    generation: &Generation,
) -> Result<Vec<Entrant<'a>>, Error> {
    let mut entrants = Vec::with_capacity(generation.members.len());
    for member in &generation.members {
        let identity = identities
            .get(usize::from(member.server))
            .ok_or(Error::UnknownServer {
                server: member.server,
                identities: identities.len(),
            })?;
        entrants.push(Entrant {
            server: member.server,
            identity: identity.as_ref(),
            weight: member.hunted_weight(),
        });
    }
    entrants.sort_unstable_by_key(|e| e.server);
    match entrants
        .windows(2)
        .find(|pair| pair[0].server == pair[1].server)
    {
        None => Ok(entrants),
        Some(pair) => Err(Error::DuplicateServer(readable(pair[0].identity))),
    }
}

fn in_generation(generation: &Generation) -> impl Fn(Error) -> Error + '_ {
    |source| Error::InGeneration {
        number: generation.number,
        source: Box::new(source),
    }
}

/// For each server how long, looking back, it has been here without a break.
struct Stays(Vec<Stay>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stay {
    /// Not met in the staged or active generation: no member, whatever older ones say.
    Stranger,
    /// Here in every generation from the newest that has it down to the one in hand.
    Here,
    /// Joined after the generation in hand.
    Joined,
}

impl Stays {
    fn new(servers: usize) -> Self {
        Stays(vec![Stay::Stranger; servers])
    }

    /// Takes the next older generation into account. Its members have identities.
    fn go_back_to(&mut self, generation: &Generation) {
        let mut present = vec![false; self.0.len()];
        for member in &generation.members {
            present[usize::from(member.server)] = true;
        }
        for (stay, present) in self.0.iter_mut().zip(present) {
            *stay = match (*stay, present) {
                (Stay::Stranger, true) if generation.state != State::Kept => Stay::Here,
                (Stay::Here, false) => Stay::Joined,
                (unchanged, _) => unchanged,
            };
        }
    }

    /// Whether what the generation in hand says about this server still counts.
    fn count(&self, server: u16) -> bool {
        self.0[usize::from(server)] == Stay::Here
    }

    /// The same for all servers, by number.
    fn counts(&self) -> Vec<bool> {
        self.0.iter().map(|stay| *stay == Stay::Here).collect()
    }

    fn members(&self) -> Vec<bool> {
        self.0.iter().map(|stay| *stay != Stay::Stranger).collect()
    }
}
