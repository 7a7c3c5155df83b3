//! Figure 10a: mean response times of the paper's testbed over 20 loads, from the simulator, with theory dotted in: the paper's model
//! for one core, and the same equation for two.

use anyhow::Result;

use super::farm;
use super::fit::Fit;
use super::section_6b::{means_s, percent_above, sustainable_load, Farm, Spread, RHO};
use super::{lambda_0, Axis, Claim, Curve, Experiment, Figure, Needs, Panel, Workshop};
use crate::queueing::{Balancing, Scenario};

/// Where the model's assumptions still hold, the paper says.
const FITTED_UP_TO: f64 = 0.9;
/// Where the paper compares.
const COMPARED_AT: f64 = 0.87;
/// Seeds where a claim hangs on chance.
const SEEDS: u64 = 5;
/// Searches for lambda_0, each with luck of its own.
const SEARCHES: usize = 4;
/// Two curves within so many percent of each other are as good as one on paper.
const SAME_PERCENT: f64 = 5.0;
/// A model that is off by no more "accurately fits".
const FITS_PERCENT: f64 = 10.0;

/// The figure.
pub fn figure_10a() -> Experiment {
    Experiment {
        name: "10a",
        title: "Mean response time of 80,000 queries on 48 servers (section VI-B2)",
        paper: "\"SR4 yields the best response time profile, up to 2.3x better than SC for rho = 0.87. SR8 and SR16 likewise \
                perform better than SC for all loads, but with a lesser impact. SRdyn offers results close to the best tested \
                static policy.\" And of the model: it \"accurately fits the data, as long as rho < 0.9\".",
        needs: Needs::Nothing,
        make,
    }
}

/// The paper's policies, SC first, with the thresholds that a model knows.
pub fn policies() -> [(&'static str, Option<u32>, Balancing); 5] {
    [
        ("SC", None, Balancing::SINGLE_CHOICE),
        ("SR4", Some(4), farm::sr(4)),
        ("SR8", Some(8), farm::sr(8)),
        ("SR16", Some(16), farm::sr(16)),
        ("SRdyn", None, farm::srdyn()),
    ]
}

/// 20 loads, those that the paper names among them.
fn loads() -> Vec<f64> {
    let steps = (1..=13).map(|n| f64::from(n) / 20.0);
    steps
        .chain([RHO, 0.75, 0.8, 0.85, COMPARED_AT, 0.89, 0.95])
        .collect()
}

/// One farm, all policies, all loads.
struct Measured {
    farm: Farm,
    /// Servers' load at rho = 1.
    load: f64,
    curves: Vec<Curve>,
    /// SC and SR4 where the paper compares.
    compared: [Spread; 2],
    /// SC at the load of the paper's SLA.
    single: Spread,
}

impl Measured {
    fn new(workshop: &Workshop, farm: Farm) -> Result<Measured> {
        let load = sustainable_load(workshop)?;
        let scenario = |balancing, rho: f64| -> Result<Scenario> {
            let rate_qps = farm.rate_qps(workshop, rho)?;
            Ok(farm.scenario(workshop, balancing, rate_qps))
        };
        let mut scenarios = Vec::new();
        for (_, _, balancing) in policies() {
            for rho in loads() {
                scenarios.push(scenario(balancing, rho)?);
            }
        }
        let means = means_s(workshop, 1, &scenarios)?;
        let of_policies = means.chunks(loads().len());
        let curves = policies().into_iter().zip(of_policies);
        let curves = curves.map(|((name, ..), means)| {
            let points = loads().into_iter().zip(means.iter().map(Spread::mean));
            Curve::new(name, points.collect())
        });
        let again = [
            scenario(Balancing::SINGLE_CHOICE, COMPARED_AT)?,
            scenario(farm::sr(4), COMPARED_AT)?,
            scenario(Balancing::SINGLE_CHOICE, RHO)?,
        ];
        let mut again = means_s(workshop, SEEDS, &again)?.into_iter();
        let mut next = || again.next().unwrap_or(Spread(Vec::new()));
        Ok(Measured {
            farm,
            load,
            curves: curves.collect(),
            compared: [next(), next()],
            single: next(),
        })
    }

    /// SC over SR4, seed by seed.
    fn ratios(&self) -> Spread {
        let [single, four] = &self.compared;
        Spread(single.0.iter().zip(&four.0).map(|(a, b)| a / b).collect())
    }

    /// What theory says of that ratio if lambda_0 is a share `load` of what the cores can do.
    fn theory_ratio(&self, load: f64) -> f64 {
        let at = |c| self.farm.theory_s(c, COMPARED_AT * load);
        match (at(None), at(Some(4))) {
            (Some(single), Some(four)) => single / four,
            _ => f64::NAN,
        }
    }

    /// The most that `theory` of a policy at a load is off, in percent, over the static policies and the loads where it should hold.
    fn most_off(&self, theory: impl Fn(Option<u32>, f64) -> Option<f64>) -> f64 {
        let mut most = 0.0_f64;
        for ((_, c, _), curve) in policies().iter().zip(&self.curves).take(4) {
            for (rho, seconds) in curve.points.iter().filter(|p| p.0 < FITTED_UP_TO) {
                let off = theory(*c, *rho).map_or(100.0, |t| percent_above(t, *seconds).abs());
                most = most.max(off);
            }
        }
        most
    }

    fn of_paper(&self) -> impl Fn(Option<u32>, f64) -> Option<f64> {
        let fit = Fit::of(&self.curves[0], FITTED_UP_TO);
        move |c, rho| fit.mean_s(c, rho).ok()
    }

    fn of_ours(&self) -> impl Fn(Option<u32>, f64) -> Option<f64> {
        let (farm, load) = (self.farm, self.load);
        move |c, rho| farm.theory_s(c, rho * load)
    }

    /// The curves, and theory beside those that it knows.
    fn panel(&self, theory: impl Fn(Option<u32>, f64) -> Option<f64>, most_s: f64) -> Panel {
        let mut curves = self.curves.clone();
        for (name, c, _) in policies().iter().take(4) {
            let points = loads()
                .into_iter()
                .filter_map(|rho| Some((rho, theory(*c, rho)?)));
            curves.push(Curve::new(*name, points.collect()).dashed());
        }
        let x = Axis::new("normalized request rate, rho", 1.0);
        let y = Axis::new("mean response time (s)", most_s);
        Panel::new(x, y, curves).titled(self.farm.title())
    }
}

fn make(workshop: &Workshop) -> Result<Figure> {
    let two = Measured::new(workshop, Farm::TWO)?;
    let one = Measured::new(workshop, Farm::ONE)?;
    let by_single = lambda_0::search(workshop, Farm::TWO, Balancing::SINGLE_CHOICE, SEARCHES)?;
    let by_four = lambda_0::search(workshop, Farm::TWO, farm::sr(4), SEARCHES)?;
    let by_one = lambda_0::search(workshop, Farm::ONE, Balancing::SINGLE_CHOICE, SEARCHES)?;
    let mut claims = ratio_claims(&two, &one, by_four.median());
    claims.push(best_claim(&two));
    claims.push(all_loads_claim(&two));
    claims.push(dynamic_claim(&two));
    claims.extend(single_claims(&two, &one));
    claims.extend(fit_claims(&two, &one));
    Ok(Figure {
        panels: vec![
            two.panel(two.of_ours(), 1.4),
            one.panel(one.of_paper(), 2.6),
        ],
        claims,
        note: note(workshop, &two, [&by_single, &by_four, &by_one]),
    })
}

fn note(workshop: &Workshop, two: &Measured, [single, four, one]: [&Spread; 3]) -> String {
    let percent = |load: f64| format!("{:.1}", 100.0 * load);
    let range = |s: &Spread| {
        format!(
            "{}% ({} to {})",
            percent(s.median()),
            percent(s.least()),
            percent(s.most())
        )
    };
    format!(
        "Simulated: the real engines, 48 servers of 32 workers, processor sharing, backlog 128, {} queries a point, one run each; \
         claims at one load are means of {SEEDS} seeds. lambda_0 is looked for with SC by bisection: {}% of what all cores can do, and \
         rho is relative to that. It is partly chance: {SEARCHES} searches upward in steps of 1%, with a fresh seed for each run, find \
         {} with SC (in the middle, least and most), {} with SR4, and {} with SC and one core. SC is the reading that we keep, although the \
         paper names no policy and SR4's would favour us: the paper's SC takes 0.58 s at rho = 0.71, which for an M/M/1 is a lambda_0 of \
         94.7%, and SR4's lambda_0 is further from it. Dashed: with two cores the paper's equation with two services at once, nothing fitted; \
         with one core the paper's model, one fit of time and load on SC (footnote 5).",
        workshop.scaled(farm::QUERIES),
        percent(two.load),
        range(single),
        range(four),
        range(one),
    )
}

fn ratio_claims(two: &Measured, one: &Measured, by_four: f64) -> Vec<Claim> {
    let claim = |measured: &Measured| {
        let ratios = measured.ratios();
        let what = format!(
            "mean response time, SC over SR4, rho = 0.87, {}",
            measured.farm.title()
        );
        let ours = format!(
            "{:.2}x ({:.2} to {:.2})",
            ratios.mean(),
            ratios.least(),
            ratios.most()
        );
        Claim::new(&what, "2.3x (model 2.56x)", ours, ratios.mean() >= 2.3)
    };
    let why = format!(
        "Theory for two cores has {:.2}x here, where the cores are busy for {:.1}% of the time: two cores stand chance better than one, so \
         that there is less to gain than in the paper's model of one core ({:.2}x); and a batch begins with idle servers. With rho relative \
         to what all cores can do it would be {:.2}x, with the lambda_0 that SR4 sustains ({:.1}%) {:.2}x.",
        two.theory_ratio(two.load),
        100.0 * COMPARED_AT * two.load,
        one.theory_ratio(two.load),
        two.theory_ratio(1.0),
        100.0 * by_four,
        two.theory_ratio(by_four),
    );
    let of_one = format!(
        "Theory for one core has {:.2}x.",
        one.theory_ratio(one.load)
    );
    vec![claim(two).because(why), claim(one).because(of_one)]
}

/// Is SR4 the best of the static policies at every load, as far as one can see?
fn best_claim(two: &Measured) -> Claim {
    let four = &two.curves[1];
    let others = || two.curves[..4].iter();
    let above = four.points.iter().map(|&(rho, seconds)| {
        let best = others().filter_map(|curve| curve.at(rho));
        percent_above(seconds, best.fold(f64::INFINITY, f64::min))
    });
    let most = above.fold(0.0, f64::max);
    Claim::new(
        "SR4 against the best of SC, SR4, SR8 and SR16, all loads, two cores",
        "SR4 is the best",
        format!("{most:.1}% slower at most"),
        most <= 1.0,
    )
}

fn all_loads_claim(two: &Measured) -> Claim {
    let single = &two.curves[0];
    let above = two.curves[2..4].iter().flat_map(|curve| &curve.points);
    let above = above.filter_map(|&(rho, s)| Some(percent_above(s, single.at(rho)?)));
    let most = above.fold(f64::NEG_INFINITY, f64::max);
    Claim::new(
        "SR8 and SR16 against SC, all loads, two cores",
        "better",
        format!("{most:.1}% slower than SC at most"),
        most <= 1.0,
    )
    .because("At light loads hardly a server ever has 8 flows, and the three are one: within 1% counts as not worse.")
}

/// How far SRdyn is from the best static policy here, over the loads of the issue.
fn dynamic_claim(two: &Measured) -> Claim {
    let points = two.curves[4].points.iter();
    let points = points.filter(|(rho, _)| (0.4..=0.95).contains(rho));
    let above = points.map(|&(rho, dynamic)| {
        let best = two.curves[1..4].iter().filter_map(|curve| curve.at(rho));
        (
            percent_above(dynamic, best.fold(f64::INFINITY, f64::min)),
            rho,
        )
    });
    let none = (f64::NEG_INFINITY, 0.0);
    let (most, rho) = above.fold(none, |a, b| if b.0 > a.0 { b } else { a });
    let claim = Claim::new(
        "SRdyn against the best of SR4, SR8 and SR16, rho from 0.4 to 0.95, two cores",
        "close to it",
        format!("{most:.0}% slower at most (at rho = {rho})"),
        most <= SAME_PERCENT,
    );
    match most <= SAME_PERCENT {
        true => claim,
        false => claim.because(
            "Over the whole run it passes on as many flows as a fixed threshold between 4 and 5 would, which is 1 to 3% slower than SR4. The \
             rest is that thresholds wander, each server's by itself: a share of 50 offers is known to 0.07, where 0.1 is allowed.",
        ),
    }
}

/// The paper's 0.58 s.
fn single_claims(two: &Measured, one: &Measured) -> [Claim; 2] {
    [two, one].map(|measured| {
        let mean = measured.single.mean();
        let what = format!("mean response time of SC, rho = 0.71, {}", measured.farm.title());
        let ours = format!("{mean:.2} s");
        let is_met = percent_above(mean, 0.58).abs() <= FITS_PERCENT;
        Claim::new(&what, "0.58 s (here: within 10%)", ours, is_met).because(match measured.farm {
            Farm::TWO => {
                "With two cores 0.58 s would take a lambda_0 of 115% of what they can do, which no farm sustains. So the paper's Apache \
                 had about one core: VPP polls, and takes the other."
            }
            _ => "A lambda_0 of 94.7% gives 0.58 s.",
        })
    })
}

/// Does the paper's model fit?
fn fit_claims(two: &Measured, one: &Measured) -> [Claim; 3] {
    let claim = |measured: &Measured| {
        let off = measured.most_off(measured.of_paper());
        let what = format!(
            "the paper's model, fitted on SC, against SC, SR4, SR8 and SR16 up to rho = 0.9, {}",
            measured.farm.title()
        );
        let ours = format!("off by {off:.0}% at most");
        Claim::new(
            &what,
            "fits accurately (here: within 10%)",
            ours,
            off <= FITS_PERCENT,
        )
    };
    let ours = two.most_off(two.of_ours());
    [
        claim(one),
        claim(two).because(
            "The model's server has one core. Two cores give M/M/2, 1/(1 - rho^2), which no fit of time and load makes of M/M/1.",
        ),
        Claim::finding(
            "the same equation with two services at once, nothing fitted, two cores",
            format!("off by {ours:.1}% at most"),
        ),
    ]
}
