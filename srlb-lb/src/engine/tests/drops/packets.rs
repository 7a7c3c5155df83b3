//! Packets that are wrong whoever sends them, and what clients may not send.

use std::net::Ipv6Addr;

use daemon::DropReason as R;
use srh::Encoding;

use super::super::build::{
    addr, fragment, headers, icmp, ipv6, spoiled, srh, udp, with_source, with_target, HOPS, RST,
    SYN,
};
use super::super::world::*;
use super::Row;

fn to_vip(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    headers(client(), vip(), first, parts)
}

/// A Destination Options header of 8 bytes.
fn options(next_header: u8) -> [u8; 8] {
    [next_header, 0, 1, 4, 0, 0, 0, 0]
}

/// An SRH with `change` made to it, for our createStickiness.
fn bad_srh(change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut header = srh(6, 1, &[sid(0, NODE), lb(CREATE), client()]);
    change(&mut header);
    ipv6(vip(), other_lb(CREATE), 43, &header)
}

fn from(source: &str, world: &World) -> Vec<u8> {
    with_source(&world.syn(), addr(source))
}

pub const ROWS: &[Row] = &[
    (R::Ipv6Truncated, "no packet at all", |_| Vec::new()),
    (R::Ipv6Truncated, "39 bytes", |w| w.syn()[..39].to_vec()),
    (R::NotIpv6, "IPv4", |w| {
        let mut packet = w.syn();
        packet[0] = 0x45;
        packet
    }),
    (R::PayloadLength, "one byte is missing", |w| {
        let packet = w.data(9);
        packet[..packet.len() - 1].to_vec()
    }),
    (R::ExtensionTruncated, "options of 2,048 bytes in 8", |_| {
        to_vip(60, &[&[6, 255, 1, 4, 0, 0, 0, 0]])
    }),
    (R::HuntRate, "a SYN over the bound", |w| {
        let mut config = config(w.encoding);
        config.hunts_pps = 0;
        w.engine.set_config(config);
        from("2001:db8:c::77", w)
    }),
    (R::RecoveryRate, "an ACK over the bound", |w| {
        let mut config = config(w.encoding);
        config.recoveries_pps = 0;
        w.engine.set_config(config);
        with_source(&w.ack(), addr("2001:db8:c::77"))
    }),
    (R::TooManyExtensions, "nine options headers", |w| {
        let nine = [options(60); 9].concat();
        to_vip(60, &[&nine, &options(6), &w.syn()[40..]])
    }),
    (R::HopByHopNotFirst, "behind another header", |w| {
        to_vip(60, &[&options(0), &options(6), &w.syn()[40..]])
    }),
    (R::RoutingType0, "RH0", |w| {
        let routing = [&[6, 2, 0, 1, 0, 0, 0, 0][..], &vip().octets()].concat();
        to_vip(43, &[&routing, &w.syn()[40..]])
    }),
    (R::RoutingUnknown, "type 2 with a segment left", |w| {
        let routing = [&[6, 2, 2, 1, 0, 0, 0, 0][..], &vip().octets()].concat();
        to_vip(43, &[&routing, &w.syn()[40..]])
    }),
    (R::SrhTruncated, "longer than the packet", |_| {
        bad_srh(|srh| srh[1] = 200)
    }),
    (R::SrhNoSegment, "8 bytes long", |_| {
        bad_srh(|srh| {
            srh.truncate(8);
            srh[1] = 0;
        })
    }),
    (R::SrhLastEntry, "names the fourth of three", |_| {
        bad_srh(|srh| srh[4] = 3)
    }),
    (R::SrhSegmentsLeft, "four of three are left", |_| {
        bad_srh(|srh| srh[3] = 4)
    }),
    (R::SrhTlvTruncated, "a TLV past the end", |_| {
        bad_srh(|srh| {
            srh.extend([4, 7, 0, 0, 0, 0, 0, 0]);
            srh[1] += 1;
        })
    }),
    (R::SrhHmacLength, "an HMAC of no bytes", |_| {
        bad_srh(|srh| {
            srh.extend([5, 6, 0, 0, 0, 0, 0, 0]);
            srh[1] += 1;
        })
    }),
    (R::SrhTwice, "one behind the other", |w| {
        let one = srh(43, 1, &[sid(0, NODE), lb(CREATE), client()]);
        let two = srh(6, 1, &[sid(0, NODE), lb(CREATE), client()]);
        headers(vip(), lb(CREATE), 43, &[&one, &two, &w.syn()[40..]])
    }),
    (R::FragmentTruncated, "four bytes of it", |_| {
        to_vip(44, &[&[6, 0, 0, 1]])
    }),
    (R::TcpTruncated, "19 bytes", |w| {
        to_vip(6, &[&w.syn()[40..59]])
    }),
    (R::TcpDataOffset, "options past the end", |w| {
        let mut packet = w.syn();
        packet[40 + 12] = 0xf0;
        packet
    }),
    (R::TcpDataOffset, "a header of 16 bytes", |w| {
        let mut packet = w.syn();
        packet[40 + 12] = 0x40;
        packet
    }),
    (R::UdpTruncated, "7 bytes", |_| to_vip(17, &[&[0; 7]])),
    (R::UdpLength, "longer than the packet", |_| {
        let mut packet = udp((client(), 53), (vip(), 53), b"question");
        packet[45] += 1;
        packet
    }),
    (R::IcmpTruncated, "7 bytes", |_| {
        to_vip(58, &[&[128, 0, 0, 0, 0, 0, 0]])
    }),
    (R::NotForUs, "to some address", |w| {
        with_target(&w.syn(), addr("2001:db8::9"))
    }),
    (R::NotForUs, "to another LB", |w| {
        w.carried(sid(1, NODE), other_lb(CREATE), &w.syn_ack(NUMBER))
    }),
    (R::NotForUs, "from the VIP, without a function", |w| {
        w.syn_ack(NUMBER)
    }),
    (R::FragmentLength, "12 bytes with more behind them", |w| {
        fragment(&w.data(64), 0, true)
    }),
    (R::TcpTruncated, "a first fragment that ends in it", |w| {
        let mut tiny = w.data(0);
        tiny[4..6].copy_from_slice(&16u16.to_be_bytes());
        fragment(&tiny[..56], 0, true)
    }),
    (R::FragmentNoEntry, "the first one of a datagram", |w| {
        w.port += 1;
        let first = fragment(&udp((client(), w.port), (vip(), 53), &[7; 64]), 0, true);
        w.port -= 1;
        first
    }),
    (R::FragmentNoEntry, "the first one of another flow", |w| {
        w.port += 1;
        let first = fragment(&w.data(60), 0, true);
        w.port -= 1;
        first
    }),
    (R::FragmentNoFirst, "a later one", |w| {
        fragment(&w.data(64), 64, false)
    }),
    (
        R::FragmentOverlap,
        "one that begins inside the first",
        |w| {
            w.know_a_packet_in_fragments();
            fragment(&w.data(60), 8, true)
        },
    ),
    (R::FragmentOverlap, "another first one", |w| {
        w.know_a_packet_in_fragments();
        fragment(&w.data(68), 0, true)
    }),
    (R::Fragment, "a SYN in pieces", |w| {
        fragment(&w.request(SYN, 0, &[1; 4]), 0, true)
    }),
    (R::Fragment, "a RST in pieces", |w| {
        fragment(&w.request(RST, 0, &[1; 4]), 0, true)
    }),
    (R::Fragment, "a ping in pieces", |_| {
        fragment(&icmp(client(), vip(), 128, 0, 1, &[1; 64]), 0, true)
    }),
    (R::WrongChecksum, "a datagram", |_| {
        spoiled(&udp((client(), 53), (vip(), 53), b"question"))
    }),
    (R::UnsupportedProtocol, "SCTP", |_| to_vip(132, &[&[0; 12]])),
    (R::UnsupportedProtocol, "nothing", |_| to_vip(59, &[])),
    (
        R::UnsupportedProtocol,
        "a packet in a packet to the VIP",
        |w| to_vip(41, &[&w.syn()]),
    ),
    (R::ClientInDomain, "from a server's SID", |w| {
        with_source(&w.syn(), sid(1, NODE))
    }),
    (R::ClientInDomain, "from an address in a locator", |w| {
        from("fd00:5e:2::1:2:3", w)
    }),
    (R::ClientInDomain, "from our own SID", |w| {
        with_source(&w.syn(), lb(CREATE))
    }),
    (R::ClientInDomain, "from another LB", |w| {
        with_source(&w.syn(), other_lb(NODE))
    }),
    (R::ClientInDomain, "from the VIP itself", |w| {
        with_source(&w.syn(), vip())
    }),
    (R::ClientInDomain, "from another VIP", |w| {
        with_source(&w.syn(), other_vip())
    }),
    (R::ClientInDomain, "from nowhere", |w| from("::", w)),
    (R::ClientInDomain, "from the loopback address", |w| {
        from("::1", w)
    }),
    (R::ClientInDomain, "from a group", |w| from("ff0e::1", w)),
    (R::RoutingTowardsVip, "an SRH that is used up", |w| {
        let header = srh(6, 0, &[sid(0, NODE), vip()]);
        to_vip(43, &[&header, &w.syn()[40..]])
    }),
    (
        R::RoutingTowardsVip,
        "an SRH that leads on from the VIP",
        |w| {
            let header = srh(6, 1, &[sid(0, NODE), vip(), sid(1, CONNECT_FORCE)]);
            to_vip(43, &[&header, &w.syn()[40..]])
        },
    ),
    (
        R::WrongChecksum,
        "a SYN, which would count as a sign",
        |w| spoiled(&w.syn()),
    ),
    (
        R::WrongChecksum,
        "a reset, which would end the entry",
        |w| spoiled(&w.rst()),
    ),
    (R::TooBig, "with nobody to be told", |w| {
        let mut config = config(w.encoding);
        config.packet_too_big = false;
        w.engine.set_config(config);
        w.data(FABRIC_MTU_BYTES - 60)
    }),
    (
        R::NoHeadroom,
        "longer than IPv6 can be with a header added",
        |w| {
            let mut config = config(w.encoding);
            config.fabric_mtu_bytes = 100_000;
            w.engine.set_config(config);
            w.data(65_535 - 20)
        },
    ),
    (R::NoCandidates, "everybody drains", |w| {
        use consistent_hash::{Generation, Member, State};
        let drains = |server| Member {
            draining: true,
            ..member(server)
        };
        let now: Vec<Member> = (0..4).map(drains).collect();
        let history: [Generation; 1] = [generation(1, State::Active, &now)];
        w.engine.set_pool(pool(5, 2, &history, true));
        // A new flow: one with an entry keeps it.
        w.port += 1;
        let packet = w.syn();
        w.port -= 1;
        packet
    }),
    (
        R::HopLimit,
        "an error message, about which there is no error",
        |w| {
            let quoted = w.reply(16, NUMBER, b"data");
            let mut packet = super::super::build::icmp(hop(), vip(), 2, 0, 1_400, &quoted);
            assert_eq!(packet[7], HOPS);
            packet[7] = 1;
            w.encoding = Encoding::Encap;
            packet
        },
    ),
];

/// A router on the way to the client.
pub fn hop() -> Ipv6Addr {
    addr("2001:db8:fe::1")
}
