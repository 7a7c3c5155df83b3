//! The races of docs/protocol.md's contract, on the deterministic world: real TCP at both ends, so that what
//! comes of a race is what a client would see. That it happened at all is read from the counters.
//!
//! | race | here | packet by packet, in `tests/tests/engines/races.rs` |
//! | --- | --- | --- |
//! | 1 two servers take one SYN | `race_1_*` | `two_servers_take_one_syn_*` |
//! | 2 LBs change | `race_2_*` | `two_lbs_take_turns_*`, `the_lb_changes_back_*` |
//! | 3 a stale pin | `race_3_*` | `a_stale_pin_meets_*` |
//! | 4 half-close, FIN in WAIT | `race_4_*` | `a_half_close_*`, `a_fin_in_wait_*` |
//! | 5 a SYN on an old flow | `race_5_*` | `a_new_syn_*` |
//! | 6 reordering, duplicates, cookies | `race_6_*` | `forged_syn_and_rst_*` (forgery: there alone); any order: `chaos.rs` |
//! | 7 generations | `race_7_*` | `lbs_on_neighbouring_generations` |
//! | 8 restarts | `race_8_*` | `a_restarted_router_*` |

mod worlds;

use srh::Encoding;
use testbed::sim::{
    run, Act, ConnectionSpec, End, Link, Outcome, PoolChange, PoolVersion, Scenario, Side, What,
};
use worlds::twice_and_busy;

const SEND: Act = Act::Send(500);

/// Runs the scenario in both encodings. Every promise is kept, and every connection ends as it should.
#[track_caller]
fn comes_right(scenario: &Scenario) -> Outcome {
    let mut last = None;
    for encoding in [Encoding::Insert, Encoding::Encap] {
        let mut scenario = scenario.clone();
        scenario.encoding = encoding;
        let outcome = run(&scenario);
        assert!(outcome.is_well(), "{encoding:?}: {:#?}", outcome.violations);
        let ends = outcome.connections.iter().map(|c| c.end);
        let good = |end: &End| matches!(end, End::Completed | End::Aborted);
        assert_eq!(ends.filter(|end| !good(end)).count(), 0, "{encoding:?}");
        last = Some(outcome);
    }
    last.expect("two runs")
}

/// How often something was counted.
fn count(outcome: &Outcome, name: &str) -> u64 {
    outcome.counters.get(name).copied().unwrap_or(0)
}

/// Question and answer, `times` times, with pauses, and then both end.
fn talk(start_ms: u64, port: u16, times: usize, pause_ms: u32) -> ConnectionSpec {
    let mut talk = ConnectionSpec::new(start_ms, 1, port);
    for _ in 0..times {
        talk = talk.turn(Side::Client, pause_ms, SEND).server(SEND);
    }
    talk.client(Act::End).server(Act::End)
}

/// Many short connections in that world.
fn taken_twice() -> Scenario {
    let mut scenario = twice_and_busy();
    for port in 0..60 {
        scenario.connect(talk(u64::from(port) * 40, 4_000 + port, 1, 0));
    }
    scenario
}

#[test]
fn race_1_two_servers_take_one_syn() {
    let outcome = comes_right(&taken_twice());
    assert!(count(&outcome, "server.lost") + count(&outcome, "lb.drop.losers_syn_ack") > 0);
}

#[test]
fn race_1_two_servers_take_one_syn_through_two_lbs() {
    let mut scenario = taken_twice();
    let flap = What::EdgeFlap {
        salt: 5,
        every_ms: 40,
        times: 100,
    };
    scenario.at(100, flap);
    let outcome = comes_right(&scenario);
    assert!(count(&outcome, "lb.returned") > 0);
}

#[test]
fn race_2_the_lb_changes_at_every_moment_of_a_connection() {
    for at_ms in 0..60 {
        let mut scenario = Scenario::quiet(2, 3);
        scenario.connect(talk(0, 4_000, 2, 0));
        // of two salts one moves the flow
        scenario.at(at_ms, What::EdgeRehash { salt: 1 });
        scenario.at(at_ms, What::EdgeRehash { salt: 1 + at_ms });
        comes_right(&scenario);
    }
}

#[test]
fn race_2_two_lbs_take_turns() {
    let mut scenario = Scenario::quiet(2, 3);
    for port in 0..20 {
        scenario.connect(talk(0, 4_000 + port, 20, 5));
    }
    let flap = What::EdgeFlap {
        salt: 3,
        every_ms: 2,
        times: 400,
    };
    scenario.at(1, flap);
    let outcome = comes_right(&scenario);
    assert!(count(&outcome, "lb.recovered") > 0);
}

#[test]
fn race_2_an_lb_dies_at_every_moment_of_a_connection_in_which_the_server_speaks_first() {
    let mut steered = 0;
    for at_ms in 0..40 {
        let mut scenario = Scenario::quiet(2, 2);
        for port in 0..8 {
            let spec = ConnectionSpec::new(0, 1, 4_000 + port);
            scenario.connect(spec.server(SEND).server(Act::End).client(Act::End));
        }
        scenario.at(at_ms, What::LbKill { lb: 1 });
        steered += count(&comes_right(&scenario), "server.created");
    }
    assert!(steered > 0);
}

#[test]
fn race_3_a_stale_pin_meets_the_port_s_next_connection() {
    let mut returned = 0;
    for salt in 1..20 {
        let mut scenario = Scenario::quiet(3, 4);
        // The first one is moved away in its middle, so that an LB keeps a pin that no FIN takes away.
        scenario.connect(talk(0, 4_000, 2, 500).server(Act::End));
        scenario.connect(talk(3_000, 4_000, 2, 500));
        scenario.connections[0].turns.truncate(4);
        scenario.connections[0].turns.push(testbed::sim::Turn {
            side: Side::Client,
            pause_ms: 0,
            eager: false,
            act: Act::Abort,
        });
        scenario.at(700, What::EdgeRehash { salt });
        scenario.at(2_000, What::EdgeRehash { salt: salt + 20 });
        scenario.at(3_300, What::EdgeRehash { salt: 0 });
        returned += count(&comes_right(&scenario), "lb.returned");
    }
    assert!(returned > 0);
}

#[test]
fn race_4_half_closed_for_longer_than_an_entry_lives() {
    let mut scenario = Scenario::quiet(2, 3);
    for (port, first) in [(4_000, Side::Server), (4_001, Side::Client)] {
        let mut spec = ConnectionSpec::new(0, 1, port)
            .client(SEND)
            .server(SEND)
            .turn(first, 0, Act::End);
        for _ in 0..4 {
            spec = spec.turn(first.other(), 25_000, SEND);
        }
        scenario.connect(spec.turn(first.other(), 0, Act::End));
    }
    scenario.at(40_000, What::EdgeRehash { salt: 1 });
    scenario.at(60_000, What::EdgeRehash { salt: 2 });
    let outcome = comes_right(&scenario);
    assert!(count(&outcome, "lb.recovered") > 0);
}

#[test]
fn race_4_a_fin_in_wait_and_the_packets_after_it() {
    let mut scenario = Scenario::quiet(2, 3);
    for port in 0..20 {
        // the server ends right after the handshake, the client goes on
        let spec = ConnectionSpec::new(0, 1, 4_000 + port).server(Act::End);
        scenario.connect(spec.client(SEND).client(SEND).client(Act::End));
    }
    scenario.at(7, What::EdgeRehash { salt: 1 });
    let outcome = comes_right(&scenario);
    assert!(count(&outcome, "server.removed") >= 20);
}

#[test]
fn race_5_a_syn_on_a_flow_whose_end_the_server_has_not_heard() {
    let mut scenario = Scenario::quiet(2, 3);
    for port in 0..10 {
        let spec = ConnectionSpec::new(0, 1, 4_000 + port);
        scenario.connect(
            spec.client(SEND)
                .server(SEND)
                .turn(Side::Client, 500, Act::Abort),
        );
        scenario.connect(talk(600, 4_000 + port, 2, 10));
    }
    // the RSTs are lost
    let burst = What::Burst {
        for_ms: 200,
        loss_ppm: 1_000_000,
    };
    scenario.at(400, burst);
    comes_right(&scenario);
}

#[test]
fn race_5_a_syn_meets_time_wait() {
    let mut scenario = Scenario::quiet(2, 3);
    for port in 0..10 {
        scenario.connect(ConnectionSpec::request(0, 1, 4_000 + port, 100, 100));
        scenario.connect(talk(1_000, 4_000 + port, 2, 10));
    }
    let outcome = comes_right(&scenario);
    assert!(
        count(&outcome, "server.syn_again") >= 10,
        "TIME_WAIT has it"
    );
}

#[test]
fn race_6_everything_is_reordered_and_repeated() {
    let mut scenario = Scenario::quiet(3, 4);
    let rough = Link {
        delay_min_us: 500,
        delay_max_us: 8_000,
        loss_ppm: 0,
        duplicate_ppm: 200_000,
        reorder_ppm: 200_000,
        reorder_us: 60_000,
    };
    scenario.links.wan = rough;
    scenario.links.fabric = rough;
    scenario.calm_ms = 60_000;
    for port in 0..40 {
        scenario.connect(talk(u64::from(port) * 20, 4_000 + port, 4, 5));
    }
    let flap = What::EdgeFlap {
        salt: 3,
        every_ms: 30,
        times: 40,
    };
    scenario.at(1, flap);
    comes_right(&scenario);
}

#[test]
fn race_6_syn_cookies() {
    let mut scenario = Scenario::quiet(2, 2);
    for server in &mut scenario.servers {
        server.syn_backlog = 1;
    }
    scenario.links.wan = Link {
        loss_ppm: 200_000,
        ..Link::quiet(5_000)
    };
    scenario.calm_ms = 5_000;
    for port in 0..40 {
        scenario.connect(talk(u64::from(port), 4_000 + port, 2, 0));
    }
    comes_right(&scenario);
}

#[test]
fn race_7_lbs_on_neighbouring_generations() {
    let mut scenario = Scenario::quiet(3, 6);
    scenario.history = vec![PoolVersion::active(&[1, 2, 3, 4])];
    for port in 0..60 {
        scenario.connect(talk(u64::from(port) * 50, 4_000 + port, 4, 300));
    }
    let change = PoolChange {
        stage_ms: vec![0, 700, 1_400],
        activate_ms: vec![0, 700, 1_400],
        ..PoolChange::to(&[1, 2, 3, 4, 5, 6])
    };
    scenario.at(200, What::Pool(change));
    for (at_ms, salt) in [(900, 1), (1_700, 2), (2_600, 3), (3_300, 4)] {
        scenario.at(at_ms, What::EdgeRehash { salt });
    }
    let outcome = comes_right(&scenario);
    assert!(count(&outcome, "lb.recovered") > 0);
}

#[test]
fn race_7_more_pool_changes_in_a_row_than_a_chunk_holds() {
    let servers: Vec<u16> = (1..=20).collect();
    let mut scenario = Scenario::quiet(2, 20);
    scenario.buckets = 31;
    for port in 0..60 {
        scenario.connect(talk(u64::from(port), 4_000 + port, 3, 4_000));
    }
    // Others drain each time, so that buckets have had many candidates.
    for nth in 0..14u16 {
        let takes = |n: u16| (n + 20 - nth) % 20 < 4;
        let draining: Vec<u16> = servers.iter().copied().filter(|&n| !takes(n)).collect();
        let change = PoolChange::to(&servers).draining(&draining);
        scenario.at(100 + u64::from(nth) * 100, What::Pool(change));
    }
    scenario.at(3_000, What::EdgeRehash { salt: 1 });
    scenario.at(7_000, What::EdgeRehash { salt: 2 });
    let outcome = comes_right(&scenario);
    assert!(count(&outcome, "lb.recovered_next") > 0);
}

#[test]
fn race_8_a_router_restarts_at_every_moment_of_a_connection() {
    for at_ms in 0..50 {
        let mut scenario = Scenario::quiet(2, 2);
        for port in 0..6 {
            scenario.connect(talk(0, 4_000 + port, 2, 0));
        }
        for server in 1..=2 {
            scenario.at(at_ms, What::RouterRestart { server, gap_ms: 3 });
        }
        comes_right(&scenario);
    }
}

#[test]
fn race_8_an_lb_restarts_at_every_moment_of_a_connection() {
    for at_ms in 0..50 {
        let mut scenario = Scenario::quiet(1, 3);
        for port in 0..6 {
            scenario.connect(talk(0, 4_000 + port, 2, 0));
        }
        scenario.at(at_ms, What::LbKill { lb: 1 });
        scenario.at(at_ms + 2, What::LbStart { lb: 1 });
        comes_right(&scenario);
    }
}

/// A router is restarted, so that it knows no numbers, while a connection is open whose client is reset elsewhere. The client's next
/// connection of the same port has another server. Then the first one joins again, is asked before the other one,
/// and has a socket of that flow: its kernel's answer shows that the packet is not for it, and the packet goes on.
#[test]
fn race_8_a_restarted_router_learns_whose_packets_it_takes() {
    let mut refuted = 0;
    for port in 4_000..4_012 {
        let mut scenario = Scenario::quiet(2, 2);
        scenario.history = vec![PoolVersion::active(&[1])];
        let first = ConnectionSpec::new(0, 1, port).client(SEND).server(SEND);
        scenario.connect(first.turn(Side::Client, 2_000, SEND));
        scenario.at(
            500,
            What::RouterRestart {
                server: 1,
                gap_ms: 10,
            },
        );
        scenario.at(1_000, What::Pool(PoolChange::to(&[2])));
        scenario.connect(talk(3_000, port, 3, 2_000));
        scenario.at(4_000, What::Pool(PoolChange::to(&[1, 2])));
        scenario.at(4_500, What::LbKill { lb: 1 });
        scenario.at(4_700, What::LbStart { lb: 1 });
        scenario.at(6_500, What::LbKill { lb: 2 });
        let outcome = run(&scenario);
        assert!(outcome.is_well(), "{port}: {:#?}", outcome.violations);
        let ends: Vec<End> = outcome.connections.iter().map(|c| c.end).collect();
        assert_eq!(ends, [End::Reset(Side::Client), End::Completed], "{port}");
        refuted += count(&outcome, "server.guesses_refuted");
    }
    assert!(refuted > 0, "no packet was led astray");
}
