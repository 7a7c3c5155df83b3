//! What servers, and those who pretend to be one, may not send.

use daemon::DropReason as R;

use super::super::build::{
    self, addr, fragment, headers, ipv6, spoiled, srh, udp, with_source, with_target, ACK,
};
use super::super::world::*;
use super::Row;

fn create(world: &World, packet: &[u8]) -> Vec<u8> {
    world.says(1, CREATE, packet)
}

/// createStickiness from a node that isn't a member.
fn create_from(world: &World, sender: std::net::Ipv6Addr) -> Vec<u8> {
    world.carried(sender, lb(CREATE), &world.syn_ack(NUMBER))
}

pub const ROWS: &[Row] = &[
    (R::UnknownSid, "no such function", |w| {
        w.says(1, 0xff00, &w.syn_ack(NUMBER))
    }),
    (R::UnknownSid, "an argument that means nothing", |w| {
        w.says(1, CREATE + 1, &w.syn_ack(NUMBER))
    }),
    (R::UnknownSid, "an address in our locator", |w| {
        w.carried(sid(1, NODE), addr("fd00:1b:1::1:3000"), &w.syn_ack(NUMBER))
    }),
    (R::UnknownSid, "echo to no SID", |_| {
        build::icmp(client(), addr("fd00:1b:1::99"), 128, 0, 1, b"")
    }),
    (R::NotOurFunction, "connectForce", |w| {
        w.says(1, CONNECT_FORCE, &w.syn())
    }),
    (R::NotOurFunction, "recoverStickiness", |w| {
        w.says(1, RECOVER, &w.ack())
    }),
    (R::NotOurFunction, "ackStickiness", |w| {
        w.says(1, ACK_STICKINESS, &w.ack())
    }),
    (R::NotOurFunction, "our node's own SID", |w| {
        w.says(1, NODE, &w.ack())
    }),
    (R::NotEncapsulated, "TCP for a function", |w| {
        with_target(&w.syn(), lb(RETURN_FLOW))
    }),
    (R::NotEncapsulated, "UDP for a function", |_| {
        udp((sid(1, NODE), 9), (lb(CREATE), 9), b"")
    }),
    (R::WrongSegments, "SRH used up", |w| {
        let header = srh(6, 0, &[sid(1, NODE), lb(CREATE)]);
        headers(vip(), lb(CREATE), 43, &[&header, &w.syn_ack(NUMBER)[40..]])
    }),
    (R::WrongSegments, "two segments left", |w| {
        let visited = [sid(1, NODE), lb(CREATE), lb(REMOVE), client()];
        let header = srh(6, 2, &visited);
        headers(vip(), lb(CREATE), 43, &[&header, &w.syn_ack(NUMBER)[40..]])
    }),
    (R::WrongSegments, "a longer list, at its end", |w| {
        let visited = [sid(1, NODE), other_lb(CREATE), lb(CREATE), client()];
        let header = srh(6, 1, &visited);
        headers(vip(), lb(CREATE), 43, &[&header, &w.syn_ack(NUMBER)[40..]])
    }),
    (R::WrongSegments, "a shorter list", |w| {
        let header = srh(6, 1, &[sid(1, NODE), client()]);
        headers(vip(), lb(CREATE), 43, &[&header, &w.syn_ack(NUMBER)[40..]])
    }),
    (R::WrongSegments, "the list says another place", |w| {
        let header = srh(6, 1, &[sid(1, NODE), lb(REMOVE), client()]);
        headers(vip(), lb(CREATE), 43, &[&header, &w.syn_ack(NUMBER)[40..]])
    }),
    (
        R::WrongSegments,
        "an outer header that has further to go",
        |w| {
            let header = srh(41, 1, &[lb(CREATE), lb(REMOVE)]);
            headers(sid(1, NODE), lb(CREATE), 43, &[&header, &w.syn_ack(NUMBER)])
        },
    ),
    (R::UnknownSender, "create, a server of another VIP", |w| {
        create_from(w, sid(4, NODE))
    }),
    (
        R::UnknownSender,
        "create, a server that nobody knows",
        |w| create_from(w, sid(9, NODE)),
    ),
    (R::UnknownSender, "create, an LB", |w| {
        create_from(w, other_lb(NODE))
    }),
    (R::UnknownSender, "create, we ourselves", |w| {
        create_from(w, lb(NODE))
    }),
    (R::UnknownSender, "create, a client", |w| {
        create_from(w, client())
    }),
    (R::UnknownSender, "create, a SID that is no node's", |w| {
        create_from(w, sid(1, ACK_STICKINESS))
    }),
    (
        R::UnknownSender,
        "create, a node's SID with an argument",
        |w| create_from(w, sid(1, NODE + 1)),
    ),
    (
        R::UnknownSender,
        "create, an address in a server's locator",
        |w| create_from(w, addr("fd00:5e:2::7:100")),
    ),
    (R::UnknownSender, "remove, a server of another VIP", |w| {
        w.says(4, REMOVE, &w.reply(build::FIN | ACK, NUMBER, b""))
    }),
    (
        R::UnknownSender,
        "returnFlow, a server of another VIP",
        |w| w.says(4, RETURN_FLOW, &w.ack()),
    ),
    (R::UnknownSender, "returnFlow, an LB", |w| {
        w.carried(other_lb(NODE), lb(RETURN_FLOW), &w.ack())
    }),
    (
        R::UnknownSender,
        "recoverNext, a server of another VIP",
        |w| w.says(4, RECOVER_NEXT, &w.ack()),
    ),
    (R::InnerSource, "create from no VIP", |w| {
        create(w, &with_source(&w.syn_ack(NUMBER), addr("2001:db8:80::9")))
    }),
    (R::InnerSource, "create from a client", |w| {
        create(w, &w.syn())
    }),
    (R::InnerDestination, "create towards a SID", |w| {
        create(w, &with_target(&w.syn_ack(NUMBER), sid(2, CONNECT_FORCE)))
    }),
    (R::InnerDestination, "create towards an LB", |w| {
        create(w, &with_target(&w.syn_ack(NUMBER), other_lb(CREATE)))
    }),
    (R::InnerDestination, "create towards a VIP", |w| {
        create(w, &with_target(&w.syn_ack(NUMBER), other_vip()))
    }),
    (R::InnerDestination, "create towards a group", |w| {
        create(w, &with_target(&w.syn_ack(NUMBER), addr("ff0e::1")))
    }),
    (R::InnerDestination, "remove towards a SID", |w| {
        let end = w.reply(build::FIN | ACK, NUMBER, b"");
        w.says(1, REMOVE, &with_target(&end, sid(2, ACK_STICKINESS)))
    }),
    (R::InnerDestination, "returnFlow towards no VIP", |w| {
        w.says(
            1,
            RETURN_FLOW,
            &with_target(&w.ack(), addr("2001:db8:80::9")),
        )
    }),
    (R::InnerDestination, "recoverNext towards a SID", |w| {
        w.says(
            1,
            RECOVER_NEXT,
            &with_target(&w.ack(), sid(1, ACK_STICKINESS)),
        )
    }),
    (R::ClientInDomain, "returnFlow of a SID's packet", |w| {
        w.says(1, RETURN_FLOW, &with_source(&w.ack(), sid(2, NODE)))
    }),
    (R::ClientInDomain, "returnFlow of a VIP's packet", |w| {
        w.says(1, RETURN_FLOW, &with_source(&w.ack(), other_vip()))
    }),
    (R::WrongChecksum, "create", |w| {
        create(w, &spoiled(&w.syn_ack(NUMBER)))
    }),
    (R::WrongChecksum, "create with data", |w| {
        create(w, &spoiled(&w.reply(ACK, NUMBER, b"the page")))
    }),
    (R::WrongChecksum, "remove", |w| {
        w.says(1, REMOVE, &spoiled(&w.reply(build::RST, 0, b"")))
    }),
    (R::WrongChecksum, "returnFlow, SYN", |w| {
        w.says(1, RETURN_FLOW, &spoiled(&w.syn()))
    }),
    (R::WrongChecksum, "returnFlow, data", |w| {
        w.says(1, RETURN_FLOW, &spoiled(&w.data(10)))
    }),
    (R::WrongChecksum, "recoverNext", |w| {
        w.says(1, RECOVER_NEXT, &spoiled(&w.ack()))
    }),
    (R::Fragment, "inside create", |w| {
        create(w, &fragment(&w.reply(ACK, NUMBER, &[7; 60]), 0, true))
    }),
    (R::Fragment, "inside returnFlow", |w| {
        w.says(1, RETURN_FLOW, &fragment(&w.data(60), 0, true))
    }),
    (R::Fragment, "of the outer packet, the first", |w| {
        fragment(
            &build::encap(
                sid(1, NODE),
                &[lb(CREATE)],
                0,
                &w.reply(ACK, NUMBER, &[7; 4]),
            ),
            0,
            true,
        )
    }),
    (R::Fragment, "of the outer packet, a later one", |w| {
        fragment(
            &build::encap(sid(1, NODE), &[lb(CREATE)], 0, &w.syn_ack(NUMBER)),
            64,
            false,
        )
    }),
    (R::UnsupportedProtocol, "remove on UDP", |w| {
        w.says(1, REMOVE, &udp((vip(), 80), (client(), w.port), b"answer"))
    }),
    (R::WrongChecksum, "create on UDP", |w| {
        create(
            w,
            &spoiled(&udp((vip(), 80), (client(), w.port), b"answer")),
        )
    }),
    (R::UnsupportedProtocol, "create on ICMPv6", |w| {
        create(w, &build::icmp(vip(), client(), 129, 0, 1, b""))
    }),
    (R::WrongChecksum, "returnFlow of UDP", |w| {
        let datagram = udp((client(), w.port), (vip(), 80), b"question");
        w.says(1, RETURN_FLOW, &spoiled(&datagram))
    }),
    (
        R::UnsupportedProtocol,
        "returnFlow of an echo request",
        |w| {
            w.says(
                1,
                RETURN_FLOW,
                &build::icmp(client(), vip(), 128, 0, 1, b""),
            )
        },
    ),
    (
        R::UnsupportedProtocol,
        "a packet in a packet in a packet",
        |w| {
            let inner = ipv6(vip(), client(), 41, &w.syn_ack(NUMBER));
            build::encap(sid(1, NODE), &[lb(CREATE)], 0, &inner)
        },
    ),
    (
        R::RoutingTowardsVip,
        "an SRH inside an encapsulation",
        |w| {
            let header = srh(6, 1, &[sid(2, NODE), lb(REMOVE), client()]);
            let inner = headers(vip(), client(), 43, &[&header, &w.syn_ack(NUMBER)[40..]]);
            build::encap(sid(1, NODE), &[lb(CREATE)], 0, &inner)
        },
    ),
    (R::NotIpv6, "inside an encapsulation", |w| {
        let mut inner = w.syn_ack(NUMBER);
        inner[0] = 0x45;
        build::encap(sid(1, NODE), &[lb(CREATE)], 0, &inner)
    }),
    (R::Ipv6Truncated, "an encapsulation of nothing", |_| {
        build::encap(sid(1, NODE), &[lb(RETURN_FLOW)], 0, b"")
    }),
    (R::PayloadLength, "an encapsulation that ends early", |w| {
        let inner = w.syn_ack(NUMBER);
        build::encap(sid(1, NODE), &[lb(CREATE)], 0, &inner[..inner.len() - 1])
    }),
    (R::TcpDataOffset, "inside a function", |w| {
        let mut inner = w.syn_ack(NUMBER);
        inner[52] = 0xf0;
        create(w, &inner)
    }),
    (R::LosersSynAck, "of a server that is too late", |w| {
        let server = match w.entry() {
            Entry::Confirmed(server) | Entry::Unconfirmed(server, _) => server,
            _ => {
                w.make(Entry::Unconfirmed(3, NUMBER));
                3
            }
        };
        let number = w.number_of(w.pin().unwrap());
        w.says((server + 1) % 4, CREATE, &w.syn_ack(number))
    }),
    (R::RecoveryEnded, "behind the last chunk", |w| {
        let packet = no_entry(w);
        w.says(3, RECOVER_NEXT + 1, &packet)
    }),
    (R::RecoveryEnded, "behind chunk 255", |w| {
        let packet = no_entry(w);
        w.says(3, RECOVER_NEXT + 255, &packet)
    }),
];

/// A packet of a flow without an entry.
fn no_entry(world: &mut World) -> Vec<u8> {
    world.port += 1;
    let packet = world.ack();
    world.port -= 1;
    packet
}
