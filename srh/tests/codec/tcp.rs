//! The MSS option of a SYN-ACK, and the empty ACK.

use proptest::collection::vec;
use proptest::prelude::*;

use srh::parse::{self, next_header as nh, Tcp};
use srh::tcp::{clamp_mss, empty_ack};
use srh::{checksum, Frame};

use crate::build::{self, Buf};

/// A SYN-ACK of the VIP with these options and a right checksum.
fn syn_ack(options: &[u8]) -> Vec<u8> {
    sealed(build::tcp(80, 40_000, 0x12, options, &[]))
}

fn sealed(mut segment: Vec<u8>) -> Vec<u8> {
    let sum = checksum::over(build::vip(), build::client(), nh::TCP, &segment);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    build::ipv6(build::vip(), build::client(), nh::TCP, &segment)
}

fn clamped(bytes: &[u8], max: u16) -> (bool, Vec<u8>) {
    let mut frame = Buf::new(bytes, 0);
    let packet = parse::packet(bytes).unwrap();
    let changed = clamp_mss(&mut frame, &packet, max);
    (changed, frame.bytes().to_vec())
}

/// Description, options, expected options (none: unchanged).
type Row = (&'static str, Vec<u8>, Option<Vec<u8>>);

#[test]
fn rows() {
    let rows: [Row; 9] = [
        (
            "above the limit",
            vec![2, 4, 0x05, 0xa0],
            Some(vec![2, 4, 0x05, 0x14]),
        ),
        ("at the limit", vec![2, 4, 0x05, 0x14], None),
        ("below the limit", vec![2, 4, 0x02, 0x18], None),
        (
            "behind one NOP, at an odd offset",
            vec![1, 2, 4, 0x05, 0xa0, 0, 0, 0],
            Some(vec![1, 2, 4, 0x05, 0x14, 0, 0, 0]),
        ),
        (
            "behind window scale, at an odd offset",
            vec![3, 3, 7, 2, 4, 0xff, 0xff, 1],
            Some(vec![3, 3, 7, 2, 4, 0x05, 0x14, 1]),
        ),
        ("no options", vec![], None),
        (
            "behind the end of the options",
            vec![0, 0, 0, 0, 2, 4, 0x05, 0xa0],
            None,
        ),
        (
            "behind an option of length 0",
            vec![8, 0, 2, 4, 0x05, 0xa0, 0, 0],
            None,
        ),
        ("cut off by the header's end", vec![1, 1, 2, 4], None),
    ];
    for (what, options, expected) in rows {
        let bytes = syn_ack(&options);
        let (changed, after) = clamped(&bytes, 0x514);
        assert_eq!(changed, expected.is_some(), "{what}");
        assert_eq!(after, syn_ack(&expected.unwrap_or(options)), "{what}");
    }
}

#[test]
fn what_is_no_tcp_is_left_alone() {
    let bytes = build::to_vip(nh::UDP, &build::udp(2, 0x0405, 8, &[]));
    assert_eq!(clamped(&bytes, 1), (false, bytes));
}

#[test]
fn the_options_are_found_behind_an_srh() {
    let plain = syn_ack(&[2, 4, 0x05, 0xa0]);
    let list = [build::client(), build::addr("fd00:1b:1::3000")];
    let header = build::srh(nh::TCP, 1, &list, &[]);
    let bytes = build::ipv6(
        build::vip(),
        list[1],
        nh::ROUTING,
        &[&header, &plain[40..]].concat(),
    );
    let (changed, after) = clamped(&bytes, 1220);
    assert!(changed);
    assert!(checksum::is_right(&after, &parse::packet(&after).unwrap()));
    assert_eq!(after[after.len() - 2..], 1220u16.to_be_bytes());
}

proptest! {
    #[test]
    fn any_options_keep_the_checksum_right(options in vec(any::<u8>(), 0..=10), max in any::<u16>(), nops in 0usize..4) {
        let mut options = [&vec![1; nops][..], &[2, 4, 0xff, 0xfe], &options].concat();
        options.resize(options.len().div_ceil(4) * 4, 0);
        let (changed, after) = clamped(&syn_ack(&options), max);
        prop_assert_eq!(changed, max < 0xfffe);
        prop_assert!(checksum::is_right(&after, &parse::packet(&after).unwrap()));
        let value = u16::from_be_bytes([after[62 + nops], after[63 + nops]]);
        prop_assert_eq!(value, max.min(0xfffe));
    }

    #[test]
    fn options_of_any_bytes_do_no_harm(options in vec(any::<u8>(), 0..=40)) {
        let mut options = options;
        options.truncate(options.len() / 4 * 4);
        let before = syn_ack(&options);
        let (changed, after) = clamped(&before, 536);
        prop_assert!(checksum::is_right(&after, &parse::packet(&after).unwrap()));
        prop_assert!(changed || before == after);
    }
}

#[test]
fn an_empty_ack_has_the_numbers_window_and_options_and_nothing_else() {
    let timestamps = [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8];
    let mut segment = build::tcp(
        80,
        40_000,
        Tcp::FIN | 0x08 | 0x20 | Tcp::ACK,
        &timestamps,
        &[0x61; 1400],
    );
    segment[18..20].copy_from_slice(&[0, 9]);
    let mut bytes = sealed(segment);
    bytes[..4].copy_from_slice(&[0x62, 0x01, 0x23, 0x45]);
    let packet = parse::packet(&bytes).unwrap();
    let mut out = [0xa5; 128];
    let len = empty_ack(&bytes, &packet, &mut out).unwrap();
    let mut expected = sealed(build::tcp(80, 40_000, Tcp::ACK, &timestamps, &[]));
    expected[..4].copy_from_slice(&[0x62, 0x01, 0x23, 0x45]);
    assert_eq!(&out[..len], expected);
}

#[test]
fn an_empty_ack_leaves_extension_headers_behind() {
    let segment = sealed(build::tcp(80, 40_000, Tcp::ACK, &[], b"data"))[40..].to_vec();
    let bytes = build::ipv6(
        build::vip(),
        build::client(),
        nh::DESTINATION,
        &[&build::options(nh::TCP, 0), &segment[..]].concat(),
    );
    let mut out = [0; 60];
    let len = empty_ack(&bytes, &parse::packet(&bytes).unwrap(), &mut out);
    assert_eq!(len, Some(60));
    assert_eq!(
        out[..],
        sealed(build::tcp(80, 40_000, Tcp::ACK, &[], &[]))[..]
    );
}

#[test]
fn no_empty_ack_without_room_or_without_tcp() {
    let bytes = syn_ack(&[]);
    let packet = parse::packet(&bytes).unwrap();
    assert_eq!(empty_ack(&bytes, &packet, &mut [0; 59]), None);
    let bytes = build::to_vip(nh::UDP, &build::udp(1, 2, 8, &[]));
    let packet = parse::packet(&bytes).unwrap();
    assert_eq!(empty_ack(&bytes, &packet, &mut [0; 200]), None);
}
