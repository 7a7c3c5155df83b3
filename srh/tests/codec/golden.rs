//! Exact bytes. They were written by scapy 2.5.0 from the packets that the comments name, not by
//! our own code.

use std::net::Ipv6Addr;

use srh::parse;
use srh::rewrite;
use srh::{Frame, Function, Locator};

use crate::build::{addr, vip, Buf};

/// The client's SYN: traffic class 0x20, flow label 0x12345, hop limit 63, MSS 1440.
const SYN: &str = "
    620123450018063f 20010db8000c00000000000000000001 20010db8008000000000000000000001
    9c40005001020304000000006002fd209e830000020405a0";

/// The SYN with `(lb, s1::connectAvail, s2::connectForce, vip)`.
const SYN_INSERTED: &str = "
    6201234500602b3f 20010db8000c00000000000000000001 fd00005e000100000000000000001000
    0608040203000000 20010db8008000000000000000000001 fd00005e000200000000000000001100
                     fd00005e000100000000000000001000 fd00001b000100000000000000000100
    9c40005001020304000000006002fd209e830000020405a0";

/// The same, passed on by s1.
const SYN_INSERTED_ADVANCED: &str = "
    6201234500602b3e 20010db8000c00000000000000000001 fd00005e000200000000000000001100
    0608040103000000 20010db8008000000000000000000001 fd00005e000200000000000000001100
                     fd00005e000100000000000000001000 fd00001b000100000000000000000100
    9c40005001020304000000006002fd209e830000020405a0";

/// The same packet on a pinned flow: `(lb, s1::ackStickiness, vip)`.
const PINNED_INSERTED: &str = "
    6201234500502b3f 20010db8000c00000000000000000001 fd00005e000100000000000000002000
    0606040102000000 20010db8008000000000000000000001 fd00005e000100000000000000002000
                     fd00001b000100000000000000000100
    9c40005001020304000000006002fd209e830000020405a0";

/// The SYN in an outer packet to s1::connectAvail, then s2::connectForce; flow label 0xabcde.
const SYN_ENCAPSULATED: &str = "
    620abcde00582b40 fd00001b000100000000000000000100 fd00005e000100000000000000001000
    2902040100000000 fd00005e000200000000000000001100
    620123450018063f 20010db8000c00000000000000000001 20010db8008000000000000000000001
    9c40005001020304000000006002fd209e830000020405a0";

/// The same, passed on by s1.
const SYN_ENCAPSULATED_ADVANCED: &str = "
    620abcde00582b3f fd00001b000100000000000000000100 fd00005e000200000000000000001100
    2902040000000000 fd00005e000200000000000000001100
    620123450018063f 20010db8000c00000000000000000001 20010db8008000000000000000000001
    9c40005001020304000000006002fd209e830000020405a0";

/// The same packet on a pinned flow: no SRH at all.
const PINNED_ENCAPSULATED: &str = "
    620abcde00402940 fd00001b000100000000000000000100 fd00005e000100000000000000002000
    620123450018063f 20010db8000c00000000000000000001 20010db8008000000000000000000001
    9c40005001020304000000006002fd209e830000020405a0";

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| (pair[0] << 4 | pair[1]) as u8)
        .collect()
}

fn lb() -> Ipv6Addr {
    Locator::of(addr("fd00:1b:1::")).node()
}

fn s1(function: Function) -> Ipv6Addr {
    Locator::of(addr("fd00:5e:1::")).sid(function)
}

fn s2(function: Function) -> Ipv6Addr {
    Locator::of(addr("fd00:5e:2::")).sid(function)
}

/// Applies a rewrite to golden bytes and compares with golden bytes.
#[track_caller]
fn check(from: &str, to: &str, rewrite: impl FnOnce(&mut Buf, &parse::Packet)) {
    let mut frame = Buf::new(&unhex(from), 256);
    let packet = parse::packet(frame.bytes()).unwrap();
    rewrite(&mut frame, &packet);
    assert_eq!(frame.bytes(), unhex(to));
    let after = parse::packet(frame.bytes()).unwrap();
    assert!(
        srh::checksum::is_right(frame.bytes(), &after),
        "transport checksum"
    );
}

#[test]
fn insert() {
    check(SYN, SYN_INSERTED, |frame, packet| {
        let list = [
            lb(),
            s1(Function::ConnectAvail),
            s2(Function::ConnectForce),
            vip(),
        ];
        rewrite::insert(frame, packet, &list, None).unwrap();
    });
    check(SYN, PINNED_INSERTED, |frame, packet| {
        rewrite::insert(
            frame,
            packet,
            &[lb(), s1(Function::AckStickiness), vip()],
            None,
        )
        .unwrap();
    });
}

#[test]
fn encap() {
    check(SYN, SYN_ENCAPSULATED, |frame, packet| {
        let list = [s1(Function::ConnectAvail), s2(Function::ConnectForce)];
        rewrite::encap(frame, packet, lb(), &list, 0xabcde, None).unwrap();
    });
    check(SYN, PINNED_ENCAPSULATED, |frame, packet| {
        let list = [s1(Function::AckStickiness)];
        rewrite::encap(frame, packet, lb(), &list, 0xabcde, None).unwrap();
    });
}

#[test]
fn a_flow_label_is_cut_to_its_20_bits() {
    check(SYN, PINNED_ENCAPSULATED, |frame, packet| {
        let list = [s1(Function::AckStickiness)];
        rewrite::encap(frame, packet, lb(), &list, 0xfff0_0000 | 0xabcde, None).unwrap();
    });
}

#[test]
fn advance() {
    for (from, to) in [
        (SYN_INSERTED, SYN_INSERTED_ADVANCED),
        (SYN_ENCAPSULATED, SYN_ENCAPSULATED_ADVANCED),
    ] {
        check(from, to, |frame, packet| {
            let dst = rewrite::advance(frame, packet).unwrap();
            assert_eq!(dst, s2(Function::ConnectForce));
        });
    }
}

#[test]
fn strip() {
    for from in [SYN_INSERTED, PINNED_INSERTED] {
        check(from, SYN, |frame, packet| {
            assert_eq!(rewrite::strip(frame, packet), Ok(vip()));
        });
    }
}

#[test]
fn decap() {
    for from in [
        SYN_ENCAPSULATED,
        SYN_ENCAPSULATED_ADVANCED,
        PINNED_ENCAPSULATED,
    ] {
        check(from, SYN, rewrite::decap);
    }
}

#[test]
fn the_headers_in_front_are_as_long_as_the_paper_and_rfc_8754_say() {
    let added = |text: &str| unhex(text).len() - unhex(SYN).len();
    assert_eq!((added(SYN_INSERTED), added(PINNED_INSERTED)), (72, 56));
    assert_eq!(
        (added(SYN_ENCAPSULATED), added(PINNED_ENCAPSULATED)),
        (64, 40)
    );
}
