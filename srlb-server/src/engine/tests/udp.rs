//! UDP: every row of the table as packets, in both encodings; what is told to the LB; what ages.

use std::time::Duration;

use super::super::udp::State as Udp;
use super::*;

impl Bench {
    fn udp(&self) -> Udp {
        let flow = Flow {
            protocol: 17,
            ..flow()
        };
        self.engine.udp_flow_state(self.now, &flow).0
    }

    /// A bench whose flow is in this state, made by packets.
    fn in_udp(encoding: Encoding, state: Udp) -> Self {
        let mut bench = Self::always();
        let packet = question(b"first");
        match state {
            Udp::None => {}
            Udp::Taken => bench.delivers_steered(&offer(encoding, &packet), &packet),
            Udp::Direct => {
                bench.delivers_steered(&offer(encoding, &packet), &packet);
                bench.delivers(&pinned(encoding, &packet), &packet);
            }
            Udp::Wait => {
                bench = Self::in_udp(encoding, Udp::Direct);
                bench.delivers_steered(&recovery(encoding, &packet, 0), &packet);
            }
        }
        assert_eq!(bench.udp(), state);
        bench
    }
}

const HERE: [Udp; 3] = [Udp::Taken, Udp::Wait, Udp::Direct];

/// WAIT after what pins anew: what no LB has ever acknowledged stays the first to go.
fn waits(before: Udp) -> Udp {
    match before {
        Udp::Taken => Udp::Taken,
        _ => Udp::Wait,
    }
}

#[test]
fn offers_of_a_new_flow() {
    let q = question(b"question");
    for encoding in ENCODINGS {
        let mut bench = Bench::new(Accept::Static { c: 1 });
        bench.delivers_steered(&offer(encoding, &q), &q);
        assert_eq!((bench.udp(), bench.asked), (Udp::Taken, 1));
        assert_eq!(bench.engine.events().get(Event::UdpTaken), 1);

        let mut busy = Bench::new(Accept::Never);
        busy.transmits(&offer(encoding, &q), &passed_on(encoding, &q));
        assert_eq!(busy.udp(), Udp::None);
        for function in [Function::ConnectForce, Function::ConnectFinal] {
            let mut busy = Bench::new(Accept::Never);
            busy.delivers_steered(&one(encoding, function, &q), &q);
            assert_eq!(busy.udp(), Udp::Taken);
        }

        let mut down = Bench::always();
        down.socket = SocketAnswer::NobodyListens;
        down.transmits(&offer(encoding, &q), &passed_on(encoding, &q));
        let returned = back(encoding, Function::ReturnFlow, 0, &q);
        down.transmits(&one(encoding, Function::ConnectForce, &q), &returned);
        // to the kernel, whose error the client needs
        down.delivers(&one(encoding, Function::ConnectFinal, &q), &q);
        assert_eq!(down.udp(), Udp::None);
        assert_eq!(down.engine.events().get(Event::UdpRefused), 1);
    }
}

#[test]
fn whatever_an_lb_asks_about_a_flow_that_is_here_goes_to_the_application() {
    let q = question(b"question");
    for encoding in ENCODINGS {
        let ways = [
            offer(encoding, &q),
            one(encoding, Function::ConnectForce, &q),
            one(encoding, Function::ConnectFinal, &q),
            recovery(encoding, &q, 0),
            one(encoding, Function::RecoverStickiness, &q),
            one(encoding, Function::RecoverFinal, &q),
        ];
        for (before, packet) in HERE
            .into_iter()
            .flat_map(|s| ways.iter().map(move |w| (s, w)))
        {
            let mut bench = Bench::in_udp(encoding, before);
            // neither the policy nor the kernel's sockets are asked
            bench.app.up = false;
            let asked = bench.asked;
            bench.delivers_steered(packet, &q);
            assert_eq!((bench.udp(), bench.asked), (waits(before), asked));
        }
        for before in HERE {
            let mut bench = Bench::in_udp(encoding, before);
            bench.delivers(&pinned(encoding, &q), &q);
            assert_eq!(bench.udp(), Udp::Direct);
        }
    }
}

#[test]
fn what_is_asked_about_a_flow_that_is_not_here() {
    let q = question(b"question");
    for encoding in ENCODINGS {
        let mut bench = Bench::always();
        let returned = back(encoding, Function::ReturnFlow, 0, &q);
        bench.transmits(&pinned(encoding, &q), &returned);
        bench.transmits(&recovery(encoding, &q, 0), &recovery(encoding, &q, 1));
        let last = one(encoding, Function::RecoverStickiness, &q);
        bench.transmits(&last, &back(encoding, Function::RecoverNext, 0, &q));
        bench.drops(
            &one(encoding, Function::RecoverFinal, &q),
            DropReason::NotMine,
        );
        assert_eq!((bench.udp(), bench.asked), (Udp::None, 0));
    }
}

#[test]
fn three_answers_in_a_second_tell_the_lb_until_it_knows() {
    let (q, a) = (question(b"question"), answer(b"answer"));
    for encoding in ENCODINGS {
        let told = to_lb(encoding, Function::CreateStickiness, &a);
        for before in [Udp::Taken, Udp::Wait] {
            let mut bench = Bench::in_udp(encoding, before);
            for _ in 0..3 {
                bench.transmits(&a, &told);
            }
            bench.transmits(&a, &a);
            assert_eq!(bench.udp(), before);
            bench.delivers_steered(&recovery(encoding, &q, 0), &q);
            bench.now = bench.now + Duration::from_secs(1);
            bench.transmits(&a, &a);
        }
        for before in [Udp::None, Udp::Direct] {
            let mut bench = Bench::in_udp(encoding, before);
            bench.transmits(&a, &a);
            assert_eq!(bench.udp(), before);
        }
    }
}

#[test]
fn an_answer_too_long_for_the_header_goes_straight_and_the_next_short_one_tells() {
    for encoding in ENCODINGS {
        let mut bench = Bench::in_udp(encoding, Udp::Taken);
        let room = 1_500 - 48 - encoding.overhead_bytes(1, false);
        let long = answer(&vec![1; room + 1]);
        bench.transmits(&long, &long);
        assert_eq!(bench.engine.events().get(Event::UdpTooLong), 1);
        for _ in 0..3 {
            let fits = answer(&vec![1; room]);
            let told = to_lb(encoding, Function::CreateStickiness, &fits);
            bench.transmits(&fits, &told);
        }
    }
}

#[test]
fn a_flow_lives_twice_as_long_as_on_an_lb() {
    let q = question(b"question");
    for (state, life_s) in [(Udp::Taken, 150), (Udp::Wait, 600), (Udp::Direct, 600)] {
        let mut bench = Bench::in_udp(Encoding::Encap, state);
        bench.now = bench.now + Duration::from_millis(life_s * 1_000 - 1);
        assert_eq!(bench.udp(), state);
        // what the application says prolongs nothing
        bench.put(&answer(b"late"));
        bench.now = bench.now + Duration::from_millis(1);
        assert_eq!(bench.udp(), Udp::None);
        bench.transmits(
            &pinned(Encoding::Encap, &q),
            &back(Encoding::Encap, Function::ReturnFlow, 0, &q),
        );
    }
}

#[test]
fn a_flood_takes_no_room_from_flows_that_an_lb_has_acknowledged() {
    let mut bench = Bench::in_udp(Encoding::Encap, Udp::Direct);
    let forged = |port: u16| {
        let mut packet = question(b"forged");
        let old = u16::from_be_bytes([packet[40], packet[41]]);
        let sum = u16::from_be_bytes([packet[46], packet[47]]);
        packet[40..42].copy_from_slice(&port.to_be_bytes());
        let sum = srh::checksum::adjust(sum, old, port);
        packet[46..48].copy_from_slice(&sum.to_be_bytes());
        one(Encoding::Encap, Function::ConnectForce, &packet)
    };
    for port in 1..3_000 {
        let mut frame = PacketBuf::from_slice(&forged(port));
        let (app, extra) = (&bench.app, &mut bench.extra);
        let asked = bench.engine.process(bench.now, &mut frame, app, extra);
        assert!(matches!(asked, Verdict::LookUp(_)));
        let (now, none) = (bench.now, SocketAnswer::None);
        let verdict = bench.engine.resume(now, &mut frame, none, app, extra);
        assert_eq!(verdict, Verdict::Deliver { steer: true });
    }
    let flows: usize = bench.engine.udp_flows_by_state(bench.now).iter().sum();
    assert!(flows <= bench.engine.udp_table_size().0);
    assert_eq!(bench.udp(), Udp::Direct);
    assert_eq!(bench.engine.flows_by_state(bench.now), [0; 6]);
}

#[test]
fn look_ups_for_udp_have_a_bound_of_their_own() {
    let mut bench = Bench::always();
    bench.engine = Engine::new(
        EngineConfig {
            lookups_pps: 1,
            ..config(Accept::Always)
        },
        HashKey([7; 16]),
    );
    let (q, syn) = (question(b"question"), client(SYN, 0));
    bench.socket = SocketAnswer::NobodyListens;
    bench.transmits(&offer(Encoding::Encap, &q), &passed_on(Encoding::Encap, &q));
    bench.drops(&offer(Encoding::Encap, &q), DropReason::LookupRate);
    bench.socket = SocketAnswer::None;
    bench.delivers(&offer(Encoding::Encap, &syn), &syn);
}

#[test]
fn a_wrong_checksum_changes_nothing() {
    for encoding in ENCODINGS {
        let mut wrong = question(b"question");
        wrong[50] ^= 1;
        for before in [Udp::None, Udp::Taken, Udp::Wait] {
            let mut bench = Bench::in_udp(encoding, before);
            bench.drops(&pinned(encoding, &wrong), DropReason::WrongChecksum);
            assert_eq!(bench.udp(), before);
        }
        let mut bench = Bench::in_udp(encoding, Udp::Direct);
        bench.drops(&recovery(encoding, &wrong, 0), DropReason::WrongChecksum);
        // an age is all that changes here, and the kernel looks too
        bench.delivers(&pinned(encoding, &wrong), &wrong);
    }
}

#[test]
fn an_error_about_a_flow_is_delivered_by_its_owner() {
    let about = icmp("2001:db8:f::1", addr(VIP), 2, 1_280, &answer(&[1; 100]));
    for encoding in ENCODINGS {
        for state in HERE {
            let mut bench = Bench::in_udp(encoding, state);
            bench.delivers(&pinned(encoding, &about), &about);
            bench.delivers(&recovery(encoding, &about, 0), &about);
            assert_eq!(bench.udp(), state);
        }
        let mut bench = Bench::always();
        bench.transmits(
            &pinned(encoding, &about),
            &back(encoding, Function::ReturnFlow, 0, &about),
        );
        bench.transmits(
            &recovery(encoding, &about, 0),
            &recovery(encoding, &about, 1),
        );
        bench.drops(
            &one(encoding, Function::RecoverFinal, &about),
            DropReason::IcmpUnmatched,
        );
    }
}

#[test]
fn offers_that_could_be_refused_count_for_dynamic_and_no_flow_is_pending() {
    let mut bench = Bench::always();
    bench.engine = Engine::new(
        EngineConfig {
            pending: true,
            ..config(Accept::Dynamic {
                window: 50,
                epsilon: 0.1,
            })
        },
        HashKey([7; 16]),
    );
    let q = question(b"question");
    bench.put(&offer(Encoding::Encap, &q));
    bench.put(&offer(Encoding::Encap, &q));
    let state = bench.engine.policy_state(bench.now, &bench.app);
    assert_eq!((state.attempt, state.pending), (1, Some(0)));
}
