//! Packets of the application: what is told to the LB, and what must not wait for it.

use std::time::Duration;

use super::*;

#[test]
fn at_most_three_packets_and_one_second_are_steered_per_client_packet() {
    for encoding in ENCODINGS {
        let mut bench = Bench::hunted(encoding, 100);
        let syn_ack = server(SYN | ACK, 100, b"");
        let told = to_lb(encoding, Function::CreateStickiness, &syn_ack);
        bench.transmits(&syn_ack, &told);
        bench.transmits(&syn_ack, &told);
        bench.transmits(&syn_ack, &syn_ack);
        assert_eq!(bench.engine.events().get(Event::BudgetSpent), 1);
        // the client speaks again
        bench.put(&offer(encoding, &client(SYN, 0)));
        bench.transmits(&syn_ack, &told);
        bench.now = T0 + Duration::from_secs(1);
        bench.transmits(&syn_ack, &syn_ack);
        assert_eq!(bench.state(), State::Hunted);
    }
}

#[test]
fn the_end_of_a_flow_is_told_and_a_dead_lb_does_not_swallow_it() {
    for encoding in ENCODINGS {
        let mut bench = Bench::direct(encoding, 100);
        let fin = server(FIN | ACK, 101, b"bye");
        for _ in 0..limits().steer_packets {
            bench.transmits(&fin, &to_lb(encoding, Function::RemoveStickiness, &fin));
        }
        bench.transmits(&fin, &fin);
        assert_eq!(bench.state(), State::Closing);
        let last = client(FIN | ACK, 105);
        bench.delivers(&pinned(encoding, &last), &last);
        bench.transmits(&fin, &to_lb(encoding, Function::RemoveStickiness, &fin));
        assert_eq!(
            bench.state(),
            State::Closing,
            "it stays, and its time starts again"
        );
        bench.now = T0 + limits().closing_life;
        assert_eq!(bench.state(), State::None);
    }
}

#[test]
fn after_the_fin_its_number_says_what_is_ours() {
    let mut bench = Bench::direct(Encoding::Encap, 100);
    bench.put(&server(FIN | ACK, 101, b"bye"));
    let ack = client(ACK, 105);
    let asked = bench.asked;
    bench.delivers(&pinned(Encoding::Encap, &ack), &ack);
    assert_eq!(bench.asked, asked);
    let other = client(ACK, 106);
    bench.transmits(
        &pinned(Encoding::Encap, &other),
        &back(Encoding::Encap, Function::ReturnFlow, 0, &other),
    );
    // Half-closed for longer than CLOSING lasts: recovered, but no pin is asked for.
    bench.now = T0 + Duration::from_secs(20);
    bench.socket = SocketAnswer::Ended { sent: Some(400) };
    bench.delivers(&recovery(Encoding::Encap, &ack, 0), &ack);
    assert_eq!(bench.state(), State::Closing);
    bench.transmits(
        &recovery(Encoding::Encap, &other, 0),
        &recovery(Encoding::Encap, &other, 1),
    );
}

#[test]
fn an_end_without_a_known_lb_goes_straight() {
    let mut bench = Bench::always();
    bench.engine.seed_socket(T0, &flow());
    let fin = server(FIN | ACK, 101, b"");
    bench.transmits(&fin, &fin);
    assert_eq!(bench.state(), State::Closing);
}

#[test]
fn what_is_too_long_for_the_header_goes_straight_and_an_empty_ack_tells() {
    for encoding in ENCODINGS {
        let mut bench = Bench::always();
        bench.socket = SocketAnswer::Open {
            acked: None,
            sent: None,
        };
        bench.put(&recovery(encoding, &client(ACK, 77), 0));
        let room = 1500 - encoding.overhead_bytes(1, false) - 60;
        let fits = server(ACK, 77, &vec![1; room]);
        bench.transmits(&fits, &to_lb(encoding, Function::CreateStickiness, &fits));
        let long = server(ACK, 77, &vec![1; room + 1]);
        bench.transmits(&long, &long);
        let empty = server(ACK, 77, b"");
        let told = to_lb(encoding, Function::CreateStickiness, &empty);
        same(bench.extra[0].bytes(), &told);
        bench.transmits(&long, &long);
        assert_eq!(bench.extra.len(), 0, "one for each client packet");
        bench.put(&recovery(encoding, &client(ACK, 77), 0));
        let end = server(FIN | ACK, 77, &vec![1; room + 1]);
        bench.transmits(&end, &end);
        let told = to_lb(encoding, Function::RemoveStickiness, &empty);
        same(bench.extra[0].bytes(), &told);
        assert_eq!(bench.state(), State::Closing);
    }
}

#[test]
fn syn_acks_leave_room_for_the_longest_header() {
    for (mss, at_most) in [(1440u16, 1224u16), (1224, 1224), (900, 900)] {
        let syn_ack = |mss: u16| {
            let option = [2, 4, (mss >> 8) as u8, mss as u8];
            Segment {
                src: (VIP, 80),
                dst: (CLIENT, 40_000),
                options: &option,
                ..client_segment(SYN | ACK, 5_001)
            }
            .bytes()
        };
        let mut bench = Bench::always();
        bench.transmits(&syn_ack(mss), &syn_ack(at_most));
    }
}

#[test]
fn what_is_not_steered_goes_straight() {
    let mut bench = Bench::always();
    for packet in [
        server(ACK, 1, b"data before a FIN"),
        icmp(VIP, addr(CLIENT), 1, 0, &client(ACK, 1)),
    ] {
        bench.transmits(&packet, &packet);
    }
    assert_eq!(bench.engine.flows_by_state(T0).iter().sum::<usize>(), 0);
}

#[test]
fn the_lb_that_spoke_last_is_told() {
    let mut bench = Bench::hunted(Encoding::Encap, 100);
    let ack = client(ACK, 101);
    let list = [sid(SERVER, Function::AckStickiness)];
    bench.put(&carried(Encoding::Insert, OTHER_LB, &list, 0, &ack));
    let fin = server(FIN | ACK, 101, b"");
    let to = [sid(OTHER_LB, Function::RemoveStickiness)];
    bench.transmits(&fin, &carried(Encoding::Insert, SERVER, &to, 0, &fin));
}

#[test]
fn a_forgotten_flow_is_swept() {
    let mut bench = Bench::direct(Encoding::Encap, 100);
    bench.now = T0 + limits().direct_life;
    assert_eq!(bench.state(), State::None);
    for _ in 0..600 {
        bench.engine.poll(bench.now);
    }
    assert_eq!(bench.engine.flows_by_state(T0).iter().sum::<usize>(), 0);
}

#[test]
fn a_reset_for_another_connection_of_the_ports_ends_nothing_here() {
    let mut bench = Bench::direct(Encoding::Encap, 100);
    let before = bench.state();
    let stray = server(RST, 0x9000_0000, b"");
    bench.transmits(&stray, &stray);
    assert_eq!(bench.state(), before);
    bench.put(&server(RST | ACK, 101, b""));
    assert_eq!(bench.state(), State::Closing);
}
