//! Servers come and drain by the operator's hand.

use super::super::action::Action::*;
use super::super::action::{change_pool, Edit::*};
use super::super::scenario::{Scenario, Study};
use super::{at, lb_dies, scenario};

pub fn all() -> Vec<Scenario> {
    // Between the LBs lie 2 s in each phase, and in the middle of each the edge rehashes.
    let apart = vec![
        at(3.0, [Stage(vec![Add(6), Drain(1)]), Reload(1)]),
        at(4.0, [Announce(vec![2, 1])]),
        at(5.0, [Reload(2)]),
        at(6.0, [Activate, Reload(1)]),
        at(7.0, [Announce(vec![1, 2])]),
        at(8.0, [Reload(2)]),
    ];
    vec![
        Scenario {
            before: change_pool(&[Remove(6)], &[1, 2]),
            ..scenario(
                "reload-apart",
                "pool changes reach the LBs 2 s apart",
                apart,
            )
        },
        Scenario {
            study: Study::Drained(6),
            ..scenario(
                "server-drains",
                "a server drains, and its LB is killed",
                vec![
                    at(4.0, change_pool(&[Drain(6)], &[1, 2])),
                    at(7.0, lb_dies(2, &[1])),
                ],
            )
        },
    ]
}
