//! The scenarios. Each is to be read as what it does: a cluster, traffic, and what happens when.

mod figure;
mod load_balancers;
mod long;
mod pools;
mod servers;
mod tables;

use super::action::Action::{self, *};
use super::mix::Mix;
use super::scenario::{Scenario, Shape, Step, Study};

/// The edge notices a dead LB about so late: BGP with BFD at 3 x 50 ms, and a route change.
const NOTICED_MS: u64 = 200;

/// All of them, in the order of the report.
pub fn all() -> Vec<Scenario> {
    let mut all = load_balancers::all();
    all.extend(pools::all());
    all.extend(servers::all());
    all.extend(tables::all());
    all.extend(long::storms());
    all.push(long::silence());
    all.extend(figure::all());
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

fn three_lbs() -> Shape {
    Shape {
        lbs: 3,
        ..Shape::default()
    }
}

/// An LB dies and the edge notices.
fn lb_dies(lb: u16, rest: &[u16]) -> Vec<Action> {
    vec![KillLb(lb), WaitMs(NOTICED_MS), Announce(rest.to_vec())]
}

#[cfg(test)]
mod tests {
    use super::super::action::Edit::{self, *};
    use super::super::scenario::Point;
    use super::figure::SERVERS;
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
                    for x in 1..=SERVERS / 2 {
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
