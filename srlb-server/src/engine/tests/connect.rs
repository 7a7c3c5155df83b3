//! New flows: offers, the policy, what happens when the application is down.

use super::*;

#[test]
fn an_offer_that_the_policy_accepts_goes_to_the_application() {
    for encoding in ENCODINGS {
        let mut bench = Bench::new(Accept::Static { c: 1 });
        let syn = client(SYN, 0);
        bench.delivers(&offer(encoding, &syn), &syn);
        assert_eq!(bench.state(), State::Hunted);
        assert_eq!(bench.engine.events().get(Event::AcceptedAvail), 1);
        assert_eq!(bench.asked, 1, "the kernel was asked for a socket first");
    }
}

#[test]
fn an_offer_that_the_policy_refuses_goes_to_the_next_candidate() {
    for encoding in ENCODINGS {
        let mut bench = Bench::new(Accept::Static { c: 4 });
        bench.app.busy.set(4);
        let syn = client(SYN, 0);
        bench.transmits(&offer(encoding, &syn), &passed_on(encoding, &syn));
        assert_eq!(bench.state(), State::None);
        assert_eq!(bench.engine.events().get(Event::PassedOn), 1);
    }
}

/// Without an application: its processes are gone, or it has closed its listeners (Apache does
/// so first in a graceful stop, with a scoreboard that shows idle workers).
#[test]
fn an_application_that_is_down_passes_offers_on_and_returns_the_last() {
    let ways = [
        (false, SocketAnswer::None),
        (true, SocketAnswer::NobodyListens),
    ];
    for (encoding, (up, socket)) in ENCODINGS.into_iter().flat_map(|e| ways.map(|w| (e, w))) {
        let mut bench = Bench::always();
        bench.app.up = up;
        bench.socket = socket;
        let syn = client(SYN, 0);
        bench.transmits(&offer(encoding, &syn), &passed_on(encoding, &syn));
        bench.transmits(
            &one(encoding, Function::ConnectForce, &syn),
            &back(encoding, Function::ReturnFlow, 0, &syn),
        );
        bench.delivers(&one(encoding, Function::ConnectFinal, &syn), &syn);
        assert_eq!(bench.state(), State::None);
        let events = bench.engine.events();
        assert_eq!(events.get(Event::PassedOnDown), 1);
        assert_eq!(events.get(Event::Returned), 1);
    }
}

/// The SYN was lost between router and kernel, and the application died before it came again.
#[test]
fn a_syn_seen_again_is_no_longer_ours_when_nobody_listens() {
    for encoding in ENCODINGS {
        let mut bench = Bench::always();
        let syn = client(SYN, 0);
        bench.delivers(&offer(encoding, &syn), &syn);
        bench.delivers(&offer(encoding, &syn), &syn);
        bench.socket = SocketAnswer::NobodyListens;
        bench.transmits(&offer(encoding, &syn), &passed_on(encoding, &syn));
    }
}

#[test]
fn the_last_candidate_takes_the_flow_whatever_the_policy() {
    for (function, counter) in [
        (Function::ConnectForce, Event::AcceptedForce),
        (Function::ConnectFinal, Event::AcceptedFinal),
    ] {
        let mut bench = Bench::new(Accept::Never);
        let syn = client(SYN, 0);
        bench.delivers(&one(Encoding::Encap, function, &syn), &syn);
        assert_eq!(bench.state(), State::Hunted);
        assert_eq!(bench.engine.events().get(counter), 1);
    }
}

#[test]
fn a_syn_seen_again_goes_to_the_application_whatever_the_policy() {
    for encoding in ENCODINGS {
        let mut bench = Bench::hunted(encoding, 100);
        bench.app.busy.set(99);
        bench.app.up = false;
        let syn = client(SYN, 0);
        bench.delivers(&offer(encoding, &syn), &syn);
        assert_eq!(bench.state(), State::Hunted, "the check goes on");
        assert_eq!(bench.engine.events().get(Event::SynAgain), 1);
    }
}

#[test]
fn a_socket_of_an_earlier_connection_answers_the_syn_and_no_check_starts() {
    let mut bench = Bench::new(Accept::Never);
    bench.socket = SocketAnswer::TimeWait;
    let syn = client(SYN, 0);
    bench.delivers(&offer(Encoding::Encap, &syn), &syn);
    assert_eq!(bench.state(), State::Wait);
}

#[test]
fn only_offers_that_could_have_been_refused_count_for_dynamic() {
    let mut bench = Bench::new(Accept::Dynamic {
        window: 50,
        epsilon: 0.1,
    });
    bench.app.busy.set(5);
    let syn = client(SYN, 0);
    for _ in 0..3 {
        bench.put(&offer(Encoding::Encap, &syn));
    }
    let attempts = |bench: &mut Bench| bench.engine.policy_state(T0, &bench.app).attempt;
    assert_eq!(attempts(&mut bench), 3);
    bench.put(&one(Encoding::Encap, Function::ConnectForce, &syn));
    assert_eq!(attempts(&mut bench), 3);
    bench.app.up = false;
    bench.now = T0 + limits().handshake_life;
    bench.put(&offer(Encoding::Encap, &syn));
    assert_eq!(attempts(&mut bench), 3, "it could not have been accepted");
}

#[test]
fn a_flow_counts_as_pending_until_its_client_has_answered_and_a_worker_is_busy() {
    let mut bench = Bench::always();
    bench.engine = Engine::new(
        EngineConfig {
            pending: true,
            ..config(Accept::Always)
        },
        HashKey([7; 16]),
    );
    let pending = |bench: &mut Bench| {
        let state = bench.engine.policy_state(bench.now, &bench.app);
        state.pending.unwrap()
    };
    bench.put(&offer(Encoding::Encap, &client(SYN, 0)));
    bench.put(&offer(Encoding::Encap, &client(SYN, 0)));
    assert_eq!(pending(&mut bench), 1, "a SYN seen again is no second flow");
    bench.put(&server(SYN | ACK, 100, b""));
    bench.put(&pinned(Encoding::Encap, &client(ACK, 101)));
    assert_eq!(pending(&mut bench), 1);
    bench.app.busy.set(1);
    assert_eq!(pending(&mut bench), 0);
}

/// An LB lists candidates that it thinks dead behind the last living one, and forces that one.
#[test]
fn a_forced_offer_with_servers_behind_it_is_taken() {
    let rows = [
        (Function::ConnectForce, Event::AcceptedForce),
        (Function::ConnectFinal, Event::AcceptedFinal),
    ];
    for (encoding, (function, counter)) in ENCODINGS.into_iter().flat_map(|e| rows.map(|r| (e, r)))
    {
        let mut bench = Bench::new(Accept::Never);
        let syn = client(SYN, 0);
        let sids = [SERVER, NEXT].map(|node| sid(node, function));
        bench.delivers(&carried(encoding, LB, &sids, 0, &syn), &syn);
        assert_eq!(bench.engine.events().get(counter), 1);
    }
}
