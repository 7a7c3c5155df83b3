//! The watch sees broken promises: each rule of the protocol that is taken away here breaks one, and it is
//! reported by its name. What no rule of the protocol can break is broken by hand, in `sim/watch/tests.rs`.

mod worlds;

use std::time::Duration;

use srlb_lb::engine::state as lb;
use srlb_server::engine::state as server;
use srlb_server::policy::Accept;
use testbed::sim::{run_with, Act, ConnectionSpec, Options, Scenario, Side, What};
use worlds::twice_and_busy;

/// Twenty connections, none of which its first candidate takes; and the edge hashes anew in their middle.
fn moved_on() -> Scenario {
    let mut scenario = Scenario::quiet(2, 3);
    for server in &mut scenario.servers {
        server.accept = Accept::Never;
    }
    for port in 0..20 {
        let spec = ConnectionSpec::new(0, 1, 4_000 + port);
        let spec = spec.client(Act::Send(100)).server(Act::Send(100));
        let spec = spec.turn(Side::Client, 500, Act::Send(100));
        scenario.connect(
            spec.server(Act::Send(100))
                .server(Act::End)
                .client(Act::End),
        );
    }
    scenario.at(200, What::EdgeRehash { salt: 7 });
    scenario
}

/// The same, and both sides go on talking for a while.
fn moved_on_and_on() -> Scenario {
    let mut scenario = moved_on();
    for spec in &mut scenario.connections {
        let ends = spec.turns.split_off(spec.turns.len() - 2);
        for _ in 0..3 {
            let more = spec.clone().turn(Side::Server, 50, Act::Send(100));
            *spec = more.turn(Side::Client, 50, Act::Send(100));
        }
        spec.turns.extend(ends);
    }
    scenario
}

/// The promises that are broken, each once.
fn broken(scenario: &Scenario, options: &Options) -> Vec<&'static str> {
    let outcome = run_with(scenario, options).expect("no file is written");
    let mut promises: Vec<_> = outcome.violations.iter().map(|v| v.promise).collect();
    promises.sort_unstable();
    promises.dedup();
    promises
}

#[track_caller]
fn breaks(promise: &str, scenario: &Scenario, options: &Options) {
    let without = broken(scenario, &Options::default());
    assert!(without.is_empty(), "with all rules in place: {without:?}");
    let with = broken(scenario, options);
    assert!(with.contains(&promise), "{with:?}");
}

fn with_server(state: server::State, event: server::Event, action: server::Action) -> Options {
    let mut options = Options::default();
    let table = options.server.table.clone();
    options.server.table = table.with(state, event, (action, state));
    options
}

fn with_lb(state: lb::State, event: lb::Event, action: lb::Action) -> Options {
    let mut options = Options::default();
    let table = options.lb.table.clone();
    options.lb.table = table.with(state, event, (action, lb::Next::Unchanged));
    options
}

#[test]
fn reset_a_server_that_is_asked_answers_for_others() {
    let event = server::Event::RecoverNotMine;
    let options = with_server(server::State::None, event, server::Action::Deliver);
    breaks("reset", &moved_on(), &options);
}

#[test]
fn completes_and_stall_an_lb_without_the_entry_does_not_look_for_the_owner() {
    let event = lb::Event::ClientOther;
    let options = with_lb(lb::State::None, event, lb::Action::DropLoser);
    breaks("completes", &moved_on(), &options);
    breaks("stall", &moved_on(), &options);
}

#[test]
fn one_syn_ack_a_loser_s_syn_ack_passes() {
    let mut scenario = twice_and_busy();
    for nth in 0..60 {
        let start_ms = u64::from(nth) * 40;
        scenario.connect(ConnectionSpec::request(start_ms, 1, 4_000 + nth, 100, 100));
    }
    let same = lb::Event::CreateOnSynAck {
        sender: lb::Sender::Other,
        same_number: true,
    };
    let state = lb::State::Steer { confirmed: false };
    breaks(
        "one_syn_ack",
        &scenario,
        &with_lb(state, same, lb::Action::ToClient),
    );
}

#[test]
fn loop_nobody_has_the_last_word() {
    let mut scenario = moved_on();
    for server in 1..=3 {
        scenario.at(300, What::ServerKill { server });
        scenario.at(310, What::ServerStart { server });
    }
    let event = server::Event::RecoverFinalNotMine;
    let options = with_server(server::State::None, event, server::Action::ReturnFlow);
    breaks("loop", &scenario, &options);
}

#[test]
fn lifetime_entries_of_lbs_live_longer_than_they_may() {
    let mut options = Options::default();
    options.lb.limits.closing_life = Duration::from_secs(1_000);
    breaks("lifetime", &moved_on(), &options);
}

#[test]
fn lifetime_entries_of_servers_live_longer_than_they_may() {
    let mut options = Options::default();
    options.server.limits.numbers_life = Duration::from_secs(8_000);
    breaks("lifetime", &moved_on(), &options);
}

#[test]
fn drops_an_lb_drops_what_is_no_loser_s() {
    let event = lb::Event::ClientOther;
    let options = with_lb(lb::State::None, event, lb::Action::DropLoser);
    breaks("drops", &moved_on(), &options);
}

#[test]
fn entry_an_lb_does_not_pin_the_owner() {
    let event = lb::Event::CreateOnOther(lb::Sender::Other);
    let options = with_lb(lb::State::None, event, lb::Action::ToClient);
    breaks("entry", &moved_on_and_on(), &options);
}

#[test]
fn entry_ends_too_soon() {
    let mut options = Options::default();
    options.lb.limits.closing_life = Duration::from_secs(9);
    breaks("entry", &moved_on(), &options);
}

#[test]
fn flow_a_router_does_not_notice_that_the_lb_knows() {
    let event = server::Event::AckMine;
    let options = with_server(server::State::Wait, event, server::Action::Deliver);
    breaks("flow", &moved_on_and_on(), &options);
}

#[test]
fn lifetime_a_wait_ends_too_soon() {
    let mut options = Options::default();
    options.server.limits.handshake_life = Duration::from_secs(74);
    breaks("lifetime", &moved_on(), &options);
}

#[test]
fn told_an_owner_keeps_to_itself_that_it_is_one() {
    let event = server::Event::AppOther;
    let options = with_server(server::State::Wait, event, server::Action::Straight);
    breaks("told", &moved_on_and_on(), &options);
}

#[test]
fn order_a_retransmission_passes_for_a_new_syn() {
    let mut scenario = moved_on();
    scenario.at(0, What::ServerKill { server: 1 });
    let mut options = Options::default();
    options.lb.limits.syn_again_soonest = Duration::from_secs(3);
    breaks("order", &scenario, &options);
}

#[test]
fn order_suspects_are_asked_too_often() {
    let mut scenario = moved_on();
    scenario.at(0, What::ServerKill { server: 1 });
    let mut options = Options::default();
    options.lb.limits.probe_interval = Duration::from_millis(500);
    breaks("order", &scenario, &options);
}
