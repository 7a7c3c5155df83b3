//! Every row of docs/protocol.md's table for the LB, as packets, in both encodings.

use daemon::DropReason;
use srh::Encoding::{self, Encap, Insert};

use super::build::{ACK, FIN, RST};
use super::world::*;

/// Where a packet is to go.
enum Goes {
    /// Along these SIDs: (server, function).
    Along(Vec<(u16, u16)>),
    /// On to the client, without our headers.
    ToClient(Vec<u8>),
    Dropped(DropReason),
}

struct Row {
    what: &'static str,
    before: Entry,
    packet: Vec<u8>,
    /// The client's packet inside, where one goes along SIDs.
    carries: Vec<u8>,
    goes: Goes,
    after: Entry,
}

fn check(encoding: Encoding, row: Row) {
    let mut world = World::new(encoding);
    world.make(row.before);
    let received = world.send(&row.packet);
    let expected = match row.goes {
        Goes::Along(sids) => {
            let sids: Vec<_> = sids.into_iter().map(|(s, f)| sid(s, f)).collect();
            Out::Sent(world.along(&sids, &row.carries))
        }
        Goes::ToClient(packet) => Out::Sent(packet),
        Goes::Dropped(reason) => Out::Dropped(reason),
    };
    assert_eq!(received, expected, "{encoding:?}: {}", row.what);
    assert_eq!(world.entry(), row.after, "{encoding:?}: {}", row.what);
    let dropped = u64::from(matches!(received, Out::Dropped(_)));
    assert_eq!(world.engine.drops().total(), dropped, "{}", row.what);
}

fn check_all(rows: impl Fn(&World) -> Vec<Row>) {
    for encoding in [Encap, Insert] {
        for row in rows(&World::new(encoding)) {
            check(encoding, row);
        }
    }
}

/// A packet of the client itself.
fn client_row(what: &'static str, before: Entry, packet: &[u8], goes: Goes, after: Entry) -> Row {
    Row {
        what,
        before,
        packet: packet.to_vec(),
        carries: packet.to_vec(),
        goes,
        after,
    }
}

/// The candidates, the last one forced.
fn hunt(world: &World, force: u16) -> Goes {
    let c = world.candidates();
    Goes::Along(vec![(c[0], CONNECT_AVAIL), (c[1], force)])
}

/// The whole recovery list in this order.
fn recover(order: &[u16]) -> Goes {
    let (last, before) = order.split_last().unwrap();
    let mut sids: Vec<_> = before.iter().map(|&s| (s, RECOVER)).collect();
    sids.push((*last, RECOVER_FINAL));
    Goes::Along(sids)
}

fn ack_to(server: u16) -> Goes {
    Goes::Along(vec![(server, ACK_STICKINESS)])
}

#[test]
fn client_packets() {
    use Entry::{Closing, Confirmed, None, Unconfirmed};
    check_all(|w| {
        let (syn, ack, rst) = (w.syn(), w.ack(), w.rst());
        let fin = w.data(3);
        let rows = [
            ("SYN, none", None, &syn, hunt(w, CONNECT_FORCE), None),
            ("ACK, none", None, &ack, recover(&w.recovery()), None),
            ("data, none", None, &fin, recover(&w.recovery()), None),
            ("RST, none", None, &rst, recover(&w.recovery()), None),
            (
                "SYN, STEER",
                Unconfirmed(2, 9),
                &syn,
                ack_to(2),
                Unconfirmed(2, 9),
            ),
            (
                "SYN, confirmed",
                Confirmed(2),
                &syn,
                ack_to(2),
                Confirmed(2),
            ),
            (
                "RST, STEER",
                Unconfirmed(1, 9),
                &rst,
                ack_to(1),
                Unconfirmed(1, 9),
            ),
            (
                "RST, confirmed",
                Confirmed(1),
                &rst,
                ack_to(1),
                Confirmed(1),
            ),
            (
                "ACK, STEER",
                Unconfirmed(0, 9),
                &ack,
                ack_to(0),
                Confirmed(0),
            ),
            (
                "data, confirmed",
                Confirmed(0),
                &fin,
                ack_to(0),
                Confirmed(0),
            ),
            (
                "SYN, CLOSING",
                Closing(3),
                &syn,
                hunt(w, CONNECT_FORCE),
                None,
            ),
            ("ACK, CLOSING", Closing(3), &ack, ack_to(3), Closing(3)),
            ("RST, CLOSING", Closing(3), &rst, ack_to(3), Closing(3)),
        ];
        let row = |(what, before, packet, goes, after): (_, _, &Vec<u8>, _, _)| {
            client_row(what, before, packet, goes, after)
        };
        rows.into_iter().map(row).collect()
    });
}

/// A function of `from` on `carried`; what of it goes on is `carried` itself.
fn server_row(
    world: &World,
    what: &'static str,
    before: Entry,
    (from, function): (u16, u16),
    carried: &[u8],
    after: Entry,
) -> Row {
    Row {
        what,
        before,
        packet: world.says(from, function, carried),
        carries: Vec::new(),
        goes: Goes::ToClient(carried.to_vec()),
        after,
    }
}

#[test]
fn create_on_a_syn_ack() {
    use Entry::{Closing, Confirmed, None, Unconfirmed};
    const N: u32 = NUMBER;
    check_all(|w| {
        let by_1 = Unconfirmed(1, N);
        let passed = [
            ("none", None, by_1),
            ("CLOSING(other)", Closing(2), by_1),
            ("STEER(other), another number", Unconfirmed(2, 9), by_1),
            ("STEER(s), same number", Unconfirmed(1, N), by_1),
            (
                "STEER(s) confirmed, same number",
                Confirmed(1),
                Confirmed(1),
            ),
            ("STEER(s), another number", Unconfirmed(1, 9), by_1),
            ("CLOSING(s)", Closing(1), Closing(1)),
        ];
        let row =
            |(what, before, after)| server_row(w, what, before, (1, CREATE), &w.syn_ack(N), after);
        let mut rows: Vec<Row> = passed.into_iter().map(row).collect();
        let mut again = server_row(
            w,
            "STEER(s) confirmed, another number",
            Confirmed(1),
            (1, CREATE),
            &w.syn_ack(9),
            Unconfirmed(1, 9),
        );
        rows.push(again);
        for (what, before, number) in [
            ("STEER(other), same number", Unconfirmed(2, N), N),
            ("STEER(other) confirmed, same number", Confirmed(2), N),
            ("STEER(other) confirmed, another number", Confirmed(2), 9),
        ] {
            again = server_row(w, what, before, (1, CREATE), &w.syn_ack(number), before);
            again.goes = Goes::Dropped(DropReason::LosersSynAck);
            rows.push(again);
        }
        rows
    });
}

#[test]
fn create_on_anything_else() {
    use Entry::{Closing, Confirmed, None, Unconfirmed};
    check_all(|w| {
        let rows = [
            ("none", None, Confirmed(1)),
            ("STEER(s)", Unconfirmed(1, 9), Confirmed(1)),
            ("STEER(s) confirmed", Confirmed(1), Confirmed(1)),
            ("STEER(other)", Unconfirmed(2, NUMBER), Confirmed(1)),
            ("STEER(other) confirmed", Confirmed(2), Confirmed(1)),
            ("CLOSING(other)", Closing(2), Confirmed(1)),
            ("CLOSING(s)", Closing(1), Closing(1)),
        ];
        let mut all = Vec::new();
        for (what, before, after) in rows {
            for data in [&b""[..], b"the page"] {
                let carried = w.from_vip(ACK, NUMBER, data);
                all.push(server_row(w, what, before, (1, CREATE), &carried, after));
            }
        }
        all
    });
}

#[test]
fn remove() {
    use Entry::{Closing, Confirmed, None, Unconfirmed};
    check_all(|w| {
        let rows = [
            ("STEER(s)", Unconfirmed(1, 9), Closing(1)),
            ("STEER(s) confirmed", Confirmed(1), Closing(1)),
            ("none", None, None),
            ("CLOSING(s)", Closing(1), Closing(1)),
            ("CLOSING(other)", Closing(2), Closing(2)),
            ("STEER(other)", Unconfirmed(2, 9), Unconfirmed(2, 9)),
            ("STEER(other) confirmed", Confirmed(2), Confirmed(2)),
        ];
        let mut all = Vec::new();
        for (what, before, after) in rows {
            for flags in [FIN | ACK, RST, RST | ACK] {
                let carried = w.from_vip(flags, NUMBER, b"");
                all.push(server_row(w, what, before, (1, REMOVE), &carried, after));
            }
        }
        all
    });
}

/// A client packet that server `from` sends back.
fn back_row(
    world: &World,
    what: &'static str,
    before: Entry,
    (from, function): (u16, u16),
    carries: &[u8],
    goes: Goes,
    after: Entry,
) -> Row {
    Row {
        what,
        before,
        packet: world.says(from, function, carries),
        carries: carries.to_vec(),
        goes,
        after,
    }
}

#[test]
fn return_flow_with_a_syn() {
    use Entry::{Closing, Confirmed, None, Unconfirmed};
    check_all(|w| {
        let (c, stranger) = (w.candidates(), w.stranger());
        let with_first = |first: u16, second: u16| {
            Goes::Along(vec![(first, CONNECT_AVAIL), (second, CONNECT_FINAL)])
        };
        let mut rows = Vec::new();
        let mut row = |what, before, from, goes, after| {
            rows.push(back_row(
                w,
                what,
                before,
                (from, RETURN_FLOW),
                &w.syn(),
                goes,
                after,
            ));
        };
        for from in [c[0], c[1], stranger] {
            let order = || match from == c[1] {
                true => with_first(c[1], c[0]),
                false => with_first(c[0], c[1]),
            };
            row("none", None, from, order(), None);
            row("STEER(s)", Unconfirmed(from, 9), from, order(), None);
            row("STEER(s) confirmed", Confirmed(from), from, order(), None);
            row("CLOSING(s)", Closing(from), from, order(), None);
        }
        for before in [Unconfirmed(c[0], 9), Confirmed(c[0]), Closing(c[0])] {
            row(
                "an entry of another",
                before,
                stranger,
                ack_to(c[0]),
                before,
            );
        }
        rows
    });
}

#[test]
fn return_flow_with_anything_else() {
    use Entry::{Closing, Confirmed, None, Unconfirmed};
    check_all(|w| {
        let (list, stranger) = (w.recovery(), w.stranger());
        let mut rows = Vec::new();
        let mut row = |what, before, from, goes, after| {
            let carried = w.data(10);
            rows.push(back_row(
                w,
                what,
                before,
                (from, RETURN_FLOW),
                &carried,
                goes,
                after,
            ));
        };
        for from in [list[0], list[1], stranger] {
            let mut order: Vec<u16> = list.iter().copied().filter(|&s| s != from).collect();
            order.extend(list.iter().copied().filter(|&s| s == from));
            row("none", None, from, recover(&order), None);
            row(
                "STEER(s)",
                Unconfirmed(from, 9),
                from,
                recover(&order),
                None,
            );
            row(
                "STEER(s) confirmed",
                Confirmed(from),
                from,
                recover(&order),
                None,
            );
            row("CLOSING(s)", Closing(from), from, recover(&order), None);
        }
        for before in [
            Unconfirmed(list[0], 9),
            Confirmed(list[0]),
            Closing(list[0]),
        ] {
            row(
                "an entry of another",
                before,
                stranger,
                ack_to(list[0]),
                before,
            );
        }
        rows
    });
}

#[test]
fn recover_next_with_an_entry_of_another() {
    use Entry::{Closing, Confirmed, None, Unconfirmed};
    check_all(|w| {
        let mut rows = Vec::new();
        for before in [Unconfirmed(2, 9), Confirmed(2), Closing(2)] {
            let from = (1, RECOVER_NEXT);
            rows.push(back_row(
                w,
                "of another",
                before,
                from,
                &w.ack(),
                ack_to(2),
                before,
            ));
        }
        // A list of one chunk has no next one.
        for before in [None, Unconfirmed(1, 9), Confirmed(1), Closing(1)] {
            let end = Goes::Dropped(DropReason::RecoveryEnded);
            let from = (1, RECOVER_NEXT);
            rows.push(back_row(w, "the end", before, from, &w.ack(), end, before));
        }
        rows
    });
}
