//! What every version must go on computing: load balancers of neighbouring versions run side by side, and a recovery list
//! must name the servers that an older version hunted.
//!
//! The values were computed by a separate program that follows the documentation, SipHash included.

use consistent_hash::{bucket_of, ClusterKey, Entrant, Recipe, Table};

fn key() -> ClusterKey {
    ClusterKey::from(std::array::from_fn(|n| n as u8))
}

#[test]
fn buckets_of_flows() {
    let bytes: Vec<u8> = (0..37).collect();
    let of = |flow: &[u8]| {
        (
            bucket_of(&key(), flow, 65_537),
            bucket_of(&key(), flow, 4096),
        )
    };
    assert_eq!(of(b""), (5497, 1244));
    assert_eq!(of(b"a flow"), (14_940, 1758));
    assert_eq!(of(&bytes), (62_131, 87));
}

/// The candidates of s1 to s5, numbered 1 to 5.
fn table(buckets: u32, choices: usize) -> Vec<Vec<u16>> {
    let entrants = ["s1", "s2", "s3", "s4", "s5"].map(|name| Entrant {
        server: u16::from(name.as_bytes()[1] - b'0'),
        identity: name.as_bytes(),
        weight: 1,
    });
    let recipe = Recipe::new(key(), buckets, choices).unwrap();
    let table = Table::build(&recipe, &entrants).unwrap();
    (0..buckets)
        .map(|bucket| table.candidates(bucket).to_vec())
        .collect()
}

#[test]
fn a_table_over_a_prime() {
    let expected = [
        [4, 5],
        [2, 4],
        [4, 2],
        [2, 1],
        [3, 5],
        [5, 1],
        [1, 3],
        [3, 2],
        [1, 5],
        [1, 5],
        [3, 4],
    ];
    assert_eq!(table(11, 2), expected);
}

#[test]
fn a_table_over_a_power_of_two() {
    let expected = [
        [4, 5, 2],
        [1, 2, 3],
        [2, 3, 4],
        [1, 5, 3],
        [1, 4, 5],
        [3, 4, 1],
        [5, 2, 4],
        [5, 1, 3],
    ];
    assert_eq!(table(8, 3), expected);
}

#[test]
fn the_key_is_not_printed() {
    assert_eq!(format!("{:?}", key()), "ClusterKey(..)");
}
