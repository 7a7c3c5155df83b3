//! Every way a packet can be wrong, each with its own error.

use srh::parse::{next_header as nh, packet, ParseError};

use crate::build::*;

type Row = (&'static str, Vec<u8>, ParseError);

fn behind_routing(header: Vec<u8>) -> Vec<u8> {
    to_vip(nh::ROUTING, &concat(&[&header, &syn()]))
}

fn header_rows() -> Vec<Row> {
    let syn_packet = to_vip(nh::TCP, &syn());
    let mut ipv4 = syn_packet.clone();
    ipv4[0] = 0x45;
    vec![
        ("nothing at all", vec![], ParseError::Ipv6Truncated),
        (
            "39 bytes of IPv6",
            syn_packet[..39].to_vec(),
            ParseError::Ipv6Truncated,
        ),
        ("version 4", ipv4, ParseError::NotIpv6),
        (
            "one byte of the payload missing",
            syn_packet[..59].to_vec(),
            ParseError::PayloadLength,
        ),
        (
            "7 bytes of Destination Options",
            to_vip(nh::DESTINATION, &options(nh::TCP, 0)[..7]),
            ParseError::ExtensionTruncated,
        ),
        (
            "Hop-by-Hop Options longer than the payload",
            to_vip(nh::HOP_BY_HOP, &options(nh::TCP, 1)[..8]),
            ParseError::ExtensionTruncated,
        ),
        (
            "7 bytes of a routing header",
            to_vip(nh::ROUTING, &[nh::TCP, 0, 4, 0, 0, 0, 0]),
            ParseError::ExtensionTruncated,
        ),
        (
            "one extension header too many",
            to_vip(
                nh::DESTINATION,
                &concat(&[
                    &options(nh::DESTINATION, 0).repeat(8),
                    &options(nh::TCP, 0),
                    &syn(),
                ]),
            ),
            ParseError::TooManyExtensions,
        ),
        (
            "Hop-by-Hop Options behind Destination Options",
            to_vip(
                nh::DESTINATION,
                &concat(&[&options(nh::HOP_BY_HOP, 0), &options(nh::TCP, 0), &syn()]),
            ),
            ParseError::HopByHopNotFirst,
        ),
        (
            "Hop-by-Hop Options twice",
            to_vip(
                nh::HOP_BY_HOP,
                &concat(&[&options(nh::HOP_BY_HOP, 0), &options(nh::TCP, 0), &syn()]),
            ),
            ParseError::HopByHopNotFirst,
        ),
        (
            "routing header type 0",
            behind_routing(routing(nh::TCP, 0, 0, 0, &[0; 4])),
            ParseError::RoutingType0,
        ),
        (
            "routing header type 3 with a segment left",
            behind_routing(routing(nh::TCP, 0, 3, 1, &[0; 4])),
            ParseError::RoutingUnknown,
        ),
        (
            "7 bytes of a Fragment header",
            to_vip(nh::FRAGMENT, &[0; 7]),
            ParseError::FragmentTruncated,
        ),
    ]
}

fn srh_rows() -> Vec<Row> {
    let segments = [vip(), addr("fd00:5e:1::1000")];
    let with_tlvs = |tlvs: &[u8]| behind_routing(srh(nh::TCP, 0, &segments, tlvs));
    let mut no_entry = srh(nh::TCP, 0, &segments, &[]);
    no_entry[4] = 2;
    let mut last_entry_into_tlvs = srh(nh::TCP, 0, &segments, &[0; 8]);
    last_entry_into_tlvs[4] = 2;
    let mut hmac = vec![5, 13, 0, 0, 0, 0, 0, 7];
    hmac.resize(16, 0);
    let mut long_hmac = vec![5, 46, 0, 0, 0, 0, 0, 7];
    long_hmac.resize(48, 0);
    vec![
        (
            "SRH longer than the payload",
            to_vip(nh::ROUTING, &srh(nh::TCP, 0, &segments, &[])[..39]),
            ParseError::SrhTruncated,
        ),
        (
            "SRH of 8 bytes",
            behind_routing(routing(nh::TCP, 0, 4, 0, &[0; 4])),
            ParseError::SrhNoSegment,
        ),
        (
            "SRH of 16 bytes: half a segment",
            behind_routing(routing(nh::TCP, 1, 4, 0, &[0; 12])),
            ParseError::SrhNoSegment,
        ),
        (
            "Last Entry one too high",
            behind_routing(no_entry),
            ParseError::SrhLastEntry,
        ),
        (
            "Last Entry reaches into half a segment's room",
            behind_routing(last_entry_into_tlvs),
            ParseError::SrhLastEntry,
        ),
        (
            "Segments Left is Last Entry + 2",
            behind_routing(srh(nh::TCP, 3, &segments, &[])),
            ParseError::SrhSegmentsLeft,
        ),
        (
            "Segments Left 255",
            behind_routing(srh(nh::TCP, 255, &segments, &[])),
            ParseError::SrhSegmentsLeft,
        ),
        (
            "a TLV's length goes past the header",
            with_tlvs(&[4, 7, 0, 0, 0, 0, 0, 0]),
            ParseError::SrhTlvTruncated,
        ),
        (
            "a TLV's type in the last byte, its length missing",
            with_tlvs(&[4, 5, 0, 0, 0, 0, 0, 4]),
            ParseError::SrhTlvTruncated,
        ),
        (
            "HMAC TLV of 7 bytes of HMAC",
            with_tlvs(&hmac),
            ParseError::SrhHmacLength,
        ),
        (
            "HMAC TLV of 40 bytes of HMAC",
            with_tlvs(&long_hmac),
            ParseError::SrhHmacLength,
        ),
        (
            "HMAC TLV without an HMAC",
            with_tlvs(&[5, 6, 0, 0, 0, 0, 0, 7]),
            ParseError::SrhHmacLength,
        ),
        (
            "two SRHs",
            behind_routing(concat(&[
                &srh(nh::ROUTING, 0, &segments, &[]),
                &srh(nh::TCP, 0, &segments, &[]),
            ])),
            ParseError::SrhTwice,
        ),
    ]
}

fn transport_rows() -> Vec<Row> {
    let mut short_offset = syn();
    short_offset[12] = 4 << 4;
    let mut long_offset = syn();
    long_offset[12] = 6 << 4;
    let padded = |mut packet: Vec<u8>| {
        packet.extend([0; 8]);
        packet
    };
    vec![
        (
            "19 bytes of TCP",
            to_vip(nh::TCP, &syn()[..19]),
            ParseError::TcpTruncated,
        ),
        (
            "19 bytes of TCP, the 20th is Ethernet padding",
            padded(to_vip(nh::TCP, &syn()[..19])),
            ParseError::TcpTruncated,
        ),
        (
            "TCP data offset 4",
            to_vip(nh::TCP, &short_offset),
            ParseError::TcpDataOffset,
        ),
        (
            "TCP options past the payload",
            to_vip(nh::TCP, &long_offset),
            ParseError::TcpDataOffset,
        ),
        (
            "TCP options in the Ethernet padding",
            padded(to_vip(nh::TCP, &long_offset)),
            ParseError::TcpDataOffset,
        ),
        (
            "7 bytes of UDP",
            to_vip(nh::UDP, &[0; 7]),
            ParseError::UdpTruncated,
        ),
        (
            "UDP length 7",
            to_vip(nh::UDP, &udp(1, 2, 7, &[])),
            ParseError::UdpLength,
        ),
        (
            "UDP length past the payload",
            padded(to_vip(nh::UDP, &udp(1, 2, 9, &[]))),
            ParseError::UdpLength,
        ),
        (
            "7 bytes of ICMPv6",
            to_vip(nh::ICMPV6, &[128, 0, 0, 0, 0, 0, 0]),
            ParseError::IcmpTruncated,
        ),
    ]
}

fn fragment_rows() -> Vec<Row> {
    let of = |head: [u8; 8], data: &[u8]| to_vip(nh::FRAGMENT, &[&head[..], data].concat());
    let head = |protocol, offset, more| -> [u8; 8] {
        fragment(protocol, offset, more).try_into().unwrap()
    };
    vec![
        (
            "a fragment of 12 bytes with more behind it",
            of(head(nh::UDP, 8, true), &[0; 12]),
            ParseError::FragmentLength,
        ),
        (
            "a fragment that would end at byte 65,536",
            of(head(nh::UDP, 65_528, false), &[0; 8]),
            ParseError::FragmentLength,
        ),
        (
            "a first fragment that ends inside the TCP header",
            of(head(nh::TCP, 0, true), &syn()[..16]),
            ParseError::TcpTruncated,
        ),
        (
            "a first fragment that ends inside the TCP options",
            of(head(nh::TCP, 0, true), &tcp(1, 2, 2, &[1; 12], &[])[..24]),
            ParseError::TcpDataOffset,
        ),
        (
            "an atomic fragment whose UDP length goes past it",
            of(head(nh::UDP, 0, false), &udp(1, 2, 9, &[])),
            ParseError::UdpLength,
        ),
    ]
}

fn rows() -> Vec<Row> {
    let mut rows = header_rows();
    rows.extend(fragment_rows());
    rows.extend(srh_rows());
    rows.extend(transport_rows());
    rows
}

#[test]
fn what_is_wrong_is_refused_with_its_own_error() {
    for (what, bytes, error) in rows() {
        assert_eq!(packet(&bytes), Err(error), "{what}");
    }
}

#[test]
fn every_error_has_a_row() {
    let rows = rows();
    for error in ParseError::ALL {
        assert!(
            rows.iter().any(|(_, _, of_row)| of_row == error),
            "no row for {error:?}"
        );
    }
}

#[test]
fn no_two_errors_read_the_same() {
    let mut texts: Vec<String> = ParseError::ALL.iter().map(|e| e.to_string()).collect();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), ParseError::ALL.len());
}
