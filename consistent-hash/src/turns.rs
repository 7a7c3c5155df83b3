//! Who takes the next turn in algorithm 3.
//!
//! Equal weights: round after round, each once, as in the paper. Unequal: a round is the turn of the heaviest, and the k-th
//! turn of a server of weight w (k from 0) falls into round `floor(k * heaviest / w)`. So everybody has a
//! turn in the first round (no positive weight goes without a bucket while there are slots), turns come in
//! proportion to the weights, and equal weights are the special case. Servers whose permutation is exhausted drop out; the
//! others go on in proportion.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::slots::{Open, Pace, Slots};
use crate::walk::{Walk, FAR};

/// A server that takes part: its number and its permutation.
pub(crate) struct Player<W> {
    walk: W,
    server: u16,
    /// No bucket of its permutation is left.
    is_through: bool,
}

impl<W> Player<W> {
    pub(crate) fn new(server: u16, walk: W) -> Self {
        Player {
            walk,
            server,
            is_through: false,
        }
    }
}

/// Fills the slots. `players` are in the order in which they take their turns within a round; `weights` are theirs, none of them zero.
///
/// It ends: each turn takes a slot or drops a player, and a bucket that every player has visited is full.
pub(crate) fn fill<W: Walk>(slots: &mut Slots, weights: &[u32], players: Vec<Player<W>>) {
    let heaviest = weights.iter().copied().max().unwrap_or(0);
    let all: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    if weights.iter().all(|weight| *weight == heaviest) {
        fill_evenly(slots, players);
        return;
    }
    let rounds = weights.iter().map(|weight| Rounds::new(heaviest, *weight));
    if u64::from(heaviest) * players.len() as u64 <= LOOKS_A_TURN * all {
        fill_by_looking(slots, players, rounds.collect());
    } else {
        fill_by_queue(slots, players, rounds.collect());
    }
}

/// How many players may be looked at for each that has a turn, before a queue is the better way to know whose turn it is.
const LOOKS_A_TURN: u64 = 8;

fn fill_evenly<W: Walk>(slots: &mut Slots, mut players: Vec<Player<W>>) {
    while !slots.done() && !players.is_empty() {
        let mut all = true;
        for due in players.chunks_mut(AHEAD) {
            all &= take_turns(slots, due);
        }
        if !all {
            players.retain(|player| !player.is_through);
        }
    }
}

/// Players that have a turn, in this order.
trait Due<W> {
    fn count(&self) -> usize;

    fn player(&mut self, place: usize) -> &mut Player<W>;

    fn each(&mut self, turn: impl FnMut(&mut Player<W>));
}

/// All of them.
impl<W> Due<W> for &mut [Player<W>] {
    #[inline(always)]
    fn count(&self) -> usize {
        self.len()
    }
    #[inline(always)]
    fn player(&mut self, place: usize) -> &mut Player<W> {
        &mut self[place]
    }
    #[inline(always)]
    fn each(&mut self, turn: impl FnMut(&mut Player<W>)) {
        self.iter_mut().for_each(turn);
    }
}

/// Those in these places.
impl<W> Due<W> for (&mut [Player<W>], &[u32]) {
    #[inline(always)]
    fn count(&self) -> usize {
        self.1.len()
    }
    #[inline(always)]
    fn player(&mut self, place: usize) -> &mut Player<W> {
        &mut self.0[self.1[place] as usize]
    }
    #[inline(always)]
    fn each(&mut self, mut turn: impl FnMut(&mut Player<W>)) {
        let (players, places) = self;
        places
            .iter()
            .for_each(|place| turn(&mut players[*place as usize]));
    }
}

/// How many look for their bucket before the first of them takes it.
const AHEAD: usize = 64;

/// At most [`AHEAD`] players take one turn of algorithm 3 each, while there are slots: a player goes along its permutation to the first bucket
/// that is not full, and takes the next place there. False if a permutation is exhausted.
fn take_turns<W: Walk>(slots: &mut Slots, due: impl Due<W>) -> bool {
    match slots.pace() {
        Pace::One => walk::<1, W>(slots, due),
        Pace::Two => walk::<2, W>(slots, due),
        Pace::Four => walk::<4, W>(slots, due),
        Pace::Eight => walk::<8, W>(slots, due),
        Pace::Sixteen => walk::<FAR, W>(slots, due),
        Pace::Leap => leap(slots, due),
    }
}

/// All look for their bucket first: as nothing is written meanwhile, a processor can do that for several of them at the same time. Few lose what
/// they have found to one before them; they look again.
#[inline(never)]
fn walk<const STEPS: usize, W: Walk>(slots: &mut Slots, mut due: impl Due<W>) -> bool {
    match STEPS {
        1 => {}
        FAR => look_in_turn(slots.open(), &mut due),
        _ => due.each(|player| _ = player.walk.approach::<STEPS>(slots.open())),
    }
    let mut all = true;
    let mut hand = slots.hand();
    due.each(|player| {
        let found = match player.walk.stay(hand.open()) {
            None => look_again::<STEPS, W>(&mut player.walk, hand.open()),
            found => found,
        };
        if let Some(bucket) = found {
            hand.take(bucket, player.server);
            player.walk.pass(hand.open());
        } else {
            player.is_through = true;
            all = false;
        }
    });
    let filled = hand.filled();
    slots.settle(filled);
    all
}

/// Everybody takes one look after the other, in turn, until nobody is left who has not found a bucket. To let each look until it finds one would be
/// a branch for each: after how many looks nobody can guess, and all that a processor has begun to do for the next ones would be in vain.
#[inline(always)]
fn look_in_turn<W: Walk>(open: Open<'_>, due: &mut impl Due<W>) {
    const { assert!(AHEAD.is_power_of_two() && AHEAD <= 1 << u8::BITS) };
    let mut looking: [u8; AHEAD] = std::array::from_fn(|place| place as u8);
    let mut count = due.count();
    while count > 0 {
        let mut look_on = 0;
        for at in 0..count {
            let place = looking[at % AHEAD];
            let found = due.player(usize::from(place)).walk.look(open);
            // Without a branch: who looks on is written down for good, who has found a bucket is written over.
            looking[look_on % AHEAD] = place;
            look_on += usize::from(!found);
        }
        count = look_on;
    }
}

#[cold]
#[inline(never)]
fn look_again<const STEPS: usize, W: Walk>(walk: &mut W, open: Open<'_>) -> Option<u32> {
    walk.approach::<STEPS>(open)
}

fn leap<W: Walk>(slots: &mut Slots, mut due: impl Due<W>) -> bool {
    let mut all = true;
    due.each(|player| {
        // Most of the last round: whoever has its turn after the last place is taken would compute an inverse for nothing.
        if slots.done() {
            return;
        }
        if let Some(bucket) = player.walk.approach::<0>(slots.open()) {
            slots.take_of_few(bucket, player.server);
            player.walk.pass(slots.open());
        } else {
            player.is_through = true;
            all = false;
        }
    });
    all
}

/// In which rounds a player has its turns: `floor(k * heaviest / weight)` for k from 0, without a division each time.
struct Rounds {
    next: u64,
    /// What `next` is below the fraction, in parts of the weight.
    part: u32,
    whole: u64,
    rest: u32,
    weight: u32,
}

impl Rounds {
    fn new(heaviest: u32, weight: u32) -> Self {
        Rounds {
            next: 0,
            part: 0,
            whole: u64::from(heaviest / weight),
            rest: heaviest % weight,
            weight,
        }
    }

    /// To the next turn, if the one in hand is in this round.
    fn go_on_after(&mut self, round: u64) {
        if self.next != round {
            return;
        }
        self.next += self.whole;
        // Without overflow: part + rest may be more than 32 bits hold.
        if self.part >= self.weight - self.rest {
            self.part -= self.weight - self.rest;
            self.next += 1;
        } else {
            self.part += self.rest;
        }
    }
}

/// Looks at everybody in each round in which somebody has a turn.
fn fill_by_looking<W: Walk>(
    slots: &mut Slots,
    mut players: Vec<Player<W>>,
    mut rounds: Vec<Rounds>,
) {
    let mut due = vec![0; players.len()];
    let mut round = 0;
    while !slots.done() && !players.is_empty() {
        let (mut count, mut soonest) = (0, u64::MAX);
        for (place, rounds) in (0u32..).zip(&mut rounds) {
            // Without a branch: who has a turn is written down for good, who has none is written over.
            due[count] = place;
            count += usize::from(rounds.next == round);
            rounds.go_on_after(round);
            soonest = soonest.min(rounds.next);
        }
        let mut all = true;
        for due in due[..count].chunks(AHEAD) {
            all &= take_turns(slots, (&mut players[..], due));
        }
        if !all {
            let mut stays = players.iter().map(|player| !player.is_through);
            rounds.retain(|_| stays.next() == Some(true));
            players.retain(|player| !player.is_through);
        }
        round = soonest;
    }
}

/// Takes whose turn it is from a queue: for weights so unlike that few have a turn in most rounds.
fn fill_by_queue<W: Walk>(slots: &mut Slots, mut players: Vec<Player<W>>, mut rounds: Vec<Rounds>) {
    // (round of the next turn, place in the round); the smallest is next.
    let mut due: BinaryHeap<_> = (0..players.len() as u32)
        .map(|place| Reverse((0u64, place)))
        .collect();
    while !slots.done() {
        let Some(mut next) = due.peek_mut() else {
            return;
        };
        let Reverse((round, place)) = &mut *next;
        if take_turns(slots, (&mut players[..], &[*place][..])) {
            let rounds = &mut rounds[*place as usize];
            rounds.go_on_after(*round);
            *round = rounds.next;
        } else {
            std::collections::binary_heap::PeekMut::pop(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_those_of_the_formula() {
        for (heaviest, weight) in [
            (1, 1),
            (7, 3),
            (100, 1),
            (u32::MAX, u32::MAX - 1),
            (u32::MAX, 2),
        ] {
            let mut rounds = Rounds::new(heaviest, weight);
            for k in 0..1_000u64 {
                let expected = k * u64::from(heaviest) / u64::from(weight);
                assert_eq!(rounds.next, expected, "turn {k} of {weight} in {heaviest}");
                rounds.go_on_after(expected);
            }
        }
    }
}
