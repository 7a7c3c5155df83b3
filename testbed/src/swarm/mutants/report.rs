//! What became of all mutants, for `testbed/reports`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use super::{table, Fate};
use crate::{machine, provenance};

/// The fates of all mutants, and how they were found out.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Was each found, or is it known why it can't be?
    pub ok: bool,
    /// The command.
    pub command: String,
    /// The commit that the binary was built from.
    pub commit: Option<&'static str>,
    /// When it was written, UTC.
    pub written: String,
    /// What machine this is.
    pub machine: String,
    /// How long it took, in seconds.
    pub took_s: u64,
    /// Seeds, from 0.
    pub seeds: u64,
    /// Those of them whose worlds keep every promise of the protocol as it is.
    pub healthy: usize,
    /// Mutants that were found.
    pub found: usize,
    /// Mutants that can't be found, and why.
    pub explained: usize,
    /// Each mutant.
    pub mutants: Vec<Fate>,
}

impl Report {
    /// Of these fates.
    pub fn new(seeds: u64, healthy: usize, took: Duration, mutants: Vec<Fate>) -> Self {
        let of = |which: fn(&&Fate) -> bool| mutants.iter().filter(which).count();
        Report {
            ok: mutants.iter().all(Fate::is_well),
            command: provenance::command(),
            commit: provenance::commit(),
            written: provenance::now(),
            machine: machine::shape(),
            took_s: took.as_secs(),
            seeds,
            healthy,
            found: of(|fate| fate.found.is_some()),
            explained: of(|fate| fate.found.is_none() && fate.reason.is_some()),
            mutants,
        }
    }

    /// Mutants that are neither found nor explained.
    fn survivors(&self) -> usize {
        self.mutants.len() - self.found - self.explained
    }

    /// As a page.
    pub fn markdown(&self) -> String {
        let verdict = if self.ok { "ok" } else { "NOT OK" };
        format!(
            "# Mutants of the protocol\n\n\
             Each row of the state tables and each limit, altered in turn. Written by `{}`.\n\n\
             | | |\n| --- | --- |\n| when | {} |\n| commit | {} |\n| machine | {} |\n| took | {} s |\n\
             | seeds | {}, of which {} keep every promise without a mutant |\n\
             | mutants | {}: {} found, {} with a reason why none of these worlds shows them, {} survive |\n\
             | verdict | **{verdict}** |\n\n{}\n",
            self.command,
            self.written,
            self.commit.unwrap_or("unknown"),
            self.machine,
            self.took_s,
            self.seeds,
            self.healthy,
            self.mutants.len(),
            self.found,
            self.explained,
            self.survivors(),
            table(&self.mutants),
        )
    }

    /// Writes `mutants.md` and `mutants.json` into a folder.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let write = || -> Result<()> {
            fs::create_dir_all(folder)?;
            fs::write(folder.join("mutants.md"), self.markdown())?;
            let json = serde_json::to_string_pretty(self)?;
            Ok(fs::write(folder.join("mutants.json"), json + "\n")?)
        };
        write().with_context(|| format!("cannot write {}", folder.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::mutants::Found;

    fn fate(found: bool, reason: Option<&'static str>) -> Fate {
        Fate {
            name: "a row: removed".into(),
            worlds: 7,
            looked_at: 3,
            found: found.then(|| Found {
                seed: 5,
                promise: "stall".into(),
            }),
            reason,
        }
    }

    #[test]
    fn it_is_well_where_each_is_found_or_explained_and_none_is_both() {
        let verdict = |fates: &[Fate]| {
            let report = Report::new(9, 8, Duration::ZERO, fates.to_vec());
            (
                report.ok,
                report.found,
                report.explained,
                report.survivors(),
            )
        };
        let (found, explained) = (fate(true, None), fate(false, Some("why")));
        assert_eq!(verdict(&[found.clone(), explained]), (true, 1, 1, 0));
        assert_eq!(verdict(&[found, fate(false, None)]), (false, 1, 0, 1));
        assert_eq!(verdict(&[fate(true, Some("why"))]), (false, 1, 0, 0));
    }
}
