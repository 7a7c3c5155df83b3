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

/// A server that takes part: its number, its weight (not zero) and its permutation.
pub(crate) struct Player<W> {
    pub(crate) server: u16,
    pub(crate) weight: u32,
    pub(crate) walk: W,
}

/// Fills the slots. `players` are in the order in which they take their turns within a round.
///
/// It ends: each turn takes a slot or drops a player, and a bucket that every player has visited is full.
pub(crate) fn fill<W: Iterator<Item = u32>>(slots: &mut Slots, players: Vec<Player<W>>) {
    let heaviest = players.iter().map(|p| p.weight).max().unwrap_or(0);
    if players.iter().all(|p| p.weight == heaviest) {
        fill_evenly(slots, players);
    } else {
        fill_by_weight(slots, players, heaviest);
    }
}

fn fill_evenly<W: Iterator<Item = u32>>(slots: &mut Slots, mut players: Vec<Player<W>>) {
    while !slots.done() && !players.is_empty() {
        players.retain_mut(|p| slots.done() || slots.turn(p.server, &mut p.walk));
    }
}

fn fill_by_weight<W: Iterator<Item = u32>>(
    slots: &mut Slots,
    mut players: Vec<Player<W>>,
    heaviest: u32,
) {
    // (round of the next turn, place in the round); the smallest is next.
    let mut due: BinaryHeap<_> = (0..players.len())
        .map(|place| Reverse((0u64, place)))
        .collect();
    let mut turns_taken = vec![0u64; players.len()];
    while !slots.done() {
        let Some(mut next) = due.peek_mut() else {
            return;
        };
        let Reverse((round, place)) = &mut *next;
        let player = &mut players[*place];
        if slots.turn(player.server, &mut player.walk) {
            turns_taken[*place] += 1;
            *round = turns_taken[*place] * u64::from(heaviest) / u64::from(player.weight);
        } else {
            std::collections::binary_heap::PeekMut::pop(next);
        }
    }
}
