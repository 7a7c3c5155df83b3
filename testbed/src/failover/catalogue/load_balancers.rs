//! LBs go, come and stay; the edge turns to others.

use super::super::action::Action::*;
use super::super::scenario::{Scenario, Shape};
use super::{at, lb_dies, scenario, three_lbs};
use crate::settings::Encoding;

pub fn all() -> Vec<Scenario> {
    let killed = vec![
        at(5.0, lb_dies(2, &[1])),
        at(9.0, [StartLb(2), Announce(vec![1, 2])]),
    ];
    let flaps = (0..24).map(|i| {
        let order = [[1, 2], [2, 1]][i % 2];
        at(4.0 + 0.25 * i as f64, [Announce(order.to_vec())])
    });
    vec![
        Scenario {
            quick: true,
            ..scenario("lb-killed", "LB killed (-9), later back", killed.clone())
        },
        Scenario {
            shape: Shape {
                encoding: Encoding::Insert,
                ..Shape::default()
            },
            ..scenario(
                "lb-killed-insert",
                "LB killed (-9), encoding insert",
                killed,
            )
        },
        scenario(
            "lb-drained",
            "LB drained: withdrawn, forwards, stops",
            vec![at(5.0, [Announce(vec![1])]), at(8.0, [StopLb(2)])],
        ),
        Scenario {
            shape: three_lbs(),
            before: vec![StopLb(3), Announce(vec![1, 2])],
            ..scenario(
                "lb-added",
                "LB added",
                vec![at(5.0, [StartLb(3), Announce(vec![1, 2, 3])])],
            )
        },
        Scenario {
            shape: three_lbs(),
            ..scenario(
                "ecmp-rehash",
                "edge rehashes, 3 times",
                vec![
                    at(4.0, [Announce(vec![2, 3, 1])]),
                    at(7.0, [Announce(vec![3, 1, 2])]),
                    at(10.0, [Announce(vec![1, 3, 2])]),
                ],
            )
        },
        scenario(
            "ecmp-flaps",
            "edge flaps, 4 times a second",
            flaps.collect(),
        ),
    ]
}
