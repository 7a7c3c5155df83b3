//! What the floods did, and whether the promises were kept.

use serde::{Deserialize, Serialize};

use super::flood::Sent;
use super::legit::Served;
use super::memory::ByNode;
use super::packets::Kind;

/// The least share of the throughput that must be left.
pub const LEAST_RATIO: f64 = 0.8;

/// Where a flood ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// At an address that the LBs' kernels discard: costs the generator's and the kernel's time alone.
    Discarded,
    /// At the VIP.
    Vip,
}

/// One measurement: a flood and the legitimate connections beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Number of the round, from 1.
    pub round: usize,
    /// Of what the flood was.
    pub kind: Kind,
    /// Where it ended.
    pub aim: Aim,
    /// What was sent.
    pub sent: Sent,
    /// What was served beside it.
    pub served: Served,
    /// Strangers that the LBs' guards let pass.
    pub strangers_passed: u64,
    /// Strangers that they dropped.
    pub strangers_dropped: u64,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// How it was measured, in words.
    pub setting: String,
    /// The command that repeats it.
    pub command: String,
    /// In the order of measuring.
    pub phases: Vec<Phase>,
    /// Of each daemon.
    pub memory: ByNode,
    /// Did no legitimate connection fail?
    pub none_failed: bool,
    /// Did every daemon stay within its bounds?
    pub memory_bounded: bool,
    /// Was enough of the throughput left, in the median of the rounds, under each kind of flood?
    pub throughput_kept: bool,
    /// All three.
    pub ok: bool,
}

/// Lowest, median and highest.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// The lowest.
    pub low: f64,
    /// The one in the middle; of an even number the lower one.
    pub median: f64,
    /// The highest.
    pub high: f64,
}

impl Spread {
    /// Of these numbers; zeros of none.
    pub fn of(numbers: impl IntoIterator<Item = f64>) -> Spread {
        let mut numbers: Vec<f64> = numbers.into_iter().collect();
        numbers.sort_by(f64::total_cmp);
        let (Some(low), Some(high)) = (numbers.first(), numbers.last()) else {
            return Spread::default();
        };
        Spread {
            low: *low,
            median: numbers[(numbers.len() - 1) / 2],
            high: *high,
        }
    }
}

impl Report {
    /// Judges what was measured.
    pub fn new(setting: String, command: String, phases: Vec<Phase>, memory: ByNode) -> Report {
        let mut report = Report {
            setting,
            command,
            none_failed: false,
            memory_bounded: false,
            throughput_kept: false,
            ok: false,
            phases,
            memory,
        };
        report.none_failed = !report.phases.is_empty() && report.failed() == 0;
        report.memory_bounded = report.memory.values().all(|memory| memory.is_bounded());
        report.throughput_kept = [Kind::Syn, Kind::Ack]
            .into_iter()
            .all(|kind| report.ratio(kind).median >= LEAST_RATIO);
        report.ok = report.none_failed && report.memory_bounded && report.throughput_kept;
        report
    }

    /// Legitimate connections that failed, in all phases.
    pub fn failed(&self) -> u64 {
        let groups = self.phases.iter().flat_map(|phase| phase.served.groups());
        groups.map(|(_, group)| group.failed).sum()
    }

    /// The phases of one kind.
    pub fn of(&self, kind: Kind, aim: Aim) -> impl Iterator<Item = &Phase> {
        let is_one = move |phase: &&Phase| phase.kind == kind && phase.aim == aim;
        self.phases.iter().filter(is_one)
    }

    /// Throughput under the flood over that beside the discarded one, each for the same share of the machine, round by round.
    pub fn ratios(&self, kind: Kind) -> Vec<f64> {
        let both = self.of(kind, Aim::Vip).zip(self.of(kind, Aim::Discarded));
        both.map(|(flooded, beside)| flooded.served.rate_of_share() / beside.served.rate_of_share())
            .collect()
    }

    /// The same at a glance.
    pub fn ratio(&self, kind: Kind) -> Spread {
        Spread::of(self.ratios(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::memory::Memory;

    fn phase(round: usize, kind: Kind, aim: Aim, bytes: u64, failed: u64) -> Phase {
        let mut served = Served {
            seconds: 2.0,
            share_s: 1.5,
            bytes,
            ..Served::default()
        };
        served.newcomers.failed = failed;
        Phase {
            round,
            kind,
            aim,
            sent: Sent {
                packets: 10,
                seconds: 2.0,
            },
            served,
            strangers_passed: 0,
            strangers_dropped: 0,
        }
    }

    fn report(flooded: u64, failed: u64, peak_kib: u64) -> Report {
        let mut phases = Vec::new();
        for round in 1..=3 {
            for kind in [Kind::Syn, Kind::Ack] {
                phases.push(phase(round, kind, Aim::Discarded, 100, 0));
                phases.push(phase(round, kind, Aim::Vip, flooded, failed));
            }
        }
        let memory = Memory {
            table_kib: 100,
            before_kib: 1_000,
            peak_kib,
        };
        let memory = ByNode::from([("lb1".to_owned(), memory)]);
        Report::new(String::new(), String::new(), phases, memory)
    }

    #[test]
    fn each_promise_is_judged() {
        let bound = 1_000 + 100 + (8 << 10);
        for (flooded, failed, peak_kib, expected) in [
            (81, 0, bound, [true, true, true]),
            (79, 0, bound, [true, true, false]),
            (200, 1, bound, [false, true, true]),
            (81, 0, bound + 1, [true, false, true]),
        ] {
            let report = report(flooded, failed, peak_kib);
            let judged = [
                report.none_failed,
                report.memory_bounded,
                report.throughput_kept,
            ];
            assert_eq!(judged, expected, "{flooded} {failed} {peak_kib}");
            assert_eq!(report.ok, expected == [true; 3]);
        }
        let nothing = Report::new(String::new(), String::new(), Vec::new(), ByNode::new());
        assert!(!nothing.ok, "nothing measured is nothing shown");
    }

    #[test]
    fn a_spread_of_numbers() {
        let spread = Spread::of([3.0, 1.0, 2.0]);
        assert_eq!((spread.low, spread.median, spread.high), (1.0, 2.0, 3.0));
        assert_eq!(Spread::of([1.0, 2.0]).median, 1.0);
        assert_eq!(Spread::of([]), Spread::default());
    }
}
