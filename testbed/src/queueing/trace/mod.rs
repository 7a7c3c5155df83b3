//! A trace of queries in a file, one query a line, in the order of time. Two kinds are taken.
//!
//! **CSV** with a head that names its columns:
//!
//! ```text
//! at_s,service_ms
//! 0.013,187.2
//! ```
//!
//! | column | what |
//! | --- | --- |
//! | `at_s` | when the query comes, in seconds; those since 1970 (UTC) are told by their size. It must be there |
//! | `service_ms` | for how long it needs a core; without this column it is drawn, by class |
//! | `class` | `wiki` or `static` |
//! | `url` | the class follows from it; this column is the last one, so that it may contain commas |
//!
//! **WikiBench** (wikibench.eu; the traces that the paper replays), as it is once unpacked, without a head:
//!
//! ```text
//! 929840891 1190146243.324 http://en.wikipedia.org/wiki/Main_Page -
//! ```
//!
//! That is a counter, a time (or `2007-09-18T20:10:43.324`, as in the years after), the URL, and a flag (`-` or `save`). Only the
//! English Wikipedia's queries are taken, as in the paper. A line may be up to a second earlier than the one before; it then counts as
//! simultaneous.
//!
//! A URL is a wiki page's if `/wiki/index.php/` is in it, which is the paper's rule, or if it is `/wiki/..` or
//! `/w/index.php..` on Wikipedia itself, which is what the paper's generator makes that out of. All others are static.
//!
//! A file is read twice, first as a check and then as queries come, and never held: memory does not grow with it. Virtual
//! time begins with the first query.

mod columns;
mod lines;
mod peak;
mod url;
mod wikibench;

pub use peak::{Peak, OVER_S as PEAK_OVER_S};

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::workload::{Class, Job, Jobs, Services};
use crate::rng::Rng;
use columns::Columns;
use lines::Lines;

/// For so long at most nothing may come: polls go on meanwhile, and it is most likely a hole in the file.
const MOST_HOLE_S: u64 = 3_600;
/// By so much WikiBench's lines may be out of order.
const DISORDER_US: u64 = 1_000_000;
/// How many lines pass between two looks at whether to go on.
const LOOK_EVERY: u64 = 16_384;

/// Why a trace can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file can't be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is nothing that can be read twice.
    #[error("{}: expected a file, which is read twice", path.display())]
    NoFile {
        /// Which.
        path: PathBuf,
    },
    /// A line is not what it should be.
    #[error("{}, line {line}: {what}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// Somebody did not want to wait.
    #[error("interrupted")]
    Stopped,
}

/// A file that has been checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    path: PathBuf,
    services: Services,
    /// How many queries are in it.
    pub queries: u64,
    /// Lines that are other sites'.
    pub left_out: u64,
    /// The time of the first query, as it is written there: seconds.
    pub begins_s: f64,
    /// From the first query to the last.
    pub length_s: f64,
    /// Queries a second where most come.
    pub peak_qps: f64,
    /// Does it say how much work each query is?
    pub has_service: bool,
}

impl Trace {
    /// Reads a trace once, to see whether it can be used. `services` is for queries of which it says only the class.
    /// `on_read` hears now and then how many bytes were read, and says whether to go on.
    ///
    /// # Errors
    ///
    /// Where the file can't be read, is none of the kinds above, or has a line that is no query, goes back in time or comes
    /// after a hole of an hour.
    pub fn check(
        path: &Path,
        services: Services,
        on_read: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Trace, TraceError> {
        let meta = std::fs::metadata(path).map_err(|error| in_file(path, error))?;
        if !meta.is_file() {
            return Err(TraceError::NoFile {
                path: path.to_owned(),
            });
        }
        let mut reading = Reading::open(path, services, Rng::new(0, 0))?;
        let (mut queries, mut last_us) = (0, 0);
        let mut peak = Peak::default();
        while let Some(job) = reading.next() {
            let job = job?;
            queries += 1;
            last_us = job.at_us;
            peak.add(job.at_us);
            if queries % LOOK_EVERY == 0 && !on_read(reading.lines.read_bytes()) {
                return Err(TraceError::Stopped);
            }
        }
        let Some(begins_us) = reading.first_us else {
            return Err(reading.at_line("no query: expected lines with some".to_owned()));
        };
        Ok(Trace {
            path: path.to_owned(),
            services,
            queries,
            left_out: reading.left_out,
            begins_s: begins_us as f64 / 1e6,
            length_s: last_us as f64 / 1e6,
            peak_qps: peak.qps(),
            has_service: matches!(&reading.format, Format::Csv(columns) if columns.has_service()),
        })
    }

    /// The queries; an error ends them.
    pub fn jobs(&self, seed: u64) -> Jobs<'_> {
        match Reading::open(&self.path, self.services, Rng::new(seed, 12)) {
            Ok(reading) => Box::new(reading),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }
}

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    /// When, as it is written.
    at_us: u64,
    class: Class,
    service_us: Option<u64>,
}

enum Format {
    Csv(Columns),
    WikiBench,
}

impl Format {
    /// A line's query; none if it is another site's.
    fn entry(&self, line: &[u8]) -> Result<Option<Entry>, String> {
        match self {
            Format::Csv(columns) => columns.entry(line).map(Some),
            Format::WikiBench => wikibench::entry(line),
        }
    }

    fn disorder_us(&self) -> u64 {
        match self {
            Format::Csv(_) => 0,
            Format::WikiBench => DISORDER_US,
        }
    }
}

/// A file that is being read.
struct Reading {
    path: PathBuf,
    lines: Lines,
    format: Format,
    /// WikiBench has no head: its first line is a query.
    is_first_unread: bool,
    services: Services,
    rng: Rng,
    first_us: Option<u64>,
    last_us: u64,
    left_out: u64,
}

fn in_file(path: &Path, error: io::Error) -> TraceError {
    TraceError::Io {
        path: path.to_owned(),
        error,
    }
}

fn in_line(path: &Path, line: u64, what: String) -> TraceError {
    TraceError::Line {
        path: path.to_owned(),
        line,
        what,
    }
}

impl Reading {
    fn open(path: &Path, services: Services, rng: Rng) -> Result<Reading, TraceError> {
        let file = File::open(path).map_err(|error| in_file(path, error))?;
        let mut lines = Lines::new(file);
        let first = lines.advance().map_err(|error| in_file(path, error))?;
        let first = first.then(|| lines.line().map_err(|what| in_line(path, 1, what)));
        let first = first.transpose()?.unwrap_or_default();
        let format = format_of(first).map_err(|what| in_line(path, 1, what))?;
        Ok(Reading {
            path: path.to_owned(),
            is_first_unread: matches!(format, Format::WikiBench),
            lines,
            format,
            services,
            rng,
            first_us: None,
            last_us: 0,
            left_out: 0,
        })
    }

    fn at_line(&self, what: String) -> TraceError {
        in_line(&self.path, self.lines.number(), what)
    }

    /// Goes to the next line; false at the end.
    fn advance(&mut self) -> Result<bool, TraceError> {
        if std::mem::take(&mut self.is_first_unread) {
            return Ok(true);
        }
        self.lines
            .advance()
            .map_err(|error| in_file(&self.path, error))
    }

    /// The query of the next line that has one.
    fn read(&mut self) -> Result<Option<Job>, TraceError> {
        while self.advance()? {
            let entry = self.lines.line().and_then(|line| self.format.entry(line));
            let entry = entry.map_err(|what| self.at_line(what))?;
            let Some(entry) = entry else {
                self.left_out += 1;
                continue;
            };
            return self.job(entry).map(Some).map_err(|what| self.at_line(what));
        }
        Ok(None)
    }

    fn job(&mut self, entry: Entry) -> Result<Job, String> {
        let first_us = *self.first_us.get_or_insert(entry.at_us);
        let last_us = first_us + self.last_us;
        if entry.at_us + self.format.disorder_us() < last_us {
            return Err(format!(
                "it is {} s earlier than the line before: expected the order of time",
                (last_us - entry.at_us) as f64 / 1e6
            ));
        }
        let at_us = entry.at_us.max(last_us);
        if at_us - last_us > MOST_HOLE_S * 1_000_000 {
            return Err(format!(
                "a hole of {} s in front of it: expected {MOST_HOLE_S} s at most",
                (at_us - last_us) as f64 / 1e6
            ));
        }
        self.last_us = at_us - first_us;
        Ok(Job {
            at_us: self.last_us,
            service_us: match entry.service_us {
                Some(service_us) => service_us,
                None => self.services.draw_us(entry.class, &mut self.rng),
            },
            class: entry.class,
        })
    }
}

impl Iterator for Reading {
    type Item = Result<Job, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// What kind of file begins with this line.
fn format_of(first: &[u8]) -> Result<Format, String> {
    if wikibench::entry(first).is_ok() {
        return Ok(Format::WikiBench);
    }
    Columns::of(first).map(Format::Csv)
}

#[cfg(test)]
mod tests;
