//! Figure 7: what the candidate tables lose when servers go, and what recovery lists lose.

use anyhow::Result;
use consistent_hash::{ClusterKey, Generation, Member, Recipe, State, VipTables};

use super::{Axis, Claim, Curve, Experiment, Figure, Needs, Panel, Workshop};
use crate::rng::Rng;

const SERVERS: u16 = 1_000;
const BUCKETS: u32 = 65_537;
const MOST_REMOVED: usize = 30;
const REPETITIONS: u64 = 20;

/// The figure.
pub fn figure_7() -> Experiment {
    Experiment {
        name: "7",
        title: "Flows that lose their server although it lives, when servers are removed (section III-B)",
        paper: "With 8 of 1000 servers removed, two candidates let 44% fewer flows fail than one.",
        needs: Needs::Nothing,
        make,
    }
}

/// What one removal does to flows spread evenly over the candidates of before.
#[derive(Clone, Copy, Default)]
struct Lost {
    /// Share of those of living servers whose server is no candidate any more.
    of_candidates: f64,
    /// Share of those whose server is not in the recovery list either.
    of_recovery: f64,
}

fn make(workshop: &Workshop) -> Result<Figure> {
    let repetitions = workshop.scaled(REPETITIONS) as usize;
    let mut means = Vec::new();
    for choices in [1, 2] {
        let runs = repetitions * MOST_REMOVED;
        let lost = workshop.each(runs, |n| {
            let seed = workshop.seed + (n / MOST_REMOVED) as u64;
            lost(seed, choices, 1 + n % MOST_REMOVED)
        })?;
        let mean = |removed: usize| {
            let all = lost.iter().skip(removed - 1).step_by(MOST_REMOVED);
            let sum = all.fold((0.0, 0.0), |sum, lost| {
                (sum.0 + lost.of_candidates, sum.1 + lost.of_recovery)
            });
            (sum.0 / repetitions as f64, sum.1 / repetitions as f64)
        };
        means.push((1..=MOST_REMOVED).map(mean).collect::<Vec<_>>());
    }
    Ok(figure(&means, repetitions))
}

fn figure(means: &[Vec<(f64, f64)>], repetitions: usize) -> Figure {
    let points = |choices: usize, of: fn(&(f64, f64)) -> f64| -> Vec<(f64, f64)> {
        let shares = means[choices - 1].iter().map(of);
        let points = (1..)
            .zip(shares)
            .map(|(removed, share)| (f64::from(removed), 100.0 * share));
        std::iter::once((0.0, 0.0)).chain(points).collect()
    };
    let one = Curve::new("1 candidate (Maglev)", points(1, |lost| lost.0));
    let two = Curve::new("2 candidates (6LB)", points(2, |lost| lost.0));
    let recovery = Curve::new("2, with recovery lists", points(2, |lost| lost.1));
    let fewer = match (one.at(8.0), two.at(8.0)) {
        (Some(one), Some(two)) => 100.0 * (1.0 - two / one),
        _ => 0.0,
    };
    let most = recovery
        .points
        .iter()
        .map(|point| point.1)
        .fold(0.0, f64::max);
    let claims = vec![
        Claim::new(
            "fewer failures with 2 candidates, 8 of 1000 removed",
            "44%",
            format!("{fewer:.0}%"),
            fewer >= 43.5,
        ),
        Claim::finding(
            "the same with generations and recovery lists",
            format!("{most}% fail at most"),
        ),
    ];
    let panel = Panel::new(
        Axis::new("servers removed, of 1,000", MOST_REMOVED as f64),
        Axis::new("% of flows whose server lives and is not found", 4.0),
        vec![one, two, recovery],
    );
    Figure {
        panels: vec![panel],
        claims,
        note: format!(
            "{BUCKETS} buckets, {repetitions} tables for each point; \
             the servers removed are drawn anew for each."
        ),
    }
}

fn lost(seed: u64, choices: usize, removed: usize) -> Result<Lost> {
    let mut rng = Rng::new(seed, 7);
    let mut key = [0; 16];
    key[..8].copy_from_slice(&rng.next_u64().to_le_bytes());
    let mut servers: Vec<u16> = (0..SERVERS).collect();
    let mut luck = Rng::new(seed, 8 + removed as u64);
    luck.shuffle(&mut servers);
    let (gone, left) = servers.split_at(removed);
    let recipe = Recipe::new(ClusterKey::from(key), BUCKETS, choices)?;
    let names: Vec<String> = (0..SERVERS).map(|n| format!("s{n}")).collect();
    let before = VipTables::build(
        &recipe,
        &names,
        &[generation(1, State::Active, &servers)],
        true,
    )?;
    let history = [
        generation(1, State::Kept, &servers),
        generation(2, State::Active, left),
    ];
    let after = VipTables::build(&recipe, &names, &history, true)?;
    let (mut flows, mut no_candidate, mut not_found) = (0u64, 0u64, 0u64);
    for bucket in 0..BUCKETS {
        let living = before
            .candidates(bucket)
            .iter()
            .filter(|s| !gone.contains(s));
        for server in living {
            flows += 1;
            no_candidate += u64::from(!after.candidates(bucket).contains(server));
            not_found += u64::from(!after.recovery(bucket).contains(server));
        }
    }
    let share = |lost: u64| lost as f64 / flows.max(1) as f64;
    Ok(Lost {
        of_candidates: share(no_candidate),
        of_recovery: share(not_found),
    })
}

fn generation(number: u64, state: State, servers: &[u16]) -> Generation {
    let member = |&server| Member {
        server,
        weight: 1,
        draining: false,
    };
    Generation {
        number,
        state,
        members: servers.iter().map(member).collect(),
    }
}
