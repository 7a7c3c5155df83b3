//! Rows of description, bytes and what the parser makes of them.

use srh::parse::{
    next_header as nh, packet, segments_left_complaint, Fragment, Icmp, Packet, ParseError, Tcp,
    Upper,
};

use crate::build::*;

/// What a row expects, as far as the addresses and the first eight bytes don't say it.
#[derive(Debug, PartialEq)]
struct Seen {
    len: usize,
    insert_at: usize,
    insert_announced_at: usize,
    /// Offset, length, announced at, Segments Left, Last Entry, offset of the HMAC TLV.
    srh: Option<(usize, usize, usize, u8, u8, Option<usize>)>,
    fragment: Option<Fragment>,
    upper: Upper,
    upper_at: usize,
}

impl Seen {
    fn of(p: &Packet) -> Self {
        Seen {
            len: p.len,
            insert_at: p.insert_at,
            insert_announced_at: p.insert_announced_at,
            srh: p.srh.map(|s| {
                (
                    s.at,
                    s.len,
                    s.announced_at,
                    s.segments_left,
                    s.last_entry,
                    s.hmac_at,
                )
            }),
            fragment: p.fragment,
            upper: p.upper,
            upper_at: p.upper_at,
        }
    }

    /// A packet without extension headers.
    fn plain(upper: Upper, payload: usize) -> Self {
        Seen {
            len: 40 + payload,
            insert_at: 40,
            insert_announced_at: 6,
            srh: None,
            fragment: None,
            upper,
            upper_at: 40,
        }
    }
}

fn tcp_seen(flags: u8, header_len: usize, data_len: usize) -> Upper {
    Upper::Tcp(Tcp {
        src_port: 40_000,
        dst_port: 80,
        seq: 0x0102_0304,
        ack: 0x0506_0708,
        flags,
        header_len,
        data_len,
    })
}

fn hmac_tlv() -> Vec<u8> {
    // type, length, D and reserved, key id, 32 bytes of HMAC
    let mut tlv = vec![5, 38, 0, 0, 0, 0, 0, 7];
    tlv.extend([0xcc; 32]);
    tlv
}

fn plain_rows() -> Vec<(&'static str, Vec<u8>, Seen)> {
    vec![
        (
            "a SYN",
            to_vip(nh::TCP, &syn()),
            Seen::plain(tcp_seen(0x02, 20, 0), 20),
        ),
        (
            "data behind options",
            to_vip(nh::TCP, &tcp(40_000, 80, 0x18, &[1; 12], b"hello")),
            Seen::plain(tcp_seen(0x18, 32, 5), 37),
        ),
        (
            "Ethernet padding behind the payload length",
            concat(&[&to_vip(nh::TCP, &syn()), &[0xee; 6]]),
            Seen::plain(tcp_seen(0x02, 20, 0), 20),
        ),
        (
            "UDP",
            to_vip(nh::UDP, &udp(53, 5353, 11, b"abc")),
            Seen::plain(
                Upper::Udp {
                    src_port: 53,
                    dst_port: 5353,
                },
                11,
            ),
        ),
        (
            "ICMPv6 Packet Too Big",
            to_vip(nh::ICMPV6, &icmp(2, 0, 1280, &[])),
            Seen::plain(
                Upper::Icmp(Icmp {
                    kind: 2,
                    code: 0,
                    value: 1280,
                }),
                8,
            ),
        ),
        (
            "IPv6 in IPv6, the inner packet not looked at",
            to_vip(nh::IPV6, &[0xff; 3]),
            Seen::plain(Upper::Ipv6, 3),
        ),
        (
            "no next header",
            to_vip(nh::NONE, &[]),
            Seen::plain(Upper::Other(nh::NONE), 0),
        ),
        (
            "a protocol that is none of ours (ESP)",
            to_vip(50, &[1, 2, 3]),
            Seen::plain(Upper::Other(50), 3),
        ),
    ]
}

fn chain_rows() -> Vec<(&'static str, Vec<u8>, Seen)> {
    let plain = |payload| Seen::plain(tcp_seen(0x02, 20, 0), payload);
    vec![
        (
            "Hop-by-Hop Options: an SRH goes behind them",
            to_vip(nh::HOP_BY_HOP, &concat(&[&options(nh::TCP, 1), &syn()])),
            Seen {
                insert_at: 56,
                insert_announced_at: 40,
                upper_at: 56,
                ..plain(36)
            },
        ),
        (
            "Destination Options: an SRH goes before them",
            to_vip(nh::DESTINATION, &concat(&[&options(nh::TCP, 0), &syn()])),
            Seen {
                upper_at: 48,
                ..plain(28)
            },
        ),
        (
            "routing header of another type with no segments left",
            to_vip(
                nh::ROUTING,
                &concat(&[&routing(nh::TCP, 0, 3, 0, &[0; 4]), &syn()]),
            ),
            Seen {
                upper_at: 48,
                ..plain(28)
            },
        ),
        (
            "the most extension headers that are taken",
            to_vip(
                nh::DESTINATION,
                &concat(&[
                    &options(nh::DESTINATION, 0).repeat(7),
                    &options(nh::TCP, 0),
                    &syn(),
                ]),
            ),
            Seen {
                upper_at: 104,
                ..plain(84)
            },
        ),
        (
            "an atomic fragment",
            to_vip(
                nh::FRAGMENT,
                &concat(&[&fragment(nh::TCP, 0, false), &syn()]),
            ),
            Seen {
                upper_at: 48,
                fragment: Some(Fragment {
                    offset: 0,
                    more: false,
                    id: 0xfeed_beef,
                    data_len: 20,
                }),
                ..plain(28)
            },
        ),
        (
            "a later fragment: its bytes are no transport header",
            to_vip(
                nh::FRAGMENT,
                &concat(&[&fragment(nh::TCP, 1232, true), &[9; 16]]),
            ),
            Seen {
                upper: Upper::LaterFragment(nh::TCP),
                upper_at: 48,
                fragment: Some(Fragment {
                    offset: 1232,
                    more: true,
                    id: 0xfeed_beef,
                    data_len: 16,
                }),
                ..plain(24)
            },
        ),
        (
            "the last fragment: of any length",
            to_vip(
                nh::FRAGMENT,
                &concat(&[&fragment(nh::TCP, 1240, false), &[9; 3]]),
            ),
            Seen {
                upper: Upper::LaterFragment(nh::TCP),
                upper_at: 48,
                fragment: Some(Fragment {
                    offset: 1240,
                    more: false,
                    id: 0xfeed_beef,
                    data_len: 3,
                }),
                ..plain(11)
            },
        ),
        (
            "the first fragment of a datagram longer than itself",
            to_vip(
                nh::FRAGMENT,
                &concat(&[&fragment(nh::UDP, 0, true), &udp(7, 9, 4000, &[0; 8])]),
            ),
            Seen {
                upper: Upper::Udp {
                    src_port: 7,
                    dst_port: 9,
                },
                upper_at: 48,
                fragment: Some(Fragment {
                    offset: 0,
                    more: true,
                    id: 0xfeed_beef,
                    data_len: 16,
                }),
                ..plain(24)
            },
        ),
    ]
}

fn srh_rows() -> Vec<(&'static str, Vec<u8>, Seen)> {
    let plain = |payload| Seen::plain(tcp_seen(0x02, 20, 0), payload);
    let segments = [vip(), addr("fd00:5e:1::1000"), addr("fd00:1b:1::100")];
    let with = |srh: Vec<u8>| to_vip(nh::ROUTING, &concat(&[&srh, &syn()]));
    vec![
        (
            "an SRH",
            with(srh(nh::TCP, 1, &segments, &[])),
            Seen {
                srh: Some((40, 56, 6, 1, 2, None)),
                upper_at: 96,
                ..plain(76)
            },
        ),
        (
            "a reduced SRH: Segments Left is Last Entry + 1",
            with(srh(nh::TCP, 3, &segments, &[])),
            Seen {
                srh: Some((40, 56, 6, 3, 2, None)),
                upper_at: 96,
                ..plain(76)
            },
        ),
        (
            "an SRH behind Hop-by-Hop Options",
            to_vip(
                nh::HOP_BY_HOP,
                &concat(&[
                    &options(nh::ROUTING, 0),
                    &srh(nh::TCP, 0, &segments[..1], &[]),
                    &syn(),
                ]),
            ),
            Seen {
                insert_at: 48,
                insert_announced_at: 40,
                srh: Some((48, 24, 40, 0, 0, None)),
                upper_at: 72,
                ..plain(52)
            },
        ),
        (
            "an SRH with an HMAC TLV",
            with(srh(nh::TCP, 1, &segments, &hmac_tlv())),
            Seen {
                srh: Some((40, 96, 6, 1, 2, Some(96))),
                upper_at: 136,
                ..plain(116)
            },
        ),
        (
            "Pad1, PadN and an unknown TLV are walked over",
            with(srh(
                nh::TCP,
                1,
                &segments[..2],
                &[0, 4, 2, 9, 9, 200, 1, 7, 0, 0, 0, 0, 0, 0, 0, 0],
            )),
            Seen {
                srh: Some((40, 56, 6, 1, 1, None)),
                upper_at: 96,
                ..plain(76)
            },
        ),
        (
            "room for more segments than Last Entry names: the rest is TLVs",
            with(routing(
                nh::TCP,
                4,
                4,
                0,
                &concat(&[&[0, 0, 0, 0], &vip().octets(), &[0; 16]]),
            )),
            Seen {
                srh: Some((40, 40, 6, 0, 0, None)),
                upper_at: 80,
                ..plain(60)
            },
        ),
    ]
}

#[test]
fn what_is_right_parses_to_its_parts() {
    for (what, bytes, seen) in [plain_rows(), chain_rows(), srh_rows()].concat_rows() {
        let packet = packet(&bytes).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(Seen::of(&packet), seen, "{what}");
        assert_eq!(
            (packet.src, packet.dst, packet.hop_limit),
            (client(), vip(), HOP_LIMIT),
            "{what}"
        );
    }
}

/// Rows hold what can't be copied.
trait ConcatRows<T> {
    fn concat_rows(self) -> Vec<T>;
}

impl<T, const N: usize> ConcatRows<T> for [Vec<T>; N] {
    fn concat_rows(self) -> Vec<T> {
        self.into_iter().flatten().collect()
    }
}

#[test]
fn traffic_class_flow_label_and_hop_limit_are_read() {
    let mut bytes = to_vip(nh::NONE, &[]);
    bytes[..4].copy_from_slice(&[0x6a, 0xb1, 0x23, 0x45]);
    bytes[7] = 1;
    let packet = packet(&bytes).unwrap();
    assert_eq!(
        (packet.traffic_class, packet.flow_label, packet.hop_limit),
        (0xab, 0x1_2345, 1)
    );
}

#[test]
fn only_real_fragments_are_fragments() {
    for (offset, more, expected) in [
        (0, false, false),
        (0, true, true),
        (8, false, true),
        (8, true, true),
    ] {
        let bytes = to_vip(
            nh::FRAGMENT,
            &concat(&[&fragment(nh::TCP, offset, more), &syn(), &[0; 4]]),
        );
        assert_eq!(
            packet(&bytes).unwrap().is_fragment(),
            expected,
            "{offset} {more}"
        );
    }
}

#[test]
fn flags_tell_the_two_first_packets_of_a_handshake() {
    for (flags, syn, syn_ack) in [
        (0x02, true, false),
        (0xc2, true, false),
        (0x12, false, true),
        (0x52, false, true),
        (0x10, false, false),
        (0x06, false, false),
        (0x16, false, false),
        (0x03, true, false),
    ] {
        let bytes = to_vip(nh::TCP, &tcp(1, 2, flags, &[], &[]));
        let packet = packet(&bytes).unwrap();
        let tcp = packet.tcp().unwrap();
        assert_eq!(
            (tcp.is_syn(), tcp.is_syn_ack()),
            (syn, syn_ack),
            "{flags:#x}"
        );
    }
}

/// An error that isn't about Segments Left or Last Entry asks for no Parameter Problem.
#[test]
fn a_parameter_problem_points_to_segments_left() {
    let list = [vip(), addr("fd00:5e:1::1000")];
    let mut last_entry = srh(nh::TCP, 1, &list, &[]);
    last_entry[4] = 5;
    let segments_left = srh(nh::TCP, 4, &list, &[]);
    let truncated = srh(nh::TCP, 1, &list, &[])[..32].to_vec();
    let pad = options(nh::ROUTING, 0);
    let atomic = fragment(nh::ROUTING, 0, false);
    for (what, first, parts, expected) in [
        (
            "Last Entry",
            nh::ROUTING,
            vec![&last_entry[..]],
            Some(40 + 3),
        ),
        (
            "Segments Left",
            nh::ROUTING,
            vec![&segments_left],
            Some(40 + 3),
        ),
        (
            "behind Hop-by-Hop Options",
            nh::HOP_BY_HOP,
            vec![&pad, &segments_left],
            Some(48 + 3),
        ),
        (
            "behind Destination Options",
            nh::DESTINATION,
            vec![&pad, &last_entry],
            Some(48 + 3),
        ),
        (
            "behind a Fragment header",
            nh::FRAGMENT,
            vec![&atomic, &last_entry],
            Some(48 + 3),
        ),
        ("truncated", nh::ROUTING, vec![&truncated], None),
    ] {
        let mut bytes = to_vip(first, &concat(&[&concat(&parts), &syn()]));
        if expected.is_none() {
            // The SRH's own length goes past the end.
            bytes = to_vip(first, &concat(&parts));
        }
        let error = packet(&bytes).unwrap_err();
        let complaint = segments_left_complaint(&bytes, error);
        assert_eq!(complaint.map(|c| c.pointer), expected, "{what}");
        if let Some(complaint) = complaint {
            assert_eq!(
                (complaint.src, complaint.dst, complaint.len),
                (client(), vip(), bytes.len()),
                "{what}"
            );
        }
    }
}

#[test]
fn nobody_complains_to_a_group_or_to_nobody() {
    let wrong = concat(&[&srh(nh::TCP, 4, &[vip()], &[]), &syn()]);
    for src in [addr("ff02::1"), addr("::")] {
        let bytes = ipv6(src, vip(), nh::ROUTING, &wrong);
        assert_eq!(
            segments_left_complaint(&bytes, ParseError::SrhSegmentsLeft),
            None
        );
    }
}
