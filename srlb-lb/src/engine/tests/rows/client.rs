//! What clients send.

use super::super::world::*;
use super::*;

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
