//! Boards in System V segments, made as an APR with shmget makes them: found by their file, counted, watched, refused.

mod common;

use std::fs;
use std::path::PathBuf;

use apache_probe::layout::{Geometry, Layout, Memory, KNOWN};
use apache_probe::synthetic::Synthetic;
use apache_probe::{Error, Event, Status, Watcher};
use common::place::{counts_of, Place};
use common::segment::MadeUpSegment;

/// A made-up board that is kept as a file beside the segment and copied into it.
struct Made {
    place: Place,
    draft: Place,
    board: Synthetic,
    segment: MadeUpSegment,
}

impl Made {
    fn new(layout: &'static Layout, server_limit: u32, thread_limit: u32) -> Made {
        let (place, draft) = (Place::new(), Place::new());
        let board = Synthetic::create(&draft.path(), layout, server_limit, thread_limit).unwrap();
        let geometry = Geometry::within(Memory::Segment, layout, server_limit, thread_limit);
        let segment = MadeUpSegment::create(&place.path(), geometry.unwrap().bytes());
        let made = Made {
            place,
            draft,
            board,
            segment,
        };
        made.publish();
        made
    }

    fn publish(&self) {
        self.segment.copy_from(&self.draft.path());
    }

    fn path(&self) -> PathBuf {
        self.place.path()
    }
}

#[test]
fn every_layout_is_recognised_and_counted() {
    for layout in &KNOWN {
        let made = Made::new(layout, 8, 4);
        made.board.fill(Status::Ready).unwrap();
        made.board.set_status(7, 3, Status::Write).unwrap();
        made.publish();
        let board = made.place.map().unwrap();
        assert_eq!(board.geometry().layout().httpd, layout.httpd);
        assert_eq!(board.geometry().memory(), Memory::Segment);
        assert_eq!(board.counts(), counts_of(1, 31), "{}", layout.httpd);
        assert_eq!((board.pid(7), board.generation()), (1007, 0));
        made.board.set_status(0, 0, Status::Keepalive).unwrap();
        made.publish();
        assert_eq!(
            board.counts(),
            counts_of(2, 30),
            "{}: seen live",
            layout.httpd
        );
    }
}

#[test]
fn a_dropped_board_is_detached() {
    let made = Made::new(&KNOWN[0], 4, 1);
    let board = made.place.map().unwrap();
    assert_eq!(made.segment.attachments(), 2, "the owner and the board");
    drop(board);
    assert_eq!(made.segment.attachments(), 1);
}

#[test]
fn a_watcher_follows_a_segment_through_restarts() {
    let made = Made::new(&KNOWN[0], 8, 1);
    made.board.fill(Status::Ready).unwrap();
    made.publish();
    let mut watcher = Watcher::new(made.place.target());
    assert_eq!(watcher.check(), Event::Started);
    assert_eq!(watcher.check(), Event::Unchanged);

    made.board.set_generation(1).unwrap();
    made.board.set_process(0, 1000, 1).unwrap();
    made.publish();
    assert_eq!(watcher.check(), Event::GracefulRestart { generation: 1 });
    made.board.set_generation(2).unwrap();
    made.board.set_restart_time_us(7).unwrap();
    made.publish();
    assert_eq!(watcher.check(), Event::HardRestart { generation: 2 });

    // Stopped and started again between two checks: the same path, another segment.
    let Made {
        place,
        draft,
        segment,
        ..
    } = made;
    let bytes = Geometry::within(Memory::Segment, &KNOWN[0], 8, 1)
        .unwrap()
        .bytes();
    segment.remove();
    let again = MadeUpSegment::create(&place.path(), bytes);
    again.copy_from(&draft.path());
    assert_eq!(watcher.check(), Event::Restarted);
    assert_eq!(segment.attachments(), 1, "the old one is let go");
    assert_eq!(again.attachments(), 2);
    again.remove();
    assert_eq!(watcher.check(), Event::Stopped);
    assert_eq!(again.attachments(), 1);
}

/// Who has the segment attached for writing and is no child is the parent; with nobody left, Apache was killed with all its children.
#[test]
fn the_parent_is_who_has_the_segment_attached() {
    let mut made = Made::new(&KNOWN[0], 8, 1);
    made.board.set_process(0, u32::MAX >> 10, 0).unwrap();
    made.publish();
    let target = apache_probe::Target::score_board_file(made.path());
    let mut watcher = Watcher::new(target.clone());
    assert_eq!(watcher.check(), Event::Started);
    let parent = watcher.snapshot().unwrap().parent_pid;
    assert_eq!(parent, Some(std::process::id()));
    made.segment.detach();
    assert_eq!(Watcher::new(target).check(), Event::Killed);
}

#[test]
fn a_file_whose_segment_is_gone_is_no_apache() {
    let made = Made::new(&KNOWN[0], 8, 1);
    made.segment.remove_segment();
    let error = made.place.map().unwrap_err();
    assert!(error.is_absence(), "{error}");
    assert!(error.to_string().contains("System V segment"), "{error}");
}

#[test]
fn a_segment_of_another_size_than_its_file_says_is_somebody_elses() {
    let made = Made::new(&KNOWN[0], 8, 1);
    fs::write(made.path(), 4096_u64.to_ne_bytes()).unwrap();
    assert!(made.place.map().unwrap_err().is_absence());
}

#[test]
fn segments_that_cannot_be_boards_are_refused() {
    let place = Place::new();
    for (what, bytes, contents) in [
        ("random", 5000, vec![0x5a; 5000]),
        ("smaller than any head", 10, vec![1; 10]),
        (
            "limits that don't fit the size",
            5000,
            vec![1, 0, 0, 0, 1, 0, 0, 0],
        ),
    ] {
        let segment = MadeUpSegment::create(&place.path(), bytes);
        segment.write(&contents);
        let error = place.map().unwrap_err();
        assert!(
            matches!(error, Error::UnknownLayout { .. }),
            "{what}: {error}"
        );
        assert!(
            !error.to_string().contains("header says"),
            "{what}: {error}"
        );
        assert_eq!(segment.attachments(), 1, "{what}");
    }
    let segment = MadeUpSegment::create(&place.path(), 5000);
    let error = place.map().unwrap_err();
    assert!(
        matches!(error, Error::NotReady { .. }),
        "no limits yet: {error}"
    );
    drop(segment);
}
