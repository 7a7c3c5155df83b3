//! Runs in which every microsecond is known.

use super::*;

const MILLI: u64 = 1_000;

/// Queries at once on one server with one worker and room for two that wait.
fn small(queries: &[(u64, u64)], balancing: Balancing) -> Scenario {
    let jobs = queries.iter().map(|&(at_ms, service_ms)| Job {
        at_us: at_ms * MILLI,
        service_us: service_ms * MILLI,
        class: Class::default(),
    });
    let mut scenario = ideal(1, 0.5, 1, balancing);
    scenario.servers[0].workers = 1;
    scenario.servers[0].backlog = 2;
    scenario.warm_up = 0;
    scenario.arrivals = Arrivals::Trace(jobs.collect());
    scenario
}

/// How each query ended: answered or not, and when, in order of their numbers.
fn ends(scenario: &Scenario) -> Vec<(bool, u64)> {
    let mut ends = Vec::new();
    let outcome = run(scenario, &mut |ended| {
        ends.push((ended.number, ended.is_answered, ended.ended_us));
        true
    });
    assert!(outcome.unwrap().is_whole());
    ends.sort_unstable();
    ends.into_iter().map(|(_, ok, at)| (ok, at)).collect()
}

#[test]
fn a_full_accept_queue_resets() {
    let scenario = small(
        &[(0, 10), (0, 20), (0, 30), (0, 40), (5, 1), (11, 5)],
        Balancing::SINGLE_CHOICE,
    );
    let expected = [
        (true, 10 * MILLI),
        (true, 30 * MILLI),
        (true, 60 * MILLI),
        (false, 0),
        (false, 5 * MILLI),
        (true, 65 * MILLI),
    ];
    assert_eq!(ends(&scenario), expected);
    let outcome = outcome_of(&scenario);
    assert_eq!((outcome.answered, outcome.refused), (4, 2));
    assert_eq!(outcome.most_in_flight, 4);
}

#[test]
fn a_file_gives_what_a_list_gives_unless_it_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.csv");
    let write = |text: &str| std::fs::write(&path, text).unwrap();
    write("at_s,service_ms,class\n9,10,wiki\n9,20,static\n9.005,1,wiki\n");
    let fixed = ServiceTime::Constant { mean_s: 0.001 };
    let services = Services { wiki: fixed, fixed };
    let trace = Trace::check(&path, services, &mut |_| true).unwrap();
    let mut scenario = small(&[(0, 10), (0, 20), (5, 1)], Balancing::SINGLE_CHOICE);
    let expected = ends(&scenario);
    scenario.arrivals = Arrivals::File(trace);
    assert_eq!(ends(&scenario), expected);
    let mut classes = Vec::new();
    run(&scenario, &mut |ended| {
        classes.push(ended.class);
        true
    })
    .unwrap();
    assert_eq!(classes, [Class::Wiki, Class::Static, Class::Wiki]);
    write("at_s,service_ms,class\n9,10,wiki\n9,20,static\n8,1,wiki\n");
    let error = run(&scenario, &mut |_| true).unwrap_err().to_string();
    assert!(error
        .ends_with("line 4: it is 1 s earlier than the line before: expected the order of time"));
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(
        run(&scenario, &mut |_| true),
        Err(RunError::Trace(_))
    ));
}

#[test]
fn packets_take_their_time() {
    use Accept::{Always, Never};
    // SYN, SYN-ACK, ACK and FIN go through an LB; a server that passes on costs one way more
    for (choices, accept, fabric_ways) in
        [(1, Never, 4), (2, Always, 4), (2, Never, 5), (4, Never, 7)]
    {
        let hunt = Hunt {
            choices,
            accept,
            pending: true,
        };
        let mut scenario = small(&[(7, 100)], Balancing::Hunt(hunt));
        scenario.servers = vec![scenario.servers[0]; 4];
        scenario.buckets = 251;
        scenario.network = Network {
            wan_us: 10_000,
            fabric_us: 300,
        };
        let at_us = 107 * MILLI + 4 * 10_000 + fabric_ways * 300;
        assert_eq!(ends(&scenario), [(true, at_us)], "{choices} choices");
        let outcome = outcome_of(&scenario);
        // of the client's FIN nobody waits for more than that it is sent
        assert_eq!(outcome.packets, 5 + fabric_ways);
        assert_eq!(outcome.response.mean_s, (at_us - 7 * MILLI) as f64 / 1e6);
    }
}

#[test]
fn neither_lbs_nor_encodings_change_where_flows_go() {
    let scenario = |lbs, encoding| {
        let mut scenario = ideal(8, 0.7, 2_000, sr(2));
        (scenario.lbs, scenario.encoding) = (lbs, encoding);
        ends(&scenario)
    };
    let first = scenario(1, srh::Encoding::Encap);
    assert_eq!(scenario(1, srh::Encoding::Insert), first);
    assert_eq!(scenario(5, srh::Encoding::Encap), first);
}

#[test]
fn the_same_seed_gives_the_same_outcome() {
    let outcome = |seed| {
        let mut scenario = ideal(8, 0.7, 2_000, sr(2));
        scenario.seed = seed;
        scenario.sample_us = 50_000;
        outcome_of(&scenario)
    };
    assert_eq!(outcome(4), outcome(4));
    assert_ne!(outcome(4).response, outcome(5).response);
}

#[test]
fn who_does_not_want_more_gets_no_more() {
    let mut left = 100;
    let outcome = run(&ideal(8, 0.7, 2_000, sr(2)), &mut |_| {
        left -= 1;
        left > 0
    });
    assert_eq!(outcome.unwrap().answered, 0, "all of the warm-up");
    assert_eq!(left, 0);
}

/// With two servers each has some thousands of flows, one after the other, many times what its table holds. While a handshake is
/// on its way its entry is one of the cheapest to lose.
#[test]
fn tables_forget_what_has_ended_and_no_handshake() {
    let mut scenario = ideal(2, 0.9, 40_000, sr(2));
    scenario.network = Network {
        wan_us: 30_000,
        fabric_us: 100,
    };
    let outcome = outcome_of(&scenario);
    assert_eq!(outcome.refused, 0);
}

/// Shares of flows follow the weights in the table.
#[test]
fn a_server_of_twice_the_weight_gets_twice_the_flows() {
    let mut scenario = ideal(4, 0.4, 6_000, Balancing::SINGLE_CHOICE);
    scenario.servers[2].weight = 2;
    scenario.servers[2].cores = 2;
    let even = outcome_of(&ideal(4, 0.4, 6_000, Balancing::SINGLE_CHOICE));
    let outcome = outcome_of(&scenario);
    // with two cores of five at two fifths of the flows, everybody's load is four fifths of what it was
    assert!(outcome.response.mean_s < even.response.mean_s);
}

/// SR4 at two servers with one worker each, and ten queries at once: the scoreboard shows one busy worker at most, so that every offer is
/// accepted and the first candidate has all. Who counts the backlog passes the fifth on.
#[test]
fn a_backlog_counts_where_it_is_looked_at() {
    let passed_on = |counts_backlog| {
        let queries: Vec<(u64, u64)> = (0..10).map(|n| (n, 1_000)).collect();
        let mut scenario = small(&queries, sr(4));
        scenario.servers = vec![scenario.servers[0]; 2];
        for server in &mut scenario.servers {
            server.backlog = 100;
        }
        scenario.counts_backlog = counts_backlog;
        outcome_of(&scenario).forced
    };
    assert_eq!(passed_on(false), 0);
    // ten at two servers: of each one's offers those that find fewer than four there are accepted
    assert!((2..=6).contains(&passed_on(true)));
}

/// A server with a policy of its own, that of the hunt at the other: all flows go to the one that takes any.
#[test]
fn a_server_may_have_its_own_policy() {
    let mut scenario = ideal(2, 0.4, 2_000, two(Accept::Never));
    scenario.servers[0].accept = Some(Accept::Always);
    let outcome = outcome_of(&scenario);
    // half of the flows are offered to the first at first; the others come to it as the last candidate
    let share = outcome.passed_on();
    assert!((share - 0.5).abs() < 0.06, "{share}");
    let never = outcome_of(&ideal(2, 0.4, 2_000, two(Accept::Never)));
    assert_eq!(never.taken, 0);
}

#[test]
fn what_makes_no_sense_is_refused() {
    type Change = fn(&mut Scenario);
    let broken: [(Change, &str); 12] = [
        (|s| s.servers.clear(), "servers = 0: expected 1 to 65535"),
        (|s| s.lbs = 0, "lbs = 0: expected 1 to 256"),
        (
            |s| s.servers[3].cores = 0,
            "cores = 0: expected 1 to 4294967295",
        ),
        (
            |s| s.servers[3].workers = 0,
            "workers = 0: expected 1 to 4294967295",
        ),
        (
            |s| s.balancing = sr(0),
            "c = 0: expected 1 to 4294967295",
        ),
        (
            |s| s.warm_up = 10,
            "a warm-up of 10: expected less than all 10 queries",
        ),
        (
            |s| s.network.wan_us = u64::MAX,
            "microseconds of a packet's way = 18446744073709551615: expected 0 to 60000000",
        ),
        (
            |s| {
                s.arrivals = Arrivals::Poisson {
                    rate_qps: 1.0,
                    queries: 1_000,
                    service: ServiceTime::Constant { mean_s: 1e300 },
                }
            },
            "Constant { mean_s: 1e300 }: expected a mean above 0 and up to 10000 s, and a deviation",
        ),
        (
            |s| s.buckets = 1_000,
            "buckets = 1000: expected a prime or a power of two from 1 to 4194304, \
             for example 1009",
        ),
        (
            |s| {
                s.warm_up = 0;
                s.arrivals = Arrivals::Trace(Vec::new());
            },
            "queries = 0: expected 1 to 18446744073709551615",
        ),
        (
            |s| {
                s.balancing = Balancing::Hunt(Hunt {
                    choices: 0,
                    accept: Accept::Always,
                    pending: false,
                })
            },
            "choices = 0: expected 1 to 8",
        ),
        (
            |s| {
                s.arrivals = Arrivals::Poisson {
                    rate_qps: f64::NAN,
                    queries: 2,
                    service: ServiceTime::Constant { mean_s: 1.0 },
                }
            },
            "rate = NaN: expected a number above 0, 1000000000 at most",
        ),
    ];
    for (change, text) in broken {
        let mut scenario = ideal(8, 0.7, 10, sr(2));
        change(&mut scenario);
        let error = run(&scenario, &mut |_| true).unwrap_err();
        assert_eq!(error.to_string(), text);
    }
}

/// Ten times the queries, at a load at which the farm is steady: as many as before are under way at once, and everything that grows
/// with a run (flights, packets, events) is as large as that. What engines hold is taken at the beginning.
#[test]
fn memory_is_what_is_in_flight_and_not_how_many_there_were() {
    let most = |queries| {
        let mut scenario = ideal(8, 0.6, queries, sr(2));
        scenario.network = Network {
            wan_us: 10_000,
            fabric_us: 1_000,
        };
        let outcome = outcome_of(&scenario);
        (
            outcome.most_in_flight,
            outcome.most_packets,
            outcome.most_events,
        )
    };
    let (few, many) = (most(3_000), most(30_000));
    assert!(many.0 < 2 * few.0, "flights: {few:?} {many:?}");
    // each flight has one packet or one place in a server, and a FIN of its client's under way once it is over; each server has one
    // event, and polls are one more
    for (flights, packets, events) in [few, many] {
        assert!(packets <= 2 * flights, "{packets} of {flights}");
        // an end that was put off leaves its event behind until its time has come
        assert!(events < 4 * flights + 8 + 2, "{events} of {flights}");
    }
}

/// A flow that is over is forgotten: with so many that they would fill the tables some times no packet is lost.
#[test]
fn tables_do_not_fill_up_in_a_long_run() {
    let mut scenario = ideal(2, 0.5, 60_000, sr(2));
    scenario.arrivals = Arrivals::Poisson {
        rate_qps: 400.0,
        queries: 60_000,
        service: ServiceTime::Constant { mean_s: 0.002 },
    };
    scenario.network = Network {
        wan_us: 100,
        fabric_us: 100,
    };
    // six times as long as flows are remembered
    assert!(outcome_of(&scenario).virtual_s > 140.0);
}
