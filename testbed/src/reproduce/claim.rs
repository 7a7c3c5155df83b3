//! What the paper says, what came out, and whether that fits.

use serde::Serialize;

/// Is it as the paper says?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Yes, or better.
    Met,
    /// No.
    Missed,
    /// The paper says nothing about it: a finding of ours.
    Finding,
}

impl Verdict {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::Missed => "missed",
            Verdict::Finding => "finding",
        }
    }
}

/// Something that the paper says, or that we have found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// About what.
    pub what: String,
    /// What the paper says; empty for a finding.
    pub paper: String,
    /// What came out.
    pub ours: String,
    /// Whether that fits.
    pub verdict: Verdict,
    /// Why it differs, if it does and somebody knows.
    pub why: String,
}

impl Claim {
    /// A claim of the paper that `is_met`, or not.
    pub fn new(what: &str, paper: &str, ours: impl Into<String>, is_met: bool) -> Claim {
        Claim {
            what: what.to_owned(),
            paper: paper.to_owned(),
            ours: ours.into(),
            verdict: match is_met {
                true => Verdict::Met,
                false => Verdict::Missed,
            },
            why: String::new(),
        }
    }

    /// Something that only we say.
    pub fn finding(what: &str, ours: impl Into<String>) -> Claim {
        let verdict = Verdict::Finding;
        Claim {
            verdict,
            ..Claim::new(what, "", ours, true)
        }
    }

    /// Why ours differs, or what it follows from.
    pub fn because(self, why: impl Into<String>) -> Claim {
        let why = why.into();
        Claim { why, ..self }
    }
}
