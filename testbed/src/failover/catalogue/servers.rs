//! Routers, Apaches and whole machines end.

use super::super::action::Action::*;
use super::super::action::{change_pool, Action, Edit::*};
use super::super::mix::Mix;
use super::super::scenario::{Scenario, Shape, Study};
use super::{at, scenario};

pub fn all() -> Vec<Scenario> {
    let every = || (1..=Shape::default().servers).collect::<Vec<u16>>();
    let one_by_one = |step: fn(u16) -> Vec<Action>| {
        let steps = every().into_iter();
        steps.map(move |n| at(3.0 + 1.2 * f64::from(n), step(n)))
    };
    vec![
        Scenario {
            quick: true,
            ..scenario(
                "routers-killed",
                "all srlb-server killed (-9), restarted",
                vec![
                    at(5.0, [KillRouters(every()), StartRouters(every())]),
                    at(9.0, [KillRouters(vec![1]), StartRouters(vec![1])]),
                ],
            )
        },
        Scenario {
            mix: Mix::many_short(14.0),
            ..scenario(
                "routers-away",
                "all srlb-server killed (-9), away for 2 s",
                vec![at(
                    5.0,
                    [KillRouters(every()), WaitMs(2_000), StartRouters(every())],
                )],
            )
        },
        scenario(
            "routers-upgraded",
            "srlb-server stopped and started, server by server",
            one_by_one(|n| vec![StopRouters(vec![n]), StartRouters(vec![n])]).collect(),
        ),
        Scenario {
            goodbyes: true,
            ..scenario(
                "apache-graceful",
                "Apache restarted gracefully, server by server",
                one_by_one(|n| vec![RestartApacheGracefully(n)]).collect(),
            )
        },
        scenario(
            "apache-hard",
            "Apache restarted hard; another killed, started",
            vec![
                at(5.0, [RestartApacheHard(1)]),
                at(7.0, [KillApache(2)]),
                at(10.0, [StartApache(2)]),
            ],
        ),
        Scenario {
            quick: true,
            ..scenario(
                "application-dead",
                "dead application on a live machine",
                vec![at(5.0, [KillApache(6)])],
            )
        },
        Scenario {
            quick: true,
            mix: Mix::many_short(14.0),
            study: Study::DeadCandidate(6),
            ..scenario(
                "machine-dies",
                "machine dies without a word, removed 6 s later",
                vec![
                    at(5.0, [MachinesDie(vec![6])]),
                    at(11.0, change_pool(&[Remove(6)], &[1, 2])),
                ],
            )
        },
    ]
}
