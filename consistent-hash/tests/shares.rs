//! Who gets how many buckets (section III-B2, and weights, which the paper does not have).

mod common;

use common::{names, recipe, slots_of, table};
use consistent_hash::{Entrant, Error, Table};

const KEY: [u8; 16] = [5; 16];

fn weighted(buckets: u32, choices: usize, weights: &[u32]) -> Table {
    let names = names(weights.len());
    let entrants: Vec<_> = (0u16..)
        .zip(weights)
        .map(|(server, weight)| Entrant {
            server,
            identity: names[usize::from(server)].as_bytes(),
            weight: *weight,
        })
        .collect();
    Table::build(&recipe(KEY, buckets, choices), &entrants).unwrap()
}

#[test]
fn equal_weights_get_the_same_number_but_for_the_last_round() {
    for (buckets, choices, servers) in [
        (65_537, 2, 1000),
        (65_536, 2, 1000),
        (65_537, 1, 48),
        (4096, 8, 37),
    ] {
        let slots = slots_of(
            &table(
                &recipe(KEY, buckets, choices),
                &names(servers),
                0..servers as u16,
            ),
            servers,
        );
        let (least, most) = (slots.iter().min().unwrap(), slots.iter().max().unwrap());
        assert!(
            most - least <= 1,
            "M={buckets} C={choices} N={servers}: {least} to {most}"
        );
    }
}

#[test]
fn five_thousand_servers_and_eight_choices() {
    let t = table(&recipe(KEY, 131_071, 8), &names(5000), 0..5000);
    let slots = slots_of(&t, 5000);
    assert_eq!(slots.iter().sum::<u32>(), 8 * 131_071);
    assert!(slots.iter().all(|s| (208..=211).contains(s)));
}

#[test]
fn weights_are_shares() {
    let weights: Vec<u32> = (0..60).map(|n| [0, 1, 2, 3, 10, 100][n % 6]).collect();
    let sum = f64::from(weights.iter().sum::<u32>());
    for (buckets, choices) in [(65_537, 1), (65_537, 2), (16_384, 4)] {
        let slots = slots_of(&weighted(buckets, choices, &weights), weights.len());
        for (weight, slots) in weights.iter().zip(slots) {
            let share = f64::from(*weight) / sum * f64::from(buckets) * choices as f64;
            // Turns are whole and everybody's first comes at once: one slot more than its share at most for
            // each server, which together they pay for.
            let rounding = 1.0 + f64::from(*weight) / sum * weights.len() as f64;
            assert!(
                (f64::from(slots) - share).abs() <= rounding,
                "M={buckets} C={choices} weight {weight}: {slots} of {share}"
            );
        }
    }
}

#[test]
fn a_very_heavy_server_is_in_every_bucket_and_the_others_share_the_rest() {
    let slots = slots_of(&weighted(1009, 2, &[u32::MAX, 3, 1, 0]), 4);
    assert_eq!(slots[0], 1009);
    assert_eq!(slots[3], 0);
    assert_eq!(slots[1] + slots[2], 1009);
    assert!((700..=760).contains(&slots[1]), "{slots:?}");
}

#[test]
fn a_light_server_is_not_forgotten() {
    assert_eq!(slots_of(&weighted(251, 1, &[1, u32::MAX]), 2), [1, 250]);
}

#[test]
fn fewer_servers_than_choices() {
    let t = weighted(251, 8, &[1, 0, 4, 2]);
    for bucket in 0..251 {
        let mut candidates = t.candidates(bucket).to_vec();
        candidates.sort_unstable();
        assert_eq!(candidates, [0, 2, 3]);
    }
    assert!(weighted(251, 2, &[0, 0]).candidates(250).is_empty());
    assert!(weighted(251, 2, &[]).candidates(0).is_empty());
}

#[test]
fn twins_are_refused() {
    let entrant = |server, name: &'static str| Entrant {
        server,
        identity: name.as_bytes(),
        weight: 1,
    };
    let refused =
        |entrants: &[Entrant<'_>]| Table::build(&recipe(KEY, 7, 2), entrants).unwrap_err();
    assert_eq!(
        refused(&[entrant(3, "a"), entrant(3, "b")]),
        Error::DuplicateServer("b".into())
    );
    assert_eq!(
        refused(&[entrant(3, "a"), entrant(4, "b"), entrant(2, "a")]).to_string(),
        "servers 2 and 3 are both called \"a\"; expected a name of its own for each"
    );
}
