//! Runs against formulas for what they simulate. Seeds are fixed: what holds once holds always.

use super::*;
use crate::model::{Occupancy, SingleChoice};

/// How far off the mean is, in mean service times, and half of its confidence interval.
fn off(outcome: &Outcome, expected: f64) -> (f64, f64) {
    let response = outcome.response;
    let off = (response.mean_s / MEAN_S - expected).abs();
    (off, response.half_width_s / MEAN_S)
}

#[track_caller]
fn assert_holds(outcome: &Outcome, expected: f64, what: &str) {
    let (off, half_width) = off(outcome, expected);
    assert!(off < half_width, "{what}: off by {off} of {expected}");
    assert!(half_width < 0.1 * expected, "{what}: +- {half_width}");
}

#[test]
fn with_more_and_more_servers_the_model_comes_true() {
    for (load, c) in [(0.6, 1), (0.85, 4)] {
        let model = Occupancy::new(load, c).unwrap();
        let run = |servers, queries| {
            let mut scenario = ideal(servers, load, queries, sr(c));
            scenario.sample_us = 20_000;
            outcome_of(&scenario)
        };
        let what = format!("SR{c} at {load}");
        let few = off(&run(3, 20_000), model.mean_response());
        assert!(
            few.0 > few.1,
            "{what}: three servers are not infinitely many"
        );
        let many = run(100, 40_000);
        assert!(off(&many, model.mean_response()).0 < few.0, "{what}");
        assert_holds(&many, model.mean_response(), &what);
        let passed_on = many.passed_on();
        let off = (passed_on - model.s_c()).abs();
        assert!(
            off < 0.015,
            "{what}: {passed_on} passed on, not {}",
            model.s_c()
        );
        let p90 = model.percentile(90.0).unwrap();
        let off = (many.percentile_s(90.0) / MEAN_S / p90 - 1.0).abs();
        assert!(off < 0.04, "{what}: the 90th percentile is off by {off}");
        let steady = &many.samples[many.samples.len() / 10..];
        let fairness = steady.iter().map(|s| s.fairness).sum::<f64>() / steady.len() as f64;
        let off = (fairness - model.fairness()).abs();
        assert!(
            off < 0.02,
            "{what}: fairness {fairness}, not {}",
            model.fairness()
        );
    }
}

#[test]
fn single_choice_is_a_row_of_queues_that_books_know() {
    let load = 0.6;
    let scenario = |change: fn(&mut Scenario)| {
        let mut scenario = ideal(32, load, 20_000, Balancing::SINGLE_CHOICE);
        change(&mut scenario);
        outcome_of(&scenario)
    };
    let single = SingleChoice::new(load).unwrap().mean_response();
    assert_holds(&scenario(|_| ()), single, "M/M/1");
    let shared = scenario(|s| s.discipline = Discipline::ProcessorSharing);
    assert_holds(&shared, single, "M/M/1 with processor sharing");
    let two_cores = scenario(|s| {
        s.servers.iter_mut().for_each(|server| server.cores = 2);
        set_rate(s, 0.6 * 2.0 * 32.0 / MEAN_S);
    });
    assert_holds(&two_cores, 1.0 / (1.0 - load * load), "M/M/2");
    let constant = scenario(|s| set_service(s, ServiceTime::Constant { mean_s: MEAN_S }));
    // Pollaczek and Khinchine
    let waiting = |square: f64| load * square / (2.0 * (1.0 - load));
    assert_holds(&constant, 1.0 + waiting(1.0), "M/D/1");
    let sigma: f64 = 0.8;
    let median_s = MEAN_S / (sigma * sigma / 2.0).exp();
    let mut uneven = ideal(32, load, 20_000, Balancing::SINGLE_CHOICE);
    set_service(&mut uneven, ServiceTime::LogNormal { median_s, sigma });
    let square = (sigma * sigma).exp();
    assert_holds(&outcome_of(&uneven), 1.0 + waiting(square), "M/G/1");
}

fn set_rate(scenario: &mut Scenario, rate: f64) {
    if let Arrivals::Poisson { rate_qps, .. } = &mut scenario.arrivals {
        *rate_qps = rate;
    }
}

fn set_service(scenario: &mut Scenario, time: ServiceTime) {
    if let Arrivals::Poisson { service, .. } = &mut scenario.arrivals {
        *service = time;
    }
}

/// Section VI-B2 in short: who is better at a high load.
#[test]
fn the_papers_testbed_shows_the_papers_order() {
    let mean = |balancing| {
        let arrivals = Arrivals::Poisson {
            rate_qps: 0.87 * 96.0 / 0.19,
            queries: 8_000,
            service: ServiceTime::Exponential { mean_s: 0.19 },
        };
        outcome_of(&Scenario::paper(1, 48, balancing, arrivals))
            .response
            .mean_s
    };
    let single = mean(Balancing::SINGLE_CHOICE);
    let [sr4, sr8, sr16] = [4, 8, 16].map(|c| mean(sr(c)));
    let dynamic = mean(Balancing::two_choices(args::accept(
        crate::settings::Policy::Dynamic,
        2,
    )));
    assert!(
        sr4 < sr8 && sr8 < sr16 && sr16 < single,
        "{sr4} {sr8} {sr16} {single}"
    );
    assert!(single / sr4 > 1.8, "{single} over {sr4}");
    assert!(dynamic < sr8, "{dynamic}, where SR8 has {sr8}");
    // Section VI-B7: round robin is fairer than chance, and feedback helps. That SRdyn is better than feedback does not
    // show in so few queries.
    let round_robin = mean(Balancing::RoundRobin);
    let with_feedback = mean(Balancing::WITH_FEEDBACK);
    assert!(round_robin < single, "{round_robin}");
    assert!(
        with_feedback < round_robin && dynamic < round_robin,
        "{with_feedback} {dynamic}"
    );
}
