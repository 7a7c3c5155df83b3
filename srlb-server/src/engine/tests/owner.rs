//! Packets of flows that exist: ours, somebody else's, nobody's.

use std::time::Duration;

use super::*;

#[test]
fn the_answer_to_our_syn_ack_ends_the_check_without_a_look_up() {
    for encoding in ENCODINGS {
        let mut bench = Bench::direct(encoding, u32::MAX);
        let asked = bench.asked;
        let data = client(ACK, 77);
        bench.delivers(&pinned(encoding, &data), &data);
        assert_eq!(bench.asked, asked, "DIRECT needs no look-up");
    }
}

#[test]
fn whoever_answers_another_syn_ack_is_another_servers() {
    for encoding in ENCODINGS {
        let mut bench = Bench::hunted(encoding, 100);
        let other = client(ACK, 900);
        bench.transmits(
            &pinned(encoding, &other),
            &back(encoding, Function::ReturnFlow, 0, &other),
        );
        assert_eq!(bench.state(), State::Loser);
        assert_eq!(bench.engine.events().get(Event::Lost), 1);
        bench.drops(&server(SYN | ACK, 100, b""), DropReason::LosersSynAck);
        // Not ours, whatever the kernel has.
        bench.socket = SocketAnswer::SynReceived;
        bench.transmits(
            &recovery(encoding, &other, 0),
            &recovery(encoding, &other, 1),
        );
        assert_eq!(bench.state(), State::Loser);
        bench.now = T0 + limits().loser_life;
        assert_eq!(bench.state(), State::None);
    }
}

#[test]
fn a_forged_ack_does_not_cost_the_client_its_connection() {
    let mut bench = Bench::hunted(Encoding::Encap, 100);
    bench.put(&pinned(Encoding::Encap, &client(ACK, 666)));
    assert_eq!(bench.state(), State::Loser);
    let ack = client(ACK, 101);
    bench.delivers(&pinned(Encoding::Encap, &ack), &ack);
    assert_eq!(bench.state(), State::Direct);
}

#[test]
fn a_forged_rst_changes_nothing() {
    let mut bench = Bench::hunted(Encoding::Encap, 100);
    bench.drops(
        &pinned(Encoding::Encap, &client(RST | ACK, 666)),
        DropReason::NotMine,
    );
    assert_eq!(bench.state(), State::Hunted);
}

#[test]
fn a_hunt_owns_nothing_but_syns_before_its_syn_ack() {
    let mut bench = Bench::always();
    let syn = client(SYN, 0);
    bench.put(&offer(Encoding::Encap, &syn));
    bench.delivers(&pinned(Encoding::Encap, &syn), &syn);
    assert_eq!(bench.state(), State::Hunted);
    let ack = client(ACK, 1);
    bench.transmits(
        &recovery(Encoding::Encap, &ack, 0),
        &recovery(Encoding::Encap, &ack, 1),
    );
    assert_eq!(bench.state(), State::Loser);
}

#[test]
fn a_losers_syn_starts_again_with_the_numbers_that_it_had() {
    let mut bench = Bench::hunted(Encoding::Encap, 100);
    bench.put(&pinned(Encoding::Encap, &client(ACK, 900)));
    bench.socket = SocketAnswer::SynReceived;
    let syn = client(SYN, 0);
    bench.delivers(&offer(Encoding::Encap, &syn), &syn);
    assert_eq!(bench.state(), State::Hunted);
    let ack = client(ACK, 101);
    bench.delivers(&pinned(Encoding::Encap, &ack), &ack);
}

#[test]
fn syn_cookies_end_the_check_at_the_third_number() {
    let mut bench = Bench::hunted(Encoding::Encap, 100);
    for number in [200, 300] {
        bench.put(&client_syn_again());
        bench.put(&server(SYN | ACK, number, b""));
    }
    assert_eq!(bench.state(), State::Wait);
    let ack = client(ACK, 201);
    bench.delivers(&pinned(Encoding::Encap, &ack), &ack);
    assert_eq!(bench.state(), State::Direct);
}

fn client_syn_again() -> Vec<u8> {
    offer(Encoding::Encap, &client(SYN, 0))
}

#[test]
fn a_cookie_is_ours_although_the_kernel_has_no_socket() {
    let mut bench = Bench::hunted(Encoding::Encap, 100);
    bench.socket = SocketAnswer::None;
    let ack = client(ACK, 101);
    bench.delivers_steered(&recovery(Encoding::Encap, &ack, 0), &ack);
    assert_eq!(bench.state(), State::Wait);
}

#[test]
fn a_cookie_is_ours_although_it_has_ended_a_time_wait() {
    let answered = || {
        let mut bench = Bench::always();
        bench.socket = SocketAnswer::TimeWait;
        bench.put(&client_syn_again());
        bench.put(&server(SYN | ACK, 100, b""));
        bench.socket = SocketAnswer::None;
        bench
    };
    let ack = client(ACK, 101);
    let mut bench = answered();
    bench.delivers_steered(&recovery(Encoding::Encap, &ack, 0), &ack);
    assert_eq!(bench.state(), State::Wait);
    let other = client(ACK, 102);
    answered().transmits(
        &recovery(Encoding::Encap, &other, 0),
        &recovery(Encoding::Encap, &other, 1),
    );
}

/// A router that knows nothing, and a socket of the flow that has sent so much.
fn open_socket(bytes: u64) -> Bench {
    let mut bench = Bench::always();
    bench.socket = SocketAnswer::Open {
        acked: Some(bytes),
        sent: Some(bytes),
    };
    bench
}

#[test]
fn a_recovered_flow_waits_for_its_pin() {
    for encoding in ENCODINGS {
        let mut bench = open_socket(10);
        let data = client(ACK, 77);
        bench.delivers_steered(&recovery(encoding, &data, 0), &data);
        assert_eq!(bench.state(), State::Wait);
        assert_eq!(bench.engine.events().get(Event::Recovered), 1);
        let reply = server(ACK, 77, b"hello");
        bench.transmits(&reply, &to_lb(encoding, Function::CreateStickiness, &reply));
        bench.delivers(&pinned(encoding, &data), &data);
        assert_eq!(bench.state(), State::Direct);
        bench.transmits(&reply, &reply);
    }
}

/// The socket may be what is left of an earlier connection whose client has gone, and the packet that of a later one, with another server.
#[test]
fn a_guess_that_the_kernels_answer_refutes_goes_on_after_all() {
    let sockets = [
        SocketAnswer::Open {
            acked: Some(0),
            sent: Some(0),
        },
        SocketAnswer::Ended { sent: Some(0) },
    ];
    for (encoding, socket) in ENCODINGS.into_iter().flat_map(|e| sockets.map(|s| (e, s))) {
        let mut bench = Bench::always();
        bench.socket = socket;
        let later = client(ACK, 900_000_000);
        bench.delivers_steered(&recovery(encoding, &later, 0), &later);
        assert!(bench.extra.is_empty());
        let answer = server(ACK, 101, b"");
        bench.transmits(&answer, &answer);
        let [copy] = &bench.extra[..] else {
            panic!("{} copies", bench.extra.len());
        };
        same(copy.bytes(), &recovery(encoding, &later, 1));
        assert_eq!(bench.engine.events().get(Event::GuessesRefuted), 1);
        assert_eq!(bench.state(), State::None);
        bench.transmits(&answer, &answer);
        assert!(bench.extra.is_empty(), "it went on once");
    }
}

#[test]
fn at_the_end_of_a_chunk_a_refuted_guess_goes_back_to_the_lb() {
    for encoding in ENCODINGS {
        let mut bench = open_socket(0);
        let later = client(ACK, 900_000_000);
        let last = locator(SERVER).sid_with(Function::RecoverStickiness, 3);
        bench.delivers_steered(&carried(encoding, LB, &[last], 0, &later), &later);
        bench.put(&server(ACK, 101, b""));
        same(
            bench.extra[0].bytes(),
            &back(encoding, Function::RecoverNext, 3, &later),
        );
    }
}

/// Nobody is asked behind recoverFinal, an LB's pin is believed, and a second is long enough for an answer.
#[test]
fn what_nobody_else_may_get_is_not_kept() {
    let later = client(ACK, 900_000_000);
    let wait = [
        (Function::RecoverFinal, Duration::ZERO),
        (Function::AckStickiness, Duration::ZERO),
        (Function::RecoverStickiness, Duration::from_secs(1)),
    ];
    for (encoding, (function, wait)) in ENCODINGS.into_iter().flat_map(|e| wait.map(|w| (e, w))) {
        let mut bench = open_socket(0);
        let (verdict, _) = bench.put(&one(encoding, function, &later));
        assert!(matches!(verdict, Verdict::Deliver { .. }), "{verdict:?}");
        bench.now = T0 + wait;
        bench.put(&server(ACK, 101, b""));
        assert!(bench.extra.is_empty(), "{function:?}");
    }
}

#[test]
fn an_answer_that_fits_confirms_the_guess() {
    for encoding in ENCODINGS {
        let mut bench = open_socket(10);
        let data = client(ACK, 77);
        bench.delivers_steered(&recovery(encoding, &data, 0), &data);
        // More than all that was sent before.
        let reply = server(ACK, 77, &[9; 700]);
        bench.transmits(&reply, &to_lb(encoding, Function::CreateStickiness, &reply));
        assert!(bench.extra.is_empty());
        assert_eq!(bench.state(), State::Wait);
    }
}

#[test]
fn a_recovery_that_is_not_ours_goes_on() {
    for encoding in ENCODINGS {
        let mut bench = Bench::always();
        let data = client(ACK, 77);
        bench.transmits(&recovery(encoding, &data, 0), &recovery(encoding, &data, 1));
        let last = locator(SERVER).sid_with(Function::RecoverStickiness, 3);
        bench.transmits(
            &carried(encoding, LB, &[last], 0, &data),
            &back(encoding, Function::RecoverNext, 3, &data),
        );
        bench.delivers(&one(encoding, Function::RecoverFinal, &data), &data);
        assert_eq!(bench.state(), State::None);
        assert_eq!(bench.engine.events().get(Event::OwnerNotFound), 1);
        // our kernel's reset, about no flow of ours
        let reset = server(RST, 77, b"");
        bench.transmits(&reset, &reset);
        assert_eq!(bench.engine.flows_by_state(T0).iter().sum::<usize>(), 0);
    }
}

#[test]
fn a_stale_pin_is_returned_and_an_rst_is_not() {
    for encoding in ENCODINGS {
        let mut bench = Bench::always();
        for packet in [client(ACK, 77), client(SYN, 0)] {
            bench.transmits(
                &pinned(encoding, &packet),
                &back(encoding, Function::ReturnFlow, 0, &packet),
            );
        }
        bench.drops(&pinned(encoding, &client(RST, 0)), DropReason::NotMine);
    }
}

#[test]
fn a_new_syn_on_a_pinned_flow_is_answered_by_the_socket_or_returned() {
    let mut bench = Bench::direct(Encoding::Encap, 100);
    let syn = client(SYN, 0);
    bench.socket = SocketAnswer::Open {
        acked: None,
        sent: None,
    };
    bench.delivers(&pinned(Encoding::Encap, &syn), &syn);
    assert_eq!(bench.state(), State::Wait);
    let mut bench = Bench::direct(Encoding::Encap, 100);
    bench.transmits(
        &pinned(Encoding::Encap, &syn),
        &back(Encoding::Encap, Function::ReturnFlow, 0, &syn),
    );
    assert_eq!(bench.state(), State::None);
}

#[test]
fn a_clients_rst_ends_the_flow_and_goes_on_in_a_recovery() {
    for encoding in ENCODINGS {
        let mut bench = Bench::direct(encoding, 100);
        bench.socket = SocketAnswer::Open {
            acked: Some(0),
            sent: Some(0),
        };
        let reset = client(RST, 0);
        bench.delivers(&recovery(encoding, &reset, 0), &reset);
        same(bench.extra[0].bytes(), &recovery(encoding, &reset, 1));
        assert_eq!(bench.state(), State::None);
        let mut bench = Bench::direct(encoding, 100);
        bench.delivers(&pinned(encoding, &reset), &reset);
        assert_eq!((bench.state(), bench.extra.len()), (State::None, 0));
    }
}

#[test]
fn after_a_restart_a_handshake_waits_for_the_next_syn_ack() {
    let mut bench = Bench::always();
    bench.socket = SocketAnswer::SynReceived;
    let ack = client(ACK, 101);
    bench.drops(
        &recovery(Encoding::Encap, &ack, 0),
        DropReason::UnknownNumber,
    );
    let syn_ack = server(SYN | ACK, 100, b"");
    bench.transmits(&syn_ack, &syn_ack);
    bench.delivers_steered(&recovery(Encoding::Encap, &ack, 0), &ack);
    let other = client(ACK, 102);
    let mut bench = Bench::always();
    bench.socket = SocketAnswer::SynReceived;
    bench.put(&syn_ack);
    bench.transmits(
        &recovery(Encoding::Encap, &other, 0),
        &recovery(Encoding::Encap, &other, 1),
    );
}

#[test]
fn sockets_read_at_the_start_need_no_look_up() {
    let mut bench = Bench::always();
    bench.engine.seed_socket(T0, &flow());
    let data = client(ACK, 77);
    bench.delivers(&pinned(Encoding::Encap, &data), &data);
    assert_eq!((bench.state(), bench.asked), (State::Direct, 0));
}

/// A handshake that is under way at the start: the kernel is asked for its number, and nothing passes before the answer.
#[test]
fn a_handshake_read_at_the_start_is_asked_for_its_number() {
    let mut asked = Bench::always();
    let question = asked.engine.seed_handshake(T0, &flow());
    let packet = srh::parse::packet(question.bytes()).unwrap();
    assert!(srh::checksum::is_right(question.bytes(), &packet));
    assert_eq!(packet.flow_from_client(addr(VIP)), Some(flow()));
    let tcp = packet.tcp().unwrap();
    let numbers = (tcp.flags, tcp.seq, tcp.ack, tcp.header_len, tcp.data_len);
    assert_eq!((numbers, question.bytes().len()), ((0, 0, 0, 20, 0), 60));

    asked.socket = SocketAnswer::SynReceived;
    let (ack, other) = (client(ACK, 102), client(ACK, 103));
    let unknown = DropReason::UnknownNumber;
    asked.drops(&pinned(Encoding::Encap, &ack), unknown);
    let data = server(ACK, 90, b"x");
    asked.transmits(&data, &data);
    asked.drops(&pinned(Encoding::Encap, &ack), unknown);

    let mut asked = Bench::always();
    asked.socket = SocketAnswer::SynReceived;
    asked.engine.seed_handshake(T0, &flow());
    let answer = server(ACK, 102, b"");
    asked.drops(&answer, DropReason::AnswerToUs);
    asked.transmits(
        &pinned(Encoding::Encap, &other),
        &back(Encoding::Encap, Function::ReturnFlow, 0, &other),
    );
    asked.delivers(&pinned(Encoding::Encap, &ack), &ack);
    assert_eq!(asked.state(), State::Direct);

    // Of a flow that nobody asked about an ACK says nothing.
    let mut never = Bench::always();
    never.socket = SocketAnswer::SynReceived;
    never.transmits(&answer, &answer);
    never.drops(&pinned(Encoding::Encap, &ack), unknown);
}

#[test]
fn errors_are_delivered_by_the_owner_and_change_nothing() {
    for encoding in ENCODINGS {
        let quoted = server(ACK, 5_000, &[0; 1200]);
        let error = icmp("2001:db8:c::1", addr(VIP), 2, 1280, &quoted[..1000]);
        let mut bench = Bench::direct(encoding, 100);
        bench.delivers(&pinned(encoding, &error), &error);
        assert_eq!(bench.engine.events().get(Event::ErrorsDelivered), 1);
        assert_eq!(bench.state(), State::Direct);

        let mut stranger = Bench::always();
        // also while Apache stops: the owner may be the next of the list
        for socket in [SocketAnswer::None, SocketAnswer::NobodyListens] {
            stranger.socket = socket;
            stranger.transmits(
                &pinned(encoding, &error),
                &back(encoding, Function::ReturnFlow, 0, &error),
            );
            stranger.transmits(
                &recovery(encoding, &error, 0),
                &recovery(encoding, &error, 1),
            );
        }
        stranger.drops(
            &one(encoding, Function::RecoverFinal, &error),
            DropReason::IcmpUnmatched,
        );
        stranger.socket = SocketAnswer::TimeWait;
        stranger.delivers(&recovery(encoding, &error, 0), &error);
        assert_eq!(stranger.state(), State::None);
    }
}

#[test]
fn look_ups_are_bounded() {
    let mut bench = Bench::always();
    bench.engine = Engine::new(
        EngineConfig {
            lookups_pps: 2,
            ..config(Accept::Always)
        },
        HashKey([7; 16]),
    );
    let data = pinned(Encoding::Encap, &client(ACK, 77));
    bench.put(&data);
    bench.put(&data);
    bench.drops(&data, DropReason::LookupRate);
}

/// A socket in FIN_WAIT2 waits for minutes for its client, who has gone and uses the port for a connection to another server.
#[test]
fn a_half_closed_flow_is_told_from_a_later_one_for_as_long_as_its_socket_may_live() {
    for encoding in ENCODINGS {
        let mut bench = Bench::direct(encoding, 100);
        bench.put(&server(FIN | ACK, 5_000, b""));
        bench.socket = SocketAnswer::Ended { sent: Some(400) };
        bench.now = T0 + limits().direct_life - limits().closing_life;
        let later = client(ACK, 900_000_000);
        bench.transmits(
            &recovery(encoding, &later, 0),
            &recovery(encoding, &later, 1),
        );
        let last = client(ACK, 5_001);
        bench.delivers(&recovery(encoding, &last, 0), &last);
        assert_eq!(bench.state(), State::Closing);
    }
}

#[test]
fn a_fin_before_our_time_is_learnt_from_the_kernels_answer() {
    let mut bench = Bench::always();
    bench.socket = SocketAnswer::Ended { sent: Some(400) };
    let later = client(ACK, 5_000);
    bench.delivers_steered(&recovery(Encoding::Encap, &later, 0), &later);
    bench.transmits(&server(ACK, 78, b""), &server(ACK, 78, b""));
    bench.transmits(
        &recovery(Encoding::Encap, &later, 0),
        &recovery(Encoding::Encap, &later, 1),
    );
    let last = client(ACK, 78);
    bench.delivers(&recovery(Encoding::Encap, &last, 0), &last);
}

#[test]
fn a_late_packet_of_an_earlier_connection_does_not_settle_the_next_ones_number() {
    let mut bench = Bench::direct(Encoding::Encap, 100);
    bench.socket = SocketAnswer::TimeWait;
    let syn = client(SYN, 0);
    bench.delivers(&pinned(Encoding::Encap, &syn), &syn);
    bench.put(&server(SYN | ACK, 9_000_000, b""));
    bench.socket = SocketAnswer::None;
    let (late, answer) = (client(ACK, 101), client(ACK, 9_000_001));
    bench.put(&pinned(Encoding::Encap, &late));
    bench.delivers_steered(&recovery(Encoding::Encap, &answer, 0), &answer);
}

#[test]
fn what_both_sides_have_ended_is_soon_forgotten() {
    let mut bench = Bench::direct(Encoding::Encap, 100);
    bench.put(&server(FIN | ACK, 5_000, b""));
    let fin = client(FIN | ACK, 5_001);
    bench.delivers(&pinned(Encoding::Encap, &fin), &fin);
    bench.now = T0 + limits().numbers_life;
    assert_eq!(bench.engine.half_closed(bench.now), 0);
    assert_eq!(bench.engine.flows_by_state(bench.now), [0; 6]);
}
