//! ICMPv6 errors with forged contents: they change no state, whatever they quote, and what answers them or us is bounded.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use packet_io::PacketBuf;
use srh::parse::Tcp;
use srh::Frame;
use tests::nodes::{lb, VIP};
use tests::packets::{from_client, from_vip};

use super::{at_lb, goes_on, knowledge, live, Fate, BOTH};

/// An error about `quoted`, from a router that anybody may claim to be.
fn error(quoted: &[u8], dst: Ipv6Addr, kind: u8, code: u8, value: u32) -> Vec<u8> {
    let mut frame = PacketBuf::from_slice(quoted);
    let error = srh::icmp::Error {
        src: "2001:db8:bad::1".parse().unwrap(),
        dst,
        kind,
        code,
        value,
    };
    srh::icmp::error(&mut frame, &error).expect("a quote that fits");
    frame.bytes().to_vec()
}

/// Every error type and code with every kind of quote and MTU, for the VIP and for our own SID.
#[test]
fn forged_errors_change_nothing() {
    for encoding in BOTH {
        let (mut world, port) = live(encoding);
        let before = knowledge(&mut world, port);
        let quotes = [
            (
                "what the VIP sent",
                from_vip(port, Tcp::ACK, 7, 9).data(&[1; 100]).bytes(),
            ),
            (
                "the wrong way round",
                from_client(port, Tcp::ACK, 7, 9).bytes(),
            ),
            ("a reset of the VIP", from_vip(port, Tcp::RST, 7, 9).bytes()),
            ("another flow's", from_vip(port + 1, Tcp::ACK, 7, 9).bytes()),
        ];
        let mut fates: BTreeMap<Fate, usize> = BTreeMap::new();
        for kind in 1..=4 {
            for code in [0, 1, 4, 7, 255] {
                for value in [0, 1, 1_279, 1_280, 65_535, u32::MAX] {
                    for (what, quoted) in &quotes {
                        for dst in [VIP, lb(1).node()] {
                            let bytes = error(quoted, dst, kind, code, value);
                            let fate = at_lb(&mut world, &bytes);
                            let told = format!("{what}: {kind}/{code} {value} for {dst}");
                            assert_eq!(knowledge(&mut world, port), before, "{told}");
                            *fates.entry(fate).or_default() += 1;
                        }
                    }
                }
            }
        }
        println!("{encoding:?}: {fates:?}");
        assert_eq!(fates.values().sum::<usize>(), 4 * 5 * 6 * 4 * 2);
        goes_on(&mut world, port);
    }
}

/// A quote may end anywhere, and lie about its length, its next header or its version.
#[test]
fn quotes_that_end_anywhere_or_lie() {
    for encoding in BOTH {
        let (mut world, port) = live(encoding);
        let before = knowledge(&mut world, port);
        let whole = error(
            &from_vip(port, Tcp::ACK, 7, 9).data(&[1; 40]).bytes(),
            VIP,
            2,
            0,
            1_280,
        );
        let quote_at = 48;
        let mut tried = 0;
        for len in quote_at..=whole.len() {
            let mut bytes = whole[..len].to_vec();
            bytes[4..6].copy_from_slice(&((len - 40) as u16).to_be_bytes());
            at_lb(&mut world, &with_checksum(bytes));
            tried += 1;
        }
        for at in quote_at..whole.len() {
            for value in [0, 0x3c, 43, 44, 58, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                at_lb(&mut world, &with_checksum(bytes));
                tried += 1;
            }
        }
        assert_eq!(knowledge(&mut world, port), before);
        println!("{encoding:?}: {tried} quotes");
        assert_eq!(
            tried,
            whole.len() - quote_at + 1 + 7 * (whole.len() - quote_at)
        );
        goes_on(&mut world, port);
    }
}

fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let address = |at: usize| {
        let octets: [u8; 16] = bytes[at..at + 16].try_into().unwrap();
        Ipv6Addr::from(octets)
    };
    let (src, dst) = (address(8), address(24));
    bytes[42..44].fill(0);
    let sum = srh::checksum::over(src, dst, srh::parse::next_header::ICMPV6, &bytes[40..]);
    bytes[42..44].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// Packets that call for an ICMPv6 message of ours, 10,000 in one moment: as many answers as the rate allows, the rest counted.
#[test]
fn our_own_errors_are_bounded() {
    for encoding in BOTH {
        let (mut world, port) = live(encoding);
        let before = knowledge(&mut world, port);
        let too_long = from_client(port, Tcp::ACK, 7, 9).data(&[0; 1_440]).bytes();
        let mut last_hop = from_client(port, Tcp::ACK, 7, 9);
        last_hop.hop_limit = 1;
        let last_hop = last_hop.bytes();
        let mut fates: BTreeMap<Fate, usize> = BTreeMap::new();
        for n in 0..10_000 {
            let bytes = if n % 2 == 0 { &too_long } else { &last_hop };
            *fates.entry(at_lb(&mut world, bytes)).or_default() += 1;
        }
        let expected = BTreeMap::from([(Fate::Sent, 100), (Fate::Dropped("icmp_rate"), 9_900)]);
        assert_eq!(fates, expected);
        assert_eq!(knowledge(&mut world, port), before);
        goes_on(&mut world, port);
    }
}
