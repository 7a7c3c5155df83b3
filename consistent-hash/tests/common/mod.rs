//! What the test files share: a generator of server names, and algorithm 3 written down as the paper prints it.

#![allow(dead_code)] // no test file uses all of it

use std::hash::Hasher;

use consistent_hash::{ClusterKey, Entrant, Recipe, Table};
use siphasher::sip::SipHasher13;

pub fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("server-{n}")).collect()
}

pub fn recipe(key: [u8; 16], buckets: u32, choices: usize) -> Recipe {
    Recipe::new(ClusterKey::from(key), buckets, choices).unwrap()
}

/// A key that differs from run to run of an experiment.
pub fn key_of_run(run: u8) -> [u8; 16] {
    std::array::from_fn(|n| run.wrapping_mul(31).wrapping_add(n as u8))
}

/// The table of the servers in `present`, all of weight 1, numbered by their place in `names`.
pub fn table(recipe: &Recipe, names: &[String], present: impl IntoIterator<Item = u16>) -> Table {
    let entrants: Vec<_> = present
        .into_iter()
        .map(|server| Entrant {
            server,
            identity: names[usize::from(server)].as_bytes(),
            weight: 1,
        })
        .collect();
    Table::build(recipe, &entrants).unwrap()
}

/// How many slots each of `servers` servers has in the table.
pub fn slots_of(table: &Table, servers: usize) -> Vec<u32> {
    let mut slots = vec![0; servers];
    for bucket in 0..table.buckets() {
        for &server in table.candidates(bucket) {
            slots[usize::from(server)] += 1;
        }
    }
    slots
}

/// The paper's failures (section III-B1): of the flows of `before` that are on a server that stays, how many are
/// in a bucket that `after` no longer gives to that server. Returns (failures, flows), each slot counted as one flow.
pub fn failures(before: &Table, after: &Table, stays: impl Fn(u16) -> bool) -> (u32, u32) {
    let (mut failed, mut flows) = (0, 0);
    for bucket in 0..before.buckets() {
        for server in before.candidates(bucket).iter().filter(|s| stays(**s)) {
            flows += 1;
            failed += u32::from(!after.candidates(bucket).contains(server));
        }
    }
    (failed, flows)
}

fn tagged(key: [u8; 16], tag: u8, identity: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_key(&key);
    hasher.write(&[&[tag], identity].concat());
    hasher.finish()
}

/// A server's permutation, from its definition.
pub fn permutation(key: [u8; 16], buckets: u32, identity: &[u8]) -> Vec<u32> {
    let m = u64::from(buckets);
    let offset = tagged(key, b'o', identity) % m;
    let hash = tagged(key, b's', identity);
    let skip = if buckets.is_power_of_two() {
        (hash % m) | 1
    } else {
        1 + hash % (m - 1)
    };
    (0..m).map(|j| ((offset + j * skip) % m) as u32).collect()
}

/// When in a round a server takes its turn.
pub fn turn(key: [u8; 16], identity: &[u8]) -> u64 {
    tagged(key, b't', identity)
}

/// Algorithm 3 line by line, -1 for a free place, with two additions: it also stops when all permutations are exhausted (fewer
/// servers than choices), and `turns(i, round)` says how many turns i has in a round (the paper: one).
pub fn algorithm_3(
    c_max: usize,
    m: usize,
    p: &[Vec<u32>],
    turns: impl Fn(usize, u64) -> u64,
) -> Vec<Vec<i32>> {
    let mut next_index = vec![0; p.len()];
    let mut t = vec![vec![-1; c_max]; m];
    let mut n = 0;
    for round in 0.. {
        if next_index.iter().all(|index| *index == m) {
            break;
        }
        for i in 0..p.len() {
            'turns: for _ in 0..turns(i, round) {
                if next_index[i] == m {
                    continue;
                }
                let mut c = p[i][next_index[i]] as usize;
                while t[c][c_max - 1] >= 0 {
                    next_index[i] += 1;
                    if next_index[i] == m {
                        continue 'turns;
                    }
                    c = p[i][next_index[i]] as usize;
                }
                let mut choice = 0;
                while t[c][choice] >= 0 {
                    choice += 1;
                }
                t[c][choice] = i as i32;
                next_index[i] += 1;
                n += 1;
                if n == m * c_max {
                    return t;
                }
            }
        }
    }
    t
}
