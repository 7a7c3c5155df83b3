//! The guard's program in the kernel, packet by packet, against sets that forget nothing.

use std::collections::HashSet;
use std::net::Ipv6Addr;
use std::time::Instant;

use packet_io::guard::{Guard, GuardCounts};

const LOCATOR: [u8; 8] = [0xfd, 0, 0, 0x1b, 0, 1, 0, 0];
const VIP: &str = "2001:db8:80::1";
const TCP: u8 = 6;
const ICMPV6: u8 = 58;

/// A guard, or the reason why there is none.
fn guard(strangers_pps: u32) -> Option<Guard> {
    match Guard::load(LOCATOR, *b"0123456789abcdef", strangers_pps) {
        Ok(guard) => Some(guard),
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

/// An IPv6 header and 4 bytes behind it.
fn packet(src: Ipv6Addr, dst: Ipv6Addr, next_header: u8, ports: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0, 0, 4, next_header, 64];
    bytes.extend_from_slice(&src.octets());
    bytes.extend_from_slice(&dst.octets());
    bytes.extend_from_slice(&ports);
    bytes
}

fn tcp(src: Ipv6Addr, port: u16) -> Vec<u8> {
    let [high, low] = port.to_be_bytes();
    packet(src, address(VIP), TCP, [high, low, 0, 80])
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
    let ping = |sum: u8| packet(client(1), address(VIP), ICMPV6, [128, 0, 0, sum]);
    let rows = [
        (
            "a function for us",
            packet(client(9), sid, 41, [0; 4]),
            [0, 0, 0],
        ),
        (
            "for another locator",
            packet(client(9), other_sid, 41, [0; 4]),
            [1, 0, 0],
        ),
        ("a ping", ping(1), [2, 0, 0]),
        ("a second ping, whatever stands in it", ping(2), [2, 0, 1]),
        (
            "no bytes behind the header",
            packet(client(3), address(VIP), TCP, [0; 4])[..40].to_vec(),
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

/// Far more strangers than allowed: so many pass as the limit says, each knock counts, and known clients notice nothing.
#[test]
fn a_flood_is_dropped_and_those_who_knock_again_pass() {
    const LIMIT_PPS: u32 = 1_000;
    const FLOOD: u32 = 50_000;
    /// 1,000 a second in a window of 67 ms.
    const A_WINDOW: u64 = 68;
    let Some(guard) = guard(LIMIT_PPS) else {
        return;
    };
    let friend = tcp(client(1), 1000);
    assert!(guard.try_packet(&friend).unwrap() && guard.try_packet(&friend).unwrap());
    let start = Instant::now();
    let mut passed = 0;
    for number in 0..FLOOD {
        let stranger = tcp(client(1_000 + number), 1000);
        passed += u64::from(guard.try_packet(&stranger).unwrap());
        assert!(guard.try_packet(&friend).unwrap(), "a known client");
    }
    let windows = start.elapsed().as_millis() as u64 / 67 + 2;
    assert!(
        (A_WINDOW..=A_WINDOW * windows).contains(&passed),
        "{passed} in {windows} windows"
    );
    let counts = guard.counts().unwrap();
    assert_eq!(counts.strangers_passed, passed + 1);
    assert_eq!(
        counts.strangers_passed + counts.strangers_dropped,
        u64::from(FLOOD) + 1
    );
    let lost = (0..1_000)
        .filter(|number| {
            !guard
                .try_packet(&tcp(client(1_000 + number), 1000))
                .unwrap()
        })
        .count();
    assert!(
        lost < 30,
        "{lost} of 1,000 second knocks came in vain: cells that the flood wrote over"
    );
    guard.set_limit(0).unwrap();
    assert!(
        guard.try_packet(&tcp(client(1_000_000), 1)).unwrap(),
        "no limit any more"
    );
}
