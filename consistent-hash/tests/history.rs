//! Recovery lists and membership against their definition, and histories that are none.

mod common;

use common::{names, recipe};
use consistent_hash::{
    bucket_of, ClusterKey, Entrant, Error, Generation, Known, Member, State, Table, VipTables,
};
use proptest::prelude::*;
use State::{Active, Kept, Staged};

const SERVERS: usize = 7;
const KEY: [u8; 16] = [1; 16];

fn generation(number: u64, state: State, servers: &[u16]) -> Generation {
    let members = servers
        .iter()
        .map(|&server| Member {
            server,
            weight: 1,
            draining: false,
        })
        .collect();
    Generation {
        number,
        state,
        members,
    }
}

fn has(generation: &Generation, server: u16) -> bool {
    generation.members.iter().any(|m| m.server == server)
}

/// Whether what generation `g` of the history says about a server counts: the server is there from then on without a break
/// to the newest staged or active generation that has it.
fn counts(history: &[Generation], g: usize, server: u16) -> bool {
    let newest = (0..history.len())
        .rev()
        .find(|&h| history[h].state != Kept && has(&history[h], server));
    newest.is_some_and(|newest| g <= newest && (g..=newest).all(|h| has(&history[h], server)))
}

fn table_of(generation: &Generation, names: &[String], buckets: u32, choices: usize) -> Table {
    let hunted: Vec<_> = generation
        .members
        .iter()
        .filter(|m| !m.draining)
        .map(|m| Entrant {
            server: m.server,
            identity: names[usize::from(m.server)].as_bytes(),
            weight: m.weight,
        })
        .collect();
    Table::build(&recipe(KEY, buckets, choices), &hunted).unwrap()
}

fn expected_recovery(history: &[Generation], tables: &[Table], bucket: u32) -> Vec<u16> {
    let mut list = Vec::new();
    for g in (0..history.len()).rev() {
        for &server in tables[g].candidates(bucket) {
            if counts(history, g, server) && !list.contains(&server) {
                list.push(server);
            }
        }
    }
    list
}

fn check(history: &[Generation], servers: usize, buckets: u32, choices: usize) {
    let names = names(servers);
    let vip = VipTables::build(&recipe(KEY, buckets, choices), &names, history, false).unwrap();
    let tables: Vec<_> = history
        .iter()
        .map(|g| table_of(g, &names, buckets, choices))
        .collect();
    let active = history.iter().position(|g| g.state == Active).unwrap();
    assert!(!vip.complete());
    assert_eq!(vip.buckets(), buckets);
    for bucket in 0..buckets {
        assert_eq!(
            vip.candidates(bucket),
            tables[active].candidates(bucket),
            "{history:?}"
        );
        assert_eq!(
            vip.recovery(bucket),
            expected_recovery(history, &tables, bucket),
            "bucket {bucket} {history:?}"
        );
    }
    for server in 0..servers as u16 {
        let member = history.iter().any(|g| g.state != Kept && has(g, server));
        assert_eq!(vip.is_member(server), member);
    }
    assert!(!vip.is_member(servers as u16));
}

fn member_lists() -> impl Strategy<Value = Vec<Vec<Member>>> {
    let server = prop::option::weighted(0.75, (0u32..4, prop::bool::weighted(0.2)));
    let members = prop::collection::vec(server, SERVERS).prop_map(|servers| {
        (0u16..)
            .zip(servers)
            .filter_map(|(server, there)| {
                let (weight, draining) = there?;
                Some(Member {
                    server,
                    weight,
                    draining,
                })
            })
            .collect()
    });
    // Each comes up to three times in a row: a pool-wide generation often leaves a VIP as it was.
    let stretches = prop::collection::vec((members, 1usize..=3), 1..6);
    stretches.prop_map(|stretches| {
        stretches
            .into_iter()
            .flat_map(|(members, times)| vec![members; times])
            .collect()
    })
}

/// A history of these members; the last is active, or staged and the one before active.
fn history(lists: Vec<Vec<Member>>, staged: bool) -> Vec<Generation> {
    let newest_kept = lists.len() - if staged && lists.len() > 1 { 2 } else { 1 };
    (0..)
        .zip(lists)
        .map(|(place, members)| Generation {
            number: 3 * place as u64 + 1,
            state: match place.cmp(&newest_kept) {
                std::cmp::Ordering::Less => Kept,
                std::cmp::Ordering::Equal => Active,
                std::cmp::Ordering::Greater => Staged,
            },
            members,
        })
        .collect()
}

proptest! {
    #[test]
    fn any_history(lists in member_lists(), staged: bool, m in prop::sample::select(vec![1u32, 2, 7, 16, 31]), c in 1usize..=4) {
        check(&history(lists, staged), SERVERS, m, c);
    }
}

#[test]
fn four_hundred_generations_of_a_rolling_pool() {
    let lists = (0..400u16).map(|g| {
        // Ten of thirty servers at a time, one replaced per generation.
        let members = (0..10).map(|n| Member {
            server: (g + n) % 30,
            weight: 1 + u32::from(n % 3),
            draining: n == 0,
        });
        members.collect()
    });
    check(&history(lists.collect(), true), 30, 251, 2);
}

#[test]
fn a_staged_server_is_a_member_but_not_hunted() {
    let history = [
        generation(1, Active, &[0, 1]),
        generation(2, Staged, &[0, 1, 2]),
    ];
    let vip = VipTables::build(&recipe(KEY, 251, 2), &names(3), &history, true).unwrap();
    assert!(vip.complete());
    assert!(vip.is_member(2));
    assert!((0..251).all(|bucket| !vip.candidates(bucket).contains(&2)));
    assert!((0..251).any(|bucket| vip.recovery(bucket).contains(&2)));
}

#[test]
fn a_server_that_came_back_starts_anew() {
    // Server 2 had all buckets but left; it is back with weight 0, so nothing is known of it.
    let mut back = generation(3, Active, &[0, 1, 2]);
    back.members[2].weight = 0;
    let history = [
        generation(1, Kept, &[2]),
        generation(2, Kept, &[0, 1]),
        back,
    ];
    let vip = VipTables::build(&recipe(KEY, 251, 2), &names(3), &history, true).unwrap();
    assert!(vip.is_member(2));
    assert!((0..251).all(|bucket| !vip.recovery(bucket).contains(&2)));
}

#[test]
fn a_server_removed_for_good_is_gone_and_a_draining_one_is_not() {
    let mut drained = generation(2, Active, &[0, 1]);
    drained.members[1].draining = true;
    let history = [generation(1, Kept, &[0, 1, 2]), drained];
    let vip = VipTables::build(&recipe(KEY, 251, 3), &names(3), &history, true).unwrap();
    assert!(vip.is_member(1) && !vip.is_member(2));
    for bucket in 0..251 {
        assert_eq!(vip.candidates(bucket), [0]);
        assert_eq!(vip.recovery(bucket), [0, 1]);
    }
}

#[test]
fn a_pool_that_drains_altogether_hunts_nobody() {
    let mut drained = generation(2, Active, &[0, 1]);
    drained.members.iter_mut().for_each(|m| m.draining = true);
    let history = [generation(1, Kept, &[0, 1]), drained];
    let vip = VipTables::build(&recipe(KEY, 16, 1), &names(2), &history, true).unwrap();
    assert!(
        (0..16).all(|bucket| vip.candidates(bucket).is_empty() && vip.recovery(bucket).len() == 1)
    );
}

#[test]
fn a_flow_s_bucket_is_the_hash_of_its_key() {
    let vip = VipTables::build(
        &recipe(KEY, 251, 1),
        &names(1),
        &[generation(1, Active, &[0])],
        true,
    )
    .unwrap();
    for flow in 0..100u32 {
        let flow = flow.to_be_bytes();
        assert_eq!(
            vip.bucket(&flow),
            bucket_of(&ClusterKey::from(KEY), &flow, 251)
        );
    }
}

fn refused(history: &[Generation]) -> String {
    VipTables::build(&recipe(KEY, 7, 2), &names(3), history, true)
        .unwrap_err()
        .to_string()
}

#[test]
fn histories_that_are_none() {
    let g = |number, state| generation(number, state, &[0, 1]);
    assert_eq!(
        refused(&[]),
        "no generation is active; expected exactly one"
    );
    assert_eq!(
        refused(&[g(1, Kept), g(2, Staged)]),
        "no generation is active; expected exactly one"
    );
    assert_eq!(
        refused(&[g(1, Active), g(2, Active)]),
        "generations 1 and 2 are both active; expected at most one"
    );
    assert_eq!(
        refused(&[g(1, Active), g(2, Staged), g(5, Staged)]),
        "generations 2 and 5 are both staged; expected at most one"
    );
    for second in [4, 3] {
        assert_eq!(
            refused(&[g(4, Kept), g(second, Active)]),
            format!("generation {second} comes after generation 4; expected strictly increasing numbers")
        );
    }
    assert!(refused(&[g(1, Staged), g(2, Active)])
        .starts_with("generation 1 is staged but older than generation 2"));
    assert!(refused(&[g(1, Active), g(2, Kept)])
        .starts_with("generation 2 is kept but newer than generation 1"));
}

#[test]
fn members_that_are_none() {
    let active = |servers: &[u16]| [generation(1, Kept, servers), generation(2, Active, &[0])];
    assert_eq!(
        refused(&active(&[0, 3])),
        "generation 1: member 3: there are identities for servers 0 to 3 (exclusive) only"
    );
    assert_eq!(
        refused(&active(&[1, 2, 1])),
        "generation 1: server \"server-1\" is listed twice; expected one entry with the weight that is meant"
    );
    let twins = ["a", "b", "a"];
    let error = VipTables::build(&recipe(KEY, 7, 2), &twins, &active(&[0, 1]), true).unwrap_err();
    assert_eq!(
        error,
        Error::DuplicateIdentity {
            identity: "a".into(),
            first: 0,
            second: 2
        }
    );
}

/// Tables that are known are those that would be built.
#[test]
fn known_tables_are_the_same() {
    let (recipe, names) = (recipe(KEY, 251, 2), names(SERVERS));
    let mut known = Known::new();
    let mut history = vec![generation(1, Active, &[0, 1, 2, 3])];
    for (number, servers) in [
        (2, &[0, 1, 2, 4][..]),
        (3, &[0, 1, 2, 4, 5]),
        (4, &[0, 1, 2, 3]),
        (5, &[1, 2, 3]),
    ] {
        history.last_mut().unwrap().state = Kept;
        history.push(generation(number, Active, servers));
        if number == 4 {
            // Weights and draining count.
            history[3].members[0].weight = 3;
            history[3].members[1].draining = true;
        }
        let before = known.len();
        let tables = VipTables::build_with(&mut known, &recipe, &names, &history, true).unwrap();
        let fresh = VipTables::build(&recipe, &names, &history, true).unwrap();
        assert_eq!(tables, fresh, "generation {number}");
        let built = known.len() - before;
        assert_eq!(
            built,
            if before == 0 { 2 } else { 1 },
            "one changed server, one table"
        );
    }
    // Only what is in use is kept.
    known.forget_unused();
    VipTables::build_with(&mut known, &recipe, &names, &history[4..], true).unwrap();
    known.forget_unused();
    assert_eq!(known.len(), 1);
    // Another recipe, another table.
    let other = common::recipe([9; 16], 251, 2);
    let tables = VipTables::build_with(&mut known, &other, &names, &history[4..], true).unwrap();
    let fresh = VipTables::build(&other, &names, &history[4..], true).unwrap();
    assert_eq!((tables, known.len()), (fresh, 1));
}

/// What the tables object to is found without building them.
#[test]
fn a_check_says_what_a_build_says() {
    let names = names(3);
    let histories = [
        vec![generation(1, Active, &[0, 1])],
        vec![generation(1, Kept, &[0, 1])],
        vec![
            generation(1, Active, &[0, 1]),
            generation(1, Staged, &[0, 1]),
        ],
        vec![generation(1, Active, &[0, 0])],
        vec![generation(1, Active, &[0, 3])],
    ];
    for history in histories {
        let built = VipTables::build(&recipe(KEY, 251, 2), &names, &history, true).map(|_| ());
        assert_eq!(VipTables::check(&names, &history), built, "{history:?}");
    }
    let twins = ["s1", "s1"];
    let history = [generation(1, Active, &[0, 1])];
    assert!(VipTables::check(&twins, &history).is_err());
}
