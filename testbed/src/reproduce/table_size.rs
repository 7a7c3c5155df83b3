//! Figure 11b: what small candidate tables cost.

use anyhow::Result;

use super::farm;
use super::section_6b::{means_s, percent_above, Farm, Spread, RHO};
use super::{Axis, Claim, Curve, Experiment, Figure, Needs, Panel, Workshop};
use crate::queueing::{Balancing, Scenario};

/// Tables of 2^k buckets.
const POWERS: std::ops::RangeInclusive<u32> = 6..=16;
/// Small tables differ, so that one says little.
const SEEDS: u64 = 3;
/// From here on they are "almost identical".
const LARGE: u32 = 2_048;
/// What is no more than this above the largest table's is almost identical.
const SAME_PERCENT: f64 = 3.0;

/// The figure.
pub fn figure_11b() -> Experiment {
    Experiment {
        name: "11b",
        title: "Mean response time of SR4 by the size of the table, rho = 0.71 (section VI-B4)",
        paper: "\"The response times are almost identical for high table sizes, with a noticeable influence when M <= 1024. Also, except when \
                M <= 128, the average response time stays lower than when using the SC policy with the same rate.\"",
        needs: Needs::Nothing,
        make,
    }
}

fn make(workshop: &Workshop) -> Result<Figure> {
    let sizes: Vec<u32> = POWERS.map(|k| 1 << k).collect();
    let rate_qps = Farm::TWO.rate_qps(workshop, RHO)?;
    let with = |balancing, buckets| Scenario {
        buckets,
        ..Farm::TWO.scenario(workshop, balancing, rate_qps)
    };
    let single = Balancing::SINGLE_CHOICE;
    let mut scenarios: Vec<Scenario> = sizes.iter().map(|&m| with(farm::sr(4), m)).collect();
    scenarios.extend(sizes.iter().map(|&m| with(single, m)));
    let means = means_s(workshop, SEEDS, &scenarios)?;
    let (four, single) = means.split_at(sizes.len());
    // of the largest, as the paper's
    let sc_s = single.last().map_or(f64::NAN, Spread::mean);
    let curve = |name, means: &[Spread]| {
        let points = sizes.iter().map(|&m| f64::from(m));
        Curve::new(name, points.zip(means.iter().map(Spread::mean)).collect())
    };
    let ends = [sizes[0], sizes[sizes.len() - 1]].map(f64::from);
    let panel = Panel::new(
        Axis::log("buckets of the table, M", ends[0], ends[1]),
        Axis::new("mean response time (s)", 0.6),
        vec![
            curve("SR4", four),
            Curve::new("SC, M = 65536", ends.map(|m| (m, sc_s)).to_vec()).dashed(),
            curve("SC", single),
        ],
    );
    Ok(Figure {
        panels: vec![panel],
        claims: claims(&sizes, four, sc_s),
        note: format!(
            "48 servers of two cores, 80,000 queries, means of {SEEDS} seeds, each with a table of its own. Dashed: SC with the largest table, \
             which is what the paper compares with."
        ),
    })
}

fn claims(sizes: &[u32], four: &[Spread], sc_s: f64) -> Vec<Claim> {
    let largest_s = four.last().map_or(f64::NAN, Spread::mean);
    let all = || sizes.iter().copied().zip(four.iter().map(Spread::mean));
    let above = || all().map(|(m, mean_s)| (m, percent_above(mean_s, largest_s)));
    let large = above()
        .filter(|(m, _)| *m >= LARGE)
        .map(|(_, percent)| percent);
    let large = large.fold(0.0, f64::max);
    let noticed = above().filter(|(_, percent)| *percent > SAME_PERCENT);
    let noticed = noticed.map(|(m, percent)| format!("{percent:.0}% with {m}"));
    let noticed: Vec<String> = noticed.collect();
    let beaten: Vec<String> = all()
        .filter(|(_, mean_s)| *mean_s >= sc_s)
        .map(|(m, _)| m.to_string())
        .collect();
    let ours = match beaten.is_empty() {
        true => "lower with every size from 64 on".to_owned(),
        false => format!("not lower with M = {}", beaten.join(", ")),
    };
    let is_lower = all()
        .filter(|(m, _)| *m > 128)
        .all(|(_, mean_s)| mean_s < sc_s);
    vec![
        Claim::new(
            "SR4 with a table of 2048 buckets or more against 65536",
            "almost identical (here: within 3%)",
            format!("{large:.1}% slower at most"),
            large <= SAME_PERCENT,
        ),
        Claim::new(
            "the same with 1024 buckets or fewer",
            "noticeable influence (here: above 3%)",
            match noticed.is_empty() {
                true => "none".to_owned(),
                false => format!("slower by {}", noticed.join(", ")),
            },
            above()
                .filter(|(m, _)| *m < LARGE)
                .all(|(_, percent)| percent > SAME_PERCENT),
        )
        .because(
            "Each server has its share of all places to within one, and who is first too often refuses: \
             little is left to notice but with hardly more buckets than servers.",
        ),
        Claim::new(
            "SR4 with a small table against SC with a large one",
            "lower except when M <= 128",
            ours,
            is_lower,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reproduce::Verdict;

    #[test]
    fn verdicts_follow_from_the_means() {
        let verdicts = |means: [f64; 4]| -> Vec<bool> {
            let four: Vec<Spread> = means.iter().map(|&mean| Spread(vec![mean])).collect();
            let claims = claims(&[128, 256, 2_048, 65_536], &four, 0.4);
            claims.iter().map(|c| c.verdict == Verdict::Met).collect()
        };
        assert_eq!(verdicts([0.5, 0.3, 0.25, 0.25]), [true, true, true]);
        assert_eq!(verdicts([0.5, 0.25, 0.25, 0.25]), [true, false, true]);
        assert_eq!(verdicts([0.5, 0.5, 0.25, 0.25]), [true, true, false]);
        assert_eq!(verdicts([0.25, 0.25, 0.3, 0.25]), [false, false, true]);
    }
}
