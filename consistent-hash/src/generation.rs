//! Versions of the pool, and which of them can stand beside each other.

use crate::Error;

/// A server in one generation of one VIP's pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// The caller's number for the server, the same in all generations of a history.
    pub server: u16,
    /// Its share of the buckets, relative to the others; 0 gets none.
    pub weight: u32,
    /// It keeps its flows and gets no new ones.
    pub draining: bool,
}

impl Member {
    /// The weight with which it takes part in hunting.
    pub(crate) fn hunted_weight(&self) -> u32 {
        if self.draining {
            0
        } else {
            self.weight
        }
    }
}

/// What a generation is used for. Drafts are used for nothing and therefore not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Recovery and membership know it; hunting does not use it yet.
    Staged,
    /// Hunting uses it.
    Active,
    /// It was active; flows from its time may still live.
    Kept,
}

/// One version of the pool, as far as it concerns one VIP.
///
/// A change of weights or of draining moves flows just as a change of members does, so it needs a generation of its
/// own: whoever edits one in place makes recovery forget what it said before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Its number; later ones are larger.
    pub number: u64,
    /// What it is used for.
    pub state: State,
    /// Who belongs to it; may be empty (a VIP that is yet to come, or is going).
    pub members: Vec<Member>,
}

/// The one active generation of a history that is fit to be used.
///
/// Fit is: numbers rise, at most one staged, exactly one active; the staged one comes after it, the kept ones before it.
pub(crate) fn active_of(history: &[Generation]) -> Result<&Generation, Error> {
    check_numbers_rise(history)?;
    let active = only(history, State::Active, "active")?.ok_or(Error::NoActive)?;
    if let Some(staged) = only(history, State::Staged, "staged")? {
        if staged.number < active.number {
            return Err(Error::StagedTooOld {
                staged: staged.number,
                active: active.number,
            });
        }
    }
    let kept = history.iter().filter(|g| g.state == State::Kept);
    match kept
        .map(|g| g.number)
        .find(|&number| number > active.number)
    {
        None => Ok(active),
        Some(kept) => Err(Error::KeptTooNew {
            kept,
            active: active.number,
        }),
    }
}

fn check_numbers_rise(history: &[Generation]) -> Result<(), Error> {
    match history
        .windows(2)
        .find(|pair| pair[0].number >= pair[1].number)
    {
        None => Ok(()),
        Some(pair) => Err(Error::NotIncreasing {
            before: pair[0].number,
            number: pair[1].number,
        }),
    }
}

/// The generation that has this state, of which there may be one.
fn only<'a>(
    history: &'a [Generation],
    state: State,
    name: &'static str,
) -> Result<Option<&'a Generation>, Error> {
    let mut found = history.iter().filter(|g| g.state == state);
    let first = found.next();
    match (first, found.next()) {
        (Some(first), Some(second)) => Err(Error::TwoOf {
            state: name,
            first: first.number,
            second: second.number,
        }),
        _ => Ok(first),
    }
}
