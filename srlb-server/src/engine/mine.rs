//! Is this packet mine? What the numbers in the table and the kernel's socket say (docs/protocol.md, "Mine").

use srh::parse::Tcp;

use super::contract::Limits;
use super::entry::{distance, Entry};
use super::verdict::SocketAnswer;

/// Whose packet it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Ours.
    Mine,
    /// Not ours.
    NotMine,
    /// The kernel waits for the answer to a SYN-ACK that this router hasn't seen.
    Unknown,
}

impl Answer {
    fn mine_if(yes: bool) -> Self {
        match yes {
            true => Answer::Mine,
            false => Answer::NotMine,
        }
    }
}

/// The check that a hunt starts: only what answers our SYN-ACK is ours.
///
/// An RST without ACK has no number to check; the kernel judges it by its sequence number, once there
/// is a SYN-ACK that it can answer.
pub fn answers_syn_ack(entry: &Entry, tcp: &Tcp) -> Answer {
    if tcp.has(Tcp::RST) && !tcp.has(Tcp::ACK) {
        return Answer::mine_if(entry.numbers.any_seen());
    }
    Answer::mine_if(tcp.has(Tcp::ACK) && entry.numbers.answered_by(tcp.ack))
}

/// The largest window that TCP has (RFC 7323 section 2.3): nothing further from a number known for sure
/// belongs to the same connection.
const LARGEST_WINDOW: u32 = 1 << 30;

/// A connection that was ours a moment ago: does this packet go on where it was, so that nobody need be asked?
pub fn goes_on(entry: &Entry, tcp: &Tcp, limits: &Limits) -> bool {
    let is_near = |near| distance(tcp.ack, near) <= limits.window_bytes;
    !tcp.has(Tcp::ACK)
        || (entry.near().is_some_and(is_near) && !entry.numbers.is_before_start(tcp.ack))
}

/// After the application's FIN: nothing above FIN + 1, nor further than a window below, nor before the start.
pub fn fits_fin(entry: &Entry, fin: u32, tcp: &Tcp, limits: &Limits) -> Answer {
    if !tcp.has(Tcp::ACK) {
        return Answer::Mine;
    }
    if entry.numbers.is_before_start(tcp.ack) {
        return Answer::NotMine;
    }
    let end = fin.wrapping_add(1);
    // What was acknowledged last may lie further back than a window, if that much is under way.
    let una = entry
        .near()
        .filter(|&near| end.wrapping_sub(near) <= LARGEST_WINDOW)
        .unwrap_or(end);
    Answer::mine_if(is_within(tcp.ack, una, end, limits))
}

/// What the kernel's answer says about a packet.
pub fn by_socket(
    entry: Option<&Entry>,
    tcp: &Tcp,
    socket: SocketAnswer,
    limits: &Limits,
) -> Answer {
    if !socket.is_a_connection() {
        return Answer::NotMine;
    }
    if tcp.is_syn() || !tcp.has(Tcp::ACK) {
        return Answer::Mine;
    }
    let unknown = Entry::default();
    let entry = entry.unwrap_or(&unknown);
    match (socket, entry.fin()) {
        _ if entry.numbers.is_before_start(tcp.ack) => Answer::NotMine,
        (SocketAnswer::SynReceived, _) => fits_syn_received(entry, tcp),
        (_, Some(fin)) => fits_fin(entry, fin, tcp, limits),
        (SocketAnswer::Open { acked, sent }, None) => fits_open(entry, tcp, acked, sent, limits),
        // All is said on both sides, and we don't know its numbers: this is more likely a later connection of the
        // same ports, elsewhere. If nobody else owns it the packet comes back to our kernel.
        (SocketAnswer::TimeWait, None) => Answer::NotMine,
        (SocketAnswer::Ended { sent }, None) => fits_near(entry, tcp, sent),
        _ => fits_near(entry, tcp, None),
    }
}

fn fits_syn_received(entry: &Entry, tcp: &Tcp) -> Answer {
    match entry.numbers {
        numbers if numbers.is_unreliable() => Answer::Mine,
        numbers if !numbers.any_seen() => Answer::Unknown,
        numbers => Answer::mine_if(numbers.answered_by(tcp.ack)),
    }
}

/// An established connection: something in [una - window, nxt] is acknowledged, as far as that is known.
fn fits_open(
    entry: &Entry,
    tcp: &Tcp,
    acked: Option<u64>,
    sent: Option<u64>,
    limits: &Limits,
) -> Answer {
    let (Some(initial), Some(acked), Some(sent)) = (entry.numbers.initial(), acked, sent) else {
        return fits_near(entry, tcp, sent);
    };
    // The first byte follows the SYN; a FIN that was sent counts one more.
    let first = initial.wrapping_add(1);
    let una = first.wrapping_add(acked as u32);
    let nxt = first.wrapping_add(sent as u32).wrapping_add(1);
    Answer::mine_if(is_within(tcp.ack, una, nxt, limits))
}

/// A connection of which we know at most where it once was, and perhaps how many bytes it has sent in all. What
/// isn't known fits.
fn fits_near(entry: &Entry, tcp: &Tcp, sent: Option<u64>) -> Answer {
    let most = match sent {
        // Our kernel's number lies among these bytes, and so does whatever acknowledges one of them; a FIN counts
        // one more. SYN-ACKs may be of two attempts, and say nothing about which is meant.
        Some(sent) if !entry.numbers.any_seen() => sent.saturating_add(1),
        _ => LARGEST_WINDOW.into(),
    };
    let fits = |near| u64::from(distance(tcp.ack, near)) <= most.min(LARGEST_WINDOW.into());
    Answer::mine_if(entry.surely_sent().is_none_or(fits))
}

/// Is `ack` in [una - window, nxt], on the circle of sequence numbers?
fn is_within(ack: u32, una: u32, nxt: u32, limits: &Limits) -> bool {
    let lowest = una.wrapping_sub(limits.window_bytes);
    ack.wrapping_sub(lowest) <= nxt.wrapping_sub(lowest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: u32 = 8 << 20;

    fn packet(flags: u8, ack: u32) -> Tcp {
        Tcp {
            src_port: 1,
            dst_port: 2,
            seq: 9,
            ack,
            flags,
            header_len: 20,
            data_len: 0,
        }
    }

    fn ack(number: u32) -> Tcp {
        packet(Tcp::ACK, number)
    }

    fn entry(numbers: &[u32], fin: Option<u32>) -> Entry {
        let mut entry = Entry::default();
        for &number in numbers {
            entry.saw_syn_ack(number, &Limits::default());
        }
        if let Some(fin) = fin {
            entry.saw_fin(fin);
        }
        entry
    }

    /// A connection that has sent more than can be told from its numbers.
    fn long(start: u32, fin: Option<u32>) -> Entry {
        let mut entry = entry(&[start], fin);
        entry.acknowledged(start.wrapping_add(LARGEST_WINDOW + 1), &Limits::default());
        entry.sent_up_to(start.wrapping_add(1));
        entry
    }

    const ENDED: SocketAnswer = SocketAnswer::Ended { sent: None };

    fn judged(entry: Option<&Entry>, tcp: &Tcp, socket: SocketAnswer) -> Answer {
        by_socket(entry, tcp, socket, &Limits::default())
    }

    #[test]
    fn no_socket_is_never_mine() {
        for tcp in [ack(1), packet(Tcp::SYN, 0), packet(Tcp::RST, 0)] {
            assert_eq!(judged(None, &tcp, SocketAnswer::None), Answer::NotMine);
        }
    }

    #[test]
    fn syn_received_wants_the_number_of_its_syn_ack() {
        let socket = SocketAnswer::SynReceived;
        let known = entry(&[100], None);
        assert_eq!(judged(Some(&known), &ack(101), socket), Answer::Mine);
        assert_eq!(judged(Some(&known), &ack(102), socket), Answer::NotMine);
        assert_eq!(judged(None, &ack(101), socket), Answer::Unknown);
        assert_eq!(
            judged(Some(&entry(&[], None)), &ack(101), socket),
            Answer::Unknown
        );
        assert_eq!(
            judged(Some(&entry(&[1, 2, 3], None)), &ack(77), socket),
            Answer::Mine
        );
        assert_eq!(
            judged(None, &packet(Tcp::SYN, 0), socket),
            Answer::Mine,
            "a SYN fits any socket"
        );
    }

    #[test]
    fn established_wants_a_number_in_its_window() {
        let socket = SocketAnswer::Open {
            acked: Some(1000),
            sent: Some(3000),
        };
        let start = u32::MAX - 500;
        let (known, far) = (entry(&[start], None), long(start, None));
        let at = |n: i64| start.wrapping_add(1).wrapping_add(n as u32);
        for (entry, n, want) in [
            (&known, -1, Answer::NotMine),
            (&known, 0, Answer::Mine),
            (&known, 1000, Answer::Mine),
            (&known, 3001, Answer::Mine),
            (&known, 3002, Answer::NotMine),
            (&far, 3001, Answer::Mine),
            (&far, 3002, Answer::NotMine),
            (&far, 1000 - i64::from(WINDOW), Answer::Mine),
            (&far, 999 - i64::from(WINDOW), Answer::NotMine),
        ] {
            assert_eq!(judged(Some(entry), &ack(at(n)), socket), want, "{n}");
        }
        let unknown = SocketAnswer::Open {
            acked: None,
            sent: None,
        };
        assert_eq!(
            judged(Some(&known), &ack(at(1 << 30)), unknown),
            Answer::Mine
        );
        assert_eq!(judged(None, &ack(5), socket), Answer::Mine);
    }

    #[test]
    fn after_the_fin_nothing_above_it() {
        let near = entry(&[u32::MAX - 500], Some(u32::MAX));
        let far = long(1, Some(u32::MAX));
        for socket in [ENDED, SocketAnswer::TimeWait] {
            for (ended, number, want) in [
                (&near, 0, Answer::Mine),
                (&near, 1, Answer::NotMine),
                (&near, u32::MAX - 499, Answer::Mine),
                (&near, u32::MAX - 500, Answer::NotMine),
                (&far, 0, Answer::Mine),
                (&far, u32::MAX, Answer::Mine),
                (&far, 1, Answer::NotMine),
                (&far, 0u32.wrapping_sub(WINDOW), Answer::Mine),
                (&far, 0u32.wrapping_sub(WINDOW + 1), Answer::NotMine),
            ] {
                assert_eq!(judged(Some(ended), &ack(number), socket), want, "{number}");
            }
        }
    }

    #[test]
    fn a_hunt_owns_nothing_before_its_syn_ack() {
        let hunted = entry(&[], None);
        assert_eq!(answers_syn_ack(&hunted, &ack(1)), Answer::NotMine);
        assert_eq!(
            answers_syn_ack(&hunted, &packet(Tcp::RST, 0)),
            Answer::NotMine
        );
        let answered = entry(&[41], None);
        assert_eq!(answers_syn_ack(&answered, &ack(42)), Answer::Mine);
        assert_eq!(answers_syn_ack(&answered, &ack(43)), Answer::NotMine);
        assert_eq!(
            answers_syn_ack(&answered, &packet(Tcp::RST, 0)),
            Answer::Mine
        );
        let wrong = packet(Tcp::RST | Tcp::ACK, 5);
        assert_eq!(answers_syn_ack(&answered, &wrong), Answer::NotMine);
    }

    #[test]
    fn what_goes_on_where_it_was_needs_no_socket() {
        let (mut known, limits) = (entry(&[], None), Limits::default());
        assert!(!goes_on(&known, &ack(7), &limits), "nothing is known yet");
        assert!(
            goes_on(&known, &packet(Tcp::RST, 0), &limits),
            "it has no number"
        );
        let near = u32::MAX - 5;
        known.acknowledged(near, &limits);
        for (distance, want) in [
            (0, true),
            (WINDOW, true),
            (WINDOW + 1, false),
            (1 << 31, false),
        ] {
            assert_eq!(
                goes_on(&known, &ack(near.wrapping_add(distance)), &limits),
                want
            );
            assert_eq!(
                goes_on(&known, &ack(near.wrapping_sub(distance)), &limits),
                want
            );
        }
    }

    #[test]
    fn a_guess_refuses_nobody_and_our_kernels_number_does() {
        let socket = SocketAnswer::Open {
            acked: Some(5),
            sent: Some(5),
        };
        let mut known = entry(&[], None);
        known.acknowledged(1000, &Limits::default());
        let far = ack(1000 + LARGEST_WINDOW + 1);
        for socket in [socket, ENDED] {
            assert_eq!(judged(Some(&known), &far, socket), Answer::Mine);
        }
        known.sent_up_to(1000);
        let uncounted = SocketAnswer::Open {
            acked: None,
            sent: None,
        };
        for socket in [uncounted, ENDED] {
            assert_eq!(judged(Some(&known), &far, socket), Answer::NotMine);
            let at_edge = ack(1000 + LARGEST_WINDOW);
            assert_eq!(judged(Some(&known), &at_edge, socket), Answer::Mine);
        }
    }

    #[test]
    fn who_has_sent_little_is_acknowledged_nothing_further_than_that() {
        let socket = SocketAnswer::Open {
            acked: Some(0),
            sent: Some(1_397),
        };
        let mut known = entry(&[], None);
        known.sent_up_to(u32::MAX);
        let at = |n: i32| ack(u32::MAX.wrapping_add_signed(n));
        for (n, want) in [
            (1_398, Answer::Mine),
            (-1_398, Answer::Mine),
            (1_399, Answer::NotMine),
            (-1_399, Answer::NotMine),
        ] {
            assert_eq!(judged(Some(&known), &at(n), socket), want, "{n}");
        }
        let much = SocketAnswer::Open {
            acked: Some(0),
            sent: Some(1 << 40),
        };
        let largest = LARGEST_WINDOW as i32;
        assert_eq!(judged(Some(&known), &at(largest), much), Answer::Mine);
        assert_eq!(
            judged(Some(&known), &at(largest + 1), much),
            Answer::NotMine
        );
        let two_attempts = entry(&[5, 900_000], None);
        assert_eq!(judged(Some(&two_attempts), &ack(6), socket), Answer::Mine);
    }

    #[test]
    fn a_time_wait_whose_fin_we_have_not_seen_takes_nothing_but_syns() {
        let socket = SocketAnswer::TimeWait;
        let mut known = entry(&[], None);
        known.sent_up_to(1_000);
        for entry in [None, Some(&known)] {
            for flags in [Tcp::ACK, Tcp::ACK | Tcp::FIN] {
                let late = packet(flags, 1_000);
                assert_eq!(judged(entry, &late, socket), Answer::NotMine);
            }
            let syn = packet(Tcp::SYN, 0);
            assert_eq!(judged(entry, &syn, socket), Answer::Mine);
        }
    }

    #[test]
    fn a_lot_may_be_under_way_before_a_fin() {
        let mut known = entry(&[100], None);
        known.acknowledged(1_000, &Limits::default());
        let fin = 1_000 + 100 * WINDOW;
        known.saw_fin(fin);
        let socket = ENDED;
        assert_eq!(judged(Some(&known), &ack(1_000), socket), Answer::Mine);
        let beyond = ack(fin + 2);
        assert_eq!(judged(Some(&known), &beyond, socket), Answer::NotMine);
    }

    #[test]
    fn who_walks_the_number_away_step_by_step_locks_nobody_out() {
        let (mut known, limits) = (entry(&[], None), Limits::default());
        known.sent_up_to(1_000);
        let mut forged = 1_000u32;
        for _ in 0..200 {
            forged = forged.wrapping_add(WINDOW);
            assert!(goes_on(&known, &ack(forged), &limits));
            known.acknowledged(forged, &limits);
        }
        let socket = SocketAnswer::Open {
            acked: None,
            sent: None,
        };
        assert!(!goes_on(&known, &ack(1_000), &limits), "it asks the kernel");
        assert_eq!(judged(Some(&known), &ack(1_000), socket), Answer::Mine);
    }
}
