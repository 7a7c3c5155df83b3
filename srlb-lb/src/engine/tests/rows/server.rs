//! createStickiness and removeStickiness.

use super::super::build::{ACK, FIN, RST};
use super::*;

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
        rows.push(server_row(
            w,
            "CLOSING(other), another number",
            Closing(2),
            (1, CREATE),
            &w.syn_ack(9),
            Unconfirmed(1, 9),
        ));
        for (what, before, number) in [
            ("STEER(other), same number", Unconfirmed(2, N), N),
            ("CLOSING(other), same number", Closing(2), N),
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
                let carried = w.reply(ACK, NUMBER, data);
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
                let carried = w.reply(flags, NUMBER, b"");
                all.push(server_row(w, what, before, (1, REMOVE), &carried, after));
            }
        }
        all
    });
}
