//! A slot of the LB's SYN sketch, in every order in which two that write and one that reads may come.

use packet_io::Instant;
use shuttle::sync::Arc;
use shuttle::thread;

use crate::slot::{Seen, Slot};

fn seen(number: u8) -> Seen {
    Seen {
        tag: u64::from(number) << 60 | 7,
        at: Instant::from_micros(u64::from(number) * 1_001),
        first: number.into(),
        times: number,
    }
}

/// Whoever asks for a flow's tag is told what was written under that tag, or finds another tag: that of a slot that is half one
/// flow's and half another's is neither's.
#[test]
fn a_slot_says_nothing_of_a_flow_that_was_not_said_of_it() {
    shuttle::check_dfs(
        || {
            let slot = Arc::new(Slot::default());
            slot.set(seen(1));
            let write = |number| {
                let slot = Arc::clone(&slot);
                thread::spawn(move || slot.set(seen(number)))
            };
            let writers = [write(2), write(3)];
            let found = slot.get();
            for number in 1..=3 {
                let known = seen(number);
                assert!(found.tag != known.tag || found == known, "{found:?}");
            }
            writers
                .into_iter()
                .for_each(|writer| writer.join().unwrap());
        },
        None,
    );
}

/// The same where one of them frees it, for who looks for a place: it is told the age of that flow.
#[test]
fn a_slot_that_is_freed_has_no_flow_s_tag_with_another_age() {
    shuttle::check_dfs(
        || {
            let slot = Arc::new(Slot::default());
            slot.set(seen(1));
            let (freed, taken) = (Arc::clone(&slot), Arc::clone(&slot));
            let writers = [
                thread::spawn(move || freed.free()),
                thread::spawn(move || taken.set(seen(2))),
            ];
            let (tag, age) = slot.tag_and_age();
            for number in 1..=2 {
                let known = seen(number);
                assert!(tag != known.tag || age == known.at.micros() + 1, "{age}");
            }
            writers
                .into_iter()
                .for_each(|writer| writer.join().unwrap());
        },
        None,
    );
}
