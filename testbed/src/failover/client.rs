//! The clients of a scenario: `srlb-testbed traffic` in the client's namespace.

use std::path::Path;
use std::time::Duration;

use anyhow::{bail, Result};

use super::mix::Mix;
use crate::child::{self, ClientProcess};
use crate::plan::Plan;
use crate::records::read_records;
use crate::signals::Interrupt;
use crate::traffic::{Class, Progress, Record};

/// What runs at the end may take so long to finish.
const DRAIN_S: f64 = 14.0;
/// How long a download or an upload lasts.
const TRANSFER_S: &str = "2,6";
const TRANSFER_BYTES_PER_S: &str = "40000";

/// Connections of the warm-up, which later ones do not share a port with.
const WARM_UP_SOURCES: u64 = 1_000;

impl child::Progress for Progress {
    fn elapsed_s(&self) -> f64 {
        self.elapsed_s
    }
}

/// A second of short requests: every neighbour is known, every policy is awake. A request that
/// fails now is the testbed's fault.
pub fn warm_up(plan: &Plan, interrupt: &Interrupt) -> Result<()> {
    const TICK: Duration = Duration::from_millis(50);
    let mix = Mix {
        seconds: 1.0,
        short_rate_per_s: 80.0,
        timeout_s: 10.0,
        ..Mix::default()
    };
    let out = plan.run_dir().join("warm-up.jsonl");
    let mut client = start(plan, &mix, 0, 0, &out)?;
    while client.next(TICK)?.is_some() {
        interrupt.check()?;
    }
    let records: Vec<Record> = read_records(&out)?;
    match records.iter().find(|record| !record.outcome.is_completed()) {
        Some(record) => bail!("a request of the warm-up failed: {record:?}"),
        None => Ok(()),
    }
}

/// Starts the clients of a scenario; their records go to `out`.
pub fn begin(plan: &Plan, mix: &Mix, seed: u64, out: &Path) -> Result<ClientProcess<Progress>> {
    start(plan, mix, seed, WARM_UP_SOURCES, out)
}

fn start(
    plan: &Plan,
    mix: &Mix,
    seed: u64,
    first_source: u64,
    out: &Path,
) -> Result<ClientProcess<Progress>> {
    let count = |class| mix.counts.get(&class).copied().unwrap_or(0).to_string();
    let mut args = vec![
        std::env::current_exe()?.to_string_lossy().into_owned(),
        "traffic".into(),
        "--progress-json".into(),
        "--out".into(),
        out.to_string_lossy().into_owned(),
    ];
    for (option, value) in [
        ("--seconds", mix.seconds.to_string()),
        ("--downloads", count(Class::Download)),
        ("--uploads", count(Class::Upload)),
        ("--keep-alive", count(Class::KeepAlive)),
        ("--push", count(Class::Push)),
        ("--idle", count(Class::Idle)),
        ("--short-rate", mix.short_rate_per_s.to_string()),
        ("--idle-pause-s", mix.idle_pause_s.max(1.0).to_string()),
        ("--transfer-s", TRANSFER_S.into()),
        ("--transfer-bytes-per-s", TRANSFER_BYTES_PER_S.into()),
        ("--timeout-s", mix.timeout_s.to_string()),
        ("--drain-s", DRAIN_S.to_string()),
        ("--seed", seed.to_string()),
        ("--first-source", first_source.to_string()),
    ] {
        args.extend([option.to_owned(), value]);
    }
    ClientProcess::start(plan, &args)
}
