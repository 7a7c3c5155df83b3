//! A pool that grows from 20 servers to 40, one at a time: what recovery lists are for.
//!
//! A flow is a bucket and one of the candidates that it had when it began; it is lost if its server is not
//! in the list of its bucket at the end.

mod common;

use common::{names, recipe, table};
use consistent_hash::{Generation, Member, State, Table, VipTables};

const BUCKETS: u32 = 65_537;
const KEY: [u8; 16] = [9; 16];

fn history() -> Vec<Generation> {
    (20..=40u16)
        .map(|servers| Generation {
            number: u64::from(servers) - 19,
            state: if servers == 40 {
                State::Active
            } else {
                State::Kept
            },
            members: (0..servers)
                .map(|server| Member {
                    server,
                    weight: 1,
                    draining: false,
                })
                .collect(),
        })
        .collect()
}

/// The table of each generation, oldest first.
fn tables() -> Vec<Table> {
    let (recipe, names) = (recipe(KEY, BUCKETS, 2), names(40));
    (20..=40)
        .map(|servers| table(&recipe, &names, 0..servers))
        .collect()
}

/// How many of the flows that began in `began` `list` does not find.
fn lost<'a>(began: &Table, list: impl Fn(u32) -> Vec<&'a [u16]>) -> (u32, u32) {
    let (mut lost, mut flows) = (0, 0);
    for bucket in 0..BUCKETS {
        let list = list(bucket);
        for server in began.candidates(bucket) {
            flows += 1;
            lost += u32::from(!list.iter().any(|part| part.contains(server)));
        }
    }
    (lost, flows)
}

#[test]
fn recovery_lists_lose_no_flow_of_any_generation() {
    let vip = VipTables::build(&recipe(KEY, BUCKETS, 2), &names(40), &history(), true).unwrap();
    for began in tables() {
        assert_eq!(
            lost(&began, |bucket| vec![vip.recovery(bucket)]),
            (0, 2 * BUCKETS)
        );
    }
}

#[test]
fn the_newest_four_generations_would_lose_nearly_half() {
    let tables = tables();
    let share_lost = |newest: usize| {
        let (lost, flows) = lost(&tables[0], |bucket| {
            let newest = &tables[tables.len() - newest..];
            newest
                .iter()
                .map(|table| table.candidates(bucket))
                .collect()
        });
        f64::from(lost) / f64::from(flows)
    };
    // An ideal hash leaves a flow where it is with probability 20/37 while the pool grows to the oldest of four.
    let four = share_lost(4);
    assert!((0.44..0.48).contains(&four), "{four}");
    // The active one and four before it: 1 - 20/36.
    let five = share_lost(5);
    assert!((0.43..0.46).contains(&five), "{five}");
}
