//! ICMPv6 that is not answered, not sent on, or not believed.

use daemon::DropReason as R;

use super::super::build::{self, fragment, icmp, spoiled, with_target, ACK};
use super::super::world::*;
use super::packets::hop;
use super::Row;

/// Packet Too Big for the VIP about `quoted`.
fn too_big(quoted: &[u8]) -> Vec<u8> {
    icmp(hop(), vip(), 2, 0, 1_400, quoted)
}

/// An error about a packet that we sent to a server.
fn about_ours(kind: u8, packet: &[u8]) -> Vec<u8> {
    let sent = build::encap(lb(NODE), &[sid(1, ACK_STICKINESS)], 7, packet);
    icmp(hop(), lb(NODE), kind, 0, 1_400, &sent)
}

pub const ROWS: &[Row] = &[
    (
        R::IcmpRate,
        "a packet that is too big, and no message left",
        |w| {
            let mut config = config(w.encoding);
            config.icmp_rate_pps = 0;
            w.engine.set_config(config);
            w.data(FABRIC_MTU_BYTES - 60)
        },
    ),
    (R::IcmpIgnored, "echo reply to the VIP", |_| {
        icmp(client(), vip(), 129, 0, 1, b"")
    }),
    (R::IcmpIgnored, "neighbour advertisement", |_| {
        icmp(client(), vip(), 136, 0, 0, &vip().octets())
    }),
    (R::IcmpIgnored, "echo reply of somebody", |_| {
        icmp(client(), lb(NODE), 129, 0, 1, b"")
    }),
    (R::IcmpIgnored, "echo reply of a server", |_| {
        icmp(sid(1, NODE), lb(NODE), 129, 0, 1, b"")
    }),
    (R::IcmpIgnored, "an error for a function's SID", |w| {
        let sent = build::encap(lb(CREATE), &[sid(1, ACK_STICKINESS)], 7, &w.ack());
        icmp(hop(), lb(CREATE), 2, 0, 1_400, &sent)
    }),
    (R::IcmpIgnored, "Time Exceeded about ours", |w| {
        about_ours(3, &w.ack())
    }),
    (R::IcmpIgnored, "Unreachable about ours", |w| {
        about_ours(1, &w.ack())
    }),
    (
        R::IcmpIgnored,
        "Packet Too Big about an error inside ours",
        |w| {
            let inside = too_big(&w.reply(ACK, NUMBER, b""));
            about_ours(2, &inside)
        },
    ),
    (R::IcmpUnmatched, "an error that quotes nothing", |_| {
        too_big(b"")
    }),
    (R::IcmpUnmatched, "an error that quotes rubbish", |_| {
        too_big(&[0x6f; 60])
    }),
    (R::IcmpUnmatched, "an error about a client's packet", |w| {
        too_big(&w.ack())
    }),
    (
        R::IcmpUnmatched,
        "an error about another VIP's packet",
        |w| too_big(&build::with_source(&w.reply(ACK, NUMBER, b""), other_vip())),
    ),
    (R::IcmpUnmatched, "an error about SCTP", |w| {
        let mut sctp = w.reply(ACK, NUMBER, b"");
        sctp[6] = 132;
        too_big(&sctp)
    }),
    (R::IcmpUnmatched, "an error about a later fragment", |w| {
        too_big(&fragment(&w.reply(ACK, NUMBER, b"12345678"), 64, true))
    }),
    (
        R::IcmpUnmatched,
        "Packet Too Big, about another LB's packet",
        |w| {
            let sent = build::encap(other_lb(NODE), &[sid(1, ACK_STICKINESS)], 7, &w.ack());
            icmp(hop(), lb(NODE), 2, 0, 1_400, &sent)
        },
    ),
    (
        R::IcmpUnmatched,
        "Packet Too Big, about nothing encapsulated",
        |_| {
            let sent = icmp(lb(NODE), sid(1, NODE), 128, 0, 1, b"");
            icmp(hop(), lb(NODE), 2, 0, 1_400, &sent)
        },
    ),
    (
        R::IcmpUnmatched,
        "Packet Too Big, about a packet to no VIP",
        |w| about_ours(2, &with_target(&w.ack(), build::addr("2001:db8::9"))),
    ),
    (
        R::IcmpUnmatched,
        "Packet Too Big, about a SID's packet",
        |w| about_ours(2, &build::with_source(&w.ack(), sid(1, NODE))),
    ),
    (R::WrongChecksum, "echo to the VIP", |_| {
        spoiled(&icmp(client(), vip(), 128, 0, 1, b"ping"))
    }),
    (R::WrongChecksum, "echo to a SID", |_| {
        spoiled(&icmp(client(), lb(NODE), 128, 0, 1, b"ping"))
    }),
    (R::WrongChecksum, "echo reply of a server", |_| {
        spoiled(&icmp(sid(1, NODE), lb(NODE), 129, 0, 1, b"ping"))
    }),
    (R::WrongChecksum, "an error for the VIP", |w| {
        spoiled(&too_big(&w.reply(ACK, NUMBER, b"x")))
    }),
    (R::WrongChecksum, "an error about ours", |w| {
        spoiled(&about_ours(2, &w.ack()))
    }),
    (R::Fragment, "echo in pieces", |_| {
        fragment(&icmp(client(), lb(NODE), 128, 0, 1, &[1; 64]), 0, true)
    }),
    (R::ClientInDomain, "echo to a VIP from a VIP", |_| {
        icmp(other_vip(), vip(), 128, 0, 1, b"")
    }),
];
