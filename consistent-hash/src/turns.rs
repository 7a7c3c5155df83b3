//! Who takes the next turn in algorithm 3.
//!
//! Equal weights: round after round, each once, as in the paper. Unequal: a round is the turn of the heaviest, and the k-th
//! turn of a server of weight w (k from 0) falls into round `floor(k * heaviest / w)`. So everybody has a
//! turn in the first round (no positive weight goes without a bucket while there are slots), turns come in
//! proportion to the weights, and equal weights are the special case. Servers whose permutation is exhausted drop out; the
//! others go on in proportion.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::slots::Slots;
use crate::walk::Walk;

/// A server that takes part: its number, its weight (not zero) and its permutation.
pub(crate) struct Player<W> {
    pub(crate) server: u16,
    pub(crate) weight: u32,
    pub(crate) walk: W,
}

/// Fills the slots. `players` are in the order in which they take their turns within a round.
///
/// It ends: each turn takes a slot or drops a player, and a bucket that every player has visited is full.
pub(crate) fn fill<W: Walk>(slots: &mut Slots, players: Vec<Player<W>>) {
    let heaviest = players.iter().map(|p| p.weight).max().unwrap_or(0);
    let all: u64 = players.iter().map(|p| u64::from(p.weight)).sum();
    if players.iter().all(|p| p.weight == heaviest) {
        fill_evenly(slots, players);
    } else if u64::from(heaviest) * players.len() as u64 <= LOOKS_A_TURN * all {
        fill_by_looking(slots, players, heaviest);
    } else {
        fill_by_queue(slots, players, heaviest);
    }
}

/// How many players may be looked at for each that has a turn, before a queue is the better way to know whose turn it is.
const LOOKS_A_TURN: u64 = 8;

fn fill_evenly<W: Walk>(slots: &mut Slots, mut players: Vec<Player<W>>) {
    while slots.free() >= players.len() && !players.is_empty() {
        players.retain_mut(|p| slots.turn(p.server, &mut p.walk));
    }
    while !slots.done() && !players.is_empty() {
        players.retain_mut(|p| slots.done() || slots.turn(p.server, &mut p.walk));
    }
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

    fn go_on(&mut self) {
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
fn fill_by_looking<W: Walk>(slots: &mut Slots, players: Vec<Player<W>>, heaviest: u32) {
    let with_rounds = |p: Player<W>| (Rounds::new(heaviest, p.weight), p);
    let mut players: Vec<_> = players.into_iter().map(with_rounds).collect();
    let mut round = 0;
    while !slots.done() && !players.is_empty() {
        let mut soonest = u64::MAX;
        players.retain_mut(|(rounds, player)| {
            if rounds.next == round && !slots.done() {
                if !slots.turn(player.server, &mut player.walk) {
                    return false;
                }
                rounds.go_on();
            }
            soonest = soonest.min(rounds.next);
            true
        });
        round = soonest;
    }
}

/// Takes whose turn it is from a queue: for weights so unlike that few have a turn in most rounds.
fn fill_by_queue<W: Walk>(slots: &mut Slots, mut players: Vec<Player<W>>, heaviest: u32) {
    // (round of the next turn, place in the round); the smallest is next.
    let mut due: BinaryHeap<_> = (0..players.len())
        .map(|place| Reverse((0u64, place)))
        .collect();
    let mut rounds: Vec<_> = players
        .iter()
        .map(|p| Rounds::new(heaviest, p.weight))
        .collect();
    while !slots.done() {
        let Some(mut next) = due.peek_mut() else {
            return;
        };
        let Reverse((round, place)) = &mut *next;
        let player = &mut players[*place];
        if slots.turn(player.server, &mut player.walk) {
            rounds[*place].go_on();
            *round = rounds[*place].next;
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
                rounds.go_on();
            }
        }
    }
}
