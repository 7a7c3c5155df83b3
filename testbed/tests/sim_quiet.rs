//! The deterministic world while nothing goes wrong.

use srh::Encoding;
use testbed::sim::{run, run_with, Act, ConnectionSpec, End, Options, Outcome, Scenario, Side};

/// One connection of each kind of conversation.
fn conversations() -> Vec<ConnectionSpec> {
    let from = |port: u16| ConnectionSpec::new(u64::from(port) % 50, 1, port);
    let (send, end, abort) = (Act::Send, Act::End, Act::Abort);
    let half_closed_for_long = from(4_006)
        .client(send(10))
        .server(end)
        .turn(Side::Client, 15_000, send(3_000))
        .turn(Side::Client, 15_000, send(3_000))
        .client(end);
    let mut keep_alive = from(4_005);
    for _ in 0..5 {
        keep_alive =
            keep_alive
                .turn(Side::Client, 700, send(200))
                .turn(Side::Server, 30, send(900));
    }
    vec![
        ConnectionSpec::request(0, 1, 4_000, 100, 5_000),
        // upload and download
        from(4_001)
            .client(send(200_000))
            .server(send(10))
            .server(end)
            .client(end),
        from(4_002)
            .client(send(10))
            .server(send(200_000))
            .client(end)
            .server(end),
        // the server speaks first
        from(4_003)
            .server(send(500))
            .client(send(500))
            .server(end)
            .client(end),
        // both at once
        from(4_004)
            .client(send(50_000))
            .server(send(50_000))
            .eager()
            .server(end)
            .client(end),
        keep_alive.client(end).server(end),
        half_closed_for_long,
        from(4_007)
            .client(send(10))
            .client(end)
            .server(send(20_000))
            .server(end),
        // without a word
        from(4_008),
        from(4_009).turn(Side::Client, 5_000, end).server(end),
        // thrown away
        from(4_010).client(send(10)).server(send(10)).client(abort),
        from(4_011).client(send(10)).server(send(10)).server(abort),
    ]
}

fn world(encoding: Encoding, hmac: bool) -> Scenario {
    let mut scenario = Scenario::quiet(2, 4);
    (scenario.encoding, scenario.hmac) = (encoding, hmac);
    scenario.connections = conversations();
    scenario
}

#[track_caller]
fn is_well(outcome: &Outcome) {
    assert!(outcome.is_well(), "{:#?}", outcome.violations);
}

#[test]
fn every_kind_of_conversation_comes_to_its_end() {
    use Encoding::{Encap, Insert};
    for (encoding, hmac) in [
        (Encap, false),
        (Insert, false),
        (Encap, true),
        (Insert, true),
    ] {
        let outcome = run(&world(encoding, hmac));
        is_well(&outcome);
        let ends: Vec<End> = outcome.connections.iter().map(|c| c.end).collect();
        let mut expected = vec![End::Completed; 12];
        expected[10..].fill(End::Aborted);
        assert_eq!(ends, expected);
        assert_eq!(outcome.counters["world.lost"], 0);
        let longest = outcome.connections.iter().map(|c| c.longest_stall_ms).max();
        assert!(
            longest < Some(1_000),
            "{longest:?} ms, and nothing was lost"
        );
    }
}

#[test]
fn the_same_scenario_gives_the_same_trace() {
    let scenario = world(Encoding::Encap, false);
    let lines = || {
        let options = Options {
            trace: true,
            ..Options::default()
        };
        run_with(&scenario, &options).expect("no file is written")
    };
    let (first, second) = (lines(), lines());
    assert_eq!(first.trace, second.trace);
    assert_eq!(first.trace_hash, second.trace_hash);
    assert_eq!(run(&scenario).trace_hash, first.trace_hash, "without lines");
    let other = Scenario {
        seed: 2,
        ..scenario.clone()
    };
    assert_ne!(run(&other).trace_hash, first.trace_hash);
}
