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
    /// At an address that the edge discards: the generator works as hard, and nothing of it reaches the inside.
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
    /// What the LBs' guards saw of clients that they didn't know.
    pub knocks: Knocks,
}

/// First packets of flows of unknown clients, and their second ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knocks {
    /// First knocks that passed.
    pub firsts_passed: u64,
    /// Those that were dropped.
    pub firsts_dropped: u64,
    /// Second knocks that passed.
    pub seconds_passed: u64,
    /// Those that were dropped.
    pub seconds_dropped: u64,
}

impl Knocks {
    /// What came since `before`.
    pub fn since(&self, before: &Knocks) -> Knocks {
        Knocks {
            firsts_passed: self.firsts_passed - before.firsts_passed,
            firsts_dropped: self.firsts_dropped - before.firsts_dropped,
            seconds_passed: self.seconds_passed - before.seconds_passed,
            seconds_dropped: self.seconds_dropped - before.seconds_dropped,
        }
    }
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
        let is_kept = |kind| report.ratio(kind).median >= LEAST_RATIO;
        let throughput_kept = report.kinds().all(is_kept);
        report.throughput_kept = throughput_kept;
        report.ok = report.none_failed && report.memory_bounded && report.throughput_kept;
        report
    }

    /// The kinds of floods that were measured.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> + '_ {
        let measured = |kind: &Kind| self.phases.iter().any(|phase| phase.kind == *kind);
        Kind::ALL.into_iter().filter(measured)
    }

    /// Legitimate connections that failed, in all phases, besides those that were [crowded out](Self::crowded_out).
    pub fn failed(&self) -> u64 {
        let groups = self.phases.iter().flat_map(|phase| phase.served.groups());
        let all: u64 = groups.map(|(_, group)| group.failed).sum();
        all - self.crowded_out()
    }

    /// New clients whom SYNs that come again kept out: nothing tells them apart, so they share one limit.
    pub fn crowded_out(&self) -> u64 {
        let crowd = self.of(Kind::SynTwice, Aim::Vip);
        crowd.map(|phase| phase.served.newcomers.failed).sum()
    }

    /// The share of the inside's processors that other processes of the machine took.
    pub fn others(&self) -> f64 {
        let of = |seconds: fn(&Served) -> f64| -> f64 {
            self.phases.iter().map(|phase| seconds(&phase.served)).sum()
        };
        let others = of(|served| served.others_s);
        others / (others + of(|served| served.share_s)).max(f64::MIN_POSITIVE)
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

    /// The same in bytes a second, whatever other processes took: on a machine that does nothing else there is no difference.
    pub fn plain_ratio(&self, kind: Kind) -> Spread {
        let both = self.of(kind, Aim::Vip).zip(self.of(kind, Aim::Discarded));
        Spread::of(both.map(|(flooded, beside)| flooded.served.rate() / beside.served.rate()))
    }

    /// The ratios for the same share at a glance.
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
            others_s: 0.5,
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
            knocks: Knocks::default(),
        }
    }

    fn report(flooded: u64, failed: u64, peak_kib: u64) -> Report {
        let mut phases = Vec::new();
        for round in 1..=3 {
            for kind in Kind::ALL {
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
        let mut crowd = report(100, 0, bound);
        for phase in crowd.phases.iter_mut() {
            phase.served.newcomers.failed =
                u64::from(phase.kind == Kind::SynTwice && phase.aim == Aim::Vip);
        }
        assert_eq!((crowd.failed(), crowd.crowded_out()), (0, 3));
        assert_eq!(crowd.others(), 0.25);
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
