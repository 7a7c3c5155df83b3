//! The paper's figures again: from the model, from the candidate tables, from the queueing simulator, and on real Apache.
//!
//! Each figure is a [`Figure`]: plots, and what the paper claims about them beside what came out. A run writes CSV and SVG as
//! soon as a figure is there, and one page with all of them that grows with it.

pub mod args;
mod centralized;
pub mod chart;
mod choices;
pub mod claim;
mod dynamic;
pub mod farm;
pub mod figure;
mod fit;
mod from_model;
mod lambda_0;
mod lbs;
mod over_time;
mod overhead;
mod page;
mod paired;
mod pending;
mod poisson;
mod queue;
mod real;
mod resiliency;
mod run;
mod section_6b;
mod servers;
mod slow;
mod table_size;
mod variance;
mod weights;
pub mod wikipedia;
mod workshop;

pub use args::ReproduceArgs;
pub use claim::{Claim, Verdict};
pub use figure::{Axis, Curve, Figure, Panel};
pub use run::{count, run, Done, Made, PARTIAL};
pub use workshop::Workshop;

use anyhow::Result;

use crate::tools;

/// What a figure needs beside a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// Root, namespaces and Apache, and the machine for itself.
    Root,
}

impl Needs {
    /// Why it can't be made here, if so.
    pub fn missing(self) -> Option<String> {
        match self {
            Needs::Nothing => None,
            Needs::Root => tools::check_host().err().map(|error| error.to_string()),
        }
    }
}

/// A figure that can be made.
#[derive(Clone, Copy)]
pub struct Experiment {
    /// Its name on the command line: a figure's number in the paper, or a word.
    pub name: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// What the paper says about it; empty for those that only we have.
    pub paper: &'static str,
    /// What it needs.
    pub needs: Needs,
    /// Makes it.
    pub make: fn(&Workshop) -> Result<Figure>,
}

impl Experiment {
    /// What people call it.
    pub fn label(&self) -> String {
        match self.name.starts_with(|c: char| c.is_ascii_digit()) {
            true => format!("figure {}", self.name),
            false => self.name.to_owned(),
        }
    }
}

/// All of them: the paper's in its order, then ours.
pub fn all() -> Vec<Experiment> {
    let mut all = vec![overhead::figure_5(), resiliency::figure_7()];
    all.extend(from_model::figures());
    all.push(poisson::figure_10a());
    all.push(real::figure_10a_real());
    all.push(over_time::figure_10b());
    all.push(over_time::figure_10c());
    all.push(servers::figure_11a());
    all.push(table_size::figure_11b());
    all.push(real::figure_11c());
    all.push(real::figure_11d());
    all.push(centralized::figure_11e());
    all.push(variance::figure_11f());
    all.push(wikipedia::figure_12());
    all.extend([
        dynamic::experiment(),
        choices::experiment(),
        pending::experiment(),
        queue::experiment(),
        weights::experiment(),
        lbs::experiment(),
        slow::experiment(),
    ]);
    all
}
