//! A trace of queries in a file: CSV with a head, one query a line, in the order of time.
//!
//! ```text
//! at_s,service_ms
//! 0.013,187.2
//! ```

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::workload::Job;

const HEAD: &str = "at_s,service_ms";
/// Later times, and longer services, are a mistake in the file.
const MOST_S: f64 = 1e9;

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
    /// A line is not what it should be.
    #[error("{}, line {line}: {what}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
}

/// Reads a trace.
///
/// # Errors
///
/// Where the file can't be read, has another head, or has a line that is no query or goes back in time.
pub fn read(path: &Path) -> Result<Vec<Job>, TraceError> {
    let in_file = |error| TraceError::Io {
        path: path.to_owned(),
        error,
    };
    let at = |line, what| TraceError::Line {
        path: path.to_owned(),
        line,
        what,
    };
    let mut jobs: Vec<Job> = Vec::new();
    let lines = BufReader::new(File::open(path).map_err(in_file)?).lines();
    for (number, line) in (1..).zip(lines) {
        let line = line.map_err(in_file)?;
        if number == 1 {
            check_head(&line).map_err(|what| at(1, what))?;
            continue;
        }
        let job = job(&line).map_err(|what| at(number, what))?;
        if jobs.last().is_some_and(|last| last.at_us > job.at_us) {
            let what = "it is earlier than the line before".to_owned();
            return Err(at(number, what));
        }
        jobs.push(job);
    }
    match jobs.is_empty() {
        true => Err(at(1, format!("expected \"{HEAD}\", and queries behind it"))),
        false => Ok(jobs),
    }
}

fn check_head(line: &str) -> Result<(), String> {
    match line.trim_end() == HEAD {
        true => Ok(()),
        false => Err(format!("the columns are \"{line}\": expected \"{HEAD}\"")),
    }
}

fn job(line: &str) -> Result<Job, String> {
    let columns: Vec<&str> = line.trim_end().split(',').collect();
    let [at_s, service_ms] = columns[..] else {
        let found = columns.len();
        return Err(format!("{found} columns: expected 2, \"{HEAD}\""));
    };
    Ok(Job {
        at_us: micros("at_s", at_s, 1e6)?,
        service_us: micros("service_ms", service_ms, 1e3)?,
    })
}

fn micros(column: &str, text: &str, in_one: f64) -> Result<u64, String> {
    match text.trim().parse::<f64>() {
        Ok(number) if (0.0..=MOST_S).contains(&number) => Ok((number * in_one).round() as u64),
        _ => Err(format!(
            "{column} is \"{text}\": expected a number from 0 to {MOST_S:.0}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<Job>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace.csv");
        std::fs::write(&path, text).unwrap();
        let say = |error: TraceError| {
            let text = error.to_string();
            let (_, rest) = text.split_once("trace.csv").unwrap();
            rest.to_owned()
        };
        read(&path).map_err(say)
    }

    #[test]
    fn queries_come_out() {
        let jobs = read_text("at_s,service_ms\n0.5,1.25\r\n0.5,0\n2,3e3").unwrap();
        let pairs: Vec<_> = jobs.iter().map(|j| (j.at_us, j.service_us)).collect();
        assert_eq!(
            pairs,
            [(500_000, 1_250), (500_000, 0), (2_000_000, 3_000_000)]
        );
    }

    #[test]
    fn what_is_no_trace_is_told_by_its_line() {
        let rows = [
            (
                "",
                ", line 1: expected \"at_s,service_ms\", and queries behind it",
            ),
            (
                "at_s,service_ms\n",
                ", line 1: expected \"at_s,service_ms\", and queries behind it",
            ),
            (
                "at,ms\n1,2\n",
                ", line 1: the columns are \"at,ms\": expected \"at_s,service_ms\"",
            ),
            (
                "at_s,service_ms\n1,2\n\n3,4\n",
                ", line 3: 1 columns: expected 2, \"at_s,service_ms\"",
            ),
            (
                "at_s,service_ms\n1,2,3\n",
                ", line 2: 3 columns: expected 2, \"at_s,service_ms\"",
            ),
            (
                "at_s,service_ms\n1,\n",
                ", line 2: service_ms is \"\": expected a number from 0 to 1000000000",
            ),
            (
                "at_s,service_ms\n1,NaN\n",
                ", line 2: service_ms is \"NaN\": expected a number from 0 to 1000000000",
            ),
            (
                "at_s,service_ms\n-1,1\n",
                ", line 2: at_s is \"-1\": expected a number from 0 to 1000000000",
            ),
            (
                "at_s,service_ms\n2,1\n1,1\n",
                ", line 3: it is earlier than the line before",
            ),
        ];
        for (text, error) in rows {
            assert_eq!(read_text(text).unwrap_err(), error);
        }
        assert!(read(Path::new("/nowhere/trace.csv")).is_err());
    }
}
