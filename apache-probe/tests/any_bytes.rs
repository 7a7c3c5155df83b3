//! Whatever bytes somebody may put on a board: never a panic, never a read outside.

mod common;

use std::fs;
use std::os::unix::fs::FileExt;

use apache_probe::layout::KNOWN;
use apache_probe::synthetic::Synthetic;
use apache_probe::{render, Board, Event, Snapshot, Status, Watcher};
use common::place::Place;
use proptest::prelude::*;

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
