//! Boards without an Apache: every layout, every status, and whatever bytes somebody may put there.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use apache_probe::layout::{Geometry, KNOWN};
use apache_probe::synthetic::Synthetic;
use apache_probe::{
    locate, render, Board, Counts, Error, Event, Mpm, Snapshot, Status, Target, Watcher,
};
use proptest::prelude::*;

/// A folder with room for one board.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("scoreboard")
    }

    fn target(&self) -> Target {
        Target::score_board_file(self.path()).ignoring_parent()
    }

    fn map(&self) -> Result<Board, Error> {
        Board::map(&locate(&self.target())?)
    }

    fn writer(&self) -> File {
        OpenOptions::new()
            .write(true)
            .open(self.path())
            .expect("the board's file")
    }
}

fn counts_of(busy: u32, idle: u32) -> Counts {
    Counts {
        busy,
        idle,
        total: busy + idle,
        ..Counts::default()
    }
}

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
fn unknown_size_is_refused_with_what_was_seen() {
    let place = Place::new();
    drop(Synthetic::create(&place.path(), &KNOWN[0], 10, 4).unwrap());
    let bytes = fs::metadata(place.path()).unwrap().len() + 40;
    place.writer().set_len(bytes).unwrap();
    place
        .writer()
        .write_all_at(&bytes.to_ne_bytes(), 0)
        .unwrap();
    let error = place.map().unwrap_err();
    assert!(matches!(error, Error::UnknownLayout { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(&place.path().display().to_string()), "{text}");
    assert!(text.contains("ServerLimit 10, ThreadLimit 4"), "{text}");
    assert!(text.contains(&format!("{bytes} bytes")), "{text}");
    for layout in &KNOWN {
        let known = Geometry::new(layout, 10, 4).unwrap().bytes().to_string();
        assert!(
            text.contains(layout.httpd) && text.contains(&known),
            "{text}"
        );
    }
}

#[test]
fn a_header_that_disagrees_with_the_file_is_refused() {
    for bytes in [0_u64, 1, 63, 1 << 40, u64::MAX] {
        let place = Place::new();
        drop(Synthetic::create(&place.path(), &KNOWN[0], 10, 4).unwrap());
        place
            .writer()
            .write_all_at(&bytes.to_ne_bytes(), 0)
            .unwrap();
        let error = place.map().unwrap_err();
        assert!(
            matches!(error, Error::UnknownLayout { .. }),
            "{bytes}: {error}"
        );
    }
}

#[test]
fn contents_that_cannot_be_are_refused() {
    type Spoil = fn(&Synthetic) -> std::io::Result<()>;
    let spoils: [(&str, Spoil); 4] = [
        ("status 11", |board| board.set_status_number(2, 0, 11)),
        ("status 255", |board| board.set_status_number(31, 0, 255)),
        ("pid 4294967295", |board| board.set_process(3, u32::MAX, 0)),
        ("generation 77", |board| board.set_process(3, 1, 77)),
    ];
    for (what, spoil) in spoils {
        let place = Place::new();
        let made_up = Synthetic::create(&place.path(), &KNOWN[0], 32, 1).unwrap();
        made_up.fill(Status::Ready).unwrap();
        spoil(&made_up).unwrap();
        let error = place.map().unwrap_err();
        assert!(matches!(error, Error::Implausible { .. }), "{error}");
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn boards_being_made_are_not_ready_rather_than_refused() {
    let place = Place::new();
    fs::write(place.path(), b"").unwrap();
    assert!(matches!(place.map(), Err(Error::NotReady { .. })));
    // Sized and zeroed, no header, no limits yet; then with the header.
    place.writer().set_len(96_320).unwrap();
    assert!(matches!(place.map(), Err(Error::NotReady { .. })));
    place
        .writer()
        .write_all_at(&96_320_u64.to_ne_bytes(), 0)
        .unwrap();
    assert!(matches!(place.map(), Err(Error::NotReady { .. })));
}

#[test]
fn what_a_system_v_apr_leaves_at_the_path_is_told() {
    let place = Place::new();
    fs::write(place.path(), 96_320_u64.to_ne_bytes()).unwrap();
    let error = place.map().unwrap_err();
    assert!(matches!(error, Error::SystemV { .. }), "{error}");
    assert!(error.to_string().contains("not supported yet"), "{error}");
}

#[test]
fn paths_that_lead_nowhere_are_told() {
    let place = Place::new();
    let error = place.map().unwrap_err();
    assert!(error.is_absence(), "{error}");
    assert!(error.to_string().contains("/dev/shm/ShM."), "{error}");
    fs::create_dir(place.path()).unwrap();
    assert!(matches!(place.map(), Err(Error::Access { .. })));
    let relative = locate(&Target::score_board_file("logs/scoreboard")).unwrap_err();
    assert!(matches!(relative, Error::NotAbsolute { .. }), "{relative}");
    assert!(locate(&Target::default()).unwrap_err().is_absence());
}

#[test]
fn pid_files_with_anything_in_them() {
    let place = Place::new();
    let target = Target::pid_file(place.path());
    assert!(locate(&target).unwrap_err().is_absence());
    for content in ["0", "-1", "99999999999", "x", "1 2", "\u{0}"] {
        fs::write(place.path(), content).unwrap();
        let error = locate(&target).unwrap_err();
        assert!(
            matches!(error, Error::BadPidFile { .. }),
            "{content:?}: {error}"
        );
    }
    fs::write(place.path(), " \n").unwrap();
    assert!(matches!(locate(&target), Err(Error::NotReady { .. })));
    // No Linux pid is that high.
    fs::write(place.path(), "4194305\n").unwrap();
    assert!(locate(&target).unwrap_err().is_absence());
}

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

/// What every board must satisfy, whatever is on it.
fn read_everything(board: &Board) {
    let counts = board.counts();
    let slots = board.geometry().server_limit() * board.geometry().thread_limit();
    assert_eq!(counts.total, counts.busy + counts.idle);
    assert!(counts.total + counts.starting + counts.leaving + counts.unknown <= slots);
    let snapshot = Snapshot::of(board, None);
    assert_eq!(snapshot.letters().len(), slots as usize);
    assert!(!render(&snapshot).is_empty());
}

proptest! {
    /// Any bytes: a board or an error, never a panic, never a read outside (which would be one, or a signal).
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..4000)) {
        let place = Place::new();
        fs::write(place.path(), &bytes).unwrap();
        prop_assert!(place.map().is_err(), "4000 random bytes are no board");
    }

    /// A right header with any numbers as limits before any contents.
    #[test]
    fn any_limits(servers in any::<u32>(), threads in any::<u32>(), small in any::<bool>(), length in 32_usize..6000) {
        let place = Place::new();
        let (servers, threads) = if small { (servers % 20, threads % 4) } else { (servers, threads) };
        let mut bytes = vec![0; length];
        bytes[..8].copy_from_slice(&(length as u64).to_ne_bytes());
        bytes[8..12].copy_from_slice(&servers.to_ne_bytes());
        bytes[12..16].copy_from_slice(&threads.to_ne_bytes());
        fs::write(place.path(), &bytes).unwrap();
        if let Ok(board) = place.map() {
            prop_assert_eq!(board.geometry().bytes(), length);
            read_everything(&board);
        }
    }

    /// A real layout with any statuses: the counts are those of a plain count over what was written.
    #[test]
    fn any_statuses(layout in 0..KNOWN.len(), threads in 1_u32..5, statuses in proptest::collection::vec(0_u8..=10, 1..120)) {
        let place = Place::new();
        let servers = u32::try_from(statuses.len()).unwrap().div_ceil(threads);
        let made_up = Synthetic::create(&place.path(), &KNOWN[layout], servers, threads).unwrap();
        made_up.fill(Status::Dead).unwrap();
        for (index, &status) in (0_u32..).zip(&statuses) {
            made_up.set_status_number(index / threads, index % threads, status).unwrap();
        }
        let board = place.map().unwrap();
        let in_range = |low: u8, high: u8| statuses.iter().filter(|&&s| (low..=high).contains(&s)).count() as u32;
        let counts = board.counts();
        prop_assert_eq!(counts.busy, in_range(3, 9));
        prop_assert_eq!(counts.idle, in_range(2, 2));
        prop_assert_eq!(counts.starting, in_range(1, 1));
        prop_assert_eq!(counts.leaving, in_range(10, 10));
        read_everything(&board);
    }

    /// A board that turns into any bytes while it is mapped, its limits too: never a read outside, and the watcher lets go or goes on.
    #[test]
    fn any_bytes_on_a_mapped_board(threads in 1_u32..5, seed in proptest::collection::vec(any::<u8>(), 1..300)) {
        let place = Place::new();
        let made_up = Synthetic::create(&place.path(), &KNOWN[0], 9, threads).unwrap();
        made_up.fill(Status::Ready).unwrap();
        let mut watcher = Watcher::new(place.target());
        prop_assert_eq!(watcher.check(), Event::Started);
        let board = place.map().unwrap();
        let garbage: Vec<u8> = seed.iter().copied().cycle().take(board.geometry().bytes()).collect();
        place.writer().write_all_at(&garbage, 0).unwrap();
        read_everything(&board);
        let event = watcher.check();
        prop_assert!(event != Event::Started && event != Event::Stopped);
        if let Some(board) = watcher.board() {
            prop_assert_eq!(board.counts().unknown, 0);
        }
    }
}
