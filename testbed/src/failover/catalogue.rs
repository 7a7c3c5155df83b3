//! The scenarios. Each is to be read as what it does: a cluster, traffic, and what happens when.

use super::action::{change_pool, Action, Edit};
use super::mix::Mix;
use super::scenario::{Point, Scenario, Shape, Step, Study};
use super::storm;
use crate::settings::{Encoding, Policy, Tables};
use Action::*;
use Edit::*;

/// The edge notices a dead LB about so late: BGP with BFD at 3 x 50 ms, and a route change.
const NOTICED_MS: u64 = 200;
/// Connections at a time of figure 11d, whose experiment had 1000 on 48 servers.
const FIGURE_CONNECTIONS: u16 = 320;
/// Servers of figure 11d.
const FIGURE_SERVERS: u16 = 8;

/// All of them, in the order of the report.
pub fn all() -> Vec<Scenario> {
    let mut all = load_balancers();
    all.extend(pools());
    all.extend(servers());
    all.extend(tables());
    all.extend(storms());
    all.push(long_silence());
    all.extend(figure());
    all
}

fn scenario(key: &str, title: &str, script: Vec<Step>) -> Scenario {
    Scenario {
        key: key.to_owned(),
        title: title.to_owned(),
        shape: Shape::default(),
        mix: Mix::busy(14.0),
        before: Vec::new(),
        script,
        goodbyes: false,
        study: Study::None,
        quick: false,
    }
}

fn at(at_s: f64, actions: impl Into<Vec<Action>>) -> Step {
    Step {
        at_s,
        actions: actions.into(),
    }
}

/// An LB dies and the edge notices.
fn lb_dies(lb: u16, rest: &[u16]) -> Vec<Action> {
    vec![KillLb(lb), WaitMs(NOTICED_MS), Announce(rest.to_vec())]
}

fn load_balancers() -> Vec<Scenario> {
    let three = Shape {
        lbs: 3,
        ..Shape::default()
    };
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
            shape: three,
            before: vec![StopLb(3), Announce(vec![1, 2])],
            ..scenario(
                "lb-added",
                "LB added",
                vec![at(5.0, [StartLb(3), Announce(vec![1, 2, 3])])],
            )
        },
        Scenario {
            shape: three,
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

fn pools() -> Vec<Scenario> {
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

fn servers() -> Vec<Scenario> {
    let all = || (1..=Shape::default().servers).collect::<Vec<u16>>();
    let one_by_one = |step: fn(u16) -> Vec<Action>| {
        let steps = all().into_iter();
        steps.map(move |n| at(3.0 + 1.2 * f64::from(n), step(n)))
    };
    vec![
        Scenario {
            quick: true,
            ..scenario(
                "routers-killed",
                "all srlb-server killed (-9), restarted",
                vec![
                    at(5.0, [KillRouters(all()), StartRouters(all())]),
                    at(9.0, [KillRouters(vec![1]), StartRouters(vec![1])]),
                ],
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
            mix: Mix::many_short(16.0),
            study: Study::DeadCandidate(6),
            ..scenario(
                "machine-dies",
                "machine dies without a word, removed 7 s later",
                vec![
                    at(5.0, [MachinesDie(vec![6])]),
                    at(12.0, change_pool(&[Remove(6)], &[1, 2])),
                ],
            )
        },
    ]
}

fn tables() -> Vec<Scenario> {
    let small = |key, title, lb_flows, server_flows| Scenario {
        shape: Shape {
            tables: Tables {
                lb_flows,
                server_flows,
                ..Tables::default()
            },
            ..Shape::default()
        },
        ..scenario(
            key,
            title,
            vec![at(5.0, [Announce(vec![2, 1])]), at(8.0, lb_dies(2, &[1]))],
        )
    };
    vec![
        small(
            "tables-lb",
            "tables for 16 flows on LBs; rehash, LB killed",
            Some(16),
            None,
        ),
        small(
            "tables-server",
            "tables for 16 flows on servers; rehash, LB killed",
            None,
            Some(16),
        ),
        small(
            "tables-both",
            "tables for 16 flows on both; rehash, LB killed",
            Some(16),
            Some(16),
        ),
    ]
}

/// Faults of all kinds in a row, over all of it; the second with tables that hold next to nothing.
fn storms() -> Vec<Scenario> {
    const SECONDS: f64 = 40.0;
    let storm = |key, title, seed, shape: Shape| Scenario {
        shape,
        mix: Mix::busy(SECONDS),
        ..scenario(key, title, storm::script(&shape, seed, SECONDS))
    };
    let three = Shape {
        lbs: 3,
        ..Shape::default()
    };
    let small = Shape {
        encoding: Encoding::Insert,
        tables: Tables {
            lb_flows: Some(16),
            server_flows: Some(16),
            ..Tables::default()
        },
        ..three
    };
    vec![
        storm("storm", "a fault every 3.5 s, of all kinds", 1, three),
        storm("storm-small", "the same, insert, tables for 16", 2, small),
    ]
}

/// Connections that say nothing for over two minutes, in which everything happens.
fn long_silence() -> Scenario {
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

/// The paper's figure 11d, and the same for servers that join.
fn figure() -> Vec<Scenario> {
    let mut points = Vec::new();
    for choices in [1, 2] {
        for recovery in [true, false] {
            for leave in [true, false] {
                points.extend((1..=FIGURE_SERVERS / 2).map(|x| Point {
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
    let changing: Vec<u16> = (FIGURE_SERVERS - point.x + 1..=FIGURE_SERVERS).collect();
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
            servers: FIGURE_SERVERS,
            choices: point.choices,
            policy: Policy::Static(8),
            tables: Tables {
                buckets: 4096,
                ..Tables::default()
            },
            ..Shape::default()
        },
        mix: Mix::long_lived(6.0, FIGURE_CONNECTIONS),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// LBs and servers that an action names.
    fn named(action: &Action) -> (Vec<u16>, Vec<u16>) {
        let edited = |edits: &[Edit]| {
            let servers = edits.iter().map(|edit| match edit {
                Add(n) | Remove(n) | Drain(n) => *n,
            });
            servers.collect()
        };
        match action {
            KillLb(n) | StopLb(n) | StartLb(n) | Reload(n) | ForgetHistory(n) => {
                (vec![*n], Vec::new())
            }
            Announce(lbs) => (lbs.clone(), Vec::new()),
            WaitMs(_) | Activate => (Vec::new(), Vec::new()),
            Stage(edits) => (Vec::new(), edited(edits)),
            KillRouters(list) | StopRouters(list) | StartRouters(list) | MachinesDie(list) => {
                (Vec::new(), list.clone())
            }
            RestartApacheGracefully(n) | RestartApacheHard(n) | KillApache(n) | StartApache(n) => {
                (Vec::new(), vec![*n])
            }
        }
    }

    #[test]
    fn every_scenario_fits_its_cluster_and_its_time() {
        let mut keys = HashSet::new();
        for scenario in all() {
            let key = &scenario.key;
            assert!(keys.insert(key.clone()), "{key} is there twice");
            let steps = scenario.script.iter();
            let actions = scenario.before.iter().chain(steps.flat_map(|s| &s.actions));
            for action in actions {
                let (lbs, servers) = named(action);
                assert!(
                    lbs.iter().all(|n| (1..=scenario.shape.lbs).contains(n)),
                    "{key}: {action}"
                );
                let there = |n: &u16| (1..=scenario.shape.servers).contains(n);
                assert!(servers.iter().all(there), "{key}: {action}");
            }
            let times: Vec<f64> = scenario.script.iter().map(|s| s.at_s).collect();
            assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{key}");
            // Something must still run when the last thing happens, and after it.
            assert!(
                times
                    .last()
                    .is_some_and(|last| last + 2.0 < scenario.mix.seconds),
                "{key}"
            );
        }
    }

    #[test]
    fn quick_is_quick_and_all_is_no_night() {
        let sum =
            |scenarios: Vec<Scenario>| scenarios.iter().map(Scenario::expected_s).sum::<f64>();
        assert!(sum(all()) <= 17.0 * 60.0, "{} s", sum(all()));
        let quick: Vec<Scenario> = all().into_iter().filter(|s| s.quick).collect();
        assert!(
            (45.0..=90.0).contains(&sum(quick.clone())),
            "{} s",
            sum(quick)
        );
    }

    #[test]
    fn what_the_issue_asks_for_is_there() {
        let points: Vec<Point> = all()
            .iter()
            .filter_map(|s| match s.study {
                Study::Figure(point) => Some(point),
                _ => None,
            })
            .collect();
        for choices in [1, 2] {
            for recovery in [true, false] {
                for leave in [true, false] {
                    for x in 1..=FIGURE_SERVERS / 2 {
                        let point = Point {
                            choices,
                            recovery,
                            leave,
                            x,
                        };
                        assert!(points.contains(&point), "{point:?}");
                    }
                }
            }
        }
        let longest_idle_s = all().iter().map(|s| s.mix.idle_pause_s).fold(0.0, f64::max);
        assert!(longest_idle_s >= 120.0);
    }
}
