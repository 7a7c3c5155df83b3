//! What takes longer: storms of faults, and silence.

use super::super::action::Action::*;
use super::super::action::{change_pool, Edit::*};
use super::super::mix::Mix;
use super::super::scenario::{Scenario, Shape};
use super::super::storm;
use super::{at, lb_dies, scenario, three_lbs};
use crate::settings::{Encoding, Tables};

/// Faults of all kinds in a row, over all of it; the second with tables that hold next to nothing.
pub fn storms() -> Vec<Scenario> {
    const SECONDS: f64 = 40.0;
    let storm = |key, title, seed, shape: Shape| Scenario {
        shape,
        mix: Mix::busy(SECONDS),
        ..scenario(key, title, storm::script(&shape, seed, SECONDS))
    };
    let small = Shape {
        encoding: Encoding::Insert,
        tables: Tables {
            lb_flows: Some(16),
            server_flows: Some(16),
            ..Tables::default()
        },
        ..three_lbs()
    };
    vec![
        storm("storm", "a fault every 3.5 s, of all kinds", 1, three_lbs()),
        storm("storm-small", "the same, insert, tables for 16", 2, small),
    ]
}

/// Connections that say nothing for over two minutes, in which everything happens.
pub fn silence() -> Scenario {
    let mix = Mix::silent(135.0, 130.0);
    Scenario {
        mix,
        ..scenario(
            "long-silence",
            "idle for 130 s: LB killed, pool changed, routers killed",
            vec![
                at(20.0, lb_dies(2, &[1])),
                at(40.0, change_pool(&[Drain(6)], &[1])),
                at(60.0, [StartLb(2), Announce(vec![1, 2])]),
                at(
                    80.0,
                    [KillRouters(vec![1, 2, 3]), StartRouters(vec![1, 2, 3])],
                ),
                at(100.0, lb_dies(1, &[2])),
            ],
        )
    }
}
