//! returnFlow and recoverNext.

use super::*;

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
        let again = |first: u16, second: u16| {
            Goes::Along(vec![(first, CONNECT_FINAL), (second, CONNECT_FINAL)])
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
            let order = || match from {
                from if from == c[0] => again(c[1], c[0]),
                from if from == c[1] => again(c[0], c[1]),
                // it was asked by a stale pin, and is no candidate
                _ => Goes::Along(vec![(c[0], CONNECT_AVAIL), (c[1], CONNECT_FORCE)]),
            };
            row("none", None, from, order(), None);
            let fresh = || Goes::Along(vec![(c[0], CONNECT_AVAIL), (c[1], CONNECT_FORCE)]);
            row("STEER(s)", Unconfirmed(from, 9), from, fresh(), None);
            row("STEER(s) confirmed", Confirmed(from), from, fresh(), None);
            row("CLOSING(s)", Closing(from), from, fresh(), None);
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
