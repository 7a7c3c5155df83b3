//! The guard's program in the kernel, packet by packet, against sets that forget nothing.

use std::collections::HashSet;
use std::net::Ipv6Addr;
use std::time::Duration;

use packet_io::guard::{Guard, GuardCounts, Limits};

const LOCATOR: [u8; 8] = [0xfd, 0, 0, 0x1b, 0, 1, 0, 0];
const VIP: &str = "2001:db8:80::1";
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

/// One limit for strangers and newcomers.
fn limits(pps: u32) -> Limits {
    Limits {
        strangers_pps: pps,
        newcomers_pps: pps,
    }
}

/// When every test begins.
const START: Duration = Duration::from_secs(1_000);

/// A guard whose clock stands still, or the reason why there is none.
fn guard(pps: u32) -> Option<Guard> {
    match Guard::load(LOCATOR, *b"0123456789abcdef", limits(pps)) {
        Ok(guard) => {
            guard.stop_clock(START).unwrap();
            Some(guard)
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            println!("skipped: {error}; needs root");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn address(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn client(number: u32) -> Ipv6Addr {
    Ipv6Addr::from(u128::from(address("2001:db8:c::")) + u128::from(number))
}

/// An IPv6 header and some bytes behind it.
fn packet(src: Ipv6Addr, dst: Ipv6Addr, next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0, 0, payload.len() as u8, next_header, 64];
    bytes.extend_from_slice(&src.octets());
    bytes.extend_from_slice(&dst.octets());
    bytes.extend_from_slice(payload);
    bytes
}

const SYN: u8 = 2;
const ACK: u8 = 16;

fn segment(src: Ipv6Addr, port: u16, flags: u8) -> Vec<u8> {
    let mut header = [0; 20];
    header[..2].copy_from_slice(&port.to_be_bytes());
    header[2..4].copy_from_slice(&80_u16.to_be_bytes());
    (header[12], header[13]) = (0x50, flags);
    packet(src, address(VIP), TCP, &header)
}

fn tcp(src: Ipv6Addr, port: u16) -> Vec<u8> {
    segment(src, port, SYN)
}

fn udp(src: Ipv6Addr, port: u16) -> Vec<u8> {
    let [high, low] = port.to_be_bytes();
    packet(src, address(VIP), UDP, &[high, low, 0, 53, 0, 8, 0, 0])
}

fn total(counts: GuardCounts) -> [u64; 3] {
    [
        counts.strangers_passed,
        counts.strangers_dropped,
        counts.admitted,
    ]
}

#[test]
fn who_knocks_twice_is_known_with_all_flows() {
    let Some(guard) = guard(0) else { return };
    let rows = [
        ("a first packet", tcp(client(1), 1000), [1, 0, 0]),
        ("another flow's", tcp(client(1), 1001), [2, 0, 0]),
        ("the same flow again", tcp(client(1), 1000), [2, 0, 1]),
        ("known now", tcp(client(1), 1000), [2, 0, 1]),
        ("known with every flow", tcp(client(1), 1002), [2, 0, 1]),
        ("another client", tcp(client(2), 1000), [3, 0, 1]),
    ];
    for (what, bytes, expected) in rows {
        assert!(guard.try_packet(&bytes).unwrap(), "{what}: no limit");
        assert_eq!(total(guard.counts().unwrap()), expected, "{what}");
    }
}

#[test]
fn what_else_there_is_on_the_wire() {
    let Some(guard) = guard(0) else { return };
    let sid = address("fd00:1b:1::3000");
    let other_sid = address("fd00:1b:2::3000");
    let ping = |sum: u8| packet(client(1), address(VIP), ICMPV6, &[128, 0, 0, sum]);
    let rows = [
        (
            "a function for us",
            packet(client(9), sid, 41, &[0; 4]),
            [0, 0, 0],
        ),
        (
            "for another locator",
            packet(client(9), other_sid, 41, &[0; 4]),
            [1, 0, 0],
        ),
        ("a ping", ping(1), [2, 0, 0]),
        ("a second ping, whatever stands in it", ping(2), [2, 0, 1]),
        (
            "no bytes behind the header",
            packet(client(3), address(VIP), TCP, &[0; 4])[..40].to_vec(),
            [3, 0, 1],
        ),
    ];
    for (what, bytes, expected) in rows {
        assert!(guard.try_packet(&bytes).unwrap(), "{what}");
        assert_eq!(total(guard.counts().unwrap()), expected, "{what}");
    }
}

/// Any packets in any order: known, second knock and stranger are told apart as sets would.
#[test]
fn told_apart_as_by_sets_that_forget_nothing() {
    let Some(guard) = guard(0) else { return };
    let (mut known, mut knocked) = (HashSet::new(), HashSet::new());
    let mut expected = [0_u64; 3];
    let mut random = 1_u64;
    for step in 0..20_000 {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1);
        let (who, port) = ((random >> 33) as u32 % 500, (random >> 50) as u16 % 8);
        if !known.contains(&who) {
            match knocked.insert((who, port)) {
                true => expected[0] += 1,
                false => {
                    expected[2] += 1;
                    known.insert(who);
                }
            }
        }
        assert!(guard.try_packet(&tcp(client(who), port)).unwrap());
        assert_eq!(total(guard.counts().unwrap()), expected, "step {step}");
    }
    assert_eq!(known.len(), 500, "all of them came twice");
}

/// 1,000 a second are so many in a window of 67 ms.
const LIMIT_PPS: u32 = 1_000;
const A_WINDOW: u32 = 68;

/// Makes a guard see a flood of SYNs; says how many of these passed.
fn flood(guard: &Guard, first: u32, packets: u32) -> u32 {
    let passes = |number: &u32| guard.try_packet(&tcp(client(*number), 1000)).unwrap();
    (first..first + packets).filter(passes).count() as u32
}

/// Far more strangers than allowed: as many pass as one window may see, then none, for as long as it goes on and a second longer. Known
/// clients notice nothing.
#[test]
fn in_a_flood_no_first_knock_passes() {
    let Some(guard) = guard(LIMIT_PPS) else {
        return;
    };
    let friend = tcp(client(1), 1000);
    assert!(guard.try_packet(&friend).unwrap() && guard.try_packet(&friend).unwrap());
    // The friend's own first knock is in the first window.
    let mut expected = A_WINDOW - 1;
    for second in 0..10 {
        guard
            .stop_clock(START + Duration::from_secs(second))
            .unwrap();
        let passed = flood(&guard, 10_000 * (second as u32 + 1), 10_000);
        assert_eq!(passed, expected, "{second} s after the flood began");
        assert!(guard.try_packet(&friend).unwrap(), "a known client");
        expected = 0;
    }
    let rows = [
        ("the flood is over, and may go on", 9_900, 0),
        ("it is over for good", 10_200, A_WINDOW),
        ("as many as before in the next window", 10_300, A_WINDOW),
    ];
    for (number, (what, millis, expected)) in (1..).zip(rows) {
        guard
            .stop_clock(START + Duration::from_millis(millis))
            .unwrap();
        assert_eq!(
            flood(&guard, 1_000_000 * number, A_WINDOW),
            expected,
            "{what}"
        );
    }
    let counts = guard.counts().unwrap();
    let firsts = 1 + 10 * 10_000 + 3 * u64::from(A_WINDOW);
    assert_eq!(counts.strangers_passed, 3 * u64::from(A_WINDOW));
    assert_eq!(counts.strangers_passed + counts.strangers_dropped, firsts);
    guard.set_limits(limits(0)).unwrap();
    assert!(
        guard.try_packet(&tcp(client(5_000_000), 1)).unwrap(),
        "no limit any more"
    );
}

/// Who knocks again in a flood: when it counts, and how many may.
#[test]
fn second_knocks_in_a_flood() {
    let Some(guard) = guard(LIMIT_PPS) else {
        return;
    };
    let at = |millis| {
        guard
            .stop_clock(START + Duration::from_millis(millis))
            .unwrap()
    };
    let passes = |bytes: Vec<u8>| guard.try_packet(&bytes).unwrap();
    let (early, ack) = (client(10_000), |number| segment(client(number), 1000, ACK));
    assert!(flood(&guard, 10_000, 10_000) > 0);
    assert!(
        passes(segment(early, 1000, ACK)),
        "the first knock has passed: the handshake goes on"
    );
    assert!(
        !passes(tcp(client(19_999), 1000)),
        "too soon after one that was dropped"
    );
    at(199);
    assert!(!passes(tcp(client(19_999), 1000)), "still too soon");
    at(1_000);
    assert!(
        passes(tcp(client(19_999), 1000)),
        "a SYN's first retransmission"
    );
    assert!(
        passes(tcp(client(19_999), 1001)),
        "a known client's next flow"
    );
    assert!(
        !passes(tcp(client(19_998), 1001)),
        "another flow of one who has not knocked again"
    );
    // The flood is played once more: SYNs up to the limit, one of which was that client's.
    let admitted = (12_000..19_000)
        .filter(|&n| passes(tcp(client(n), 1000)))
        .count();
    assert_eq!(admitted as u32, A_WINDOW - 1);
    assert!(
        passes(ack(19_001)),
        "no SYN: as when ECMP moves a flow here in a flood"
    );
    assert!(!passes(udp(client(3), 5)));
    at(1_100);
    assert!(
        passes(tcp(client(18_999), 1000)),
        "refused for the limit, passes later"
    );
    at(1_200);
    assert!(
        passes(udp(client(3), 5)),
        "a datagram of a flow that has sent one"
    );
    at(69_900);
    assert!(
        passes(tcp(client(18_998), 1000)),
        "70 s later a knock is still known"
    );
    at(70_100);
    let known = guard.counts().unwrap().admitted;
    assert!(
        passes(tcp(client(18_997), 1000)),
        "and then it is a first one"
    );
    let counts = guard.counts().unwrap();
    assert_eq!(counts.admitted, known);
    assert_eq!(known, 1 + 1 + u64::from(A_WINDOW - 1) + 1 + 1 + 1 + 1);
    // A few cells were written over: second knocks that were first ones again.
    let dropped = (10_000 - u64::from(A_WINDOW)) + 2 + 2 + 7_000 - u64::from(A_WINDOW - 1);
    assert_eq!(counts.refused + counts.strangers_dropped, dropped);
    assert!(counts.refused > 6_900, "{counts:?}");
}

/// ACKs that come again: any number as long as nobody says that they belong to no one.
#[test]
fn second_knocks_that_are_no_syns_have_a_limit_when_asked() {
    let Some(guard) = guard(LIMIT_PPS) else {
        return;
    };
    let ack = |number| segment(client(number), 1000, ACK);
    for round in 0..3_u32 {
        let at = START + Duration::from_secs(10 * u64::from(round));
        let numbers = (10_000 * (round + 1)..).take(5_000);
        guard.stop_clock(at).unwrap();
        for number in numbers.clone() {
            guard.try_packet(&ack(number)).unwrap();
        }
        guard.stop_clock(at + Duration::from_secs(1)).unwrap();
        guard
            .limit_others(if round == 1 { LIMIT_PPS } else { 0 })
            .unwrap();
        let before = guard.counts().unwrap().admitted;
        for number in numbers {
            guard.try_packet(&ack(number)).unwrap();
        }
        let admitted = guard.counts().unwrap().admitted - before;
        match round {
            1 => assert_eq!(admitted, u64::from(A_WINDOW)),
            // A few knocks were written over.
            _ => assert!((4_900..=5_000).contains(&admitted), "{admitted}"),
        }
    }
}

/// The limit for newcomers is their own: fewer SYNs come in again than would make a flood.
#[test]
fn newcomers_have_a_limit_of_their_own() {
    let Some(guard) = guard(LIMIT_PPS) else {
        return;
    };
    guard
        .set_limits(Limits {
            strangers_pps: LIMIT_PPS,
            newcomers_pps: LIMIT_PPS / 4,
        })
        .unwrap();
    assert_eq!(flood(&guard, 10_000, 5_000), A_WINDOW);
    guard.stop_clock(START + Duration::from_secs(1)).unwrap();
    assert_eq!(flood(&guard, 10_000, 5_000), A_WINDOW / 4);
}

/// Cells are written over, the oldest first: how many of a flood's knocks a second later are not known any more.
#[test]
fn few_knocks_are_forgotten_in_a_second_of_flood() {
    const FLOOD: u32 = 50_000;
    let Some(guard) = guard(LIMIT_PPS) else {
        return;
    };
    flood(&guard, 10_000, FLOOD);
    guard.stop_clock(START + Duration::from_secs(1)).unwrap();
    let ack = |number| segment(client(number), 1000, ACK);
    let lost = (10_000..20_000)
        .filter(|&number| !guard.try_packet(&ack(number)).unwrap())
        .count();
    assert!(lost < 120, "{lost} of 10,000");
}

/// Without a flood nothing is dropped, whatever comes again and how soon.
#[test]
fn without_a_flood_nothing_is_dropped() {
    let Some(guard) = guard(LIMIT_PPS) else {
        return;
    };
    for number in 0..10_000_u32 {
        let at = START + Duration::from_millis(u64::from(number));
        guard.stop_clock(at).unwrap();
        for flags in [SYN, SYN, ACK, ACK] {
            let bytes = segment(client(number), 1000, flags);
            assert!(
                guard.try_packet(&bytes).unwrap(),
                "client {number}, {flags:#x}"
            );
        }
    }
    let counts = guard.counts().unwrap();
    assert_eq!((counts.strangers_passed, counts.admitted), (10_000, 10_000));
    assert_eq!((counts.strangers_dropped, counts.refused), (0, 0));
}
