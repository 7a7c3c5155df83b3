//! The points of the paper's figure 11d.

use super::super::action::Action::*;
use super::super::action::{change_pool, Edit, Edit::*};
use super::super::mix::Mix;
use super::super::scenario::{Point, Scenario, Shape, Study};
use super::{at, scenario};
use crate::settings::{Policy, Tables};

/// Connections at a time; the experiment had 1000 on 48 servers.
const CONNECTIONS: u16 = 320;
/// Servers.
pub(super) const SERVERS: u16 = 8;

/// The paper's figure 11d, and the same for servers that join.
pub fn all() -> Vec<Scenario> {
    let mut points = Vec::new();
    for choices in [1, 2] {
        for recovery in [true, false] {
            for leave in [true, false] {
                points.extend((1..=SERVERS / 2).map(|x| Point {
                    choices,
                    recovery,
                    leave,
                    x,
                }));
            }
        }
    }
    points.into_iter().map(figure_point).collect()
}

/// All connections go by lb1. Then x servers leave or join, and the edge turns to lb2.
fn figure_point(point: Point) -> Scenario {
    let changing: Vec<u16> = (SERVERS - point.x + 1..=SERVERS).collect();
    let edits = |edit: fn(u16) -> Edit| changing.iter().copied().map(edit).collect::<Vec<_>>();
    let (mut before, mut fault) = (vec![Announce(vec![1])], Vec::new());
    if point.leave {
        fault.push(MachinesDie(changing.clone()));
        fault.extend(change_pool(&edits(Remove), &[1, 2]));
    } else {
        before.extend(change_pool(&edits(Remove), &[1, 2]));
        fault.extend(change_pool(&edits(Add), &[1, 2]));
    }
    if !point.recovery {
        fault.push(ForgetHistory(2));
    }
    fault.extend([KillLb(1), Announce(vec![2])]);
    let verb = ["join", "leave"][usize::from(point.leave)];
    Scenario {
        shape: Shape {
            servers: SERVERS,
            choices: point.choices,
            policy: Policy::Static(8),
            tables: Tables {
                buckets: 4096,
                ..Tables::default()
            },
            ..Shape::default()
        },
        mix: Mix::long_lived(6.0, CONNECTIONS),
        before,
        study: Study::Figure(point),
        quick: point.leave && point.recovery && point.choices == 2 && point.x == 2,
        ..scenario(
            &format!(
                "{verb}-{}-c{}{}",
                point.x,
                point.choices,
                ["-plain", ""][usize::from(point.recovery)]
            ),
            &format!("{} {verb} with an LB, {}", point.x, point.design()),
            vec![at(3.0, fault)],
        )
    }
}
