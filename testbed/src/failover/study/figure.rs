//! Figure 11d: connections that are lost although their servers live.

use serde::Serialize;
use srlb_lb::engine::Pool;

use super::super::actor::Deeds;
use super::super::scenario::Point;
use crate::plan::VIP;
use crate::traffic::Record;

/// A point of figure 11d as it came out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Which point.
    #[serde(flatten)]
    pub point: Point,
    /// Connections open at the moment of the change.
    pub open: usize,
    /// Of these, lost with their servers.
    pub unavoidable: usize,
    /// Of these, lost although their servers live.
    pub extra: usize,
    /// The share that the tables say is lost so without a recovery list: flows whose server lives and is
    /// no candidate any more.
    pub expected_share: f64,
}

impl Measured {
    /// Looks at the connections that were open when the first thing was done.
    pub fn of(point: Point, expected_share: f64, records: &[Record], deeds: &Deeds) -> Measured {
        let at_ms = deeds.done.first().map_or(f64::INFINITY, |d| d.at_ms);
        let mut measured = Measured {
            point,
            open: 0,
            unavoidable: 0,
            extra: 0,
            expected_share,
        };
        for record in records {
            if record.opened_ms >= at_ms || record.ended_ms <= at_ms {
                continue;
            }
            let excused = record.client.is_some_and(|c| deeds.lost.contains(&c));
            measured.open += 1;
            match (record.outcome.is_completed(), excused) {
                (true, _) => {}
                (false, true) => measured.unavoidable += 1,
                (false, false) => measured.extra += 1,
            }
        }
        measured
    }

    /// Share of the open connections that were lost although their servers live.
    pub fn extra_share(&self) -> f64 {
        self.extra as f64 / self.open.max(1) as f64
    }
}

/// Share of the flows, spread evenly over their candidates, whose server serves before and after but is
/// none of their candidates after (the paper's section III-B1).
pub fn lost_candidates(before: &Pool, after: &Pool) -> f64 {
    let vip = VIP.parse().ok();
    let tables = |pool: &Pool| {
        let at = vip.and_then(|vip| pool.vip_at(vip))?;
        Some(pool.vips()[at].tables.clone())
    };
    let (Some(before), Some(after)) = (tables(before), tables(after)) else {
        return 0.0;
    };
    let (mut lost, mut all) = (0, 0);
    for bucket in 0..before.buckets() {
        let now = after.candidates(bucket);
        for server in before.candidates(bucket) {
            all += 1;
            lost += usize::from(after.is_member(*server) && !now.contains(server));
        }
    }
    lost as f64 / all.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failover::action::Action;
    use crate::failover::actor::Done;
    use crate::failover::study::tests::{client, record};
    use crate::traffic::Outcome;

    #[test]
    fn only_who_was_open_at_the_change_counts() {
        let point = Point {
            choices: 2,
            recovery: true,
            leave: true,
            x: 1,
        };
        let deeds = Deeds {
            lost: [client(1), client(2)].into(),
            outages: Vec::new(),
            done: vec![Done {
                at_ms: 5_000.0,
                action: Action::MachinesDie(vec![1]),
            }],
        };
        let open = |port, outcome| Record {
            opened_ms: 1_000.0,
            ended_ms: 9_000.0,
            ..record(port, outcome)
        };
        let records = [
            open(1, Outcome::Reset),
            open(2, Outcome::Completed),
            open(3, Outcome::Reset),
            open(4, Outcome::Completed),
            Record {
                ended_ms: 4_000.0,
                ..open(5, Outcome::Reset)
            },
            Record {
                opened_ms: 6_000.0,
                ..open(6, Outcome::Reset)
            },
        ];
        let measured = Measured::of(point, 0.0, &records, &deeds);
        assert_eq!(
            (measured.open, measured.unavoidable, measured.extra),
            (4, 1, 1)
        );
        assert_eq!(measured.extra_share(), 0.25);
    }
}
