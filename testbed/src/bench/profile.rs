//! Where the time of packets goes, function by function: `perf` looks at this process while it works on packets, and only then.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{ensure, Context, Result};

use super::args::BenchArgs;
use super::case::{Case, Way};
use super::results::{OrWhy, Results};
use super::rig::{ring, Rig, RING};
use super::target;
use crate::{shell, tools};

/// Samples a second while packets are worked on.
const SAMPLES_HZ: u32 = 15_000;
const PASSES: usize = 300;
/// What takes less is not named.
const LEAST_PERCENT: f64 = 1.0;

/// The shares of one figure's time.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Which packets.
    pub case: Case,
    /// What goes in front of them.
    pub way: Way,
    /// Flows in the table.
    pub flows: u64,
    /// Functions and their own share in percent, the largest first.
    pub shares: Vec<(String, f64)>,
}

/// Profiles of all that miss their targets; or why there are none.
pub fn of_missed(
    args: &BenchArgs,
    results: &Results,
    mut done: impl FnMut() -> Result<()>,
) -> Result<OrWhy<Vec<Profile>>> {
    let missed = target::all(results)
        .into_iter()
        .filter(|target| !target.is_met());
    let mut wanted: Vec<(Case, Way, u64)> = missed.filter_map(|target| target.figure).collect();
    // One table after the other: each is made once.
    wanted.sort_by_key(|&(case, way, flows)| (flows, way.name(), case));
    wanted.dedup();
    if tools::find("perf").is_none() {
        return Ok(Err("perf is not installed".into()));
    }
    let mut profiles = Vec::new();
    let mut rig: Option<Rig> = None;
    for (case, way, flows) in wanted {
        let is_same = |rig: &Rig| rig.way() == way && rig.flows() == flows;
        let mut at_hand = match rig.take().filter(is_same) {
            Some(rig) => rig,
            None => Rig::new(way, args.servers, flows)?,
        };
        match profile(&mut at_hand, case, args.batch.into()) {
            Ok(shares) => profiles.push(Profile {
                case,
                way,
                flows,
                shares,
            }),
            Err(error) => return Ok(Err(format!("{error:#}"))),
        }
        rig = Some(at_hand);
        done()?;
    }
    Ok(Ok(profiles))
}

fn profile(rig: &mut Rig, case: Case, batch: usize) -> Result<Vec<(String, f64)>> {
    let data = Samples::path();
    let mut perf = Perf::start(&data)?;
    let mut frames = ring(RING);
    for _ in 0..PASSES {
        let filled = rig.fill(case, &mut frames)?;
        perf.tell("enable")?;
        let worked = rig.work_on(case, batch, &mut frames[..filled]);
        perf.tell("disable")?;
        worked?;
        rig.clean_up(case)?;
    }
    perf.stop()?;
    data.shares()
}

/// A file of samples, gone when it is dropped.
struct Samples(PathBuf);

impl Samples {
    fn path() -> Samples {
        let name = format!("srlb-bench-{}.perf", std::process::id());
        Samples(std::env::temp_dir().join(name))
    }

    fn shares(&self) -> Result<Vec<(String, f64)>> {
        let file = path(&self.0)?;
        let report = ["report", "-i", file, "--stdio", "--no-children", "-t", ";"];
        let fields = ["-F", "overhead,symbol", "-w", "0,0", "-q"];
        let text = shell::run("perf", &[&report[..], &fields[..]].concat())?;
        Ok(shares_in(&text))
    }
}

impl Drop for Samples {
    fn drop(&mut self) {
        // Where there is none, perf has said why.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn path(path: &Path) -> Result<&str> {
    path.to_str()
        .context("a folder for temporary files whose name is text")
}

/// Lines as `12.34%;[.] name`.
fn shares_in(report: &str) -> Vec<(String, f64)> {
    let line = |line: &str| {
        let (percent, name) = line.split_once(';')?;
        let percent = percent.trim().trim_end_matches('%').parse().ok()?;
        let name = name.trim();
        let name = name
            .strip_prefix("[.]")
            .or(name.strip_prefix("[k]"))
            .unwrap_or(name);
        Some((name.trim().to_owned(), percent))
    };
    let shares = report.lines().filter_map(line);
    shares
        .filter(|(_, percent)| *percent >= LEAST_PERCENT)
        .collect()
}

/// A `perf record` that follows this process and takes orders.
struct Perf {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Perf {
    fn start(data: &Samples) -> Result<Perf> {
        let (pid, hz) = (std::process::id().to_string(), SAMPLES_HZ.to_string());
        let mut child = Command::new("perf")
            // -N: no copy of this program in the user's folder
            .args([
                "record",
                "-q",
                "-N",
                "-e",
                "cpu-clock:u",
                "-F",
                &hz,
                "-p",
                &pid,
            ])
            .args(["-D", "-1", "--control", "fd:0,1", "-o", path(&data.0)?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("starting perf")?;
        let orders = child.stdin.take().context("perf without standard input")?;
        let answers = child
            .stdout
            .take()
            .context("perf without standard output")?;
        Ok(Perf {
            child,
            orders,
            answers: BufReader::new(answers),
        })
    }

    fn tell(&mut self, order: &str) -> Result<()> {
        let sent = writeln!(self.orders, "{order}").and_then(|()| self.orders.flush());
        sent.context("perf takes no orders")?;
        let mut answer = Vec::new();
        self.answers.read_until(b'\n', &mut answer)?;
        let is_done = answer.windows(3).any(|word| word == b"ack");
        ensure!(is_done, "perf can't look at this process");
        Ok(())
    }

    fn stop(mut self) -> Result<()> {
        self.tell("stop")?;
        self.child.wait().context("waiting for perf")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_a_report() {
        let report = "\n    38.12%;[.] srlb_lb::engine::plain::steer\n     2.5%;[k] clear_page  \n 0.40%;[.] a\nnonsense\n";
        let expected = [
            ("srlb_lb::engine::plain::steer", 38.12),
            ("clear_page", 2.5),
        ];
        assert_eq!(
            shares_in(report),
            expected.map(|(name, share)| (name.to_owned(), share))
        );
    }
}
