//! What happened to each request, as lines of JSON.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The whole right answer, and an orderly end of the connection.
    Ok,
    /// Reset before the connection stood.
    Refused,
    /// Reset afterwards.
    Reset,
    /// No end within the time allowed.
    Timeout,
    /// An answer, but not the one to this request, or not all of it.
    WrongAnswer(String),
    /// Anything else.
    Other(String),
}

impl Outcome {
    /// Did the client get what it asked for?
    pub fn is_ok(&self) -> bool {
        *self == Outcome::Ok
    }

    /// The kind, without the particulars.
    pub fn kind(&self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Refused => "refused",
            Outcome::Reset => "reset",
            Outcome::Timeout => "timeout",
            Outcome::WrongAnswer(_) => "wrong_answer",
            Outcome::Other(_) => "other",
        }
    }
}

/// One request. All times in milliseconds from the start of the load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its number in the schedule.
    pub id: u64,
    /// Where it came from.
    pub source: Option<SocketAddr>,
    /// How long its job holds a core.
    pub service_ms: f64,
    /// When it was to start.
    pub scheduled_ms: f64,
    /// When it did.
    pub started_ms: f64,
    /// When the connection stood.
    pub connected_ms: Option<f64>,
    /// When the answer's first byte came.
    pub first_byte_ms: Option<f64>,
    /// When it was over.
    pub ended_ms: f64,
    /// How it ended.
    pub outcome: Outcome,
    /// Who answered (`X-Server`).
    pub server: Option<String>,
}

impl Record {
    /// Response time as a user sees it: a late start of ours counts.
    pub fn response_ms(&self) -> f64 {
        self.ended_ms - self.scheduled_ms
    }

    /// How late it started.
    pub fn lateness_ms(&self) -> f64 {
        self.started_ms - self.scheduled_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{read_records, write_records};

    #[test]
    fn records_survive_the_file() {
        let record = |outcome| Record {
            id: 3,
            source: Some("[2001:db8::1]:1024".parse().unwrap()),
            service_ms: 1.5,
            scheduled_ms: 10.0,
            started_ms: 10.5,
            connected_ms: None,
            first_byte_ms: Some(12.0),
            ended_ms: 15.0,
            outcome,
            server: Some("s1".into()),
        };
        let records = vec![record(Outcome::Ok), record(Outcome::Other("why".into()))];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records");
        write_records(&path, &records).unwrap();
        assert_eq!(read_records::<Record>(&path).unwrap(), records);
        assert_eq!(records[0].response_ms(), 5.0);
        assert_eq!(records[0].lateness_ms(), 0.5);
    }
}
