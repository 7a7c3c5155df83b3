//! What `load` and `traffic` have in common: sources, a bar, records and a summary.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::json;

use crate::cli::ClientArgs;
use crate::load::Sources;
use crate::plan::load_sources;
use crate::records::write_records;

impl ClientArgs {
    /// Addresses and ports, in turn.
    pub(super) fn rotation(&self) -> Sources {
        let sources = match &self.sources {
            Some(given) => given.iter().copied().flatten().collect(),
            None => load_sources().map(Into::into).collect(),
        };
        Sources::new(sources, self.first_source)
    }

    /// A bar of this length, unless it would be in a program's way.
    pub(super) fn bar(&self, length: u64) -> ProgressBar {
        if self.progress_json || self.json {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}");
        ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    }

    /// Tells how far it is, as a line or by `show`.
    pub(super) fn tell(&self, progress: &impl Serialize, show: impl FnOnce()) {
        match self.progress_json {
            // Whoever stopped reading is missed at the end; the connections go on.
            true => _ = writeln!(std::io::stdout(), "{}", json!(progress)),
            false => show(),
        }
    }

    /// Writes the records, and prints the summary as JSON or as it is `rendered`; the exit code says whether any failed.
    pub(super) fn end<T: Display>(
        &self,
        records: &[impl Serialize],
        summary: &impl Serialize,
        rendered: impl FnOnce() -> T,
        has_failed: bool,
    ) -> Result<ExitCode> {
        if let Some(path) = &self.out {
            write_records(path, records)?;
        }
        match (self.progress_json, self.json) {
            (true, _) => {}
            (false, true) => daemon::say!("{:#}", json!(summary)),
            (false, false) => daemon::say!("{}", rendered()),
        }
        Ok(match has_failed {
            true => ExitCode::FAILURE,
            false => ExitCode::SUCCESS,
        })
    }
}
