//! Counting and drawing boards without an Apache: every layout, every status.

mod common;

use apache_probe::layout::KNOWN;
use apache_probe::synthetic::Synthetic;
use apache_probe::{render, Counts, Mpm, Snapshot, Status};
use common::place::{counts_of, Place};

#[test]
fn every_layout_is_recognised_and_counted() {
    for layout in &KNOWN {
        for (servers, threads) in [(32, 1), (1, 1), (256, 1), (16, 64), (3, 7)] {
            let place = Place::new();
            let made_up = Synthetic::create(&place.path(), layout, servers, threads).unwrap();
            made_up.fill(Status::Ready).unwrap();
            made_up.set_status(0, threads - 1, Status::Write).unwrap();
            made_up.set_status(servers - 1, 0, Status::Read).unwrap();
            let board = place.map().unwrap();
            assert_eq!(board.geometry().layout(), layout);
            let busy = if servers == 1 && threads == 1 { 1 } else { 2 };
            let all = servers * threads;
            assert_eq!(board.counts(), counts_of(busy, all - busy), "{layout:?}");
        }
    }
}

#[test]
fn every_status_is_sorted_as_mod_status_sorts_it() {
    let place = Place::new();
    let made_up = Synthetic::create(&place.path(), &KNOWN[0], 1, 1).unwrap();
    made_up.set_process(0, 4711, 0).unwrap();
    let board = place.map().unwrap();
    for status in Status::ALL {
        made_up.set_status(0, 0, status).unwrap();
        let expected = match status {
            Status::Dead => Counts::default(),
            Status::Starting => Counts {
                starting: 1,
                ..Counts::default()
            },
            Status::Ready => counts_of(0, 1),
            Status::IdleKill => Counts {
                leaving: 1,
                ..Counts::default()
            },
            _ => counts_of(1, 0),
        };
        assert_eq!(board.counts(), expected, "{status:?}");
        assert_eq!(board.status(0, 0), Some(status));
        assert_eq!(Status::from_number(status as u8), Some(status));
    }
}

/// A reader that stops at the first free slot sees none of these.
#[test]
fn slots_after_free_ones_count() {
    let place = Place::new();
    let made_up = Synthetic::create(&place.path(), &KNOWN[0], 64, 1).unwrap();
    for slot in [5, 40, 63] {
        made_up.set_process(slot, 100 + slot, 0).unwrap();
        made_up.set_status(slot, 0, Status::Keepalive).unwrap();
    }
    made_up.set_process(62, 99, 0).unwrap();
    made_up.set_status(62, 0, Status::Ready).unwrap();
    assert_eq!(place.map().unwrap().counts(), counts_of(3, 1));
}

#[test]
fn processes_without_pid_quiescing_or_old_do_not_count_as_capacity() {
    let place = Place::new();
    let made_up = Synthetic::create(&place.path(), &KNOWN[0], 4, 8).unwrap();
    made_up.set_generation(1).unwrap();
    for slot in 0..4 {
        made_up.set_process(slot, 100 + slot, 1).unwrap();
        for thread in 0..6 {
            made_up.set_status(slot, thread, Status::Ready).unwrap();
        }
        made_up.set_status(slot, 6, Status::Write).unwrap();
        made_up.set_status(slot, 7, Status::Starting).unwrap();
    }
    made_up.set_process(1, 0, 1).unwrap(); // no process any more
    made_up.set_quiescing(2, true).unwrap();
    made_up.set_process(3, 103, 0).unwrap(); // of the generation before
    made_up.set_not_accepting(0, true).unwrap();
    let expected = Counts {
        busy: 2,
        idle: 6,
        total: 8,
        starting: 2,
        leaving: 8 + 6,
        not_accepting: 1,
        unknown: 0,
    };
    assert_eq!(place.map().unwrap().counts(), expected);
}

#[test]
fn a_snapshot_is_drawn_as_mod_status_draws_it() {
    let place = Place::new();
    let made_up = Synthetic::create(&place.path(), &KNOWN[0], 14, 1).unwrap();
    for (slot, status) in Status::ALL.iter().enumerate() {
        let slot = u32::try_from(slot).unwrap();
        made_up.set_process(slot, 100 + slot, 0).unwrap();
        made_up.set_status(slot, 0, *status).unwrap();
    }
    let snapshot = Snapshot::of(&place.map().unwrap(), None);
    assert_eq!(snapshot.letters(), ".S_RWKLDCGI...");
    assert_eq!(snapshot.mpm, Mpm::Prefork);
    let text = render(&snapshot);
    assert!(text.contains("7 busy, 1 idle, 8 in all"), "{text}");
    assert!(text.contains("  .S_RWKLDCGI...\n"), "{text}");
}

#[test]
fn a_threaded_snapshot_has_a_line_for_each_process() {
    let place = Place::new();
    let made_up = Synthetic::create(&place.path(), &KNOWN[0], 3, 4).unwrap();
    made_up.set_process(1, 4711, 0).unwrap();
    made_up.set_quiescing(1, true).unwrap();
    made_up.set_status(1, 2, Status::Closing).unwrap();
    let snapshot = Snapshot::of(&place.map().unwrap(), Some(1));
    assert_eq!(snapshot.processes.len(), 1);
    assert_eq!(snapshot.letters(), "......C.....");
    let text = render(&snapshot);
    assert!(
        text.contains("slot 1 pid 4711") && text.contains("quiescing"),
        "{text}"
    );
    assert!(text.contains("    ..C.\n"), "{text}");
}
