//! Figure 11d: connections that are reset although their servers live, when servers and an LB go at the same time.

use std::collections::HashSet;

use anyhow::{bail, Context, Result};
use srlb_lb::engine::Pool;
use srlb_lb::pool::view::Registry;

use super::bed::{self, Bed};
use super::mean_and_deviation;
use crate::candidates;
use crate::clock::now_ms;
use crate::failover::action::{change_pool, Action, Edit};
use crate::failover::actor::Actor;
use crate::plan::Node;
use crate::reproduce::{Axis, Claim, Curve, Experiment, Figure, Needs, Panel, Workshop};
use crate::rng::Rng;
use crate::settings::{Policy, Settings, Tables};
use crate::traffic::{Progress, Record};

/// Connections are opened over this long ...
const RAMP_S: f64 = 1.0;
/// ... everything goes at this time ...
const CHANGE_S: f64 = 1.4;
/// ... and they end at this one.
const END_S: f64 = 3.2;
/// How often a server says something: its client's acknowledgement is what the second LB has to steer.
const PUSH_EVERY_S: f64 = 0.4;
/// A connection without progress is given up after so long.
const TIMEOUT_S: f64 = 4.0;
/// How often a change is made until it was made in time.
const ATTEMPTS: u32 = 3;

/// The figure.
pub fn figure_11d() -> Experiment {
    Experiment {
        name: "11d",
        title: "Resets when x servers are removed and the edge turns to another LB, real daemons (section VI-B5)",
        paper: "Apart from unavoidable resets of connections that were pinned to a removed instance, no more than 2% of \
                extra connections were reset by 6LB, as compared to 4% with SC.",
        needs: Needs::Root,
        make,
    }
}

struct Size {
    servers: u16,
    connections: u16,
    removed: &'static [u16],
    repetitions: u16,
}

const FULL: Size = Size {
    servers: 48,
    connections: 1000,
    removed: &[2, 4, 8],
    repetitions: 2,
};
const QUICK: Size = Size {
    servers: 6,
    connections: 60,
    removed: &[2],
    repetitions: 1,
};

/// A design of the balancer.
#[derive(Clone, Copy)]
struct Design {
    name: &'static str,
    choices: u8,
    /// Does the second LB know the pool's history, and so have recovery lists?
    history: bool,
}

const DESIGNS: [Design; 3] = [
    Design {
        name: "SC (Maglev)",
        choices: 1,
        history: false,
    },
    Design {
        name: "SR8, no history (paper)",
        choices: 2,
        history: false,
    },
    Design {
        name: "SR8 with generations",
        choices: 2,
        history: true,
    },
];

/// What one change has done.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Lost {
    /// Connections that stood.
    open: usize,
    /// Of these, on servers that were removed.
    unavoidable: usize,
    /// Of the others, lost.
    extra: usize,
    /// Of the others, whose server is no candidate any more.
    predicted: usize,
}

fn make(workshop: &Workshop) -> Result<Figure> {
    let size = match workshop.is_quick {
        true => QUICK,
        false => FULL,
    };
    let runs = DESIGNS.len() * size.removed.len() * usize::from(size.repetitions);
    workshop.bar.inc_length(runs as u64);
    let settings = Settings {
        policy: Policy::Static(8),
        tables: Tables {
            buckets: 4096,
            ..Tables::default()
        },
        long_lived: true,
        ..bed::settings(workshop, size.servers, 20.0)
    };
    let mut bed = Bed::up(workshop, settings)?;
    let mut rng = Rng::new(workshop.seed, 11);
    let mut all = vec![vec![Vec::new(); size.removed.len()]; DESIGNS.len()];
    for _ in 0..size.repetitions {
        for (x, &removed) in size.removed.iter().enumerate() {
            let mut servers: Vec<u16> = (1..=size.servers).collect();
            rng.shuffle(&mut servers);
            servers.truncate(removed.into());
            // All designs lose the same servers.
            for (design, of_design) in DESIGNS.iter().zip(&mut all) {
                of_design[x].push(play_in_time(&mut bed, &size, *design, &servers)?);
                workshop.bar.inc(1);
            }
        }
    }
    bed.down()?;
    Ok(figure(&size, &all))
}

/// One change, again if the machine was too busy for it to mean anything.
fn play_in_time(bed: &mut Bed, size: &Size, design: Design, removed: &[u16]) -> Result<Lost> {
    for _ in 0..ATTEMPTS {
        if let Some(lost) = play(bed, size, design, removed)? {
            return Ok(lost);
        }
    }
    bail!("{ATTEMPTS} times the change came so late that hardly any packet met it: the machine is too busy. Run it again with nothing else at work")
}

/// One change, with daemons that have just been started; nothing if it was made too late.
fn play(bed: &mut Bed, size: &Size, design: Design, removed: &[u16]) -> Result<Option<Lost>> {
    (bed.testbed).reconfigure(|settings| settings.choices = design.choices)?;
    let workshop = bed.workshop;
    let after = pool_after(&bed.testbed.state().settings, removed)?;
    let sources = bed.new_sources(2 * u64::from(size.connections));
    let arguments = arguments(size, workshop.seed, sources);
    let edits: Vec<Edit> = removed.iter().copied().map(Edit::Remove).collect();
    let mut change = change_pool(&edits, &[1, 2]);
    if !design.history {
        change.push(Action::ForgetHistory(2));
    }
    change.extend([Action::KillLb(1), Action::Announce(vec![2])]);

    let mut actor = Actor::new(&mut bed.testbed, workshop.interrupt);
    actor.act(&Action::Announce(vec![1]))?;
    let mut clients = bed.start::<Progress>("pushes.jsonl", &arguments, END_S + TIMEOUT_S)?;
    clients.until(workshop, CHANGE_S)?;
    let changed_ms = now_ms();
    let mut actor = Actor::new(&mut bed.testbed, workshop.interrupt);
    for action in &change {
        actor.act(action)?;
    }
    let done_ms = now_ms();
    let records: Vec<Record> = clients.finish(workshop)?;
    crate::topology::announce(bed.testbed.plan(), &[Node::Lb(1), Node::Lb(2)])?;
    let names: HashSet<String> = (removed.iter().map(|n| Node::Server(*n).to_string())).collect();
    let lost = Lost::of(&records, changed_ms, &names, &after);
    let latest_ms = records.iter().map(|r| r.ended_ms).fold(0.0, f64::max);
    let is_in_time = latest_ms > done_ms + 2e3 * PUSH_EVERY_S;
    Ok(is_in_time.then_some(lost))
}

/// The candidates once these servers have gone.
fn pool_after(settings: &Settings, removed: &[u16]) -> Result<Pool> {
    let mut registry = Registry::default();
    let stays = |node: &Node| !removed.iter().any(|n| Node::Server(*n) == *node);
    let left: Vec<Node> = settings.plan.server_nodes().filter(stays).collect();
    candidates::pool(settings, &left, &mut registry)
        .context("the candidate tables of the servers that stay")
}

/// Connections on each of which a worker is busy for as long as it lasts.
fn arguments(size: &Size, seed: u64, first_source: u64) -> Vec<String> {
    let mut arguments = vec!["traffic".to_owned()];
    for (option, value) in [
        ("--seconds", END_S.to_string()),
        ("--ramp-s", RAMP_S.to_string()),
        ("--push", size.connections.to_string()),
        ("--push-every-s", PUSH_EVERY_S.to_string()),
        ("--downloads", "0".to_owned()),
        ("--uploads", "0".to_owned()),
        ("--keep-alive", "0".to_owned()),
        ("--idle", "0".to_owned()),
        ("--short-rate", "0".to_owned()),
        ("--timeout-s", TIMEOUT_S.to_string()),
        ("--drain-s", TIMEOUT_S.to_string()),
        ("--seed", seed.to_string()),
        ("--first-source", first_source.to_string()),
    ] {
        arguments.extend([option.to_owned(), value]);
    }
    arguments
}

impl Lost {
    /// Looks at the connections that had had an answer when the change began.
    fn of(records: &[Record], changed_ms: f64, removed: &HashSet<String>, after: &Pool) -> Lost {
        let mut lost = Lost::default();
        for record in records {
            let (Some(server), Some(client)) = (&record.server, record.client) else {
                continue;
            };
            if record.opened_ms >= changed_ms || record.ended_ms <= changed_ms {
                continue;
            }
            lost.open += 1;
            if removed.contains(server) {
                lost.unavoidable += 1;
                continue;
            }
            lost.extra += usize::from(!record.outcome.is_completed());
            let is_candidate = candidates::place(after, client, server).is_some();
            lost.predicted += usize::from(!is_candidate);
        }
        lost
    }

    fn percent(&self, count: usize) -> f64 {
        100.0 * count as f64 / self.open.max(1) as f64
    }

    fn extra_percent(&self) -> f64 {
        self.percent(self.extra)
    }
}

fn figure(size: &Size, all: &[Vec<Vec<Lost>>]) -> Figure {
    let mut curves = Vec::new();
    for (design, by_x) in DESIGNS.iter().zip(all) {
        let points = |of: fn(&Lost) -> f64| -> Vec<(f64, f64)> {
            let means = by_x.iter().map(|runs| {
                let percents: Vec<f64> = runs.iter().map(of).collect();
                mean_and_deviation(&percents).0
            });
            let removed = size.removed.iter().map(|x| f64::from(*x));
            removed.zip(means).collect()
        };
        curves.push(Curve::new(design.name, points(Lost::extra_percent)).dots());
        if !design.history {
            let predicted = points(|lost| lost.percent(lost.predicted));
            curves.push(Curve::new(design.name, predicted).dashed());
        }
    }
    let most = (curves.iter().flat_map(|curve| &curve.points))
        .map(|point| point.1)
        .fold(4.0, f64::max);
    let last = size.removed.iter().max().copied().unwrap_or(1);
    let panel = Panel::new(
        Axis::new("servers removed", f64::from(last) + 1.0),
        Axis::new(
            "% of open connections lost although their server lives",
            most * 1.2,
        ),
        curves,
    );
    let runs = || all.iter().flatten().flatten();
    let share = |of: fn(&Lost) -> usize| {
        let count: usize = runs().map(of).sum();
        100.0 * count as f64 / runs().map(|lost| lost.open).sum::<usize>().max(1) as f64
    };
    Figure {
        panels: vec![panel],
        claims: claims(all),
        note: format!(
            "{} real Apaches, {} connections opened through the first LB, 4096 buckets; on each a worker is busy for as long \
             as it lasts (the server says a line every {PUSH_EVERY_S} s), so that SR8's first candidates refuse as they \
             did in the paper. Then x servers, drawn anew for each of {} repetitions, are taken out of the pool, the \
             first LB is killed, and the edge turns to the second. Unavoidable, and not in the plot: {:.1}% of {} connections. \
             Without history: the second LB is given the newest generation alone, so its recovery list is the flow's \
             candidates of today, which is what the paper's LB has. Dashed: what the candidate tables \
             say about these very connections.",
            size.servers,
            size.connections,
            size.repetitions,
            share(|lost| lost.unavoidable),
            runs().map(|lost| lost.open).sum::<usize>(),
        ),
    }
}

fn claims(all: &[Vec<Vec<Lost>>]) -> Vec<Claim> {
    // The paper's numbers are the most of its averages, one for each x.
    let most = |design: usize| {
        let means = all[design].iter().map(|runs| {
            let percents: Vec<f64> = runs.iter().map(Lost::extra_percent).collect();
            mean_and_deviation(&percents).0
        });
        means.fold(0.0, f64::max)
    };
    let with_history: usize = all[2].iter().flatten().map(|lost| lost.extra).sum();
    let unlike: usize = (all[..2].iter().flatten().flatten())
        .map(|lost| lost.extra.abs_diff(lost.predicted))
        .sum();
    vec![
        Claim::new(
            "extra resets with generations and recovery lists, SR8",
            "2%",
            format!("{with_history} connections"),
            with_history == 0,
        ),
        Claim::new(
            "extra resets at most, as in the paper: SC, and SR8 without history",
            "4% and 2%",
            format!("{:.1}% and {:.1}%", most(0), most(1)),
            most(1) <= 2.0,
        )
        .because(
            "They follow from the candidate tables alone: from 4096 buckets, and from how many of 48 go. Ours are means of few repetitions, the \
             paper's of ten; and its text says neither how many went at most nor which keys its flows had.",
        ),
        Claim::finding(
            "connections without history that went another way than the tables say",
            format!("{unlike}"),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::{Class, Outcome};

    fn record(port: u16, server: &str, outcome: Outcome) -> Record {
        Record {
            id: port.into(),
            class: Class::Push,
            client: Some(format!("[2001:db8:c::a:1]:{port}").parse().unwrap()),
            server: Some(server.to_owned()),
            opened_ms: 100.0,
            connected_ms: Some(101.0),
            ended_ms: 9_000.0,
            outcome,
            requests: 1,
            bytes_expected: 10,
            bytes_right: 10,
            longest_stall_ms: 0.0,
            stalled_at_ms: None,
            error: None,
        }
    }

    #[test]
    fn extra_losses_are_those_of_living_servers() {
        let removed = HashSet::from(["s3".to_owned()]);
        let nobody = Pool::new(Vec::new(), Vec::new());
        let early = Record {
            ended_ms: 400.0,
            ..record(5, "s1", Outcome::Reset)
        };
        let late = Record {
            opened_ms: 600.0,
            ..record(6, "s1", Outcome::Reset)
        };
        let records = [
            record(1, "s1", Outcome::Completed),
            record(2, "s2", Outcome::Reset),
            record(3, "s3", Outcome::Reset),
            record(4, "s3", Outcome::Completed),
            early,
            late,
        ];
        let lost = Lost::of(&records, 500.0, &removed, &nobody);
        let expected = Lost {
            open: 4,
            unavoidable: 2,
            extra: 1,
            predicted: 2,
        };
        assert_eq!(lost, expected);
        assert_eq!(lost.extra_percent(), 25.0);
    }

    #[test]
    fn one_extra_reset_with_generations_is_one_too_many() {
        let fine = Lost {
            open: 100,
            unavoidable: 5,
            extra: 0,
            predicted: 2,
        };
        let verdict = |lost: Lost| claims(&[vec![vec![fine]], vec![vec![fine]], vec![vec![lost]]]);
        use crate::reproduce::Verdict;
        assert_eq!(verdict(fine)[0].verdict, Verdict::Met);
        assert_eq!(
            verdict(Lost { extra: 1, ..fine })[0].verdict,
            Verdict::Missed
        );
        assert_eq!(verdict(fine)[2].ours, "4");
    }
}
