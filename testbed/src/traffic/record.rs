//! What became of each connection, as lines of JSON.

use std::fmt;
use std::net::SocketAddr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What a connection does with its life.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A large body that the client reads slowly.
    Download,
    /// A large body that the client sends slowly.
    Upload,
    /// A request every now and then, for the whole run.
    KeepAlive,
    /// The server says something every so often while the client is silent, for the whole run.
    Push,
    /// Nothing for a long time, then a request.
    Idle,
    /// One small request.
    Short,
}

impl Class {
    /// All of them, in the order of tables.
    pub const ALL: [Class; 6] = [
        Class::Download,
        Class::Upload,
        Class::KeepAlive,
        Class::Push,
        Class::Idle,
        Class::Short,
    ];
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Class::Download => "download",
            Class::Upload => "upload",
            Class::KeepAlive => "keep-alive",
            Class::Push => "push",
            Class::Idle => "idle",
            Class::Short => "short",
        })
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything asked for was answered with the right bytes.
    Completed,
    /// Reset after it stood.
    Reset,
    /// Reset before it stood.
    Refused,
    /// No progress for the time allowed, or given up by our kernel.
    TimedOut,
    /// An answer, but not the one to this request.
    WrongBytes,
    /// The server said goodbye in good order (FIN) in the middle of an answer.
    ClosedEarly,
    /// The server said goodbye in good order between two requests, or so that the next request
    /// crossed it and not a byte of its answer came. A server may do that at any time (RFC 9112
    /// section 9.5): Apache does in a graceful restart.
    ClosedIdle,
    /// Still under way when the run was over.
    Unfinished,
    /// The client could not even begin.
    Failed,
}

impl Outcome {
    /// Did the client get all that it asked for?
    pub fn is_completed(self) -> bool {
        self == Outcome::Completed
    }
}

/// One connection. All times are milliseconds on CLOCK_MONOTONIC ([`crate::clock`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its number, in the order of opening.
    pub id: u64,
    /// What it did.
    pub class: Class,
    /// Its own address and port.
    pub client: Option<SocketAddr>,
    /// Who answered (`X-Server`), once an answer has begun.
    pub server: Option<String>,
    /// When its SYN went out.
    pub opened_ms: f64,
    /// When it stood.
    pub connected_ms: Option<f64>,
    /// When it was over.
    pub ended_ms: f64,
    /// How it ended.
    pub outcome: Outcome,
    /// Requests sent, at least in part.
    pub requests: u64,
    /// Body bytes that those requests stand for: of answers, of an upload those sent.
    pub bytes_expected: u64,
    /// How many of them arrived and were right, in their order up to the first wrong one.
    pub bytes_right: u64,
    /// The longest time without progress while progress was due, as the application sees it:
    /// a SYN, an answer or the next line of a push outstanding, nothing to read for a reader
    /// who wants to, no room to write for a writer who has to.
    pub longest_stall_ms: f64,
    /// When that began.
    pub stalled_at_ms: Option<f64>,
    /// In words, where something went wrong.
    pub error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{read_records, write_records};

    fn record(outcome: Outcome) -> Record {
        Record {
            id: 3,
            class: Class::KeepAlive,
            client: Some("[2001:db8::1]:1024".parse().unwrap()),
            server: None,
            opened_ms: 10.25,
            connected_ms: Some(11.0),
            ended_ms: 15.5,
            outcome,
            requests: 4,
            bytes_expected: 100,
            bytes_right: 99,
            longest_stall_ms: 0.75,
            stalled_at_ms: None,
            error: Some("why".into()),
        }
    }

    #[test]
    fn records_survive_the_file() {
        let records = [record(Outcome::Completed), record(Outcome::ClosedIdle)];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records");
        write_records(&path, &records).unwrap();
        assert_eq!(read_records::<Record>(&path).unwrap(), records);
    }

    #[test]
    fn names_in_files_and_on_the_screen_are_the_same() {
        for class in Class::ALL {
            let json = serde_json::to_string(&class).unwrap();
            assert_eq!(json, format!("\"{class}\""));
        }
        let json = serde_json::to_string(&Outcome::TimedOut).unwrap();
        assert_eq!(json, "\"timed_out\"");
    }
}
