//! Runs against formulas for what they simulate. Seeds are fixed: what holds once holds always.

use super::*;
use crate::model::{Occupancy, OnCores, SingleChoice};

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

/// The paper's testbed (section VI-A) at a load, warmed up.
fn paper(load: f64, queries: u64, balancing: Balancing) -> Scenario {
    let arrivals = Arrivals::Poisson {
        rate_qps: load * 96.0 / MEAN_S,
        queries,
        service: ServiceTime::Exponential { mean_s: MEAN_S },
    };
    Scenario {
        warm_up: queries / 4,
        ..Scenario::paper(1, 48, balancing, arrivals)
    }
}

/// Section VI-B2. The bound is what theory says of two cores; who is better at 0.87, where the paper compares, follows from it
/// (`model::tests::cores`). A run that is sure of its mean there would take minutes.
#[test]
fn the_papers_testbed_is_as_theory_has_it_for_two_cores() {
    let load = 0.7;
    let theories = [4, 8, 16].map(|c| (sr(c), OnCores::new(load, c, 2).unwrap()));
    let single = (Balancing::SINGLE_CHOICE, OnCores::single(load, 2).unwrap());
    for (balancing, theory) in theories.into_iter().chain([single]) {
        let outcome = outcome_of(&paper(load, 40_000, balancing));
        // SYN, SYN-ACK, ACK and FIN take two ways each, and one way more if the first candidate refuses
        let network = (8.0 + outcome.passed_on()) * 100e-6 / MEAN_S;
        let expected = theory.mean_response() + network;
        assert_holds(&outcome, expected, &format!("{balancing:?}"));
    }
}

/// Section VI-B7: round robin is fairer than chance, and feedback helps; so do servers that decide. By how much no formula
/// says: the difference need only be more than what is left to chance.
#[test]
fn round_robin_is_better_than_chance_and_what_knows_of_servers_is_better_still() {
    let mean = |balancing| outcome_of(&paper(0.87, 24_000, balancing)).response;
    let single = mean(Balancing::SINGLE_CHOICE);
    let round_robin = mean(Balancing::RoundRobin);
    let dynamic = Balancing::two_choices(args::accept(crate::settings::Policy::Dynamic, 2));
    for (what, better, worse) in [
        ("round robin", round_robin, single),
        ("feedback", mean(Balancing::WITH_FEEDBACK), round_robin),
        ("SRdyn", mean(dynamic), round_robin),
    ] {
        let chance = better.half_width_s.hypot(worse.half_width_s);
        let gap = worse.mean_s - better.mean_s;
        assert!(gap > chance, "{what}: better by {gap} s, chance {chance} s");
    }
}

/// A flow counts as pending until a rise of the busy workers shows that it was picked up. A worker that ends between two
/// looks hides the rise, and the flow counts for 50 ms more: with services of 100 ms servers refuse more than s_c, with services that
/// are long against it they don't.
#[test]
fn pending_refuses_more_only_where_services_are_short() {
    let (load, c) = (0.7, 2);
    let model = Occupancy::new(load, c).unwrap();
    let refused = |pending, times: f64| {
        let hunt = Hunt {
            choices: 2,
            accept: Accept::Static { c },
            pending,
        };
        let mut scenario = ideal(100, load, 40_000, Balancing::Hunt(hunt));
        let mean_s = times * MEAN_S;
        set_service(&mut scenario, ServiceTime::Exponential { mean_s });
        set_rate(&mut scenario, load * 100.0 / mean_s);
        outcome_of(&scenario).passed_on()
    };
    let plain = refused(false, 1.0);
    let off = (plain - model.s_c()).abs();
    assert!(off < 0.015, "{plain} refused, not {}", model.s_c());
    let (short, long) = (refused(true, 1.0), refused(true, 100.0));
    let chance = 4.0 * (plain * (1.0 - plain) / 36_000.0).sqrt();
    assert!(short > plain + chance, "{short}, without pending {plain}");
    let off = (long - plain).abs();
    assert!(off < 0.001, "{long}, without pending {plain}");
}

/// `median` moves c by (1/2 - accepted)/window at each offer, so over n offers the share accepted is off from one half by the way that c
/// has gone, times window/n; as long as no bound stops c, which is true for `least` 0 and more workers than are ever busy.
#[test]
fn median_refuses_half_of_its_offers() {
    const WINDOW: u32 = 50;
    /// c comes to rest at the median, which is below 4 as single choice's mean is at this load; this is far above.
    const WAY: f64 = 8.0;
    let accept = Accept::Median {
        window: WINDOW,
        least: 0,
    };
    let mut scenario = ideal(8, 0.8, 40_000, two(accept));
    scenario.warm_up = 0;
    let outcome = outcome_of(&scenario);
    let offers_each = outcome.queries as f64 / 8.0;
    let most_off = WAY * f64::from(WINDOW) / offers_each;
    let off = (outcome.passed_on() - 0.5).abs();
    assert!(off < most_off, "{off}, not below {most_off}");
}

/// While a core is idle nothing waits: who refuses then does no good. The same queries for both.
#[test]
fn a_least_threshold_of_all_cores_is_better_than_none_at_a_low_load() {
    let mean_s = |least| {
        let accept = Accept::Median { window: 50, least };
        let mut scenario = ideal(16, 0.4, 20_000, two(accept));
        scenario
            .servers
            .iter_mut()
            .for_each(|server| server.cores = 4);
        set_rate(&mut scenario, 0.4 * 4.0 * 16.0 / MEAN_S);
        outcome_of(&scenario).response.mean_s
    };
    let (with, without) = (mean_s(4), mean_s(0));
    assert!(with < without, "{with}, {without}");
}
