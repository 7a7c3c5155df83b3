//! What a watcher says about boards without an Apache, and about broken ones.

mod common;

use std::fs;

use apache_probe::layout::KNOWN;
use apache_probe::synthetic::Synthetic;
use apache_probe::{Error, Event, Status, Target, Watcher};
use common::place::{counts_of, Place};

#[test]
fn a_watcher_follows_a_made_up_board() {
    let place = Place::new();
    let mut watcher = Watcher::new(place.target());
    assert_eq!(watcher.check(), Event::Stopped);
    let made_up = Synthetic::create(&place.path(), &KNOWN[0], 8, 1).unwrap();
    made_up.fill(Status::Ready).unwrap();
    assert_eq!(watcher.check(), Event::Started);
    assert_eq!(watcher.check(), Event::Unchanged);
    assert_eq!(watcher.board().unwrap().counts(), counts_of(0, 8));

    made_up.set_generation(1).unwrap();
    assert_eq!(
        watcher.check(),
        Event::Unchanged,
        "no child of generation 1 yet"
    );
    made_up.set_process(0, 1000, 1).unwrap();
    assert_eq!(watcher.check(), Event::GracefulRestart { generation: 1 });
    made_up.set_generation(2).unwrap();
    made_up.set_restart_time_us(7).unwrap();
    assert_eq!(watcher.check(), Event::HardRestart { generation: 2 });
    assert_eq!(watcher.check(), Event::Unchanged);

    fs::remove_file(place.path()).unwrap();
    let again = Synthetic::create(&place.path(), &KNOWN[0], 4, 2).unwrap();
    again.fill(Status::Write).unwrap();
    assert_eq!(watcher.check(), Event::Restarted);
    assert_eq!(watcher.board().unwrap().counts(), counts_of(8, 0));
    fs::remove_file(place.path()).unwrap();
    assert_eq!(watcher.check(), Event::Stopped);
    assert!(watcher.board().is_none() && !watcher.is_up());
}

#[test]
fn a_watcher_lets_go_of_a_board_that_shrinks_or_turns_to_garbage() {
    let place = Place::new();
    let made_up = Synthetic::create(&place.path(), &KNOWN[0], 8, 1).unwrap();
    let mut watcher = Watcher::new(place.target());
    assert_eq!(watcher.check(), Event::Started);
    made_up.fill(Status::Ready).unwrap();
    made_up.set_status_number(3, 0, 200).unwrap();
    assert!(matches!(
        watcher.check(),
        Event::Refused(Error::Implausible { .. })
    ));
    assert!(watcher.board().is_none());
    assert!(watcher.reason().is_some());
    made_up.set_status_number(3, 0, 2).unwrap();
    let events: Vec<Event> = (0..20).map(|_| watcher.check()).collect();
    assert_eq!(
        events
            .iter()
            .filter(|event| **event == Event::Started)
            .count(),
        1
    );

    place.writer().set_len(100).unwrap();
    assert!(matches!(
        watcher.check(),
        Event::Refused(Error::Shrunk { .. })
    ));
    assert!(watcher.board().is_none());
}

#[test]
fn a_refusal_is_told_once() {
    let place = Place::new();
    fs::write(place.path(), vec![0x5a; 5000]).unwrap();
    let mut watcher = Watcher::new(place.target());
    assert!(matches!(watcher.check(), Event::Refused(_)));
    for _ in 0..50 {
        assert_eq!(watcher.check(), Event::Unchanged);
    }
}

/// Nobody maps it: an Apache that was killed with all its children.
#[test]
fn a_board_without_any_process_is_a_killed_apaches() {
    let place = Place::new();
    let made_up = Synthetic::create(&place.path(), &KNOWN[0], 8, 1).unwrap();
    let mut watcher = Watcher::new(Target::score_board_file(place.path()));
    assert_eq!(
        watcher.check(),
        Event::Stopped,
        "no child ever: being created"
    );
    made_up.set_process(0, u32::MAX >> 10, 0).unwrap();
    assert_eq!(watcher.check(), Event::Killed);
    assert!(!watcher.is_up());
}
