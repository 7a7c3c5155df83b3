//! Plays files through a target: `cargo run -p fuzz-bodies --example play -- TARGET FILE...`. What a fuzzer has found is looked at
//! this way without a fuzzer.

use anyhow::{anyhow, Context, Result};
use fuzz_bodies::TARGETS;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let name = args.next().context("usage: play TARGET FILE...")?;
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.ok_or_else(|| anyhow!("\"{name}\" is no target"))?;
    for file in args {
        let input = std::fs::read(&file).with_context(|| file.clone())?;
        eprintln!("{file}: {} bytes", input.len());
        (target.run)(&input);
    }
    Ok(())
}
