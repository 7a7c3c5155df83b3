//! The HMAC TLV: known answers, every bit that it covers and every one that it does not, and a naive
//! HMAC as oracle.

use std::net::Ipv6Addr;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use srh::hmac::{complaint, HmacError, Key, Keys, Signature, Text};
use srh::parse::{self, next_header as nh};
use srh::rewrite;
use srh::{carry, Encoding, Frame, Function, Locator, Segments, Sender};

use crate::build::{self, addr, client, srh, syn, to_vip, vip, Buf};
use crate::oracle::Chain;
use crate::rewrite::{chain, nodes};

const ENCODINGS: [Encoding; 2] = [Encoding::Encap, Encoding::Insert];
const TEXTS: [Text; 2] = [Text::Rfc8754, Text::Linux];

/// The bytes 0 to 31.
fn secret() -> Vec<u8> {
    (0..32).collect()
}

fn keys(text: Text) -> Keys {
    let list = vec![Key::new(3, b"another one"), Key::new(7, &secret())];
    Keys::new(7, list).unwrap().with_text(text)
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).unwrap() as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn lb() -> Locator {
    Locator::of(addr("fd00:1b:1::"))
}

fn hunt() -> Vec<Ipv6Addr> {
    vec![addr("fd00:5e:1::1000"), addr("fd00:5e:2::1100")]
}

fn pinned() -> Vec<Ipv6Addr> {
    vec![Locator::of(addr("fd00:5e:1::")).sid(Function::AckStickiness)]
}

/// The client's SYN along `sids`, from the LB.
fn signed(encoding: Encoding, text: Text, sids: &[Ipv6Addr]) -> Vec<u8> {
    let mut list = Segments::default();
    sids.iter().for_each(|&sid| list.push(sid));
    let keys = keys(text);
    let sender = Sender {
        node: lb(),
        keys: Some(&keys),
    };
    let mut frame = Buf::new(&to_vip(nh::TCP, &syn()), 256);
    let packet = parse::packet(frame.bytes()).unwrap();
    carry::put_on(&mut frame, &packet, sender, encoding, &list, 0xabcde).unwrap();
    frame.bytes().to_vec()
}

/// What the keys say about bytes that may be anything.
fn check(keys: &Keys, bytes: &[u8]) -> Option<Result<Signature, HmacError>> {
    let packet = parse::packet(bytes).ok()?;
    Some(keys.check(bytes, &packet))
}

/// The TLV with key 7, written by Python's hmac module.
fn known(encoding: Encoding, text: Text, candidates: usize) -> Vec<u8> {
    let digest = match (encoding, candidates, text) {
        (Encoding::Insert, 2, Text::Rfc8754) => {
            "7f3945dde039fef8f1bb6aee272f33f92ba9db4435077deae23558bf0a7cab0f"
        }
        (Encoding::Insert, 2, Text::Linux) => {
            "a94cbba4074a3188676e95e1fed662b939e69cdb89c72ce4776898051ca5283a"
        }
        (Encoding::Insert, _, Text::Rfc8754) => {
            "c0bea319c7b11ad7ef09bfe9e843de08640e9e03311bcac9ca1bd7e23b649f81"
        }
        (Encoding::Insert, _, Text::Linux) => {
            "f14d67c4ed0ad183418e4fe709e8f65a01289e11b481da34e7e63ea031caea55"
        }
        (Encoding::Encap, 2, Text::Rfc8754) => {
            "e3c3ebe702b7093af85518a44358576aae2b1f558e31093aa54c0ebce16b5435"
        }
        (Encoding::Encap, 2, Text::Linux) => {
            "b7a758549c374990f7ecfd93865cd86b9ffc8483b6ed97a7abb04f5214b10112"
        }
        (Encoding::Encap, _, Text::Rfc8754) => {
            "3616798d0f28089f27ff0a8afc42a705242c9dc4331687e26a3d40eac3ac6ade"
        }
        (Encoding::Encap, _, Text::Linux) => {
            "4fd117d2743a8a34bc1f079f37c6bc3e0e72495bf29f8ae7df8be83ec1553e3a"
        }
    };
    [unhex("0526000000000007"), unhex(digest)].concat()
}

#[test]
fn known_answers_byte_by_byte() {
    for encoding in ENCODINGS {
        for text in TEXTS {
            for sids in [hunt(), pinned()] {
                let mut inner = to_vip(nh::TCP, &syn());
                inner[7] -= 1;
                let visited = match encoding {
                    Encoding::Encap => sids.clone(),
                    Encoding::Insert => [&[lb().node()], &sids[..], &[vip()]].concat(),
                };
                let (follows, left) = match encoding {
                    Encoding::Encap => (nh::IPV6, sids.len() - 1),
                    Encoding::Insert => (nh::TCP, sids.len()),
                };
                let wire_order: Vec<Ipv6Addr> = visited.into_iter().rev().collect();
                let tlv = known(encoding, text, sids.len());
                let mut header = srh(follows, left as u8, &wire_order, &tlv);
                header[5] = if text == Text::Linux { 8 } else { 0 };
                let mut expected = match encoding {
                    Encoding::Encap => {
                        let mut bytes = build::ipv6(
                            lb().node(),
                            sids[0],
                            nh::ROUTING,
                            &[&header[..], &inner].concat(),
                        );
                        bytes[..4].copy_from_slice(&[0x60, 0x0a, 0xbc, 0xde]);
                        bytes[7] = 64;
                        bytes
                    }
                    Encoding::Insert => build::ipv6(
                        client(),
                        sids[0],
                        nh::ROUTING,
                        &[&header[..], &inner[40..]].concat(),
                    ),
                };
                if encoding == Encoding::Insert {
                    expected[7] = inner[7];
                }
                assert_eq!(
                    signed(encoding, text, &sids),
                    expected,
                    "{encoding:?} {text:?}"
                );
                let added = expected.len() - inner.len();
                assert_eq!(added, encoding.overhead_bytes(sids.len(), true));
            }
        }
    }
}

#[test]
fn every_key_verifies_and_one_signs() {
    for encoding in ENCODINGS {
        let bytes = signed(encoding, Text::Rfc8754, &hunt());
        let list = || vec![Key::new(7, &secret()), Key::new(8, b"the next one")];
        for (sign, text, expected) in [
            (7, Text::Rfc8754, Ok(Signature::By(7))),
            (8, Text::Rfc8754, Ok(Signature::By(7))),
            (7, Text::Linux, Err(HmacError::Wrong)),
        ] {
            let keys = Keys::new(sign, list()).unwrap().with_text(text);
            assert_eq!(check(&keys, &bytes), Some(expected), "{sign} {text:?}");
        }
        let others = Keys::new(8, vec![Key::new(8, &secret())]).unwrap();
        assert_eq!(check(&others, &bytes), Some(Err(HmacError::UnknownKey)));
        let same_number = Keys::new(7, vec![Key::new(7, &[9; 32])]).unwrap();
        assert_eq!(check(&same_number, &bytes), Some(Err(HmacError::Wrong)));
    }
    assert!(Keys::new(9, vec![Key::new(7, &secret())]).is_none());
}

/// Is this bit covered, by the HMAC or by the checks beside it?
fn is_covered(text: Text, srh_at: usize, segments: usize, bit: usize) -> bool {
    let (byte, list_end) = (bit / 8, srh_at + 8 + 16 * segments);
    match byte {
        // source and destination, the latter by the segment that it has to be
        8..=39 => true,
        // Segments Left by the destination; Last Entry, Flags
        _ if (srh_at + 3..=srh_at + 5).contains(&byte) => true,
        _ if (srh_at + 8..list_end).contains(&byte) => true,
        // type and length of the TLV, D, Key ID, HMAC
        _ if byte == list_end || byte == list_end + 1 => true,
        _ if byte == list_end + 2 && bit % 8 == 0 => true,
        _ if byte == list_end + 2 || byte == list_end + 3 => text == Text::Rfc8754,
        _ => (list_end + 4..list_end + 40).contains(&byte),
    }
}

#[test]
fn every_single_bit() {
    for (encoding, text) in ENCODINGS.into_iter().flat_map(|e| TEXTS.map(|t| (e, t))) {
        for sids in [hunt(), pinned()] {
            let good = signed(encoding, text, &sids);
            let keys = keys(text);
            let packet = parse::packet(&good).unwrap();
            let srh = packet.srh.unwrap();
            assert_eq!(check(&keys, &good), Some(Ok(Signature::By(7))));
            for bit in 0..8 * good.len() {
                let mut bytes = good.clone();
                bytes[bit / 8] ^= 0x80 >> (bit % 8);
                let said = check(&keys, &bytes);
                let is_good = said == Some(Ok(Signature::By(7)));
                if is_covered(text, srh.at, srh.segments(), bit) {
                    assert!(!is_good, "bit {bit} of {encoding:?}, {text:?}");
                } else if !is_good {
                    // What the parser can't do without: version, lengths, types, what follows, TCP's offset.
                    let needed = [
                        0,
                        4,
                        5,
                        6,
                        srh.at + 1,
                        srh.at + 2,
                        srh.at,
                        packet.upper_at + 12,
                    ];
                    assert!(
                        needed.contains(&(bit / 8)),
                        "bit {bit} of {encoding:?}, {text:?}: {said:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_way_through_the_list_keeps_it_valid() {
    for (encoding, text) in ENCODINGS.into_iter().flat_map(|e| TEXTS.map(|t| (e, t))) {
        let mut frame = Buf::new(&signed(encoding, text, &hunt()), 0);
        let before = frame.bytes().to_vec();
        let packet = parse::packet(frame.bytes()).unwrap();
        assert_eq!(rewrite::advance(&mut frame, &packet), Ok(hunt()[1]));
        assert_eq!(
            check(&keys(text), frame.bytes()),
            Some(Ok(Signature::By(7)))
        );
        let changed = before.iter().zip(frame.bytes()).enumerate();
        let changed: Vec<usize> = changed
            .filter(|(_, (a, b))| a != b)
            .map(|(at, _)| at)
            .collect();
        // hop limit, destination (server and function), Segments Left
        assert_eq!(changed, [7, 29, 38, 43], "{encoding:?}");
    }
}

/// (what, packet, what is said where HMAC is required, what where it is not)
type Row = (
    &'static str,
    Vec<u8>,
    Result<Signature, HmacError>,
    Result<Signature, HmacError>,
);

fn rows() -> Vec<Row> {
    let sid = pinned()[0];
    let inner = to_vip(nh::TCP, &syn());
    let with_tlvs = |left: u8, tlvs: &[u8]| {
        let header = srh(nh::IPV6, left, &[sid], tlvs);
        build::ipv6(
            lb().node(),
            sid,
            nh::ROUTING,
            &[&header[..], &inner].concat(),
        )
    };
    let with = |at: usize, value: u8| {
        let mut bytes = signed(Encoding::Encap, Text::Rfc8754, &pinned());
        bytes[at] = value;
        bytes
    };
    let echo = build::icmp(128, 0, 1, b"");
    let missing = Err(HmacError::Missing);
    let none = Ok(Signature::None);
    let hmac = |bytes: u8| {
        [
            &[5, 6 + bytes, 0, 0, 0, 0, 0, 7][..],
            &vec![0; bytes.into()],
        ]
        .concat()
    };
    let sha1 = [hmac(16), hmac(24)];
    vec![
        (
            "encap without an SRH",
            build::ipv6(lb().node(), sid, nh::IPV6, &inner),
            missing,
            none,
        ),
        ("an SRH without TLVs", with_tlvs(0, &[]), missing, none),
        (
            "an SRH with padding",
            with_tlvs(0, &[4, 6, 0, 0, 0, 0, 0, 0]),
            missing,
            none,
        ),
        (
            "TCP to a SID",
            build::ipv6(client(), sid, nh::TCP, &syn()),
            missing,
            none,
        ),
        (
            "echo to a SID",
            build::ipv6(client(), sid, nh::ICMPV6, &echo),
            Ok(Signature::NotDue),
            Ok(Signature::NotDue),
        ),
        (
            "echo behind an SRH",
            build::ipv6(
                client(),
                sid,
                nh::ROUTING,
                &[&srh(nh::ICMPV6, 0, &[sid], &[])[..], &echo].concat(),
            ),
            missing,
            none,
        ),
        (
            "16 bytes of HMAC",
            with_tlvs(0, &sha1[0]),
            Err(HmacError::Algorithm),
            Err(HmacError::Algorithm),
        ),
        (
            "24 bytes of HMAC",
            with_tlvs(0, &sha1[1]),
            Err(HmacError::Algorithm),
            Err(HmacError::Algorithm),
        ),
        (
            "an unknown key",
            with(71, 6),
            Err(HmacError::UnknownKey),
            Err(HmacError::UnknownKey),
        ),
        (
            "another of our keys",
            with(71, 3),
            Err(HmacError::Wrong),
            Err(HmacError::Wrong),
        ),
        (
            "the D bit",
            with(66, 0x80),
            Err(HmacError::Segment),
            Err(HmacError::Segment),
        ),
        (
            "Segments Left behind the list",
            with(43, 1),
            Err(HmacError::Segment),
            Err(HmacError::Segment),
        ),
        (
            "another function",
            with(38, 0x30),
            Err(HmacError::Segment),
            Err(HmacError::Segment),
        ),
        (
            "no HMAC at all, 32 zeros",
            with_tlvs(0, &hmac(32)),
            Err(HmacError::Wrong),
            Err(HmacError::Wrong),
        ),
    ]
}

#[test]
fn what_is_refused_and_why() {
    let strict = keys(Text::Rfc8754);
    let lax = keys(Text::Rfc8754).with_required(false);
    let mut met = Vec::new();
    for (what, bytes, required, not_required) in rows() {
        assert_eq!(check(&strict, &bytes), Some(required), "{what}");
        assert_eq!(check(&lax, &bytes), Some(not_required), "{what}");
        met.extend(required.err());
    }
    for error in HmacError::ALL {
        assert!(met.contains(error), "{error}");
    }
}

#[test]
fn a_tlv_may_stand_behind_others() {
    // Only what the RFC covers is covered: a TLV in front of ours changes nothing.
    let bytes = signed(Encoding::Encap, Text::Rfc8754, &pinned());
    let mut padded = [&bytes[..64], &[4, 6, 0, 0, 0, 0, 0, 0], &bytes[64..]].concat();
    padded[41] += 1;
    padded[5] += 8;
    assert_eq!(
        check(&keys(Text::Rfc8754), &padded),
        Some(Ok(Signature::By(7)))
    );
}

/// RFC 8754 section 2.1.2.1: a Parameter Problem points to the TLV, where a node is the source.
#[test]
fn complaints_point_to_the_tlv() {
    let bytes = signed(Encoding::Encap, Text::Rfc8754, &hunt());
    let told = complaint(&parse::packet(&bytes).unwrap()).unwrap();
    assert_eq!((told.src, told.dst), (lb().node(), hunt()[0]));
    assert_eq!((told.len, told.pointer), (bytes.len(), 40 + 8 + 2 * 16));
    let mut from_nobody = bytes;
    from_nobody[8..24].fill(0);
    let by_a_client = signed(Encoding::Insert, Text::Rfc8754, &hunt());
    let plain = to_vip(nh::TCP, &syn());
    for bytes in [from_nobody, by_a_client, plain] {
        assert_eq!(complaint(&parse::packet(&bytes).unwrap()), None);
    }
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", Keys::new(7, vec![Key::new(7, b"swordfish")]));
    assert_eq!(
        shown,
        "Some(Keys { text: Rfc8754, required: true, signs: 0, list: [key 7] })"
    );
}

/// HMAC as RFC 2104 section 2 writes it.
fn naive_hmac(secret: &[u8], text: &[u8]) -> Vec<u8> {
    let mut key = secret.to_vec();
    if key.len() > 64 {
        key = Sha256::digest(&key).to_vec();
    }
    key.resize(64, 0);
    let pad = |with: u8| -> Vec<u8> { key.iter().map(|byte| byte ^ with).collect() };
    let inner = Sha256::digest([&pad(0x36), text].concat());
    Sha256::digest([&pad(0x5c)[..], &inner].concat()).to_vec()
}

/// The TLV over the text of one of the two kinds, for an SRH without it.
fn naive_tlv(text: Text, id: u32, secret: &[u8], src: Ipv6Addr, srh: &[u8]) -> Vec<u8> {
    let id = id.to_be_bytes();
    let reserved: &[u8] = if text == Text::Rfc8754 { &[0, 0] } else { &[] };
    let whole = [&src.octets(), &srh[4..6], reserved, &id, &srh[8..]].concat();
    [&[5, 38, 0, 0], &id[..], &naive_hmac(secret, &whole)].concat()
}

fn visited_by(encoding: Encoding, chain: &Chain, nodes: &[Ipv6Addr]) -> Vec<Ipv6Addr> {
    match encoding {
        Encoding::Encap => nodes.to_vec(),
        Encoding::Insert => [nodes, &[chain.dst]].concat(),
    }
}

/// The oracle's packet with a TLV put behind the list.
fn naively_signed(
    encoding: Encoding,
    text: Text,
    key: (u32, &[u8]),
    chain: &Chain,
    nodes: &[Ipv6Addr],
    src: Ipv6Addr,
) -> Vec<u8> {
    let visited = visited_by(encoding, chain, nodes);
    let mut outer = match encoding {
        Encoding::Insert => chain.inserted(&visited),
        Encoding::Encap => {
            let wire_order: Vec<Ipv6Addr> = visited.iter().rev().copied().collect();
            let mut outer = chain.encapsulated(src, &visited[..1], 0);
            let header = srh(0, visited.len() as u8 - 1, &wire_order, &[]);
            outer.extensions.push((nh::ROUTING, header));
            outer
        }
    };
    let src = outer.src;
    let is_srh = |(number, header): &&mut (u8, Vec<u8>)| *number == nh::ROUTING && header[2] == 4;
    let (_, header) = outer.extensions.iter_mut().find(is_srh).unwrap();
    header[5] |= if text == Text::Linux { 8 } else { 0 };
    let tlv = naive_tlv(text, key.0, key.1, src, header);
    header[1] += 5;
    header.extend(tlv);
    outer.bytes()
}

proptest! {
    #[test]
    fn signed_headers_are_what_the_oracle_says_and_come_off(
        chain in chain(), nodes in nodes(), src in any::<u128>(), id in 1u32..,
        secret in proptest::collection::vec(any::<u8>(), 0..100), insert: bool, linux: bool,
    ) {
        let (encoding, text) = (ENCODINGS[usize::from(insert)], TEXTS[usize::from(linux)]);
        let src = Ipv6Addr::from_bits(src);
        let keys = Keys::new(id, vec![Key::new(id, &secret)]).unwrap().with_text(text);
        let visited = visited_by(encoding, &chain, &nodes);
        let before = chain.bytes();
        let mut frame = Buf::new(&before, 300);
        let packet = parse::packet(frame.bytes()).unwrap();
        match encoding {
            Encoding::Insert => rewrite::insert(&mut frame, &packet, &visited, Some(&keys)),
            Encoding::Encap => rewrite::encap(&mut frame, &packet, src, &visited, 0, Some(&keys)),
        }.unwrap();
        let expected = naively_signed(encoding, text, (id, &secret), &chain, &nodes, src);
        prop_assert_eq!(frame.bytes(), expected);

        let packet = parse::packet(frame.bytes()).unwrap();
        prop_assert_eq!(keys.check(frame.bytes(), &packet), Ok(Signature::By(id)));
        match encoding {
            Encoding::Insert => { rewrite::strip(&mut frame, &packet).unwrap(); }
            Encoding::Encap => rewrite::decap(&mut frame, &packet),
        }
        prop_assert_eq!(frame.bytes(), before);
    }

    #[test]
    fn no_packet_makes_the_check_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..120), at in 40usize..120,
    ) {
        // A packet of ours with anything written over a part of it.
        let mut spoilt = signed(Encoding::Insert, Text::Rfc8754, &hunt());
        let end = (at + bytes.len()).min(spoilt.len());
        spoilt[at..end].copy_from_slice(&bytes[..end - at]);
        let original = signed(Encoding::Insert, Text::Rfc8754, &hunt());
        let said = check(&keys(Text::Rfc8754), &spoilt);
        if spoilt[48..152] != original[48..152] {
            prop_assert!(!matches!(said, Some(Ok(Signature::By(_)))), "{:?}", said);
        }
    }
}
