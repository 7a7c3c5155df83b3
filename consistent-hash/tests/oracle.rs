//! The builder against algorithm 3 as the paper prints it, and what must hold for any pool.

mod common;

use common::{algorithm_3, permutation, recipe, turn};
use consistent_hash::{Entrant, Table};
use proptest::prelude::*;

type Pool = Vec<(String, u32)>;

/// The rows of the table, by name. The servers are numbered as the pool lists them.
fn built(key: [u8; 16], buckets: u32, choices: usize, pool: &[(String, u32)]) -> Vec<Vec<String>> {
    let entrants: Vec<_> = (0u16..)
        .zip(pool)
        .map(|(server, (name, weight))| Entrant {
            server,
            identity: name.as_bytes(),
            weight: *weight,
        })
        .collect();
    let table = Table::build(&recipe(key, buckets, choices), &entrants).unwrap();
    let name = |server: &u16| pool[usize::from(*server)].0.clone();
    (0..buckets)
        .map(|bucket| table.candidates(bucket).iter().map(name).collect())
        .collect()
}

/// The same by the oracle.
fn expected(
    key: [u8; 16],
    buckets: u32,
    choices: usize,
    pool: &[(String, u32)],
) -> Vec<Vec<String>> {
    let mut pool: Vec<_> = pool.iter().filter(|(_, weight)| *weight > 0).collect();
    pool.sort_by_key(|(name, _)| (turn(key, name.as_bytes()), name.clone()));
    let heaviest = pool
        .iter()
        .map(|(_, weight)| u64::from(*weight))
        .max()
        .unwrap_or(1);
    let permutations: Vec<_> = pool
        .iter()
        .map(|(name, _)| permutation(key, buckets, name.as_bytes()))
        .collect();
    // The k-th turn of weight w falls into round floor(k * heaviest / w).
    let turns = |i: usize, round: u64| {
        // so many of them fall into the rounds before this one
        let before = |round: u64| (round * u64::from(pool[i].1)).div_ceil(heaviest);
        before(round + 1) - before(round)
    };
    algorithm_3(choices, buckets as usize, &permutations, turns)
        .iter()
        .map(|row| {
            row.iter()
                .filter(|i| **i >= 0)
                .map(|i| pool[*i as usize].0.clone())
                .collect()
        })
        .collect()
}

fn buckets() -> impl Strategy<Value = u32> {
    prop::sample::select(vec![1u32, 2, 3, 4, 5, 7, 8, 16, 31, 64, 97, 128])
}

fn pool(weights: std::ops::Range<u32>) -> impl Strategy<Value = Pool> {
    prop::collection::btree_map("[a-z]{1,3}", weights, 0..20)
        .prop_map(|pool| pool.into_iter().collect())
}

fn listed_twice() -> impl Strategy<Value = (Pool, Pool)> {
    pool(0..9).prop_flat_map(|pool| (Just(pool.clone()), Just(pool).prop_shuffle()))
}

/// Large enough for each way of finding the next open bucket to be taken for a while, and for weights so unlike that turns are queued for.
fn large() -> impl Strategy<Value = (u32, Pool)> {
    let alike = prop::collection::btree_map("[a-z]{2,4}", 1u32..5, 1..100);
    let unlike = prop_oneof![9 => Just(1u32), 1 => 20u32..40];
    let unlike = prop::collection::btree_map("[a-z]{2,4}", unlike, 1..100);
    let pools = prop_oneof![alike, unlike];
    let buckets = prop::sample::select(vec![251u32, 256, 509, 1_021, 1_024]);
    (buckets, pools.prop_map(|pool| pool.into_iter().collect()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn large_tables_are_algorithm_3(key: [u8; 16], c in 1usize..=4, (m, pool) in large()) {
        prop_assert_eq!(built(key, m, c, &pool), expected(key, m, c, &pool));
    }

    #[test]
    fn large_tables_of_equal_weights_are_algorithm_3(key: [u8; 16], c in 1usize..=4, (m, pool) in large()) {
        let pool: Vec<_> = pool.into_iter().map(|(name, _)| (name, 1)).collect();
        prop_assert_eq!(built(key, m, c, &pool), expected(key, m, c, &pool));
    }
}

proptest! {
    #[test]
    fn equal_weights_are_algorithm_3(key: [u8; 16], m in buckets(), c in 1usize..=8, pool in pool(1..2)) {
        prop_assert_eq!(built(key, m, c, &pool), expected(key, m, c, &pool));
    }

    #[test]
    fn weights_are_algorithm_3_with_more_turns(key: [u8; 16], m in buckets(), c in 1usize..=8, pool in pool(0..9)) {
        prop_assert_eq!(built(key, m, c, &pool), expected(key, m, c, &pool));
    }

    #[test]
    fn only_the_ratio_of_weights_counts(key: [u8; 16], m in buckets(), c in 1usize..=8, pool in pool(0..9), factor in 1u32..400_000_000) {
        let scaled: Vec<_> = pool.iter().map(|(name, weight)| (name.clone(), weight * factor)).collect();
        prop_assert_eq!(built(key, m, c, &pool), built(key, m, c, &scaled));
    }

    #[test]
    fn the_list_s_order_does_not_count(key: [u8; 16], m in buckets(), c in 1usize..=8, (one, other) in listed_twice()) {
        prop_assert_eq!(built(key, m, c, &one), built(key, m, c, &other));
    }

    #[test]
    fn every_bucket_has_as_many_different_candidates_as_it_can(key: [u8; 16], m in buckets(), c in 1usize..=8, pool in pool(0..9)) {
        let takes_part = pool.iter().filter(|(_, weight)| *weight > 0).count();
        for row in built(key, m, c, &pool) {
            prop_assert_eq!(row.len(), c.min(takes_part));
            let different: std::collections::HashSet<_> = row.iter().collect();
            prop_assert_eq!(different.len(), row.len());
        }
    }
}

/// Sizes that are in use, and one that is walked with checks of bounds.
#[test]
fn tables_of_real_sizes_are_algorithm_3() {
    let pool: Vec<_> = (0..60).map(|n| (format!("server-{n}"), 1)).collect();
    for (buckets, choices) in [(65_536, 1), (65_537, 2), (131_101, 2)] {
        let key = [buckets as u8; 16];
        let (built, expected) = (
            built(key, buckets, choices, &pool),
            expected(key, buckets, choices, &pool),
        );
        // Not `assert_eq`, which would print all of both.
        assert!(built == expected, "{buckets} buckets, {choices} choices");
    }
}
