//! One world.

use std::any::Any;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::Instant;

use crate::sim::{self, Options, Scenario};

use super::tally::Tally;

/// Makes a seed's world.
pub type Maker = fn(u64) -> Scenario;

/// Runs a seed's world. A panic is a broken promise like any other.
pub fn run(make: Maker, seed: u64, options: &Options) -> Tally {
    let began = Instant::now();
    let world = make(seed);
    // Nothing outlives the run that a panic could leave half done.
    let run = AssertUnwindSafe(|| sim::run_with(&world, options));
    match catch_unwind(run) {
        Ok(Ok(outcome)) => Tally::of(&world, &outcome, began.elapsed()),
        Ok(Err(error)) => Tally::without_end(&world, "capture", error.to_string(), began.elapsed()),
        Err(panic) => Tally::without_end(&world, "panic", message(&panic), began.elapsed()),
    }
}

fn message(panic: &Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("without a word").to_owned()
}
