//! How long candidate tables take to build.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Result;
use consistent_hash::{
    ClusterKey, Entrant, Generation, Known, Member, Recipe, State, Table, VipTables,
};

use super::spread::Spread;

/// Servers of the pool.
pub const SERVERS: u16 = 1_000;
/// Sizes of tables, prime and power of two.
pub const BUCKETS: [u32; 2] = [65_537, 65_536];
/// Generations of the pool that a reload reads.
pub const GENERATIONS: u16 = 5;

/// Further passes say nothing new.
const MOST_PASSES: u32 = 31;

/// One figure.
#[derive(Clone, Debug)]
pub struct Built {
    /// What was built.
    pub what: String,
    /// Milliseconds.
    pub ms: Spread,
}

/// Builds a table, and throws it away.
type Build<'a> = Box<dyn Fn() -> Result<()> + 'a>;

/// Builds each kind of table that often, in turn.
pub fn measure(passes: u32) -> Result<Vec<Built>> {
    let names: Vec<String> = (0..SERVERS + GENERATIONS)
        .map(|n| format!("server-{n}"))
        .collect();
    let mut kinds: Vec<(String, Build<'_>)> = Vec::new();
    for buckets in BUCKETS {
        for choices in [1, 2] {
            for (is_weighted, weights) in [(false, ""), (true, ", weights 1 to 4")] {
                let recipe = Recipe::new(ClusterKey::from([3; 16]), buckets, choices)?;
                let what = format!("table, M={buckets}, C={choices}{weights}");
                let entrants = entrants(&names, is_weighted);
                let build = move || {
                    black_box(Table::build(&recipe, &entrants)?);
                    Ok(())
                };
                kinds.push((what, Box::new(build)));
            }
        }
    }
    for buckets in BUCKETS {
        let recipe = Recipe::new(ClusterKey::from([3; 16]), buckets, 2)?;
        let history = history();
        let names = &names;
        let build = move || {
            black_box(VipTables::build(&recipe, names, &history, true)?);
            Ok(())
        };
        let what = format!("a VIP of {GENERATIONS} generations, M={buckets}, C=2");
        kinds.push((what.clone(), Box::new(build)));
        let known = known(&recipe, names)?;
        let history = self::history();
        let build = move || {
            let known = &mut known.clone();
            black_box(VipTables::build_with(
                known, &recipe, names, &history, true,
            )?);
            Ok(())
        };
        kinds.push((format!("{what}, one of them new"), Box::new(build)));
    }
    let mut ms = vec![Vec::new(); kinds.len()];
    for pass in 0..=passes.min(MOST_PASSES) {
        for ((_, build), ms) in kinds.iter().zip(&mut ms) {
            let began = Instant::now();
            build()?;
            if pass > 0 {
                ms.push(began.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    let built = |((what, _), ms): ((String, _), &Vec<f64>)| Built {
        what,
        ms: Spread::of(ms),
    };
    Ok(kinds.into_iter().zip(&ms).map(built).collect())
}

fn entrants(names: &[String], is_weighted: bool) -> Vec<Entrant<'_>> {
    let mut entrants = Vec::new();
    for (server, name) in (0..SERVERS).zip(names) {
        entrants.push(Entrant {
            server,
            identity: name.as_bytes(),
            weight: match is_weighted {
                true => 1 + u32::from(server % 4),
                false => 1,
            },
        });
    }
    entrants
}

/// The tables of all generations but the newest.
fn known(recipe: &Recipe, names: &[String]) -> Result<Known> {
    let mut history = history();
    history.pop();
    if let Some(newest) = history.last_mut() {
        newest.state = State::Active;
    }
    let mut known = Known::new();
    VipTables::build_with(&mut known, recipe, names, &history, true)?;
    Ok(known)
}

/// Generations each of which replaces one server of the one before.
fn history() -> Vec<Generation> {
    let generation = |back: u16| Generation {
        number: u64::from(GENERATIONS - back),
        state: if back == 0 {
            State::Active
        } else {
            State::Kept
        },
        members: (GENERATIONS - back..GENERATIONS - back + SERVERS)
            .map(|server| Member {
                server,
                weight: 1,
                draining: false,
            })
            .collect(),
    };
    (0..GENERATIONS).rev().map(generation).collect()
}
