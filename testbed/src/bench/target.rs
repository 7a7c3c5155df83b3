//! What the load balancer has to reach, and whether it does.

use srh::Encoding;

use super::case::{Case, Way};
use super::engine::Figure;
use super::results::{ratio, Results};
use super::show::short;
use super::spread::Spread;

/// Pinned packets: flows, and nanoseconds at most.
pub const PINNED_NS: [(u64, f64); 4] = [
    (1_000, 25.0),
    (128_000, 32.0),
    (1_000_000, 40.0),
    (10_000_000, 55.0),
];
const NEW_FLOW_NS: f64 = 60.0;
const CREATE_NS: f64 = 100.0;
/// 1M flows over 1k.
const MANY_OVER_FEW: f64 = 1.6;
const FEW: u64 = 1_000;
const MANY: u64 = 1_000_000;
/// 6LB over Maglev with GRE.
const OVER_MAGLEV: f64 = 1.03;
/// Of which packets both have some.
const LIKE_MAGLEV: [Case; 3] = [Case::Pinned, Case::NewFlow, Case::Mixed];
/// Candidate tables of 1,000 servers: choices, and milliseconds at most.
const TABLE_MS: [(&str, f64); 2] = [("C=1", 0.8), ("C=2", 1.0)];
/// A reload.
const SEEN_MS: f64 = 10.0;
/// At the rated load.
const BYTES_A_FLOW: f64 = 32.0;

const SRV6: [Way; 2] = [Way::Srv6(Encoding::Encap), Way::Srv6(Encoding::Insert)];

/// One target.
#[derive(Clone, Debug)]
pub struct Target {
    /// Of what, with its unit.
    pub what: String,
    /// What it may be at most.
    pub bound: f64,
    /// What it is: the median counts.
    pub is: Spread,
    /// Digits behind the point that say something.
    pub digits: usize,
    /// The figure whose profile says why it is missed, if one alone does.
    pub figure: Option<(Case, Way, u64)>,
}

impl Target {
    /// Is it reached?
    pub fn is_met(&self) -> bool {
        self.is.median <= self.bound
    }

    /// In a word.
    pub fn verdict(&self) -> &'static str {
        match self.is_met() {
            true => "met",
            false => "missed",
        }
    }
}

/// All of which there are figures.
pub fn all(results: &Results) -> Vec<Target> {
    let mut targets = Vec::new();
    for (flows, bound) in PINNED_NS {
        targets.extend(SRV6.iter().filter_map(|&way| {
            let figure = results.figure(Case::Pinned, way, flows)?;
            let what = format!("pinned, {}, {} flows, ns", way.name(), short(flows));
            Some(of_figure(what, bound, figure))
        }));
    }
    for (case, bound) in [
        (Case::NewFlow, NEW_FLOW_NS),
        (Case::CreateStickiness, CREATE_NS),
    ] {
        for way in SRV6 {
            let of_sizes = results
                .sizes()
                .into_iter()
                .filter_map(|n| results.figure(case, way, n));
            let worst = of_sizes.max_by(|a, b| a.ns.median.total_cmp(&b.ns.median));
            targets.extend(worst.map(|figure| {
                let (case, way, flows) = (case.name(), way.name(), short(figure.flows));
                let what = format!("{case}, {way}, the slowest: {flows} flows, ns");
                of_figure(what, bound, figure)
            }));
        }
    }
    targets.extend(SRV6.iter().filter_map(|&way| many_over_few(results, way)));
    for (case, way) in LIKE_MAGLEV
        .into_iter()
        .flat_map(|case| SRV6.map(|way| (case, way)))
    {
        let of_sizes = results.sizes().into_iter();
        let ratios =
            of_sizes.filter_map(|flows| Some((flows, over_maglev(results, case, way, flows)?)));
        let worst = ratios.max_by(|a, b| a.1.median.total_cmp(&b.1.median));
        targets.extend(worst.map(|(flows, is)| Target {
            what: format!(
                "{}, {} over Maglev+GRE, the largest: {} flows",
                case.name(),
                way.name(),
                short(flows)
            ),
            bound: OVER_MAGLEV,
            is,
            digits: 3,
            figure: None,
        }));
    }
    for (choices, bound) in TABLE_MS {
        let is_it = |what: &str| what.starts_with("table, M=") && what.ends_with(choices);
        let tables = results.built.iter().filter(|built| is_it(&built.what));
        targets.extend(tables.map(|built| Target {
            what: format!("{}, 1,000 servers, ms", built.what),
            bound,
            is: built.ms,
            digits: 2,
            figure: None,
        }));
    }
    targets.extend(results.reloaded.iter().map(|reloaded| Target {
        what:
            "a pool change of one server of 1,000, from the request to the first packet, ms".into(),
        bound: SEEN_MS,
        is: reloaded.seen_ms,
        digits: 1,
        figure: None,
    }));
    targets.extend(results.full.iter().map(|full| Target {
        what: format!("table of {} flows, bytes a flow", short(full.flows)),
        bound: BYTES_A_FLOW,
        is: Spread::of(&[full.bytes_a_flow()]),
        digits: 1,
        figure: None,
    }));
    targets
}

fn of_figure(what: String, bound: f64, figure: &Figure) -> Target {
    Target {
        what,
        bound,
        is: figure.ns,
        digits: 1,
        figure: Some((figure.job.case, figure.way, figure.flows)),
    }
}

fn many_over_few(results: &Results, way: Way) -> Option<Target> {
    let pinned = |flows| results.figure(Case::Pinned, way, flows);
    Some(Target {
        what: format!(
            "pinned, {}, {} over {} flows",
            way.name(),
            short(MANY),
            short(FEW)
        ),
        bound: MANY_OVER_FEW,
        is: ratio(pinned(MANY)?, pinned(FEW)?)?,
        digits: 2,
        figure: None,
    })
}

/// One figure of 6LB over the same one of Maglev, pass by pass.
pub fn over_maglev(results: &Results, case: Case, way: Way, flows: u64) -> Option<Spread> {
    let of = |way| results.figure(case, way, flows);
    ratio(of(way)?, of(Way::MaglevGre)?)
}
